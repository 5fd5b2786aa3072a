"""Nonsense at the wire: refused with a code that says so, and the server goes on unharmed."""

import contextlib
import random
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass
from structlog.testing import capture_logs

from greenlot.security import access
from parking.v1 import parking_pb2 as pk
from tests.greenlot import wire
from tests.greenlot.secured import Secured, code_of, reason_of, secured
from tests.greenlot.security.test_access import METHODS
from tests.greenlot.test_server import CITY

CODE = grpc.StatusCode
HARMLESS = {
    *(CODE.OK, CODE.INVALID_ARGUMENT, CODE.NOT_FOUND, CODE.FAILED_PRECONDITION),
    *(CODE.RESOURCE_EXHAUSTED, CODE.DEADLINE_EXCEEDED, CODE.PERMISSION_DENIED),
}
PATH = "/parking.v1.ParkingService/GetLot"


@pytest.fixture(scope="module")
def server(small_city: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured(small_city, tmp_path_factory.mktemp("secured")) as found:
        yield found


@pytest.fixture
def unharmed(server: Secured) -> Iterator[Secured]:
    """After all of it, calls are answered and nothing was logged as a failure."""
    with capture_logs() as logs:
        yield server
    assert [line for line in logs if line["log_level"] in ("error", "critical")] == []
    assert code_of(server.as_("app").parking.ListLots, pk.ListLotsRequest(parent=CITY)) is CODE.OK


def raw_call(channel: grpc.Channel, method: Any) -> Any:
    """A call whose requests are the bytes themselves."""
    arity = ("stream" if method.client_streaming else "unary") + (
        "_stream" if method.server_streaming else "_unary"
    )
    make = getattr(channel, arity)
    call = make(f"/{method.containing_service.full_name}/{method.name}", bytes, bytes)
    return (lambda raw, **more: call(iter([raw]), **more)) if method.client_streaming else call


def code_within(call: Any, raw: bytes, timeout_s: float) -> tuple[CODE, Any]:
    try:
        answer = call(raw, timeout=timeout_s)
        if not isinstance(answer, bytes):
            with contextlib.suppress(StopIteration):
                next(answer)
            answer.cancel()
    except grpc.RpcError as error:
        return error.code(), error
    return CODE.OK, None


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_bytes_that_are_no_message_are_told_so(unharmed: Secured, method: Any) -> None:
    call = raw_call(unharmed.as_("admin").channel, method)
    for raw in (b"\xff\xff\xff", b"\x0a\x7f", b"\x0a\x02\xff\xfe", b"\x07"):
        code, error = code_within(call, raw, 5)
        assert code is CODE.INVALID_ARGUMENT, raw
        assert reason_of(error) in ("MALFORMED", "INVALID_INPUT")


def test_bytes_by_chance_and_messages_with_bytes_changed(unharmed: Secured) -> None:
    """Requests of every call: random ones, and good ones with bytes flipped, cut and added."""
    random_source = random.Random(7)
    channel = unharmed.as_("admin").channel
    wrong = []
    for method in METHODS:
        # Searches that a broken question begins would only take long.
        if method.name.startswith("Optimize"):
            continue
        call, kind = raw_call(channel, method), GetMessageClass(method.input_type)
        good = bytearray(_filled(kind, random_source).SerializeToString())
        for _ in range(12):
            raw = bytearray(good)
            for _ in range(random_source.randrange(1, 6)):
                place = random_source.randrange(len(raw) + 1)
                raw[place : place + random_source.randrange(3)] = random_source.randbytes(
                    random_source.randrange(4)
                )
            if random_source.random() < 0.2:
                raw = bytearray(random_source.randbytes(random_source.randrange(1, 200)))
            code, _ = code_within(call, bytes(raw), 0.5 if method.server_streaming else 10)
            if code not in HARMLESS:
                wrong.append((method.name, code, bytes(raw)))
    assert wrong == []


def _filled(kind: Any, random_source: random.Random) -> Any:
    """A request whose texts and numbers are set, to one level."""
    message = kind()
    for field in kind.DESCRIPTOR.fields:
        if field.is_repeated or field.type == field.TYPE_MESSAGE:
            continue
        if field.type == field.TYPE_STRING:
            text = {"parent": CITY, "name": f"{CITY}/lots/near", "lot": f"{CITY}/lots/near"}
            setattr(message, field.name, text.get(field.name, "abc"))
        elif field.type in (field.TYPE_INT32, field.TYPE_INT64):
            setattr(message, field.name, random_source.randrange(1, 100))
        elif field.type == field.TYPE_DOUBLE:
            setattr(message, field.name, random_source.random())
    return message


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "a browser"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64, "TLS to plain text"),
        (wire.PREFACE, "and then nothing"),
        (wire.PREFACE[:10], "half a beginning"),
        (b"\x00" * 4096, "zeros"),
        (wire.PREFACE + wire.frame(wire.DATA, 0, 0, b"x"), "data of no call"),
        (wire.PREFACE + b"\xff\xff\xff" + b"\x00" * 6, "a frame of 16 MB that does not come"),
        (wire.PREFACE + wire.frame(wire.SETTINGS, 0, 0, b"12345"), "settings of no length"),
        (wire.PREFACE + wire.frame(wire.HEADERS, 4, 2, b"\x82"), "a call with an even number"),
        (wire.PREFACE + wire.frame(wire.HEADERS, 4, 1, b"\xff" * 50), "headers that are none"),
        (wire.PREFACE + wire.frame(wire.WINDOW_UPDATE, 0, 0, b"\x00" * 4), "a window of nothing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_connections_that_are_not_grpc(unharmed: Secured, said: bytes, what: str) -> None:
    with wire.Peer(unharmed.address, timeout_s=1) as peer:
        peer.socket.sendall(said)
        with contextlib.suppress(OSError):
            peer.socket.shutdown(socket.SHUT_WR)
        for _ in peer.frames():
            pass


def test_random_bytes_at_the_wire(unharmed: Secured) -> None:
    """Whole connections of noise, and good beginnings with noise behind."""
    random_source = random.Random(11)
    for k in range(60):
        noise = random_source.randbytes(random_source.randrange(1, 600))
        with wire.Peer(unharmed.address, timeout_s=2) as peer, contextlib.suppress(OSError):
            if k % 3:
                peer.hello()
            if k % 3 == 2:
                noise = wire.frame(random_source.randrange(10), noise[0], 1, noise[1:])
            peer.socket.sendall(noise)
            peer.socket.shutdown(socket.SHUT_WR)
            for _ in peer.frames():
                pass


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        (wire.message(b"abc", claimed=1000), True),
        (wire.message(b"abc", claimed=2**32 - 1), True),
        (wire.message(b"abc", claimed=2**32 - 1), False),
        (wire.message(b"abc", flag=1), True),
        (wire.message(b"abc", flag=255), True),
        (wire.message(b"")[:3], True),
        (wire.message(b"\xff\xff"), True),
        (wire.message(b"") * 3, True),
        (b"", True),
    ],
)
def test_messages_whose_frame_is_wrong(unharmed: Secured, data: bytes, ends: bool) -> None:
    token = f"Bearer {unharmed.tokens['app']}".encode()
    with wire.Peer(unharmed.address).hello() as peer:
        peer.call(PATH, data, ends=ends, authorization=token)
        said = peer.answered()
    assert said, "an answer, and at once"
    assert b"grpc-status\x010" not in said, "no answer as if nothing were wrong"
    assert b"Traceback" not in said
    assert b"File " not in said


