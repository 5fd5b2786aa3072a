"""Load on a real server: ``python -m benchmarks.ledger_load``.

Client processes play drivers (request, confirm, arrive, leave: a cycle is four calls) against
``greenlot serve`` with the embedded store, then with PostgreSQL; beside them, in the same run, a
bare grpc.aio echo of messages as large, and bare commits to the same kind of store. Prints JSON.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import grpc
import psycopg

import tests.reliability  # noqa: F401  (before gRPC: see there)
from benchmarks.ledger_city import write_load_city
from benchmarks.ledger_clients import ECHO
from tests.reliability.postgres_server import DURABLE, running
from tests.reliability.server_process import ServerProcess

AT_ONCE = 64


async def serve_echo() -> None:
    """Serve the echo until killed; the address is the one line on stdout."""

    async def say(request: bytes, context: object) -> bytes:
        return request

    handler = grpc.method_handlers_generic_handler(
        ECHO.split("/")[1], {ECHO.split("/")[2]: grpc.unary_unary_rpc_method_handler(say)}
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


def clients(kind: str, addresses: list[str], **job: object) -> dict:
    """Run one client process and return what it measured."""
    words = json.dumps({"kind": kind, "addresses": addresses, **job})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ledger_clients", words],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def measure(kind: str, addresses: list[str], seconds: float) -> dict:
    """Measure 100 and 300 calls/s and saturation."""
    found = {
        f"{rate}_calls_per_s": clients(kind, addresses, calls_per_s=rate, seconds=seconds)
        for rate in (100, 300)
    }
    # Two client processes: one alone is as busy as the server, and would be what is measured.
    with ThreadPoolExecutor(2) as executor:
        both = [
            executor.submit(clients, kind, addresses, at_once=AT_ONCE // 2, seconds=seconds)
            for _ in range(2)
        ]
    parts = [part.result() for part in both]
    found["saturation"] = {
        "calls_per_s": round(sum(part["calls_per_s"] for part in parts), 1),
        "p50_ms": statistics.median(part["p50_ms"] for part in parts),
        "p99_ms": max(part["p99_ms"] for part in parts),
        "failed": [part["failed"] for part in parts],
    }
    return found


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--store", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument("--serve-echo", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve_echo:
        asyncio.run(serve_echo())
        return
    report: dict = {"machine": machine(), "seconds_each": given.seconds, "at_once": AT_ONCE}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        city = write_load_city(root / "city")
        report["bare_sqlite"] = bare_sqlite_commits(root, 3.0)
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.ledger_load", "--serve-echo"],
            stdout=subprocess.PIPE,
            text=True,
        ) as echo:
            assert echo.stdout is not None
            report["echo"] = measure("echo", [echo.stdout.readline().strip()], given.seconds)
            echo.kill()
        if given.store != "postgres":
            with ServerProcess(city, root / "data", f"sqlite:{root / 'l.sqlite'}") as server:
                report["sqlite"] = measure("drivers", [server.address], given.seconds)
        if given.store != "sqlite":
            with running(DURABLE) as database:
                report["bare_postgres"] = bare_postgres_commits(database.url, 3.0)
                with ServerProcess(city, root / "data-pg", database.url) as server:
                    report["postgres"] = measure("drivers", [server.address], given.seconds)
    for store in ("sqlite", "postgres"):
        if store in report:
            ratio = report[store]["saturation"]["calls_per_s"]
            ratio /= report["echo"]["saturation"]["calls_per_s"]
            report[store]["share_of_echo"] = round(ratio, 3)
    report["machine"]["load_1min_after"] = round(os.getloadavg()[0], 2)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
