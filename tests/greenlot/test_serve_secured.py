"""``greenlot serve`` with tokens as a process: what is refused is logged, and nothing leaks."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import grpc

from greenlot.security.callers import Caller, Role
from greenlot.security.token_file import change_tokens
from greenlot.security.tokens import TokenRecord, digest, new_token
from parking.v1 import parking_pb2 as pk
from parking.v1 import parking_pb2_grpc
from tests.greenlot.parking_client import request as parking_request
from tests.greenlot.secured import code_of
from tests.greenlot.test_serve import GREENLOT
from tests.greenlot.test_server import CITY
from traffic.v1 import signal_timing_pb2 as st
from traffic.v1 import signal_timing_pb2_grpc

CODE = grpc.StatusCode
PLATE, PHONE = "鲁E54321", "13987654321"


def given_out(path: Path) -> dict[str, str]:
    callers = {
        "app": Caller("app", Role.APP),
        "operator": Caller("operator-near", Role.OPERATOR, lots=frozenset({"near"})),
        "controller": Caller("controller-A1", Role.CONTROLLER, signals=frozenset({"A1"})),
        "expired": Caller("was-app", Role.APP),
    }
    tokens = {key: new_token() for key in callers}
    change_tokens(
        path,
        lambda _: [
            TokenRecord(
                key, caller, digest(tokens[key]), 1, expires_ms=2 if key == "expired" else None
            )
            for key, caller in callers.items()
        ],
    )
    return tokens


def wrong_calls(channel: grpc.Channel, tokens: dict[str, str]) -> list[tuple[Any, Any, Any, CODE]]:
    """Calls that must be refused: how, what, with which metadata, and the code."""
    parking = parking_pb2_grpc.ParkingServiceStub(channel)
    signals = signal_timing_pb2_grpc.SignalTimingServiceStub(channel)
    lots, app = pk.ListLotsRequest(parent=CITY), tokens["app"]

    def bearer(key: str) -> list[tuple[str, str]]:
        return [("authorization", f"Bearer {tokens[key]}")]

    near, far = f"{CITY}/lots/near", f"{CITY}/lots/far"
    close = parking_request("CloseLot", name=far)
    return [
        (parking.ListLots, lots, [], CODE.UNAUTHENTICATED),
        (parking.ListLots, lots, [("authorization", f"Basic {app}")], CODE.UNAUTHENTICATED),
        (parking.ListLots, lots, [("authorization", app)], CODE.UNAUTHENTICATED),
        (parking.ListLots, lots, [("token", app)], CODE.UNAUTHENTICATED),
        (parking.ListLots, lots, [("x-request-id", app)], CODE.UNAUTHENTICATED),
        (parking.ListLots, lots, [("authorization", f"Bearer {app}x")], CODE.UNAUTHENTICATED),
        (parking.ListLots, lots, bearer("expired"), CODE.UNAUTHENTICATED),
        (parking.CloseLot, close, bearer("app"), CODE.PERMISSION_DENIED),
        (parking.CloseLot, close, bearer("operator"), CODE.PERMISSION_DENIED),
        (
            signals.GetPlan,
            st.GetPlanRequest(name=f"{CITY}/signals/B1"),
            bearer("controller"),
            CODE.PERMISSION_DENIED,
        ),
        # Tokens, plates and phone numbers where they do not belong
        (parking.GetLot, pk.GetLotRequest(name=app), bearer("app"), CODE.INVALID_ARGUMENT),
        (parking.GetLot, pk.GetLotRequest(name=PLATE), bearer("app"), CODE.INVALID_ARGUMENT),
        (
            parking.CloseLot,
            parking_request("CloseLot", name=near, reason=app * 10),
            bearer("operator"),
            CODE.INVALID_ARGUMENT,
        ),
        (
            parking.ListReservations,
            pk.ListReservationsRequest(parent=CITY, driver_id=PHONE),
            [*bearer("app"), ("x-request-id", app)],
            CODE.INVALID_ARGUMENT,
        ),
        (
            channel.unary_unary(f"/{app}/{PHONE}", bytes, bytes),
            b"",
            bearer("app"),
            CODE.UNIMPLEMENTED,
        ),
    ]


def test_what_is_refused_is_logged_and_nothing_leaks(small_city: Path, tmp_path: Path) -> None:
    tokens = given_out(tmp_path / "tokens.json")
    process = subprocess.Popen(
        [
            *(GREENLOT, "serve", "--city", str(small_city), "--data", str(tmp_path / "data")),
            *("--tokens", str(tmp_path / "tokens.json"), "--listen", "127.0.0.1:0"),
            *("--log-format", "json", "--log-calls", "--metrics", "0"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        with grpc.insecure_channel(address) as channel:
            wrong = wrong_calls(channel, tokens)
            for call, request, metadata, code in wrong:
                assert code_of(call, request, metadata=metadata) is code
            parking_pb2_grpc.ParkingServiceStub(channel).RegisterDriver(
                pk.RegisterDriverRequest(
                    parent=CITY,
                    request_id="8c2f3f5e-8c7e-4b0e-9d6e-0d6f6a1c2b3a",
                    plates=[PLATE],
                    phones=[PHONE],
                ),
                timeout=20,
                metadata=[("authorization", f"Bearer {tokens['app']}"), ("x-request-id", "trip-7")],
            )
        time.sleep(0.1)
    finally:
        process.terminate()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    for secret in (*tokens.values(), *map(digest, tokens.values()), PLATE, PHONE, PHONE[-8:]):
        assert secret not in err
    lines = [json.loads(line) for line in err.splitlines()]
    refused = [line for line in lines if line["event"] == "refused"]
    codes = [code.name for *_, code in wrong]
    assert [line["code"] for line in refused] == [
        code for code in codes if code in ("UNAUTHENTICATED", "PERMISSION_DENIED")
    ]
    for line in refused:
        assert line["request_id"]
        assert line["why"] in ("NO_TOKEN", "BAD_TOKEN", "ROLE", "NOT_OWN")
        assert line["peer"].startswith("ipv4:127.0.0.1:")
    registered = [line for line in lines if line.get("request_id") == "trip-7"]
    assert [(line["event"], line["caller"], line["code"]) for line in registered] == [
        ("call", "app", "OK")
    ]
    assert "Traceback" not in err
