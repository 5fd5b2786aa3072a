"""What the door costs each call: a bare grpc.aio echo with and without it, alternating rounds.

    python -m benchmarks.interceptor_cost [--rounds N]

Prints the time per call of one closed-loop client on one connection, and of the door alone: its
coroutines driven by hand, without sockets, which is what the server's core spends on it.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc

from greenlot.interceptors import CallInterceptor
from greenlot.security.access import Own
from greenlot.security.callers import Caller, Role
from greenlot.security.guard import Guard
from greenlot.security.token_file import TokenFile, change_tokens
from greenlot.security.tokens import TokenRecord, digest, new_token
from greenlot.telemetry.statistics import Statistics
from parking.v1 import parking_pb2 as pb

METHOD = "/parking.v1.ParkingService/GetReservation"
REQUEST = pb.GetReservationRequest(name="cities/c/reservations/" + "0" * 32)
CALLS = 1_000


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


class Details:
    """Headers of a call, as gRPC gives them."""

    method = METHOD

    def __init__(self, token: str) -> None:
        self.invocation_metadata = (
            ("user-agent", "grpc-python/1.85"),
            ("authorization", f"Bearer {token}"),
        )


class Context:
    def set_trailing_metadata(self, metadata: Any) -> None:
        self.trailing = metadata


async def alone_us(interceptor: CallInterceptor, token: str, calls: int = 20_000) -> float:
    """Time of the door without any socket, less that of what it stands around, us a call."""
    raw = REQUEST.SerializeToString()
    details: Any = Details(token)

    async def continuation(_: Any) -> Any:
        return HANDLER

    context: Any = Context()
    began = time.perf_counter()
    for _ in range(calls):
        handler: Any = await interceptor.intercept_service(continuation, details)
        await handler.unary_unary(raw, context)
    through = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(calls):
        await echo(HANDLER.request_deserializer(raw), context)  # type: ignore[misc]
    return (through - (time.perf_counter() - began)) / calls * 1e6


async def served(interceptors: list[Any]) -> tuple[grpc.aio.Server, int]:
    server = grpc.aio.server(interceptors=interceptors, options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "parking.v1.ParkingService", {"GetReservation": HANDLER}
            ),
        )
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


async def round_us(port: int, token: str | None) -> float:
    """Median time of one call after the other, us."""
    metadata = (("authorization", f"Bearer {token}"),) if token else None
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            METHOD, pb.GetReservationRequest.SerializeToString, pb.GetReservationRequest.FromString
        )
        took = []
        for _ in range(CALLS):
            began = time.perf_counter()
            await call(REQUEST, metadata=metadata)
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e6


async def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for role in (Role.APP, Role.OPERATOR):
            interceptor, token = door(Path(directory), role)
            times = [await alone_us(interceptor, token) for _ in range(5)]
            print(f"the door alone, {role}: {statistics.median(times):.1f} us a call")
        interceptor, token = door(Path(directory), Role.APP)
        bare, bare_port = await served([])
        kept, kept_port = await served([interceptor])
        pairs = [
            (await round_us(bare_port, None), await round_us(kept_port, token))
            for _ in range(rounds)
        ]
        extra = statistics.median(b - a for a, b in pairs)
        print(
            f"echo over a socket, client and server on one loop, median of {rounds} rounds of "
            f"{CALLS}: {statistics.median(a for a, _ in pairs):.0f} us bare, "
            f"{statistics.median(b for _, b in pairs):.0f} us through the door; {extra:+.0f} us"
        )
        print(f"load average {os.getloadavg()[0]:.1f}")
        await bare.stop(None)
        await kept.stop(None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    asyncio.run(main(parser.parse_args().rounds))
