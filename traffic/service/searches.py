"""Runs searches for calls: one at a time in a thread, with progress, until the call ends."""

import asyncio
import functools
import math
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeAlias, TypeVar

import grpc

from traffic.v1 import signal_timing_pb2 as pb

# Left of a call's deadline for writing and sending the answer.
DEADLINE_RESERVE_S = 1.0
LEAST_LIMIT_S = 0.1

# The stubs make it generic, the class itself is not.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Step(Protocol):
    """A step of any search."""

    @property
    def message(self) -> str:
        """What is being done."""

    @property
    def done_share(self) -> float:
        """Share done, 0 to 1."""

    @property
    def value(self) -> float:
        """Best objective so far, in cycles."""

    @property
    def bound(self) -> float:
        """Its bound, in cycles."""


class Search(Protocol[T_co]):
    """A search that reports its steps and asks whether to stop."""

    def __call__(
        self, *, progress: Callable[[Step], object], should_stop: Callable[[], bool]
    ) -> T_co:
        """Run it."""


class Deadline:
    """How long a call may still take; counted from when it came in."""

    def __init__(self, context: Context) -> None:
        remaining_s = context.time_remaining()
        self._end = math.inf if remaining_s is None else time.monotonic() + remaining_s

    def left_s(self) -> float:
        """Seconds until an answer must be ready; infinite without a deadline."""
        return self._end - time.monotonic() - DEADLINE_RESERVE_S

    def limit_s(self, wanted_s: float) -> float:
        """Cut a time limit to what is left now."""
        return min(wanted_s, max(LEAST_LIMIT_S, self.left_s()))


class Searches:
    """A queue of searches: each takes all cores by itself."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="search")

    def start(self, search: Search[T]) -> "Running[T]":
        """Queue a search; leaving its context stops it."""
        return Running(self._executor, search)


class Running(Generic[T]):
    """A search under way or waiting for its turn."""

    def __init__(self, executor: ThreadPoolExecutor, search: Search[T]) -> None:
        loop = asyncio.get_running_loop()
        self._steps: asyncio.Queue[Step | None] = asyncio.Queue()
        self._stopped = threading.Event()
        self._answer = loop.run_in_executor(
            executor,
            functools.partial(
                search,
                progress=lambda step: loop.call_soon_threadsafe(self._steps.put_nowait, step),
                should_stop=self._stopped.is_set,
            ),
        )
        self._answer.add_done_callback(self._ended)

    def _ended(self, answer: "asyncio.Future[T]") -> None:
        if not answer.cancelled():
            # Seen here, so that a call that was cancelled leaves no unseen error behind.
            answer.exception()
        self._steps.put_nowait(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._answer.cancel()

    async def progress(self) -> AsyncIterator[pb.OptimizeProgress]:
        """Yield every step until the search has ended."""
        while (step := await self._steps.get()) is not None:
            yield pb.OptimizeProgress(
                message=step.message,
                done_share=step.done_share,
                value=step.value,
                bound=step.bound,
            )

    async def answer(self) -> T:
        """Return what the search returned, or raise what it raised."""
        return await self._answer
