"""The link between a controller and the server: it may break at any time and comes back.

The lamps never wait for it: the link only tells the controller what it hears, and says how the
controller is.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import grpc

from traffic.client.held_file import write_held
from traffic.client.programs import held_switch
from traffic.client.seconds import Clock
from traffic.controller.controller import Controller, Status
from traffic.controller.held import Held
from traffic.errors import TrafficError
from traffic.io.protobuf import signal_name, timestamp_from_ms
from traffic.io.street_messages import MODES, record_name
from traffic.street.switching import SwitchState
from traffic.v1 import signal_timing_pb2 as pb
from traffic.v1 import signal_timing_pb2_grpc

Call = grpc.aio.UnaryStreamCall[pb.WatchPlansRequest, pb.WatchPlansResponse]

CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # A connection that is dead without a word is noticed within half a minute.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
)

MOST_FAULTS, MOST_FAULT, MOST_REFUSAL = 16, 500, 2000
"""What the server takes: faults in a report, characters of each, and of a refusal."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a controller speaks, in s.

    Parameters
    ----------
    report_s
        Between reports of its status.
    retry_s
        Longest wait before it tries a broken watch again; the first ones are shorter. Also between
        a report that failed and the next.
    acknowledge_s
        Acknowledgements come within that time, spread by chance: thousands are asked at once.
    call_s
        Longest time of a call.
    silence_s
        A watch that says nothing for so long, heartbeats included, is dead.
    """

    report_s: float = 30.0
    retry_s: float = 10.0
    acknowledge_s: float = 5.0
    call_s: float = 10.0
    silence_s: float = 75.0


class Link:
    """Watches, acknowledges and reports for one controller.

    Parameters
    ----------
    controller
        Whose it is.
    channel
        To the server; the caller's to close.
    city_id
        The ``{city}`` of the resource names.
    time
        The controller's clock, which may be set at any moment; waits and round trips are of its
        monotonic one.
    rhythm
        How often it speaks.
    path
        Where to keep what the controller holds; None = nowhere.
    seed
        Of the waits, so that controllers do not all come at the same moment.
    metadata
        Sent with each call, such as a token.
    """

    def __init__(
        self,
        controller: Controller,
        channel: grpc.aio.Channel,
        *,
        city_id: str,
        time: Clock,
        rhythm: Rhythm | None = None,
        path: Path | None = None,
        seed: int = 0,
        metadata: tuple[tuple[str, str], ...] = (),
        on_trouble: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.controller = controller
        self.is_up = False
        self.clock_error_s: float | None = None
        self._name = signal_name(city_id, controller.signal.id)
        self._city_id = city_id
        self._time = time
        self._rhythm = rhythm or Rhythm()
        self._path = path
        self._rng = random.Random(f"{seed} {controller.signal.id}")
        self._metadata = metadata
        self._on_trouble = on_trouble
        self._round_trip_s = 0.0
        self._fault = ""
        self._answers: dict[str, str] = {}
        self._stub = signal_timing_pb2_grpc.SignalTimingServiceStub(channel)

    async def run(self) -> None:
        """Keep the link up until cancelled, whatever goes wrong."""
        while True:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._watch())
                    tasks.create_task(self._report())
            except* Exception as group:
                # A mistake of ours, or a message nobody thought of: the lamps go on without.
                for error in group.exceptions:
                    self._on_trouble(f"unexpected: {type(error).__name__} {error}")
            self.is_up = False
            await self._time.sleep(self._rhythm.retry_s)

    async def _watch(self) -> None:
        wait_s = 0.2
        while True:
            try:
                await self._listen()
                wait_s = 0.2
            except grpc.aio.AioRpcError as error:
                if self.is_up:
                    wait_s = 0.2
                self._on_trouble(f"watch: {error.code().name}")
            except (TimeoutError, TrafficError, OSError) as error:
                self._on_trouble(f"watch: {type(error).__name__} {error}")
            self.is_up = False
            await self._time.sleep(wait_s * self._rng.uniform(0.5, 1.5))
            wait_s = min(2 * wait_s, self._rhythm.retry_s)

    async def _listen(self) -> None:
        parent = f"cities/{self._city_id}"
        request = pb.WatchPlansRequest(
            parent=parent,
            signals=[self._name],
            revision=self.controller.held.revision,
            programs=True,
            log_id=self.controller.held.log_id,
        )
        call = self._stub.WatchPlans(request, metadata=self._metadata)
        try:
            while True:
                async with asyncio.timeout(self._rhythm.silence_s):
                    message = await call.read()
                if not isinstance(message, pb.WatchPlansResponse):
                    return
                if not self.is_up:
                    self.is_up = True
                    # What a lost call may not have said is said again.
                    for switch in self.controller.held.switches:
                        if switch.state is SwitchState.PROPOSED or switch.refusal:
                            self._answers[switch.id] = switch.refusal
                if message.starts_anew:
                    self._answers = {}
                is_other_log = message.log_id not in ("", self.controller.held.log_id)
                if message.switches or message.starts_anew or is_other_log:
                    held, answers = await asyncio.to_thread(self._considered, message)
                    if not await self._kept(held, call):
                        return
                    self.controller.held = held
                    # Checked and kept: now it may be said.
                    self._answers.update(answers)
        finally:
            call.cancel()

    def _considered(self, message: pb.WatchPlansResponse) -> tuple[Held, dict[str, str]]:
        """Check what was told; return what is held with it, and what is to be answered."""
        held = self.controller.held
        if message.starts_anew:
            held = held.anew(message.log_id, self._time.now_ms())
        elif message.log_id:
            held = replace(held, log_id=message.log_id)
        answers: dict[str, str] = {}
        for row in message.switches:
            if row.signal != self._name:
                continue
            switch = held_switch(row, self._city_id)
            held, refusal = self.controller.considered(held, switch, self._time.now_ms())
            if switch.program is not None:
                answers[switch.id] = refusal
        return held, answers

    async def _kept(self, held: Held, call: Call) -> bool:
        """Write what is to be held, again and again; False = the watch has ended meanwhile.

        Until it is on the disk the controller does not go by it, and acknowledges nothing: the next
        watch begins where the disk is.
        """
        while self._path is not None:
            try:
                await asyncio.to_thread(self._write, held, self._path)
                break
            except OSError as error:
                self._fault = f"cannot keep plans: {error.strerror or error}"
                self._on_trouble(self._fault)
            await self._time.sleep(self._rhythm.retry_s)
            if call.done():
                return False
        self._fault = ""
        return True

    def _write(self, held: Held, path: Path) -> None:
        write_held(held, path, city_id=self._city_id, signal_id=self.controller.signal.id)

    async def _report(self) -> None:
        """Say how the controller is, and answer what it was asked."""
        now_s = self._time.monotonic_s
        next_s = now_s() + self._rng.random() * self._rhythm.report_s
        not_before_s = now_s()
        told: Status | None = None
        answer_s: float | None = None
        while True:
            await self._time.sleep(0.5)
            if not self.is_up:
                continue
            if self._answers and answer_s is None:
                answer_s = now_s() + self._rng.random() * self._rhythm.acknowledge_s
            if answer_s is not None and now_s() >= answer_s:
                answer_s = None
                await self._say_answers()
            status = self._status()
            changed = told is None or _outline(status) != _outline(told)
            if now_s() >= not_before_s and (now_s() >= next_s or changed):
                next_s = now_s() + self._rhythm.report_s
                if await self._say_status(status):
                    told = status
                else:
                    not_before_s = now_s() + self._rhythm.retry_s

    def _status(self) -> Status:
        status = self.controller.status()
        own = (self._fault,) if self._fault else ()
        return replace(status, faults=(*own, *status.faults))

    async def _say_answers(self) -> None:
        for switch_id, refusal in list(self._answers.items()):
            request = pb.AcknowledgeSwitchRequest(
                signal=self._name,
                switch=record_name(self._city_id, "switches", switch_id),
                refusal=refusal[:MOST_REFUSAL],
            )
            try:
                await self._stub.AcknowledgeSwitch(
                    request, timeout=self._rhythm.call_s, metadata=self._metadata
                )
            except grpc.aio.AioRpcError as error:
                self._on_trouble(f"acknowledge: {error.code().name}")
                if error.code() is grpc.StatusCode.NOT_FOUND:
                    self._answers.pop(switch_id, None)
                continue
            if self._answers.get(switch_id) == refusal:
                del self._answers[switch_id]

    async def _say_status(self, status: Status) -> bool:
        sent_s = self._time.monotonic_s()
        request = pb.ReportStatusRequest(
            signal=self._name,
            switch=record_name(self._city_id, "switches", status.switch) if status.switch else "",
            revision=status.revision,
            mode=MODES[status.mode],
            time=timestamp_from_ms(self._time.now_ms()),
            round_trip_s=min(60.0, self._round_trip_s),
            out_of_step_s=status.out_of_step_s,
            in_step=status.in_step,
            faults=[fault[:MOST_FAULT] for fault in status.faults[:MOST_FAULTS]],
        )
        try:
            answer = await self._stub.ReportStatus(
                request, timeout=self._rhythm.call_s, metadata=self._metadata
            )
        except grpc.aio.AioRpcError as error:
            self._on_trouble(f"report: {error.code().name}")
            return False
        self._round_trip_s = self._time.monotonic_s() - sent_s
        self.clock_error_s = answer.clock_error_s
        return True


def _outline(status: Status) -> tuple[object, ...]:
    """What is reported as soon as it changes."""
    return status.switch, status.mode, status.faults, status.in_step
