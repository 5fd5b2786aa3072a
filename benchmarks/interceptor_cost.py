"""What the door costs each call: a bare grpc.aio echo with and without it, alternating rounds.

    python -m benchmarks.interceptor_cost [--rounds N]

A server process has both, each at a port of its own; one client calls one after the other. What
counts is the processor time that the server process spends on a call, which other work on the
machine hardly changes; the time that the client waits is shown beside it.
"""

import argparse
import asyncio
import multiprocessing
import os
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc

from greenlot.interceptors import CallInterceptor
from greenlot.security.callers import Caller, Role
from greenlot.security.guard import Guard
from greenlot.security.token_file import TokenFile, change_tokens
from greenlot.security.tokens import TokenRecord, digest, new_token
from greenlot.telemetry.statistics import Statistics
from parking.v1 import parking_pb2 as pb

METHOD = "/parking.v1.ParkingService/GetReservation"
REQUEST = pb.GetReservationRequest(name="cities/c/reservations/" + "0" * 32)
CALLS = 1_000
ROLES = (Role.APP, Role.OPERATOR)


class Directory:
    """A city in which all reservations are in one lot."""

    city_id = "c"

    def operator_of(self, lot_id: str) -> str | None:
        return "o"

    async def lot_of(self, reservation_id: str) -> str | None:
        return "lot"


async def echo(request: Any, context: Any) -> Any:
    return request


HANDLER = grpc.unary_unary_rpc_method_handler(
    echo, pb.GetReservationRequest.FromString, pb.GetReservationRequest.SerializeToString
)


def door(directory: Path, role: Role) -> tuple[CallInterceptor, str]:
    token = new_token()
    own = {"lots": frozenset({"lot"})} if role is Role.OPERATOR else {}
    caller = Caller("bench", role, calls_per_s=1e6, **own)
    path = directory / f"{role}.json"
    change_tokens(path, lambda _: [TokenRecord("t", caller, digest(token), 0)])
    guard = Guard(TokenFile(path), is_local=False)
    return CallInterceptor(guard, Directory(), Statistics()), token


def serve(directory: Path, pipe: Connection) -> None:
    """Run both servers; say the ports and a token, and then the processor time when asked."""

    async def main() -> None:
        servers, ports, tokens = [], [], []
        for role in (None, *ROLES):
            interceptors = []
            token = None
            if role is not None:
                interceptor, token = door(directory, role)
                interceptors = [interceptor]
            server, port = await served(interceptors)
            servers.append(server)
            ports.append(port)
            tokens.append(token)
        pipe.send((ports, tokens))
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, pipe.recv):
            pipe.send(time.process_time())
        for server in servers:
            await server.stop(None)

    asyncio.run(main())


async def served(interceptors: list[Any]) -> tuple[grpc.aio.Server, int]:
    server = grpc.aio.server(interceptors=interceptors, options=[("grpc.so_reuseport", 0)])
    handlers = grpc.method_handlers_generic_handler(
        "parking.v1.ParkingService", {"GetReservation": HANDLER}
    )
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


def cpu_s(pipe: Connection) -> float:
    pipe.send(True)
    return float(pipe.recv())


def one_round(pipe: Connection, port: int, token: str | None) -> tuple[float, float]:
    """Server's processor time and client's median time of a call, us."""
    metadata = (("authorization", f"Bearer {token}"),) if token else None
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            METHOD, pb.GetReservationRequest.SerializeToString, pb.GetReservationRequest.FromString
        )
        call(REQUEST, metadata=metadata)
        took = []
        before = cpu_s(pipe)
        for _ in range(CALLS):
            began = time.perf_counter()
            call(REQUEST, metadata=metadata)
            took.append(time.perf_counter() - began)
        spent = (cpu_s(pipe) - before) / CALLS
    return spent * 1e6, statistics.median(took) * 1e6


def main(rounds: int) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory() as directory:
        process = context.Process(target=serve, args=(Path(directory), theirs))
        process.start()
        ports, tokens = ours.recv()
        found: list[list[tuple[float, float]]] = [[] for _ in ports]
        for _ in range(rounds):
            for k, (port, token) in enumerate(zip(ports, tokens, strict=True)):
                found[k].append(one_round(ours, port, token))
        ours.send(False)
        process.join()
    print(f"median of {rounds} rounds of {CALLS} calls; load average {os.getloadavg()[0]:.1f}")
    print("                     server's processor time, us     client waits, us")
    for name, rows in zip(("bare echo", *ROLES), found, strict=True):
        more = statistics.median(row[0] - bare[0] for row, bare in zip(rows, found[0], strict=True))
        cpu, waits = (statistics.median(row[k] for row in rows) for k in (0, 1))
        extra = "" if name == "bare echo" else f" ({more:+.1f})"
        print(f"{name:<20} {cpu:>8.1f}{extra:<20} {waits:>16.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    main(parser.parse_args().rounds)
