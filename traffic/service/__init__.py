"""``SignalTimingService``: converts, calls the engine, converts back.

- ``desk``: what all calls about plans on the street share; answers once for a request id.
- ``controllers``, ``records``, ``advice``: the calls by who makes them.
- ``searches``, ``bands``: optimisations, one at a time.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from traffic.corridors import Corridor
from traffic.errors import InvalidInputError, NotFoundError
from traffic.greenwave import GreenWave, optimize
from traffic.io.band_messages import struct_from_document
from traffic.io.band_plan_document import answer_document
from traffic.io.protobuf import (
    corridor_to_proto,
    ms_from_timestamp,
    signal_to_proto,
    wave_to_proto,
)
from traffic.io.street_messages import origin_from
from traffic.network import RoadGraph
from traffic.service import fields
from traffic.service.advice import AdviceCalls
from traffic.service.bands import band_search
from traffic.service.controllers import ControllerCalls
from traffic.service.desk import Asked, Desk
from traffic.service.records import RecordCalls, always
from traffic.service.searches import Context, Deadline, Search, Searches, Step
from traffic.splits import TurnFlows
from traffic.store import PlanStore
from traffic.street import decisions, going_over
from traffic.street.decisions import CityStreets, Steps
from traffic.street.events import Event
from traffic.street.figures import StreetFigures
from traffic.street.groups import coordination_groups
from traffic.street.records import PlanSet
from traffic.street.settings import StreetSettings
from traffic.street.state import Street
from traffic.v1 import signal_timing_pb2 as pb
from traffic.v1 import signal_timing_pb2_grpc

__all__ = ["SignalTimingService"]


class SignalTimingService(
    ControllerCalls, RecordCalls, AdviceCalls, signal_timing_pb2_grpc.SignalTimingServiceServicer
):
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
    settings
        What the city sets itself; None = nothing.
    caller
        Who makes the call that is under way, as the server knows him; empty = nobody in particular.
    is_controller
        Whether who makes the call that is under way may be a controller, who is waited for.
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
        settings: StreetSettings | None = None,
        caller: Callable[[], str] = lambda: "",
        is_controller: Callable[[], bool] = lambda: True,
    ) -> None:
        self.is_controller = is_controller
        self._city_id = city_id
        self._parent = f"cities/{city_id}"
        self._graph = graph
        self._corridors = dict(corridors)
        self._turn_flows = dict(turn_flows)
        groups = coordination_groups(graph.signals, corridors)
        settings = settings or StreetSettings()
        self.desk = Desk(
            city_id=city_id,
            city=CityStreets(graph.signals, groups, settings.limits, settings.switching),
            store=store,
            clock=clock,
            rules=settings.health,
            caller=caller,
        )
        self._searches = Searches()
        self._passing: asyncio.Task[None] | None = None

    def figures(self) -> StreetFigures:
        """Return what operations watch; it may be called from any thread."""
        return StreetFigures.of(self.desk.street, list(self.desk.healths.values()))

    async def start(self) -> None:
        """Begin to let time pass."""
        self._passing = asyncio.create_task(self.desk.run())

    async def stop(self) -> None:
        """Let no more time pass; the store is the caller's to close."""
        if self._passing is not None:
            self._passing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._passing

    def end_streams(self) -> None:
        """End every watch stream with UNAVAILABLE, so that clients resume elsewhere."""
        self.desk.end()

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
        valid_from_ms = (
            ms_from_timestamp(request.valid_from, where="valid_from")
            if request.HasField("valid_from")
            else None
        )
        if request.put_in_force:
            earlier = await self._answered(request)
            if earlier is not None:
                yield pb.OptimizePlansResponse(result=earlier)
                return
        search = self._plan_search(request, Deadline(context))
        async with self._searches.start(search) as running:
            async for step in running.progress():
                yield pb.OptimizePlansResponse(progress=step)
            wave = await running.answer()
        signal_ids = {key: corridor.signal_ids for key, corridor in self._corridors.items()}
        result = wave_to_proto(wave, signal_ids, self._city_id)
        if request.put_in_force:
            result = await self._put_in_force(request, wave, result, valid_from_ms)
        yield pb.OptimizePlansResponse(result=result)

    async def _answered(self, request: pb.OptimizePlansRequest) -> pb.OptimizeResult | None:
        """Return the answer that a request was given before."""
        known = await self.desk.answered(_asked(request))
        return None if known is None else pb.OptimizeResult.FromString(known)

    async def _put_in_force(
        self,
        request: pb.OptimizePlansRequest,
        wave: GreenWave,
        result: pb.OptimizeResult,
        valid_from_ms: int | None,
    ) -> pb.OptimizeResult:
        """Keep plans as an approved record and propose to put it in force, in one commit.

        Where plans run already, that is two cycles ahead at least, whatever was asked.
        """
        desk = self.desk
        now_ms, author = desk.clock(), desk.author("")
        origin = origin_from(author, "OptimizePlans", "", "", now_ms, result.certificate)

        def decide(street: Street) -> tuple[Event, ...]:
            steps = Steps(street)
            plan_set = PlanSet(next(steps.street.next_ids()), wave.plans, origin)
            steps.add(decisions.make_plan_set(steps.street, desk.city, plan_set, now_ms))
            approved = decisions.approve(steps.street, "plan-set", plan_set.id, author, now_ms)
            steps.add(approved)
            schedule = always(steps, plan_set.id, author, now_ms)
            at_ms = valid_from_ms
            if at_ms is not None and steps.street.runs(plan.signal_id for plan in wave.plans):
                soonest = going_over.soonest_ms(steps.street, desk.city, schedule, now_ms)
                at_ms = max(at_ms, soonest)
            steps.add(
                going_over.activate(
                    steps.street, desk.city, schedule, at_ms=at_ms, by=author, now_ms=now_ms
                )
            )
            return steps.events

        def reply(street: Street, happened: tuple[Event, ...]) -> bytes:
            result.revision = street.revision
            return result.SerializeToString(deterministic=True)

        answer = await desk.carry_out(decide, _asked(request), reply)
        return pb.OptimizeResult.FromString(answer)

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


def _asked(request: pb.OptimizePlansRequest) -> Asked:
    # As the first version did: its answers are still known.
    return Asked(request.request_id, request.SerializeToString(deterministic=True))
