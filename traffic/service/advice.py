"""The call of drivers and signs: speeds at which the next greens are met."""

import math
from collections.abc import Mapping

from traffic.advice import Advice, Ahead, Way, advise, sign_text, text_holds_s, way_ahead
from traffic.corridors import Corridor
from traffic.errors import InvalidInputError, NotFoundError
from traffic.io.protobuf import ms_from_timestamp, signal_name, timestamp_from_ms
from traffic.network import RoadGraph
from traffic.schedule import DAY_S
from traffic.service import fields
from traffic.service.desk import Desk
from traffic.service.searches import Context
from traffic.street.door import IN_STEP_CYCLES
from traffic.street.health import AlarmKind, Health
from traffic.street.state import InForce, Street
from traffic.v1 import signal_timing_pb2 as pb

DEFAULT_AHEAD = 3
MOST_AHEAD = 20
OUTSIDE_M = 2000.0
MOST_HOLD_S = 30
DOUBTS = (AlarmKind.SILENT, AlarmKind.CLOCK, AlarmKind.OUT_OF_STEP, AlarmKind.OTHER_PLAN)
"""Alarms of which each says that a signal may show something else than its plan."""


class AdviceCalls:
    """What drivers' apps and signs call."""

    desk: Desk
    _corridors: dict[str, Corridor]
    _graph: RoadGraph

    async def AdviseSpeed(
        self, request: pb.AdviseSpeedRequest, context: Context
    ) -> pb.AdviseSpeedResponse:
        """See proto/traffic/v1."""
        desk = self.desk
        key = request.corridor.removeprefix(f"{desk.parent}/corridors/")
        if key == request.corridor or key not in self._corridors:
            raise NotFoundError(f"no corridor {request.corridor[:200]!r}", where="corridor")
        corridor = self._corridors[key]
        length_m = corridor.positions_m[-1]
        if not -OUTSIDE_M <= request.position_m <= length_m + OUTSIDE_M:
            raise InvalidInputError(
                f"{request.position_m:g}; expected {-OUTSIDE_M:g} to {length_m + OUTSIDE_M:g}",
                where="position_m",
            )
        count = request.signals_ahead or DEFAULT_AHEAD
        if not 1 <= count <= MOST_AHEAD:
            raise InvalidInputError(f"{count}; expected 1 to {MOST_AHEAD}", where="signals_ahead")
        way = way_ahead(
            corridor,
            request.position_m,
            inbound=request.inbound,
            count=count,
            edge_limits_mps=self._limits_mps(corridor),
        )
        max_mps = (
            fields.ranged(request.max_speed_mps, 1, 40, where="max_speed_mps") or way.limit_mps
        )
        max_mps = min(max_mps, way.limit_mps)
        min_mps = fields.ranged(request.min_speed_mps, 1, 40, where="min_speed_mps")
        min_mps = min_mps or way.limit_mps / 2
        if min_mps > max_mps:
            raise InvalidInputError(
                f"{min_mps:g}; expected {max_mps:g} or less", where="min_speed_mps"
            )
        time_ms = (
            ms_from_timestamp(request.time, where="time")
            if request.HasField("time")
            else desk.clock()
        )
        return self._answer(way, time_ms, min_mps, max_mps)

    def _answer(
        self, way: Way, time_ms: int, min_mps: float, max_mps: float
    ) -> pb.AdviseSpeedResponse:
        def at(later_s: int) -> Advice:
            ahead = self._ahead(way, time_ms + 1000 * later_s)
            return advise(ahead, min_mps=min_mps, max_mps=max_mps)

        def text_at(later_s: int) -> str:
            # What is known now may be over in a while: then the sign has nothing to say.
            try:
                return sign_text(at(later_s))
            except NotFoundError:
                return ""

        found = at(0)
        holds_s = text_holds_s(text_at, MOST_HOLD_S)
        return pb.AdviseSpeedResponse(
            windows=[pb.SpeedWindow(from_mps=low, to_mps=high) for low, high in found.windows],
            greens_met=found.greens_met,
            signals=[signal_name(self.desk.city_id, key) for key, _, _ in way.signals],
            sign_text=sign_text(found),
            valid_until=timestamp_from_ms(time_ms + 1000 * holds_s),
        )

    def _limits_mps(self, corridor: Corridor) -> dict[str, float]:
        """Speed limits of a corridor's edges, m/s."""
        edges = {edge for link in corridor.links for edge in (*link.edges_out, *link.edges_in)}
        edges |= {edge for c in corridor.crossings for edge in (c.approach_out, c.approach_in)}
        known = self._graph.edges
        return {edge: known[edge].speed_limit_mps for edge in edges if edge in known}

    def _ahead(self, way: Way, time_ms: int) -> list[Ahead]:
        """What is known ahead: up to the first signal that cannot be relied on."""
        found: list[Ahead] = []
        why = ""
        for (signal_id, distance_m, links), limit_mps in zip(
            way.signals, way.limits_mps, strict=True
        ):
            try:
                entry = self.desk.street.in_force(signal_id, time_ms)
            except NotFoundError as error:
                why = error.message
                break
            why = self._doubt(entry, time_ms)
            if why or entry.plan is None:
                break
            until_ms = entry.until_ms
            for_s = math.inf if until_ms is None else (until_ms - time_ms) / 1000
            clock_s = (time_ms - entry.reference_ms) / 1000
            found.append(Ahead(signal_id, distance_m, entry.plan, links, clock_s, for_s, limit_mps))
        if not found:
            raise NotFoundError(why, where=way.signals[0][0])
        return found

    def _doubt(self, entry: InForce, time_ms: int) -> str:
        """Return why a signal may not show its plan at a time; empty = it is relied on."""
        if entry.plan is None:
            return "runs its controller's own plan"
        settles_s = self._settles_s(entry)
        if time_ms < entry.from_ms + 1000 * settles_s:
            return "has just gone over to its plan"
        now_ms, silent_ms = self.desk.clock(), self.desk.rules.silent_ms
        if abs(time_ms - now_ms) >= silent_ms:
            # Of another day, plans are all that is known.
            return ""
        return doubt(
            entry.signal_id, entry.switch.id, self.desk.street, self.desk.healths, now_ms, silent_ms
        )

    def _settles_s(self, entry: InForce) -> int:
        """How long after ``from_ms`` a signal may still be on its way into step, s."""
        plan = entry.plan
        assert plan is not None
        before = self.desk.street.plan_at(entry.signal_id, entry.from_ms - 1)
        if before == plan and DAY_S % plan.cycle_s == 0:
            return 0
        return IN_STEP_CYCLES * max(plan.cycle_s, before.cycle_s if before else 0)


def doubt(
    signal_id: str,
    switch: str,
    street: Street,
    healths: Mapping[str, Health],
    now_ms: int,
    silent_ms: int,
) -> str:
    """Return why a signal may not show the plan of a switch now; empty = it is relied on.

    What its controller said last counts, and the alarms of all servers. A signal of whose
    controller nobody has ever heard is taken to follow its plan.
    """
    for kind in DOUBTS:
        if (signal_id, kind) in street.alarms:
            return f"has an alarm: {kind}"
    health = healths.get(signal_id)
    if health is None:
        return ""
    report = health.report
    if report is None or now_ms - report.at_ms >= silent_ms:
        return "says nothing"
    if report.switch != switch:
        return "runs another plan"
    if report.mode != "plan" or not report.in_step:
        return f"is not in step ({report.mode})"
    return ""
