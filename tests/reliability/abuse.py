"""Callers who make mistakes, or mean harm: each call, and the code that it must get."""

import asyncio
import uuid
from collections import Counter
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from parking.v1 import parking_pb2 as pk
from parking.v1 import parking_pb2_grpc

CODE = grpc.StatusCode
HUGE = "x" * 100_000
FAR_PAST, FAR_FUTURE = -62_135_596_800, 253_402_300_799


def good_request(parent: str, **changes: Any) -> pk.RequestAssignmentRequest:
    """Return a request that a server of the small city answers, with fields changed."""
    message = pk.RequestAssignmentRequest(
        parent=parent,
        request_id=str(uuid.uuid4()),
        driver_id=f"d-{uuid.uuid4().hex[:12]}",
        origin=pk.LatLng(latitude=37.42, longitude=118.64),
        destination=pk.LatLng(latitude=37.43, longitude=118.66),
        height_cm=150,
    )
    message.duration.FromSeconds(3600)
    for name, value in changes.items():
        if value is None:
            message.ClearField(name)
        elif isinstance(value, pk.LatLng):
            getattr(message, name).CopyFrom(value)
        elif name == "permits":
            message.permits.extend(value)
        elif name in ("duration", "arrive_at"):
            getattr(message, name).seconds = value
        else:
            setattr(message, name, value)
    return message


def bad_requests(parent: str) -> list[tuple[Any, CODE]]:
    """Return requests with one field wrong each, and the code that each must get."""
    changes: list[dict[str, Any]] = [
        {"request_id": ""},
        {"request_id": "no uuid"},
        {"request_id": HUGE},
        {"driver_id": ""},
        {"driver_id": HUGE},
        {"driver_id": "13800138000"},
        {"driver_id": "a\nb"},
        {"origin": None},
        {"destination": None},
        {"duration": None},
        {"origin": pk.LatLng(latitude=90.1, longitude=0)},
        {"origin": pk.LatLng(latitude=float("nan"), longitude=0)},
        {"destination": pk.LatLng(latitude=0, longitude=-180.1)},
        {"destination": pk.LatLng(latitude=0, longitude=float("inf"))},
        {"duration": 0},
        {"duration": -5},
        {"duration": 59},
        {"duration": 14 * 86_400 + 1},
        {"duration": 2**62},
        {"arrive_at": FAR_FUTURE + 1},
        {"arrive_at": FAR_PAST - 1},
        {"space_class": 99},
        {"connector": 99},
        {"height_cm": -1},
        {"height_cm": 2**31 - 1},
        {"min_power_kw": float("nan")},
        {"min_power_kw": -1.0},
        {"max_walk_m": -1.0},
        {"max_walk_m": 1e300},
        {"max_price_fen": -1},
        {"value_of_time_fen_per_h": -1},
        {"value_of_time_fen_per_h": 2**31 - 1},
        {"permits": [HUGE]},
        {"permits": ["p"] * 10_000},
    ]
    found: list[tuple[Any, CODE]] = [
        (good_request(parent, **change), CODE.INVALID_ARGUMENT) for change in changes
    ]
    found.append((good_request(HUGE), CODE.NOT_FOUND))
    found.append((good_request("cities/elsewhere"), CODE.NOT_FOUND))
    return found


def bad_names(parent: str) -> list[tuple[str, CODE]]:
    """Return names of reservations that are not there, or are no names."""
    return [
        ("", CODE.INVALID_ARGUMENT),
        (HUGE, CODE.INVALID_ARGUMENT),
        (f"{parent}/reservations/", CODE.INVALID_ARGUMENT),
        (f"{parent}/reservations/{HUGE}", CODE.INVALID_ARGUMENT),
        (f"{parent}/reservations/../../x", CODE.INVALID_ARGUMENT),
        ("cities/elsewhere/reservations/r", CODE.NOT_FOUND),
        (f"{parent}/reservations/nobody", CODE.NOT_FOUND),
    ]