def test_a_message_that_never_comes_is_not_waited_for_for_ever(
    small_city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = {name: replace(its, max_s=0.2) for name, its in access.POLICIES.items()}
    monkeypatch.setattr("greenlot.interceptors.POLICIES", hasty)
    with secured(small_city, tmp_path) as server:
        token = f"Bearer {server.tokens['app']}".encode()
        with wire.Peer(server.address).hello() as peer:
            head = wire.headers(PATH, authorization=token)
            peer.socket.sendall(wire.frame(wire.HEADERS, wire.END_HEADERS, 1, head))
            assert b"took too long" in peer.answered()


@pytest.mark.parametrize(
    "path", ["/", "", "/x", "/parking.v1.ParkingService/Nothing", "/" + "a" * 5000]
)
def test_calls_that_there_are_not(unharmed: Secured, path: str) -> None:
    for key in ("admin", None):
        call = unharmed.as_(key).channel.unary_unary(path or "/", bytes, bytes)
        code, _ = code_within(call, b"", 5)
        assert code is CODE.UNIMPLEMENTED


def test_many_connections_that_say_nothing_do_not_keep_others_out(unharmed: Secured) -> None:
    silent = [wire.Peer(unharmed.address) for _ in range(200)]
    try:
        stub = unharmed.as_("app").parking
        assert code_of(stub.ListLots, pk.ListLotsRequest(parent=CITY)) is CODE.OK
    finally:
        for peer in silent:
            peer.socket.close()
