"""The calls of signal controllers: plans, watches, acknowledgements, reports, counts."""

import math
import random
from collections.abc import AsyncIterator, Callable

from traffic.errors import InvalidInputError, NotFoundError, StoppingError
from traffic.io.protobuf import ms_from_timestamp, timestamp_from_ms
from traffic.io.street_messages import record_id, report_from_proto, signal_switch_to_proto
from traffic.service.desk import Desk
from traffic.service.searches import Context
from traffic.street.health import Health
from traffic.v1 import signal_timing_pb2 as pb

HEARTBEAT_S = 30.0
MOST_COUNTS = 1000
MOST_VEHICLES_S = 10


class ControllerCalls:
    """What controllers call."""

    desk: Desk
    is_controller: Callable[[], bool]
    heartbeat_s: float = HEARTBEAT_S

    async def GetPlan(self, request: pb.GetPlanRequest, context: Context) -> pb.TimingPlan:
        """See proto/traffic/v1."""
        signal_id = self.desk.signal_id(request.name, where="name")
        time_ms = (
            ms_from_timestamp(request.time, where="time")
            if request.HasField("time")
            else self.desk.clock()
        )
        return self.desk.plan_message(signal_id, time_ms)

    async def WatchPlans(
        self, request: pb.WatchPlansRequest, context: Context
    ) -> AsyncIterator[pb.WatchPlansResponse]:
        """See proto/traffic/v1."""
        desk = self.desk
        desk.check_parent(request.parent)
        if request.revision < 0:
            raise InvalidInputError(f"{request.revision}; expected 0 or more", where="revision")
        chosen = [
            desk.signal_id(name, where=f"signals[{k}]") for k, name in enumerate(request.signals)
        ]
        signals = tuple(chosen or sorted(desk.city.signals))
        if request.revision > desk.street.revision:
            # Another server may have written what this one has not read yet.
            await desk.catch_up()
        is_of_another = request.log_id not in ("", desk.log_id) and request.revision > 0
        starts_anew = is_of_another or request.revision > desk.street.revision
        told = 0 if starts_anew else request.revision
        is_first = True
        # What plan watchers hold of each signal, to tell when the time of day brings another.
        held: dict[str, tuple[int, str, int]] = {}
        ends_ms: dict[str, float] = {}
        if request.programs and self.is_controller():
            # Not with each heartbeat: that one was written says nothing of who should read it.
            for signal_id in chosen:
                desk.heard_of(signal_id)
        with desk.waiting(signals) as waiting:
            while not desk.is_ending:
                now_ms = desk.clock()
                answer = pb.WatchPlansResponse(server_time=timestamp_from_ms(now_ms))
                if is_first:
                    answer.log_id, answer.starts_anew, is_first = desk.log_id, starts_anew, False
                if request.programs:
                    self._add_switches(answer, signals, told)
                    due_ms = math.inf
                else:
                    due_ms = self._add_plans(answer, signals, told, held, ends_ms, now_ms)
                told = max(told, desk.street.revision)
                answer.revision = told
                yield answer
                # Spread by chance: thousands that were told at once do not come back at once.
                heartbeat_s = self.heartbeat_s * random.uniform(0.6, 1.0)
                await waiting.wait(min(heartbeat_s, max(0.05, (due_ms - now_ms) / 1000)))
        raise StoppingError(told)

    def _add_switches(
        self, answer: pb.WatchPlansResponse, signals: tuple[str, ...], told: int
    ) -> None:
        """Add what a controller does not know: also that a switch it was asked about is off."""
        street, now_ms = self.desk.street, self.desk.clock()
        for signal_id in signals:
            found = {switch.id: switch for switch in street.since(told, signal_id, now_ms)}
            # Who holds nothing needs not know what is off.
            for switch in street.ended_since(told) if told else ():
                if signal_id in switch.signals:
                    found[switch.id] = switch
            for switch in sorted(found.values(), key=lambda switch: switch.revision):
                program = self.desk.program(street, switch, signal_id)
                message = signal_switch_to_proto(switch, signal_id, program, self.desk.city_id)
                answer.switches.append(message)

    def _add_plans(
        self,
        answer: pb.WatchPlansResponse,
        signals: tuple[str, ...],
        told: int,
        held: dict[str, tuple[int, str, int]],
        ends_ms: dict[str, float],
        now_ms: int,
    ) -> float:
        """Add the plans in force and to come that are new; return when the next one is due."""
        desk = self.desk
        due_ms = math.inf
        # What is off may have been told as a plan to come: what runs instead is told again.
        ended = desk.street.ended_since(told) if told else ()
        off = {key for switch in ended for key in switch.signals}
        for signal_id in signals:
            coming = desk.street.coming_to(signal_id, now_ms)
            times_ms = [now_ms, *(switch.activate_at_ms for switch in coming)]
            for k, time_ms in enumerate(times_ms):
                try:
                    message = desk.plan_message(signal_id, time_ms)
                except NotFoundError:
                    continue
                key = (message.revision, message.plan_set, message.valid_from.seconds)
                if k == 0:
                    until_ms = math.inf
                    if message.HasField("valid_until"):
                        until_ms = message.valid_until.ToMilliseconds()
                    due_ms = min(due_ms, until_ms)
                    is_new = message.revision > told or held.get(signal_id, key) != key
                    # A plan that outlives its validity is told again, without an end.
                    is_new |= signal_id in off or ends_ms.get(signal_id, math.inf) <= now_ms
                    held[signal_id] = key
                    ends_ms[signal_id] = until_ms
                else:
                    is_new = message.revision > told
                if is_new:
                    answer.plans.append(message)
        return due_ms

    async def AcknowledgeSwitch(
        self, request: pb.AcknowledgeSwitchRequest, context: Context
    ) -> pb.AcknowledgeSwitchResponse:
        """See proto/traffic/v1."""
        desk = self.desk
        signal_id = desk.signal_id(request.signal, where="signal")
        switch_id = record_id(desk.city_id, "switches", request.switch, where="switch")
        if len(request.refusal) > 2000:
            raise InvalidInputError("expected at most 2000 characters", where="refusal")
        desk.answer(signal_id, switch_id, request.refusal)
        return pb.AcknowledgeSwitchResponse()

    async def ReportStatus(
        self, request: pb.ReportStatusRequest, context: Context
    ) -> pb.ReportStatusResponse:
        """See proto/traffic/v1."""
        desk = self.desk
        signal_id = desk.signal_id(request.signal, where="signal")
        now_ms = desk.clock()
        report = report_from_proto(request, signal_id, desk.city_id, now_ms)
        known = desk.healths.get(signal_id) or Health(now_ms)
        desk.healths[signal_id] = known.reported(report, desk.rules)
        return pb.ReportStatusResponse(
            server_time=timestamp_from_ms(now_ms), clock_error_s=report.clock_error_ms / 1000
        )

    async def ReportDetectorCounts(
        self, request_iterator: AsyncIterator[pb.ReportDetectorCountsRequest], context: Context
    ) -> pb.ReportDetectorCountsResponse:
        """See proto/traffic/v1."""
        desk = self.desk
        accepted, first = 0, ""
        async for message in request_iterator:
            signal_id = desk.signal_id(message.signal, where="signal")
            if first and signal_id != first:
                raise InvalidInputError(
                    f"{signal_id}; expected {first}, as at the stream's begin", where="signal"
                )
            first = signal_id
            if len(message.counts) > MOST_COUNTS:
                raise InvalidInputError(f"expected at most {MOST_COUNTS}", where="counts")
            for k, count in enumerate(message.counts):
                _check_count(count, f"counts[{k}]")
            lanes = desk.counts.setdefault(signal_id, {})
            for count in message.counts:
                if count.lane not in lanes and len(lanes) >= MOST_COUNTS:
                    raise InvalidInputError(f"more than {MOST_COUNTS} lanes", where="counts")
                lanes[count.lane] = count
            accepted += len(message.counts)
        return pb.ReportDetectorCountsResponse(accepted=accepted)

    async def ListDetectorCounts(
        self, request: pb.ListDetectorCountsRequest, context: Context
    ) -> pb.ListDetectorCountsResponse:
        """See proto/traffic/v1."""
        signal_id = self.desk.signal_id(request.signal, where="signal")
        lanes = self.desk.counts.get(signal_id, {})
        return pb.ListDetectorCountsResponse(counts=[lanes[key] for key in sorted(lanes)])


def _check_count(count: pb.DetectorCount, where: str) -> None:
    if not 1 <= len(count.lane) <= 200:
        raise InvalidInputError("expected 1 to 200 characters", where=f"{where}.lane")
    ms_from_timestamp(count.begin, where=f"{where}.begin")
    if not 1 <= count.duration_s <= 3600:
        raise InvalidInputError(
            f"{count.duration_s}; expected 1 to 3600", where=f"{where}.duration_s"
        )
    most = MOST_VEHICLES_S * count.duration_s
    if not 0 <= count.volume <= most:
        raise InvalidInputError(f"{count.volume}; expected 0 to {most}", where=f"{where}.volume")
    if not 0 <= count.occupancy <= 1:
        raise InvalidInputError(f"{count.occupancy:g}; expected 0 to 1", where=f"{where}.occupancy")
    if not 0 <= count.speed_mps <= 70:
        raise InvalidInputError(
            f"{count.speed_mps:g}; expected 0 to 70", where=f"{where}.speed_mps"
        )
