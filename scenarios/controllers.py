"""Signal controllers as they stand on the street: clients that fetch a plan and show it."""

import random
from collections.abc import Sequence

import grpc
import libsumo

from traffic.io.protobuf import plan_from_proto, signal_name, timestamp_from_ms
from traffic.plan import TimingPlan
from traffic.v1 import signal_timing_pb2 as pb
from traffic.v1 import signal_timing_pb2_grpc

CALL_TIMEOUT_S = 30.0


class Controller:
    """One signal's controller.

    It asks for the plan in force, shows it second by second, and asks again when that plan's time
    is over.
    """

    def __init__(
        self,
        signal_id: str,
        city_id: str,
        stub: signal_timing_pb2_grpc.SignalTimingServiceStub,
        offset_rng: random.Random | None,
    ) -> None:
        self._signal_id = signal_id
        self._name = signal_name(city_id, signal_id)
        self._stub = stub
        self._offset_rng = offset_rng
        self._states: list[str] = []
        self._shown = ""
        self._valid_until_ms: int | None = None

    def fetch(self, time_ms: int) -> bool:
        """Fetch the plan in force; False = there is none, the signal keeps its own program."""
        request = pb.GetPlanRequest(name=self._name, time=timestamp_from_ms(time_ms))
        try:
            answer = self._stub.GetPlan(request, timeout=CALL_TIMEOUT_S)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return False
            raise
        plan: TimingPlan = plan_from_proto(answer)
        if self._offset_rng is not None:
            plan = plan.with_offset(self._offset_rng.randrange(plan.cycle_s))
        self._states = [plan.state_at(t_s) for t_s in range(plan.cycle_s)]
        self._valid_until_ms = (
            answer.valid_until.ToMilliseconds() if answer.HasField("valid_until") else None
        )
        return True

    def show(self, t_s: int, time_ms: int) -> None:
        """Switch the lamps to what the plan says at ``t_s`` seconds after local midnight."""
        if self._valid_until_ms is not None and time_ms >= self._valid_until_ms:
            self.fetch(time_ms)
        state = self._states[t_s % len(self._states)]
        if state != self._shown:
            libsumo.trafficlight.setRedYellowGreenState(self._signal_id, state)
            self._shown = state


def start_controllers(
    signal_ids: Sequence[str],
    city_id: str,
    channel: grpc.Channel,
    time_ms: int,
    *,
    offset_seed: int | None,
) -> list[Controller]:
    """Start a controller at every signal that the service has a plan for.

    ``offset_seed`` draws an offset for each, uniform over its cycle; None = the plan's own.
    """
    stub = signal_timing_pb2_grpc.SignalTimingServiceStub(channel)
    rng = None if offset_seed is None else random.Random(offset_seed)
    controllers = [Controller(key, city_id, stub, rng) for key in sorted(signal_ids)]
    return [controller for controller in controllers if controller.fetch(time_ms)]
