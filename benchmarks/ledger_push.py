"""Ten thousand watchers on one server: ``python -m benchmarks.ledger_push``.

Each watches a reservation of its own. Reservations are then confirmed at a rate, and the time from
each call's beginning to its push at the watcher is measured; then a lot is closed, and the time
until the last of its drivers knows. Prints JSON.
"""

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import grpc

import tests.reliability  # noqa: F401  (before gRPC: see there)
from benchmarks.ledger_city import write_load_city
from benchmarks.ledger_clients import Drivers
from parking.v1 import parking_pb2 as pk
from tests.reliability.server_process import ServerProcess

CHANNELS = 20


class Crowd(Drivers):
    """Drivers who hold one reservation each, and watch it."""

    def __init__(self, address: str, watchers: int) -> None:
        super().__init__([address], CHANNELS, seed=1)
        self._watchers = watchers
        self.lots: dict[str, str] = {}
        self.begun: dict[str, float] = {}
        self.pushed_s: list[float] = []
        self.displaced_at: list[float] = []
        self.watching = 0

    async def hold(self) -> None:
        """Have everybody hold a space."""
        left = iter(range(self._watchers))

        async def go_on() -> None:
            for k in left:
                stub = self._stubs[k % CHANNELS]
                held = await self._call(stub.RequestAssignment, self.request())
                if held is not None:
                    self.lots[held.name] = held.lot

        await asyncio.gather(*(go_on() for _ in range(64)))

    async def watch(self, name: str, k: int) -> None:
        """Watch one reservation, and note when its change comes."""
        call = self._stubs[k % CHANNELS].WatchReservation(pk.WatchReservationRequest(name=name))
        first = True
        async for message in call:
            now = time.perf_counter()
            if first:
                first, self.watching = False, self.watching + 1
            elif message.state == pk.Reservation.STATE_CONFIRMED and name in self.begun:
                self.pushed_s.append(now - self.begun.pop(name))
            elif message.state == pk.Reservation.STATE_DISPLACED:
                self.displaced_at.append(now)

    async def confirm(self, name: str, k: int) -> None:
        """Confirm one reservation; its watcher is to be told."""
        request = pk.ConfirmReservationRequest(name=name, request_id=str(uuid.uuid4()))
        self.begun[name] = time.perf_counter()
        await self._call(self._stubs[k % CHANNELS].ConfirmReservation, request)

    async def close_lot(self) -> tuple[int, float]:
        """Close the lot with the most reservations; return how many, and s until all know."""
        by_lot: dict[str, int] = {}
        for lot in self.lots.values():
            by_lot[lot] = by_lot.get(lot, 0) + 1
        lot = max(by_lot, key=lambda key: by_lot[key])
        begin = time.perf_counter()
        request = pk.CloseLotRequest(name=lot, reason="works", request_id=str(uuid.uuid4()))
        await self._stubs[0].CloseLot(request, timeout=60)
        await _until(lambda: len(self.displaced_at) >= by_lot[lot])
        last = max(self.displaced_at, default=begin)
        return len(self.displaced_at), last - begin


async def _until(so: Callable[[], bool]) -> None:
    """Wait until something is so, at most a minute."""
    until = time.perf_counter() + 60
    while not so() and time.perf_counter() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def measure(address: str, watchers: int, confirms: int, per_s: float) -> dict:
    crowd = Crowd(address, watchers)
    await crowd.hold()
    names = list(crowd.lots)
    begin = time.perf_counter()
    watches = [asyncio.create_task(crowd.watch(name, k)) for k, name in enumerate(names)]
    await _until(lambda: crowd.watching >= len(names))
    connected_s = time.perf_counter() - begin
    rng = random.Random(2)
    for k, name in enumerate(rng.sample(names, confirms)):
        asyncio.get_running_loop().create_task(crowd.confirm(name, k))
        await asyncio.sleep(1 / per_s)
    await _until(lambda: len(crowd.pushed_s) >= confirms)
    told, all_told_s = await crowd.close_lot()
    for watch in watches:
        watch.cancel()
    await asyncio.gather(*watches, return_exceptions=True)
    await crowd.close()
    took = sorted(crowd.pushed_s)
    return {
        "watchers": len(names),
        "all_connected_s": round(connected_s, 2),
        "pushes": len(took),
        "push_p50_ms": round(took[len(took) // 2] * 1000, 1),
        "push_p99_ms": round(took[int(len(took) * 0.99)] * 1000, 1),
        "push_max_ms": round(took[-1] * 1000, 1),
        "lot_closed_drivers_told": told,
        "lot_closed_all_told_ms": round(all_told_s * 1000),
        "failed": dict(crowd.failed),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watchers", type=int, default=10_000)
    parser.add_argument("--confirms", type=int, default=1000)
    parser.add_argument("--per-s", type=float, default=50.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        city = write_load_city(root / "city")
        with ServerProcess(city, root / "data") as server:
            report = asyncio.run(
                measure(server.address, given.watchers, given.confirms, given.per_s)
            )
            words = Path(f"/proc/{server.pid}/status").read_text().split("VmRSS:")[1].split()
            report["server_memory_mb"] = round(int(words[0]) / 1024)
    report["load_1min"] = round(os.getloadavg()[0], 2)
    report["grpcio"] = grpc.__version__
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
