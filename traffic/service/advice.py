"""The call of drivers and signs: speeds at which the next greens are met."""

import math

from traffic.advice import Advice, Ahead, Way, advise, sign_text, text_holds_s, way_ahead
from traffic.corridors import Corridor
from traffic.errors import InvalidInputError, NotFoundError
from traffic.io.protobuf import ms_from_timestamp, signal_name, timestamp_from_ms
from traffic.service import fields
from traffic.service.desk import Desk
from traffic.service.searches import Context
from traffic.v1 import signal_timing_pb2 as pb

DEFAULT_AHEAD = 3
MOST_AHEAD = 20
OUTSIDE_M = 2000.0
MOST_HOLD_S = 30


class AdviceCalls:
    """What drivers' apps and signs call."""

    desk: Desk
    _corridors: dict[str, Corridor]

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
        way = way_ahead(corridor, request.position_m, inbound=request.inbound, count=count)
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

        found = at(0)
        holds_s = text_holds_s(lambda later_s: sign_text(at(later_s)), MOST_HOLD_S)
        return pb.AdviseSpeedResponse(
            windows=[pb.SpeedWindow(from_mps=low, to_mps=high) for low, high in found.windows],
            greens_met=found.greens_met,
            signals=[signal_name(self.desk.city_id, key) for key, _, _ in way.signals],
            sign_text=sign_text(found),
            valid_until=timestamp_from_ms(time_ms + 1000 * holds_s),
        )

    def _ahead(self, way: Way, time_ms: int) -> list[Ahead]:
        found: list[Ahead] = []
        for signal_id, distance_m, links in way.signals:
            entry = self.desk.street.in_force(signal_id, time_ms)
            if entry.plan is None:
                # It runs by itself: nothing is known beyond it.
                break
            until_ms = entry.until_ms
            for_s = math.inf if until_ms is None else (until_ms - time_ms) / 1000
            clock_s = (time_ms - entry.reference_ms) / 1000
            found.append(Ahead(signal_id, distance_m, entry.plan, links, clock_s, for_s))
        if not found:
            raise NotFoundError("runs its controller's own plan", where=way.signals[0][0])
        return found
