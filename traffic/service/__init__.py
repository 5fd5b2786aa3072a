"""``SignalTimingService``: converts, calls the engine, converts back."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from traffic.corridors import Corridor
from traffic.errors import InvalidInputError, NotFoundError, StoppingError
from traffic.greenwave import GreenWave, optimize
from traffic.io.band_messages import struct_from_document
from traffic.io.band_plan_document import answer_document
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
from traffic.service import fields
from traffic.service.bands import band_search
from traffic.service.searches import Context, Deadline, Search, Searches, Step
from traffic.splits import TurnFlows
from traffic.store import PlanStore, StorageError
from traffic.v1 import signal_timing_pb2 as pb
from traffic.v1 import signal_timing_pb2_grpc

HEARTBEAT_S = 30.0


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
        self._searches = Searches()
        loop = asyncio.get_running_loop()

        def told() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is served
                loop.call_soon_threadsafe(self._heard)

        store.watch(told)

    def end_streams(self) -> None:
        """End every watch stream with UNAVAILABLE, so that clients resume elsewhere."""
        self._ending = True
        self._announce()

    def _heard(self) -> None:
        # A database that is gone again speaks again when it is back.
        with contextlib.suppress(StorageError):
            self._read_on()

    def _read_on(self) -> None:
        """Enter the sets that this server or another has kept, and tell the watchers."""
        fresh = self._store.load(self._book.revision)
        for plan_set in fresh:
            self._book.add(plan_set)
        if fresh:
            self._announce()

    async def ListSignals(
        self, request: pb.ListSignalsRequest, context: Context
    ) -> pb.ListSignalsResponse:
        """See proto/traffic/v1."""
        self._check_parent(request.parent)
        ids, token = fields.page(sorted(self._graph.signals), request.page_size, request.page_token)
        signals = [signal_to_proto(self._graph.signals[k], self._city_id) for k in ids]
        return pb.ListSignalsResponse(signals=signals, next_page_token=token)

    async def ListCorridors(
        self, request: pb.ListCorridorsRequest, context: Context
    ) -> pb.ListCorridorsResponse:
        """See proto/traffic/v1."""
        self._check_parent(request.parent)
        ids, token = fields.page(sorted(self._corridors), request.page_size, request.page_token)
        corridors = [corridor_to_proto(self._corridors[key], self._city_id) for key in ids]
        return pb.ListCorridorsResponse(corridors=corridors, next_page_token=token)

    async def OptimizePlans(
        self, request: pb.OptimizePlansRequest, context: Context
    ) -> AsyncIterator[pb.OptimizePlansResponse]:
        """See proto/traffic/v1."""
        self._check_parent(request.parent)
        if request.put_in_force:
            fields.check_request_id(request.request_id)
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
        search = self._plan_search(request, Deadline(context))
        async with self._searches.start(search) as running:
            async for step in running.progress():
                yield pb.OptimizePlansResponse(progress=step)
            wave = await running.answer()
        signal_ids = {key: corridor.signal_ids for key, corridor in self._corridors.items()}
        result = wave_to_proto(wave, signal_ids, self._city_id)
        if request.put_in_force:
            now_ms = self._clock()
            plan_set = self._store.append(
                wave.plans,
                result,
                valid_from_ms=now_ms if valid_from_ms is None else valid_from_ms,
                request_id=request.request_id,
                fingerprint=body,
                now_ms=now_ms,
            )
            result.revision = plan_set.revision
            self._read_on()
        yield pb.OptimizePlansResponse(result=result)

    async def OptimizeBands(
        self, request: pb.OptimizeBandsRequest, context: Context
    ) -> AsyncIterator[pb.OptimizeBandsResponse]:
        """See proto/traffic/v1."""
        self._check_parent(request.parent)
        async with self._searches.start(band_search(request, Deadline(context))) as running:
            async for step in running.progress():
                yield pb.OptimizeBandsResponse(progress=step)
            answer = await running.answer()
        yield pb.OptimizeBandsResponse(answer=struct_from_document(answer_document(answer)))

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
        raise StoppingError(revision)

    def _announce(self) -> None:
        # Whoever waits holds the old event; whoever comes later takes the new one.
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _plan_search(
        self, request: pb.OptimizePlansRequest, deadline: Deadline
    ) -> Search[GreenWave]:
        cycle_s = (request.min_cycle_s or 60, request.max_cycle_s or max(120, request.min_cycle_s))
        if not 30 <= cycle_s[0] <= 300:
            raise InvalidInputError(f"{cycle_s[0]}; expected 30 to 300", where="min_cycle_s")
        if not cycle_s[0] <= cycle_s[1] <= 300:
            raise InvalidInputError(
                f"{cycle_s[1]}; expected {cycle_s[0]} (min_cycle_s) to 300", where="max_cycle_s"
            )
        max_link_m = fields.ranged(request.max_link_m, 1, 100_000, where="max_link_m")
        wanted_s = fields.ranged(request.time_limit_s, 0.1, 3600, where="time_limit_s")
        search = functools.partial(
            optimize,
            self._graph,
            list(self._chosen_corridors(request.corridors).values()),
            turn_flows=self._flows(request.period),
            cycle_s=cycle_s,
            speed_mps=fields.ranged(request.speed_mps, 1, 40, where="speed_mps"),
            max_link_m=max_link_m or 1200.0,
            seed=fields.seed(request.seed),
        )

        def run(
            *, progress: Callable[[Step], object], should_stop: Callable[[], bool]
        ) -> GreenWave:
            limit_s = deadline.limit_s(wanted_s or 60.0)
            return search(time_limit_s=limit_s, progress=progress, should_stop=should_stop)

        return run

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


def _fingerprint(request: pb.OptimizePlansRequest) -> bytes:
    return request.SerializeToString(deterministic=True)
