"""A server of the small city that asks for tokens, and callers with some."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from greenlot.city import load_city
from greenlot.clock import SimulatedClock, system_clock
from greenlot.connection import Connection
from greenlot.security.callers import Caller, Role
from greenlot.security.token_file import change_tokens
from greenlot.security.tokens import TokenRecord, digest, new_token
from greenlot.server import Protection, ServerThread
from parking.v1 import parking_pb2_grpc
from tests.greenlot.test_server import NOW_MS
from traffic.v1 import signal_timing_pb2_grpc

CALLERS = {
    "controller": Caller("controller-A1", Role.CONTROLLER, signals=frozenset({"A1"})),
    "operator": Caller("operator-near", Role.OPERATOR, lots=frozenset({"near"})),
    "rival": Caller("operator-far", Role.OPERATOR, lots=frozenset({"far"})),
    "app": Caller("city-app", Role.APP),
    "engineer": Caller("engineer", Role.ENGINEER),
    "admin": Caller("admin", Role.ADMIN),
}


class Secured:
    """A server with tokens; one caller of each kind."""

    def __init__(self, thread: ServerThread, tokens: Path, clock: SimulatedClock) -> None:
        self.address = thread.address
        self.thread = thread
        self.clock = clock
        self.file = tokens
        self.tokens: dict[str, str] = {}
        self._channels: list[grpc.Channel] = []

    def give(self, caller: Caller, key: str = "", **more: int) -> str:
        """Give a token out; the server knows it a second later, or from its start."""
        token = new_token()
        record = TokenRecord(token[4:12], caller, digest(token), system_clock() - 1, **more)
        change_tokens(self.file, lambda records: [*records, record])
        self.tokens[key or caller.name] = token
        return token

    def as_(self, key: str | None) -> "Stubs":
        """Call as one of ``CALLERS``; None = without a token."""
        token = self.tokens[key] if key is not None else None
        return self.with_token(token)

    def with_token(self, token: str | None) -> "Stubs":
        """Call with a token."""
        channel = Connection(self.address, token=token).channel()
        self._channels.append(channel)
        return Stubs(channel)

    def close(self) -> None:
        """Close what was opened."""
        for channel in self._channels:
            channel.close()


class Stubs:
    """Both services over one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.parking = parking_pb2_grpc.ParkingServiceStub(channel)
        self.signals = signal_timing_pb2_grpc.SignalTimingServiceStub(channel)


@contextmanager
def secured(small_city: Path, directory: Path, **protection: Any) -> Iterator[Secured]:
    """Serve the small city to callers with tokens."""
    city, clock = load_city(small_city, cache=directory), SimulatedClock(NOW_MS)
    tokens = directory / "tokens.json"
    given = {key: new_token() for key in CALLERS}
    change_tokens(
        tokens,
        lambda _: [
            TokenRecord(key, caller, digest(given[key]), 1) for key, caller in CALLERS.items()
        ],
    )
    thread = ServerThread(
        city,
        data=directory / "data",
        clock=clock,
        protection=Protection(tokens=tokens, **protection),
    )
    with thread:
        found = Secured(thread, tokens, clock)
        found.tokens |= given
        yield found
        found.close()


def code_of(call: Any, request: Any, **more: Any) -> grpc.StatusCode:
    """Return the code that a call ends with."""
    try:
        answer = call(request, timeout=20, **more)
        if not isinstance(answer, Message):
            next(iter(answer), None)
            answer.cancel()
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def reason_of(error: grpc.RpcError) -> str:
    """Return the reason in an error's ErrorInfo."""
    status = rpc_status.from_call(error)
    assert status is not None, "an error without details"
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        detail.Unpack(info)
    return str(info.reason)
