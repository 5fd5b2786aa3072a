"""Five thousand controllers watch one server: ``python -m benchmarks.signal_watch``.

One connection each. Measured: how long a city-wide switch takes to reach all, as a proposal and as
a decision; GetPlan at 500 a second with the watchers idle and while pushes go out, beside a bare
grpc.aio echo in the same run; memory of a watcher; how long until all are back after SIGKILL and
restart. Clients, server and echo share the machine. Prints JSON; exit status 1 if a bar is missed.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import grpc

from benchmarks.signal_city import CITY, plans, signal_ids
from traffic.io.protobuf import plan_to_proto
from traffic.v1 import signal_timing_pb2 as pb
from traffic.v1 import signal_timing_pb2_grpc

PARENT = f"cities/{CITY}"
RATE = 500
PROBE_CHANNELS = 8


class Process:
    """A child of ours that says where it listens."""

    def __init__(self, module: str, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self, order: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.line())
        return answer

    def end(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    @property
    def cpu_s(self) -> float:
        """Seconds of a core that it has used: what a busy machine does not change much."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        row = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(row.split()[1]) / 1024


class Probe:
    """GetPlan at a steady rate, whatever comes back: late answers do not slow it down."""

    def __init__(self, target: str, count: int) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channels = [grpc.aio.insecure_channel(target, options) for _ in range(PROBE_CHANNELS)]
        self._stubs = [
            signal_timing_pb2_grpc.SignalTimingServiceStub(channel) for channel in self._channels
        ]
        self._names = [f"{PARENT}/signals/{key}" for key in signal_ids(count)]
        # (due, seconds) of each call.
        self.took: list[tuple[float, float]] = []
        self.failed = 0

    async def run(self, seconds: float) -> None:
        begin = time.time()
        calls = set()
        for k in range(int(seconds * RATE)):
            due = begin + k / RATE
            wait = due - time.time()
            if wait > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(self._call(k, due))
            calls.add(task)
            task.add_done_callback(calls.discard)
        await asyncio.gather(*calls)

    async def _call(self, k: int, due: float) -> None:
        request = pb.GetPlanRequest(name=self._names[(k * 7919) % len(self._names)])
        try:
            await self._stubs[k % PROBE_CHANNELS].GetPlan(request, timeout=20)
            self.took.append((due, time.time() - due))
        except grpc.aio.AioRpcError:
            self.failed += 1

    def figures(self, begin: float = 0.0, end: float = 1e18) -> dict[str, Any]:
        rows = sorted(took for due, took in self.took if begin <= due <= end)
        if not rows:
            return {"calls": 0}
        return {
            "calls": len(rows),
            "p50_ms": round(1000 * rows[len(rows) // 2], 1),
            "p99_ms": round(1000 * rows[int(len(rows) * 0.99)], 1),
            "max_ms": round(1000 * rows[-1], 1),
            "failed": self.failed,
        }

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()


async def probed(target: str, count: int, seconds: float) -> dict[str, Any]:
    probe = Probe(target, count)
    await probe.run(1.0)
    probe.took.clear()
    await probe.run(seconds)
    await probe.close()
    return probe.figures()


def start_server(count: int, data: str, port: int) -> Process:
    words = ("--signals", str(count), "--data", data, "--listen", f"127.0.0.1:{port}")
    server = Process("benchmarks.signal_city", *words)
    if not server.line().startswith("listening on"):
        raise RuntimeError("the server does not start")
    return server


class Engineer:
    """Puts plans in force."""

    def __init__(self, target: str, count: int) -> None:
        self._channel = grpc.insecure_channel(
            target, [("grpc.max_receive_message_length", 64 * 2**20)]
        )
        self._stub = signal_timing_pb2_grpc.SignalTimingServiceStub(self._channel)
        self._count = count

    def approved(self, offset_s: int) -> str:
        request = pb.CreatePlanSetRequest(
            parent=PARENT,
            request_id=str(uuid.uuid4()),
            plans=[plan_to_proto(plan, CITY) for plan in plans(self._count, offset_s)],
        )
        made = self._stub.CreatePlanSet(request, timeout=300)
        self._stub.ApprovePlanSet(
            pb.ApprovePlanSetRequest(name=made.name, request_id=str(uuid.uuid4())), timeout=60
        )
        return made.name

    def activate(self, name: str) -> str:
        request = pb.ActivateRequest(parent=PARENT, request_id=str(uuid.uuid4()), plan_set=name)
        answer = self._stub.Activate(request, timeout=300)
        return answer.switches[0].name

    def close(self) -> None:
        self._channel.close()


async def until(watchers: Process, so: Any, seconds: float) -> dict[str, Any]:
    """Ask the watchers until something is so; what they said last."""
    end = time.monotonic() + seconds
    while True:
        state = await asyncio.to_thread(watchers.ask, "state")
        if so(state) or time.monotonic() > end:
            return state
        await asyncio.sleep(0.5)


async def measure(count: int, seconds: float) -> dict[str, Any]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    target = f"127.0.0.1:{port}"
    report: dict[str, Any] = {"watchers": count, "rate": RATE}
    with tempfile.TemporaryDirectory() as data:
        echo = Process("benchmarks.signal_city", "--echo")
        echo_target = echo.line().split()[-1]
        server = start_server(count, data, port)
        watchers = None
        try:
            engineer = Engineer(target, count)
            first, second = await asyncio.to_thread(
                lambda: (engineer.approved(0), engineer.approved(20))
            )
            await asyncio.to_thread(engineer.activate, first)
            await probed(target, count, 2)
            alone_mb = server.memory_mb
            begun = time.time()
            watchers = Process(
                "benchmarks.signal_watchers", "--target", target, "--watchers", str(count)
            )
            state = await until(watchers, lambda s: s["watching"] >= count, 180)
            report["all_connected_s"] = round(state["last_connected"] - begun, 1)
            report["connected"] = state["watching"]
            await asyncio.sleep(5)
            report["server_mb"] = round(server.memory_mb)
            report["kb_a_watcher"] = round((server.memory_mb - alone_mb) * 1024 / count, 1)
            for name, process, where in (
                ("idle", server, target),
                ("echo", echo, echo_target),
            ):
                before_s = process.cpu_s
                report[name] = await probed(where, count, seconds)
                used_s = process.cpu_s - before_s
                report[name]["cpu_ms_a_call"] = round(1000 * used_s / (seconds + 1) / RATE, 3)
            report |= await switch(engineer, second, server, watchers, target, count)
            report["resume"] = await killed(server, watchers, count, data, port)
            server = report["resume"].pop("server")
            engineer.close()
        finally:
            for process in (watchers, server, echo):
                if process is not None:
                    process.end()
    report["load"] = os.getloadavg()
    return report


async def switch(
    engineer: Engineer,
    plan_set: str,
    server: Process,
    watchers: Process,
    target: str,
    count: int,
) -> dict[str, Any]:
    """A city-wide switch, with GetPlan going on all the while."""
    probe = Probe(target, count)
    probing = asyncio.create_task(probe.run(60.0))
    await asyncio.sleep(2.0)
    begun, used_s = time.time(), server.cpu_s
    name = await asyncio.to_thread(engineer.activate, plan_set)
    activated_s = time.time() - begun
    decided = f"{name} SWITCH_STATE_COMMITTED"
    state = await until(
        watchers, lambda s: s["pushes"].get(decided, {}).get("told", 0) >= count, 55
    )
    probing.cancel()
    await asyncio.gather(probing, return_exceptions=True)
    figures: dict[str, Any] = {
        "activate_s": round(activated_s, 2),
        "cpu_s_of_the_switch": round(server.cpu_s - used_s, 2),
        "calls_meanwhile": len(probe.took),
    }
    for key in ("PROPOSED", "COMMITTED"):
        push = state["pushes"].get(f"{name} SWITCH_STATE_{key}", {"told": 0})
        if push["told"]:
            begin = push.pop("begun")
            push["get_plan"] = probe.figures(begin, begin + push["all_s"])
        figures[key.lower()] = push
    figures["acknowledged"] = state["acknowledged"]
    figures["get_plan_throughout"] = probe.figures()
    await probe.close()
    return figures


async def killed(
    server: Process, watchers: Process, count: int, data: str, port: int
) -> dict[str, Any]:
    """SIGKILL, a new start, and everybody is back."""
    server.end()
    await asyncio.sleep(2.0)
    begun = time.time()
    again = await asyncio.to_thread(start_server, count, data, port)
    listening = time.time()
    state = await until(watchers, lambda s: s["watching"] >= count, 120)
    return {
        "server": again,
        "start_s": round(listening - begun, 2),
        "watching": state["watching"],
        "all_back_s": round(state["last_connected"] - listening, 2),
        "all_back_since_start_s": round(state["last_connected"] - begun, 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watchers", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each quiet measurement")
    given = parser.parse_args()
    report = asyncio.run(measure(given.watchers, given.seconds))
    pushes = [report["proposed"], report["committed"]]
    bars = {
        "switch_reaches_all_in_2_s": all(
            push["told"] >= given.watchers and push["all_s"] <= 2 for push in pushes
        ),
        "idle_p99_20_ms": report["idle"]["p99_ms"] <= 20,
        "push_p99_250_ms": all(
            push.get("get_plan", {}).get("p99_ms", 1e9) <= 250 for push in pushes
        ),
        "all_resume_in_30_s": report["resume"]["watching"] >= given.watchers
        and report["resume"]["all_back_since_start_s"] <= 30,
    }
    print(json.dumps(report | {"bars": bars}, indent=1))
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
