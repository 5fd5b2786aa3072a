"""Load clients in a process of their own: drivers' cycles at a rate or as fast as they can.

``python -m benchmarks.ledger_clients`` reads jobs from stdin, a JSON object a line, and prints a
JSON object for each. It knows nothing of what is behind an address: a ledger or an echo.
"""

import asyncio
import json
import random
import resource
import sys
import time
import uuid
from collections import Counter

import grpc

from benchmarks.ledger_city import CENTRE, CITY
from parking.v1 import parking_pb2 as pk
from parking.v1 import parking_pb2_grpc

STEPS = ("ConfirmReservation", "RecordArrival", "RecordDeparture")
WARM_UP = 10
"""Cycles before the time is taken."""


class Drivers:
    """Drivers who request, confirm, arrive and leave: a cycle is four calls."""

    def __init__(self, addresses: list[str], channels: int, seed: int) -> None:
        self._random = random.Random(seed)
        # Pools of their own, or all channels of a process would share one connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channels = [
            grpc.aio.insecure_channel(addresses[k % len(addresses)], options=options)
            for k in range(channels)
        ]
        self._stubs = [parking_pb2_grpc.ParkingServiceStub(item) for item in self._channels]
        self.took_s: list[float] = []
        self.failed: Counter[str] = Counter()

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def cycle(self) -> None:
        stub = self._random.choice(self._stubs)
        held = await self._call(stub.RequestAssignment, self.request())
        name = held.name if held is not None else ""
        for step in STEPS if name else ():
            kind = getattr(pk, f"{step}Request")
            if (
                await self._call(getattr(stub, step), kind(name=name, request_id=self._id()))
                is None
            ):
                return

    def request(self) -> pk.RequestAssignmentRequest:
        message = pk.RequestAssignmentRequest(
            parent=CITY,
            request_id=self._id(),
            driver_id=f"d-{self._random.getrandbits(64):016x}",
            origin=pk.LatLng(latitude=CENTRE[1] - 0.01, longitude=CENTRE[0] - 0.02),
            destination=pk.LatLng(
                latitude=CENTRE[1] + self._random.uniform(-0.005, 0.005),
                longitude=CENTRE[0] + self._random.uniform(-0.005, 0.005),
            ),
            height_cm=200,
        )
        message.duration.FromSeconds(3600)
        return message

    async def _call(self, call, message):
        begin = time.perf_counter()
        try:
            answer = await call(message, timeout=20)
        except grpc.aio.AioRpcError as error:
            self.failed[error.code().name] += 1
            return None
        self.took_s.append(time.perf_counter() - begin)
        return answer

    def _id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128)))


async def at_rate(drivers: Drivers, calls_per_s: float, seconds: float) -> float:
    """Begin cycles at random moments, whatever becomes of those before; return the seconds."""
    rng, tasks = random.Random(1), set()
    begin = due = time.perf_counter()
    while due < begin + seconds:
        due += rng.expovariate(calls_per_s / 4)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(drivers.cycle())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return time.perf_counter() - begin


async def as_fast_as_they_can(drivers: Drivers, at_once: int, seconds: float) -> float:
    """Let each driver begin anew as soon as he is done; return the seconds."""
    begin = time.perf_counter()

    async def go_on() -> None:
        while time.perf_counter() < begin + seconds:
            await drivers.cycle()

    await asyncio.gather(*(go_on() for _ in range(at_once)))
    return time.perf_counter() - begin


async def run(job: dict) -> dict:
    """Do one job: ``address``, ``seconds``, ``seed`` and either ``calls_per_s`` or ``at_once``."""
    drivers = Drivers([job["address"]], job.get("channels", 4), job["seed"])
    for _ in range(WARM_UP):
        await drivers.cycle()
    drivers.took_s.clear()
    cpu_s = _cpu_s()
    if job.get("calls_per_s"):
        seconds = await at_rate(drivers, job["calls_per_s"], job["seconds"])
    else:
        seconds = await as_fast_as_they_can(drivers, job["at_once"], job["seconds"])
    cpu_s = _cpu_s() - cpu_s
    await drivers.close()
    return {
        "seconds": seconds,
        "cpu_s": cpu_s,
        "took_ms": [round(took * 1000, 3) for took in drivers.took_s],
        "failed": dict(drivers.failed),
    }


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main() -> None:
    for line in iter(sys.stdin.readline, ""):
        print(json.dumps(await run(json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
