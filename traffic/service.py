"""``SignalTimingService``: converts, calls the engine, converts back."""

import asyncio
import functools
import math
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias
from uuid import UUID

import grpc

from traffic.corridors import Corridor
from traffic.errors import InvalidInputError, NotFoundError
from traffic.greenwave import GreenWave, Progress, optimize
from traffic.io.protobuf import (
    corridor_to_proto,
    ms_from_timestamp,
    plan_in_force_to_proto,
    signal_id_from_name,
    signal_to_proto,
    wave_to_proto,
)
from traffic.network import RoadGraph
from traffic.planbook import PlanBook
from traffic.splits import TurnFlows
from traffic.store import PlanStore
from traffic.v1 import signal_timing_pb2 as pb
from traffic.v1 import signal_timing_pb2_grpc

DEFAULT_PAGE = 100
MAX_PAGE = 1000
HEARTBEAT_S = 30.0
# Left of a call's deadline for writing and sending the answer.
DEADLINE_RESERVE_S = 1.0

# The stubs make it generic, the class itself is not.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class SignalTimingService(signal_timing_pb2_grpc.SignalTimingServiceServicer):
    """Serves the signals, corridors and plans of one city.

    Parameters
    ----------
    city_id
        The ``{city}`` of the resource names.
    graph
        The city's road graph.
    corridors
        By id.
    turn_flows
        By demand period; the first one is the default. May be empty.
    store
        Where plan sets are kept; read once, at construction.
    clock
        Now, in UTC epoch milliseconds.
    """

    def __init__(
        self,
        *,
        city_id: str,
        graph: RoadGraph,
        corridors: Mapping[str, Corridor],
        turn_flows: Mapping[str, TurnFlows],
        store: PlanStore,
        clock: Callable[[], int],
    ) -> None:
        self._city_id = city_id
        self._parent = f"cities/{city_id}"
        self._graph = graph
        self._corridors = dict(corridors)
        self._turn_flows = dict(turn_flows)
        self._store = store
        self._clock = clock
        self._book = PlanBook(store.load())
        self._changed = asyncio.Event()
        self._ending = False
        # One search at a time: it takes all cores by itself.
        self._searches = ThreadPoolExecutor(max_workers=1, thread_name_prefix="optimize")

    def end_streams(self) -> None:
        """End every watch stream with UNAVAILABLE, so that clients resume elsewhere."""
        self._ending = True
        self._announce()

    async def ListSignals(
        self, request: pb.ListSignalsRequest, context: Context
    ) -> pb.ListSignalsResponse:
        """See proto/traffic/v1."""
        self._check_parent(request.parent)
        ids, token = _page(sorted(self._graph.signals), request.page_size, request.page_token)
        signals = [signal_to_proto(self._graph.signals[k], self._city_id) for k in ids]
        return pb.ListSignalsResponse(signals=signals, next_page_token=token)

    async def ListCorridors(
        self, request: pb.ListCorridorsRequest, context: Context
    ) -> pb.ListCorridorsResponse:
        """See proto/traffic/v1."""
        self._check_parent(request.parent)
        ids, token = _page(sorted(self._corridors), request.page_size, request.page_token)
        corridors = [corridor_to_proto(self._corridors[key], self._city_id) for key in ids]
        return pb.ListCorridorsResponse(corridors=corridors, next_page_token=token)

    async def OptimizePlans(
        self, request: pb.OptimizePlansRequest, context: Context
    ) -> AsyncIterator[pb.OptimizePlansResponse]:
        """See proto/traffic/v1."""
        self._check_parent(request.parent)
        if request.put_in_force:
            _check_request_id(request.request_id)
            body = _fingerprint(request)
            earlier = self._store.find(request.request_id, body)
            if earlier is not None:
                yield pb.OptimizePlansResponse(result=earlier)
                return
        valid_from_ms = (
            ms_from_timestamp(request.valid_from, where="valid_from")
            if request.HasField("valid_from")
            else None
        )
        search = self._search(request, context.time_remaining())
        steps: asyncio.Queue[Progress | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        stopped = threading.Event()
        answer = loop.run_in_executor(
            self._searches,
            functools.partial(
                search,
                progress=lambda step: loop.call_soon_threadsafe(steps.put_nowait, step),
                should_stop=stopped.is_set,
            ),
        )
        answer.add_done_callback(lambda _: steps.put_nowait(None))
        try:
            while (step := await steps.get()) is not None:
                yield pb.OptimizePlansResponse(
                    progress=pb.OptimizeProgress(
                        message=step.message,
                        done_share=step.done_share,
                        value=step.value,
                        bound=step.bound,
                    )
                )
            wave = await answer
        finally:
            stopped.set()
        signal_ids = {key: corridor.signal_ids for key, corridor in self._corridors.items()}
        result = wave_to_proto(wave, signal_ids, self._city_id)
        if request.put_in_force:
            now_ms = self._clock()
            plan_set, new = self._store.append(
                wave.plans,
                result,
                valid_from_ms=now_ms if valid_from_ms is None else valid_from_ms,
                request_id=request.request_id,
                fingerprint=body,
                now_ms=now_ms,
            )
            if new:
                self._book.add(plan_set)
            result.revision = plan_set.revision
            self._announce()
        yield pb.OptimizePlansResponse(result=result)

    async def GetPlan(self, request: pb.GetPlanRequest, context: Context) -> pb.TimingPlan:
        """See proto/traffic/v1."""
        signal_id = self._signal_id(request.name, where="name")
        time_ms = (
            ms_from_timestamp(request.time, where="time")
            if request.HasField("time")
            else self._clock()
        )
        return plan_in_force_to_proto(self._book.in_force(signal_id, time_ms), self._city_id)

    async def WatchPlans(
        self, request: pb.WatchPlansRequest, context: Context
    ) -> AsyncIterator[pb.WatchPlansResponse]:
        """See proto/traffic/v1."""
        self._check_parent(request.parent)
        if request.revision < 0:
            raise InvalidInputError(f"{request.revision}; expected 0 or more", where="revision")
        chosen = [
            self._signal_id(name, where=f"signals[{k}]") for k, name in enumerate(request.signals)
        ]
        revision = request.revision
        while not self._ending:
            changed = self._changed
            fresh = self._book.since(revision, self._clock(), chosen or None)
            revision = max(revision, self._book.revision)
            yield pb.WatchPlansResponse(
                revision=revision,
                plans=[plan_in_force_to_proto(entry, self._city_id) for entry in fresh],
            )
            try:
                await asyncio.wait_for(changed.wait(), HEARTBEAT_S)
            except TimeoutError:
                continue
        await context.abort(
            grpc.StatusCode.UNAVAILABLE,
            f"the server is stopping; watch again from revision {revision}",
        )

    def _announce(self) -> None:
        # Whoever waits holds the old event; whoever comes later takes the new one.
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _search(
        self, request: pb.OptimizePlansRequest, remaining_s: float | None
    ) -> Callable[..., GreenWave]:
        cycle_s = (request.min_cycle_s or 60, request.max_cycle_s or max(120, request.min_cycle_s))
        if not 30 <= cycle_s[0] <= 300:
            raise InvalidInputError(f"{cycle_s[0]}; expected 30 to 300", where="min_cycle_s")
        if not cycle_s[0] <= cycle_s[1] <= 300:
            raise InvalidInputError(
                f"{cycle_s[1]}; expected {cycle_s[0]} (min_cycle_s) to 300", where="max_cycle_s"
            )
        speed_mps = _ranged(request.speed_mps, 1, 40, where="speed_mps")
        max_link_m = _ranged(request.max_link_m, 1, 100_000, where="max_link_m")
        time_limit_s = _ranged(request.time_limit_s, 0.1, 3600, where="time_limit_s") or 60.0
        if remaining_s is not None:
            time_limit_s = min(time_limit_s, max(0.1, remaining_s - DEADLINE_RESERVE_S))
        return functools.partial(
            optimize,
            self._graph,
            list(self._chosen_corridors(request.corridors).values()),
            turn_flows=self._flows(request.period),
            cycle_s=cycle_s,
            speed_mps=speed_mps,
            max_link_m=max_link_m or 1200.0,
            time_limit_s=time_limit_s,
            seed=request.seed,
        )

    def _chosen_corridors(self, names: Sequence[str]) -> dict[str, Corridor]:
        if not names:
            return self._corridors
        chosen: dict[str, Corridor] = {}
        for k, name in enumerate(names):
            key = name.removeprefix(f"{self._parent}/corridors/")
            if key == name or key not in self._corridors:
                raise NotFoundError(f"no corridor {name!r}", where=f"corridors[{k}]")
            if key in chosen:
                raise InvalidInputError(f"{name!r} stands twice", where=f"corridors[{k}]")
            chosen[key] = self._corridors[key]
        return chosen

    def _flows(self, period: str) -> TurnFlows | None:
        if not period:
            return next(iter(self._turn_flows.values()), None)
        if period not in self._turn_flows:
            known = ", ".join(self._turn_flows) or "none"
            raise NotFoundError(f"no period {period!r}; the city has {known}", where="period")
        return self._turn_flows[period]

    def _check_parent(self, parent: str) -> None:
        if parent != self._parent:
            raise NotFoundError(f"no city {parent!r}; this is {self._parent}", where="parent")

    def _signal_id(self, name: str, *, where: str) -> str:
        signal_id = signal_id_from_name(name, where=where)
        if name != f"{self._parent}/signals/{signal_id}" or signal_id not in self._graph.signals:
            raise NotFoundError(f"no signal {name!r}", where=where)
        return signal_id


def _page(ids: Sequence[str], size: int, token: str) -> tuple[Sequence[str], str]:
    """Cut one page out of sorted ids; the token is the last id of the page before."""
    if not 0 <= size <= MAX_PAGE:
        raise InvalidInputError(f"{size}; expected 0 to {MAX_PAGE}", where="page_size")
    if token and token not in ids:
        raise InvalidInputError("not a token of this list", where="page_token")
    start = ids.index(token) + 1 if token else 0
    page = ids[start : start + (size or DEFAULT_PAGE)]
    more = start + len(page) < len(ids)
    return page, page[-1] if more else ""


def _ranged(value: float, low: float, high: float, *, where: str) -> float | None:
    """Return a field's value, or None where it is 0 (not given)."""
    if value == 0:
        return None
    if not (math.isfinite(value) and low <= value <= high):
        raise InvalidInputError(f"{value:g}; expected {low:g} to {high:g}", where=where)
    return value


def _check_request_id(request_id: str) -> None:
    try:
        UUID(request_id)
    except ValueError:
        raise InvalidInputError(
            f"{request_id[:64]!r}; expected a UUID with put_in_force", where="request_id"
        ) from None


def _fingerprint(request: pb.OptimizePlansRequest) -> bytes:
    return request.SerializeToString(deterministic=True)