class Abuser:
    """Sends calls that must be refused, and notes what is not refused as it should be."""

    def __init__(self, channel: grpc.aio.Channel, parent: str) -> None:
        self._channel = channel
        self._stub = parking_pb2_grpc.ParkingServiceStub(channel)
        self._parent = parent
        self._held: list[str] = []
        self.codes: Counter[str] = Counter()
        self.wrong: list[str] = []

    async def mistakes(self) -> None:
        """Every field out of range, unknown ids, huge strings."""
        for request, code in bad_requests(self._parent):
            await self._expect(self._stub.RequestAssignment, request, code)
        for name, code in bad_names(self._parent):
            for call in ("Confirm", "Cancel"):
                kind = getattr(pk, f"{call}ReservationRequest")
                request = kind(name=name, request_id=str(uuid.uuid4()))
                await self._expect(getattr(self._stub, f"{call}Reservation"), request, code)
            await self._expect(self._stub.GetReservation, pk.GetReservationRequest(name=name), code)
        place = pk.LatLng(latitude=37.43, longitude=118.66)
        for change in ({"page_size": -1}, {"page_size": 10**6}, {"page_token": HUGE}):
            search = pk.SearchLotsRequest(parent=self._parent, destination=place, **change)
            await self._expect(self._stub.SearchLots, search, CODE.INVALID_ARGUMENT)

    async def flood(self, calls: int = 120) -> None:
        """Very many requests of one driver at once: he is limited, and loses nothing by it."""
        driver = f"flood-{uuid.uuid4().hex[:8]}"
        answers = await asyncio.gather(
            *(self._code(good_request(self._parent, driver_id=driver)) for _ in range(calls))
        )
        told = Counter(answers)
        if set(told) - {"OK", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"}:
            self.wrong.append(f"a flood was answered {dict(told)}")
        if told["OK"] > 2:
            self.wrong.append(f"a driver was given {told['OK']} spaces")
        await self._clean_up()

    async def too_late(self, calls: int = 20) -> None:
        """Deadlines that pass while the call is under way; the same call again is answered."""
        for _ in range(calls):
            request = good_request(self._parent)
            first = await self._code(request, timeout_s=0.003)
            if first not in ("OK", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"):
                self.wrong.append(f"a late call was answered {first}")
            again = await self._code(request)
            if again not in ("OK", "RESOURCE_EXHAUSTED"):
                self.wrong.append(f"a call made again after its deadline was answered {again}")
        await self._clean_up()

    async def too_long(self) -> None:
        """A message beyond the limit, which gRPC itself refuses."""
        request = good_request(self._parent, driver_id="x" * (17 * 1024 * 1024))
        code = await self._code(request)
        if code != "RESOURCE_EXHAUSTED":
            self.wrong.append(f"a message of 17 MB was answered {code}")

    async def _clean_up(self) -> None:
        """Give up what was held, once each: a call made again has the same reservation."""
        for name in set(self._held):
            request = pk.CancelReservationRequest(name=name, request_id=str(uuid.uuid4()))
            await self._stub.CancelReservation(request, timeout=20)
        self._held.clear()

    async def _code(self, request: pk.RequestAssignmentRequest, timeout_s: float = 20) -> str:
        try:
            held = await self._stub.RequestAssignment(request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            self.codes[error.code().name] += 1
            return str(error.code().name)
        self.codes["OK"] += 1
        self._held.append(held.name)
        return "OK"

    async def _expect(self, call: Any, request: Any, code: CODE) -> None:
        what = f"{type(request).__name__} {str(request)[:200]!r}"
        try:
            await call(request, timeout=20)
        except grpc.aio.AioRpcError as error:
            self.codes[error.code().name] += 1
            if error.code() is not code:
                self.wrong.append(f"{what}: {error.code().name}, expected {code.name}")
            elif not _has_details(error, code):
                self.wrong.append(f"{what}: {code.name} without details")
        else:
            self.wrong.append(f"{what} was answered, expected {code.name}")


def _has_details(error: grpc.aio.AioRpcError, code: CODE) -> bool:
    """Whether an error says why, and for bad input which field."""
    status = rpc_status.from_call(error)
    if status is None:
        return False
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad)
    named = bool(bad.field_violations) or code is not CODE.INVALID_ARGUMENT
    return bool(info.reason) and named
