"""Logs: structured, with request ids, and without what must not be in them."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from grpc._cython import cygrpc
from hypothesis import given
from hypothesis import strategies as st

from greenlot.logs import STRUCK_OUT, LogFormat, configure_logging, scrub
from greenlot.security.callers import Caller, Role
from greenlot.security.tokens import new_token
from greenlot.telemetry.calls import CURRENT, GIVEN, Call, request_id
from parking.v1 import parking_pb2 as pk

TOKEN = new_token()
SECRET = [
    TOKEN,
    f"x{TOKEN}y",
    "鲁E12345",
    "鲁E·12345",
    "鲁ED12345",
    "京A1234警",
    "13812345678",
    "+8613812345678",
    "+86 138 1234 5678",
    "hunter2secret",
]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def secrets_in(text: str) -> list[str]:
    return [secret for secret in (*SECRET, "12345", "1234 5678") if secret in text]


@pytest.mark.parametrize("shape", list(LogFormat))
def test_tokens_plates_phones_and_passwords_are_struck_out_wherever_they_are(
    shape: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(shape=shape)
    log = structlog.get_logger()
    for secret in SECRET[:-1]:
        log.warning(f"found {secret} there", value=secret, deep={"a": [secret]})
        log.warning(secret.encode())
        try:
            raise ValueError(f"bad {secret}")
        except ValueError as error:
            log.error("failed", exc_info=error)
        logging.getLogger("library").error("it says %s", secret)
    log.error("x", where="postgresql://greenlot:hunter2secret@db/city password=hunter2secret")
    log.error("x", header="Bearer hunter2secret")
    request = pk.RegisterDriverRequest(plates=["鲁E12345"], phones=["13812345678"])
    log.error("x", request=str(request), again=repr(request))
    err = capsys.readouterr().err
    assert err.count("\n") >= 4 * (len(SECRET) - 1) + 3
    assert secrets_in(err) == []
    assert STRUCK_OUT in err
    assert "greenlot" in err


@pytest.mark.parametrize(
    "text",
    [
        "cities/dongying/reservations/0f3a6c1e2b9d4f5e8a7b6c5d4e3f2a1b",
        "timestamp='2026-11-25T08:44:56.399178Z'",
        "peer=ipv4:127.0.0.1:52466",
        "valid_from_ms=1795000000000",
        "东三路/黄河路",
    ],
)
def test_what_is_harmless_is_left(text: str) -> None:
    assert scrub(text) == text


@given(st.text(alphabet="abcdefXYZ019_-", min_size=0, max_size=43))
def test_also_a_part_of_a_token_is_struck_out(tail: str) -> None:
    assert tail == "" or f"glt_{tail}" not in scrub(f"a glt_{tail} b")


def test_a_line_of_a_call_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(shape=LogFormat.JSON)
    token = CURRENT.set(Call("/a.B/C", Caller("app", Role.APP), "trip-7", 0.0))
    structlog.get_logger().info("something", count=3)
    CURRENT.reset(token)
    structlog.get_logger().info("else")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (
        first.items()
        >= {
            "event": "something",
            "request_id": "trip-7",
            "method": "/a.B/C",
            "caller": "app",
            "level": "info",
            "count": 3,
        }.items()
    )
    assert "request_id" not in second


@pytest.mark.parametrize("given_id", [None, "", "a b", "x" * 65, "ä", "a\nb", b"bytes", "{}"])
def test_a_request_id_that_cannot_be_one_is_replaced(given_id: object) -> None:
    made = {request_id(given_id) for _ in range(100)}
    assert len(made) == 100
    assert all(GIVEN.fullmatch(item) for item in made)
    assert request_id("trip-42") == "trip-42"


def test_an_answer_that_came_too_late_for_its_caller_is_no_exception(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging()
    words = logging.getLogger("grpc._cython.cygrpc")
    for error in (cygrpc.ExecuteBatchError("gone"), ValueError("a mistake")):
        try:
            raise error
        except Exception:
            words.exception("in a handler")
    told = capsys.readouterr().err
    assert told.count("in a handler") == 1
    assert "a mistake" in told
