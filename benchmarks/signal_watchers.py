"""Thousands of simulated controllers, one connection each; driven over stdin by signal_watch.

Each watches its own signal with whole programs, acknowledges what it is asked after a wait by
chance, reports its status every half a minute, and comes back with its last revision when the
server is gone. ``state`` on stdin prints what they know as one line of JSON; ``quit`` ends.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
import threading
import time

import grpc

from benchmarks.signal_city import CITY, signal_ids
from traffic.v1 import signal_timing_pb2 as pb
from traffic.v1 import signal_timing_pb2_grpc

OPTIONS = (
    # A connection of its own each: gRPC else shares one.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 3_000),
)

REPORT_S = 30.0


class Watchers:
    """All controllers and what they have seen."""

    def __init__(self, target: str, count: int, acknowledge_s: float) -> None:
        self._target, self._spread_s = target, acknowledge_s
        self._ids = signal_ids(count)
        self._rng = random.Random(1)
        self.watching: set[str] = set()
        self.connected_at: dict[str, float] = {}
        self.revisions: dict[str, int] = {}
        # For each state of each switch: when which controller heard, and the server sent.
        self.heard: dict[str, list[tuple[float, float]]] = {}
        self.acknowledged = 0
        self._gate = asyncio.Semaphore(200)
        self._acks: set[asyncio.Task[None]] = set()
        # What each was told is committed: when it goes over, and to which switch.
        self._committed: dict[str, list[tuple[int, str]]] = {}

    async def run(self) -> None:
        await asyncio.gather(*(self._one(key) for key in self._ids))

    async def _report(
        self, stub: signal_timing_pb2_grpc.SignalTimingServiceStub, key: str, name: str
    ) -> None:
        """Say how it is, at other moments than the others do."""
        await asyncio.sleep(self._rng.uniform(0, REPORT_S))
        while True:
            if key in self.watching:
                now_ms = round(1000 * time.time())
                due = [row for row in self._committed.get(key, ()) if row[0] <= now_ms]
                request = pb.ReportStatusRequest(
                    signal=name,
                    switch=max(due)[1] if due else "",
                    revision=self.revisions.get(key, 0),
                    mode=pb.CONTROLLER_MODE_PLAN,
                    in_step=True,
                )
                request.time.FromMilliseconds(now_ms)
                with contextlib.suppress(grpc.aio.AioRpcError):
                    await stub.ReportStatus(request, timeout=20)
            await asyncio.sleep(REPORT_S)

    async def _one(self, key: str) -> None:
        channel = grpc.aio.insecure_channel(self._target, OPTIONS)
        stub = signal_timing_pb2_grpc.SignalTimingServiceStub(channel)
        name = f"cities/{CITY}/signals/{key}"
        reports = asyncio.create_task(self._report(stub, key, name))
        self._acks.add(reports)
        while True:
            request = pb.WatchPlansRequest(
                parent=f"cities/{CITY}",
                signals=[name],
                revision=self.revisions.get(key, 0),
                programs=True,
            )
            with contextlib.suppress(grpc.aio.AioRpcError):
                async with self._gate:
                    call = stub.WatchPlans(request, wait_for_ready=True)
                    message = await call.read()
                while isinstance(message, pb.WatchPlansResponse):
                    now = time.time()
                    if key not in self.watching:
                        self.watching.add(key)
                        self.connected_at[key] = now
                    self.revisions[key] = message.revision
                    for row in message.switches:
                        what = f"{row.switch} {pb.SwitchState.Name(row.state)}"
                        sent = message.server_time.ToMilliseconds() / 1000
                        self.heard.setdefault(what, []).append((now, sent))
                        if row.state == pb.SWITCH_STATE_COMMITTED:
                            at_ms = row.activate_at.ToMilliseconds()
                            self._committed.setdefault(key, []).append((at_ms, row.switch))
                        if row.state == pb.SWITCH_STATE_PROPOSED:
                            task = asyncio.create_task(self._acknowledge(stub, name, row.switch))
                            self._acks.add(task)
                            task.add_done_callback(self._acks.discard)
                    message = await call.read()
            self.watching.discard(key)
            await asyncio.sleep(self._rng.uniform(0.2, 1.5))

    async def _acknowledge(
        self, stub: signal_timing_pb2_grpc.SignalTimingServiceStub, name: str, switch: str
    ) -> None:
        await asyncio.sleep(self._rng.uniform(0, self._spread_s))
        request = pb.AcknowledgeSwitchRequest(signal=name, switch=switch)
        with contextlib.suppress(grpc.aio.AioRpcError):
            await stub.AcknowledgeSwitch(request, timeout=20)
            self.acknowledged += 1

    def state(self) -> dict[str, object]:
        pushes = {}
        for what, rows in self.heard.items():
            begun = min(sent for _, sent in rows)
            took = sorted(now - begun for now, _ in rows)
            pushes[what] = {
                "told": len(took),
                "begun": begun,
                "half_s": round(took[len(took) // 2], 3),
                "all_s": round(took[-1], 3),
            }
        return {
            "watching": len(self.watching),
            "last_connected": max(self.connected_at.values(), default=0.0),
            "acknowledged": self.acknowledged,
            "pushes": pushes,
        }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True)
    parser.add_argument("--watchers", type=int, required=True)
    parser.add_argument("--acknowledge", type=float, default=10.0)
    given = parser.parse_args()
    watchers = Watchers(given.target, given.watchers, given.acknowledge)
    running = asyncio.create_task(watchers.run())
    orders: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def listen() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(orders.put_nowait, line.strip())

    threading.Thread(target=listen, daemon=True).start()
    while (order := await orders.get()) != "quit":
        if order == "state":
            print(json.dumps(watchers.state()), flush=True)
    running.cancel()


if __name__ == "__main__":
    asyncio.run(main())
