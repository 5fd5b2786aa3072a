"""Load on a real server: ``python -m benchmarks.ledger_load``.

Client processes play drivers (request, confirm, arrive, leave: a cycle is four calls) against
``greenlot serve`` with the embedded store and with PostgreSQL, and against a bare grpc.aio echo:
the same clients, the same requests, answers as large. At saturation short rounds alternate (echo,
SQLite, echo, PostgreSQL, ...), each ledger's round is divided by its neighbours' mean, and the
median of these ratios counts: another process on the machine hits all alike. Beside them, bare
commits to the same kinds of stores. Prints JSON; exit status 1 if a bar is missed.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import apsw
import grpc
import psycopg

import tests.reliability  # noqa: F401  (before gRPC: see there)
from benchmarks.ledger_city import write_load_city
from tests.reliability.postgres_server import DURABLE, running
from tests.reliability.server_process import ServerProcess

CLIENTS = 2
"""Client processes at saturation: one alone is as busy as the echo, and would be measured."""
AT_ONCE = 128
"""Drivers at once at saturation, in all."""
P99_MS = {100: 50.0, 300: 100.0}
SHARE_OF_ECHO = 0.4
SETTLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """A server that is measured."""

    name: str
    address: str
    pid: int


class Clients:
    """Client processes that do one job after the other, together."""

    def __init__(self, count: int) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.ledger_clients"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(count)
        ]
        self._seed = 0

    def run(self, target: Target, count: int, **job: float) -> dict:
        """Have ``count`` of them do a job; return what they saw together."""
        used = self._processes[:count]
        server_s, begun = _cpu_s(target.pid), time.monotonic()
        for process in used:
            self._seed += 1
            assert process.stdin is not None
            words = {"address": target.address, "seed": self._seed, **job}
            process.stdin.write(json.dumps(words) + "\n")
            process.stdin.flush()
        parts = [json.loads(process.stdout.readline()) for process in used if process.stdout]
        server_s, wall_s = _cpu_s(target.pid) - server_s, time.monotonic() - begun
        took = sorted(ms for part in parts for ms in part["took_ms"])
        return {
            "calls": len(took),
            "calls_per_s": sum(len(part["took_ms"]) / part["seconds"] for part in parts),
            "p50_ms": took[len(took) // 2],
            "p99_ms": took[int(len(took) * 0.99)],
            "failed": sum(sum(part["failed"].values()) for part in parts),
            "server_busy": server_s / wall_s,
            "server_ms_a_call": 1000 * server_s / len(took),
            "client_ms_a_call": 1000 * sum(part["cpu_s"] for part in parts) / len(took),
        }

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


def _cpu_s(pid: int) -> float:
    """Return the processor time that a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def echoing() -> Iterator[Target]:
    """Have the echo in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.ledger_echo"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as echo:
        assert echo.stdout is not None
        try:
            yield Target("echo", echo.stdout.readline().strip(), echo.pid)
        finally:
            echo.kill()


def at_rates(clients: Clients, targets: list[Target], seconds: float) -> dict:
    """Measure 100 and 300 calls/s."""
    found: dict = {target.name: {} for target in targets}
    for rate in P99_MS:
        for target in targets:
            seen = clients.run(target, 1, calls_per_s=rate, seconds=seconds)
            found[target.name][rate] = {
                "p50_ms": round(seen["p50_ms"], 2),
                "p99_ms": round(seen["p99_ms"], 2),
                "failed": seen["failed"],
            }
    return found


def saturated(clients: Clients, targets: list[Target], rounds: int, seconds: float) -> dict:
    """Measure as many calls as there can be, in alternating rounds."""
    echo, ledgers = targets[0], targets[1:]
    seen: dict[str, list[dict]] = {target.name: [] for target in targets}
    shares: dict[str, list[float]] = {target.name: [] for target in ledgers}
    job = {"at_once": AT_ONCE // CLIENTS, "seconds": seconds}
    for target in targets:
        clients.run(target, CLIENTS, **job)  # to warm up
    before = clients.run(echo, CLIENTS, **job)
    for _ in range(rounds):
        for ledger in ledgers:
            here = clients.run(ledger, CLIENTS, **job)
            after = clients.run(echo, CLIENTS, **job)
            beside = (before["calls_per_s"] + after["calls_per_s"]) / 2
            shares[ledger.name].append(here["calls_per_s"] / beside)
            seen[ledger.name].append(here)
            seen[echo.name].append(after)
            before = after
            time.sleep(SETTLE_S)
    found = {
        name: {key: _spread([item[key] for item in items]) for key in items[0]}
        for name, items in seen.items()
    }
    for name, ratios in shares.items():
        found[name]["share_of_echo"] = _spread(ratios)
    return found


def _spread(values: list[float]) -> dict:
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
    }


def bare_sqlite_commits(folder: Path, seconds: float) -> dict:
    """One row a commit, WAL, synchronous=FULL, one after the other."""
    connection = apsw.Connection(str(folder / "bare.sqlite"))
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)")
    return _commits(lambda: connection.execute("INSERT INTO t (b) VALUES (zeroblob(300))"), seconds)


def bare_postgres_commits(url: str, seconds: float) -> dict:
    """One row a commit, one after the other."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE bare (a serial PRIMARY KEY, b bytea)")
        return _commits(
            lambda: connection.execute("INSERT INTO bare (b) VALUES (%s)", (b"\0" * 300,)), seconds
        )


