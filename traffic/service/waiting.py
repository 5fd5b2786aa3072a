"""Who waits for changes of signals, and says when it has told of them; few are told at once."""

import asyncio
import contextlib
from collections.abc import Collection, Iterable
from typing import Self

PUSH_AT_ONCE = 4
"""Watchers that are told at once: the next ones wait until these are. gRPC takes up one new call in
each turn of the loop, so turns must be short while thousands are told."""
PUSH_PATIENCE_S = 0.05
"""How long one that does not take its message holds the others up."""


class Waiting:
    """Somebody who waits for changes of signals, and says when it has told of them."""

    def __init__(self, waiting: "dict[str, set[Waiting]]", signals: Collection[str]) -> None:
        self._waiting = waiting
        self._signals = tuple(signals)
        self._loop = asyncio.get_running_loop()
        self._changed = False
        self._sleeping: asyncio.Future[None] | None = None
        self._told: list[asyncio.Future[None]] = []

    def __enter__(self) -> Self:
        for signal_id in self._signals:
            self._waiting.setdefault(signal_id, set()).add(self)
        return self

    def __exit__(self, *_: object) -> None:
        for signal_id in self._signals:
            self._waiting[signal_id].discard(self)
        self._say_told()

    def wake(self) -> asyncio.Future[None]:
        """Say that something has changed; the answer is done when that was told."""
        told = self._loop.create_future()
        self._told.append(told)
        self._changed = True
        if self._sleeping is not None and not self._sleeping.done():
            self._sleeping.set_result(None)
        return told

    async def wait(self, most_s: float) -> None:
        """Wait for a change, at most so long; what came before was told."""
        if not self._changed:
            # What asyncio.wait_for does costs a task each time.
            self._say_told()
            self._sleeping = self._loop.create_future()
            timer = self._loop.call_later(most_s, _end, self._sleeping)
            try:
                await self._sleeping
            finally:
                timer.cancel()
        self._changed = False

    def _say_told(self) -> None:
        for told in self._told:
            _end(told)
        self._told.clear()


async def tell(waiting: Iterable[Waiting]) -> None:
    """Wake some of those that wait, and the next ones when these have told."""
    told: list[asyncio.Future[None]] = []
    for one in waiting:
        told.append(one.wake())
        if len(told) == PUSH_AT_ONCE:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PUSH_PATIENCE_S):
                    for done in told:
                        await done
            told.clear()


def _end(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
