"""A server under everything at once for a long time, and what becomes of its memory."""

import asyncio
import random
import time
import uuid
from collections import Counter
from pathlib import Path

import grpc

from parking.v1 import parking_pb2 as pk
from parking.v1 import parking_pb2_grpc
from tests.reliability.abuse import Abuser, good_request

DRIVERS = 400
SAMPLE_S = 5.0
STEPS = ("ConfirmReservation", "RecordArrival", "RecordDeparture")
ALLOWED = {
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}


class Soak:
    """Drivers' cycles at a rate, each watched; repeated calls; and every 2 s some abuse."""

    def __init__(self, address: str, parent: str, pid: int, *, calls_per_s: float) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._stub = parking_pb2_grpc.ParkingServiceStub(self._channel)
        self._parent = parent
        self._status = Path(f"/proc/{pid}/status")
        self._calls_per_s = calls_per_s
        self._random = random.Random(1)
        self._abuser = Abuser(self._channel, parent)
        self.calls: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.pushes = 0
        self.samples: list[tuple[float, float]] = []
        self._wrong: list[str] = []

    @property
    def wrong(self) -> list[str]:
        """What should not have been answered as it was."""
        return [*self._wrong, *self._abuser.wrong]

    async def run(self, seconds: float) -> None:
        """Go on for so long."""
        begun = time.monotonic()
        others = [asyncio.create_task(self._abuse()), asyncio.create_task(self._sample(begun))]
        tasks: set[asyncio.Task[None]] = set()
        while time.monotonic() < begun + seconds:
            await asyncio.sleep(self._random.expovariate(self._calls_per_s / 4))
            task = asyncio.create_task(self._cycle())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._channel.close()

    async def _cycle(self) -> None:
        driver = f"soak-{self._random.randrange(DRIVERS)}"
        request = good_request(self._parent, driver_id=driver)
        held = await self._call("RequestAssignment", request)
        if held is None:
            return
        if self._random.random() < 0.2:
            again = await self._call("RequestAssignment", request)
            if again is not None and again.name != held.name:
                self._wrong.append(f"{held.name}: the same request was given {again.name}")
        watch = self._stub.WatchReservation(pk.WatchReservationRequest(name=held.name))
        watching = asyncio.create_task(self._watch(watch))
        steps = STEPS if self._random.random() < 0.8 else ("CancelReservation",)
        for step in steps:
            kind = getattr(pk, f"{step}Request")
            if await self._call(step, kind(name=held.name, request_id=str(uuid.uuid4()))) is None:
                self._wrong.append(f"{held.name}: {step} was refused")
                break
        await asyncio.wait_for(watching, timeout=60)

    async def _watch(self, watch: grpc.aio.UnaryStreamCall) -> None:
        async for _ in watch:
            self.pushes += 1

    async def _call(self, call: str, request: object) -> pk.Reservation | None:
        try:
            answer: pk.Reservation = await getattr(self._stub, call)(request, timeout=20)
        except grpc.aio.AioRpcError as error:
            self.refused[error.code().name] += 1
            if error.code() not in ALLOWED:
                self._wrong.append(f"{call}: {error.code().name} {error.details()}")
            return None
        self.calls[call] += 1
        return answer

    async def _abuse(self) -> None:
        while True:
            await self._abuser.mistakes()
            await self._abuser.flood(40)
            await self._abuser.too_late(3)
            await asyncio.sleep(2.0)

    async def _sample(self, begun: float) -> None:
        while True:
            words = self._status.read_text().split("VmRSS:")[1].split()
            self.samples.append((time.monotonic() - begun, int(words[0]) / 1024))
            await asyncio.sleep(SAMPLE_S)