def _commits(commit, seconds: float) -> dict:
    took, begin = [], time.perf_counter()
    while time.perf_counter() < begin + seconds:
        start = time.perf_counter()
        commit()
        took.append(time.perf_counter() - start)
    took.sort()
    return {
        "commits_per_s": round(len(took) / sum(took), 1),
        "p50_ms": round(statistics.median(took) * 1000, 3),
        "p99_ms": round(took[int(len(took) * 0.99)] * 1000, 3),
    }


def machine() -> dict:
    return {
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "grpcio": grpc.__version__,
        "sqlite": apsw.sqlite_lib_version(),
    }


def missed(report: dict) -> list[str]:
    """Return the bars that were not reached."""
    told = []
    for store in ("sqlite", "postgres"):
        for rate, most in P99_MS.items():
            p99 = report["at_rate"].get(store, {}).get(rate, {}).get("p99_ms", 0.0)
            if p99 > most:
                told.append(f"{store}: p99 {p99} ms at {rate} calls/s, expected up to {most}")
        share = report["saturation"].get(store, {}).get("share_of_echo", {}).get("median", 1.0)
        if share < SHARE_OF_ECHO:
            told.append(f"{store}: {share} of the echo, expected {SHARE_OF_ECHO}")
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="at each rate")
    parser.add_argument("--rounds", type=int, default=7, help="of each store at saturation")
    parser.add_argument("--round-seconds", type=float, default=4.0)
    parser.add_argument("--store", choices=["sqlite", "postgres", "both"], default="both")
    given = parser.parse_args()
    report: dict = {
        "machine": machine(),
        "seconds": given.seconds,
        "rounds": given.rounds,
        "round_seconds": given.round_seconds,
        "client_processes": CLIENTS,
        "at_once": AT_ONCE,
    }
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        root = Path(folder)
        city = write_load_city(root / "city")
        targets = [stack.enter_context(echoing())]
        if given.store != "postgres":
            report["bare_sqlite"] = bare_sqlite_commits(root, 3.0)
            store = f"sqlite:{root / 'l.sqlite'}"
            server = stack.enter_context(ServerProcess(city, root / "data", store))
            targets.append(Target("sqlite", server.address, server.pid))
        if given.store != "sqlite":
            database = stack.enter_context(running(DURABLE))
            report["bare_postgres"] = bare_postgres_commits(database.url, 3.0)
            server = stack.enter_context(ServerProcess(city, root / "data-pg", database.url))
            targets.append(Target("postgres", server.address, server.pid))
        clients = Clients(CLIENTS)
        stack.callback(clients.close)
        report["at_rate"] = at_rates(clients, targets, given.seconds)
        report["saturation"] = saturated(clients, targets, given.rounds, given.round_seconds)
    report["machine"]["load_1min_after"] = round(os.getloadavg()[0], 2)
    report["missed"] = missed(report)
    print(json.dumps(report, indent=1))
    return 1 if report["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
