"""Drivers over the wire: extending, moving, being displaced, lists, watches, repetitions."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from greenlot.clock import SimulatedClock
from parking.v1 import parking_pb2 as pk
from tests.greenlot.parking_client import (
    CITY,
    MINUTE,
    NOW_MS,
    RES,
    Parking,
    count,
    lot,
    request,
    serving,
)
from tests.greenlot.test_server import refusal

HOUR = 60 * MINUTE


@pytest.fixture
def parking(small_city: Path, tmp_path: Path) -> Iterator[Parking]:
    with serving(small_city, tmp_path, SimulatedClock(NOW_MS)) as found:
        yield found


def test_an_extension_costs_what_the_whole_stay_costs(parking):
    held = parking.booked()
    longer = parking.call("ExtendReservation", name=held.name, leave_at=NOW_MS + 2 * HOUR)
    assert longer.leave_at.ToMilliseconds() == NOW_MS + 2 * HOUR
    assert (held.price_fen, longer.price_fen) == (500, 1000)
    code, info, _ = refusal(
        parking.stub.ExtendReservation,
        request("ExtendReservation", name=held.name, leave_at=NOW_MS),
    )
    assert (code, info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "LEAVE_AT")


def test_an_extension_that_clashes_is_refused(parking):
    first = parking.booked()
    second = parking.booked()
    assert first.lot == second.lot == lot("near")
    later = [parking.clients.request(max_walk_m=30.0) for _ in range(2)]
    for message in later:
        message.arrive_at.FromMilliseconds(NOW_MS + HOUR)
        assert parking.stub.RequestAssignment(message, timeout=20).lot == lot("near")
    code, info, _ = refusal(
        parking.stub.ExtendReservation,
        request("ExtendReservation", name=first.name, leave_at=NOW_MS + HOUR + MINUTE),
    )
    assert (code, info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "FULL")
    assert parking.get(first.name).leave_at.ToMilliseconds() == NOW_MS + HOUR


def test_a_move_needs_the_drivers_consent(parking):
    old = parking.booked("ann")
    offer = parking.call("RequestMove", name=old.name)
    assert (offer.state, offer.lot, offer.offer_for) == (RES.STATE_HELD, lot("far"), old.name)
    assert offer.price_fen <= old.price_fen
    assert parking.get(old.name).offer == offer.name
    assert parking.get(old.name).state == RES.STATE_CONFIRMED
    new = parking.call("MoveReservation", name=old.name, offer=offer.name)
    assert new.state == RES.STATE_CONFIRMED
    gone = parking.get(old.name)
    assert (gone.state, gone.moved_to) == (RES.STATE_MOVED, new.name)
    assert parking.lot("near").pools[0].held == 0


def test_an_offer_for_another_reservation_is_refused(parking):
    old, other = parking.booked("ann"), parking.booked("ann")
    offer = parking.call("RequestMove", name=old.name)
    code, _, field = refusal(
        parking.stub.MoveReservation,
        request("MoveReservation", name=other.name, offer=offer.name),
    )
    assert (code, field) == (grpc.StatusCode.INVALID_ARGUMENT, "offer")


def test_closing_a_lot_pushes_an_offer_with_the_reason(parking):
    held = parking.booked("ann")
    watch = parking.stream("WatchReservation", name=held.name)
    mine = parking.stream("WatchReservations", driver_id="ann")
    assert next(watch).state == RES.STATE_CONFIRMED
    assert next(mine).name == held.name
    closed = parking.call("CloseLot", name=lot("near"), reason="burst pipe")
    assert (closed.closed, closed.closed_reason) == (True, "burst pipe")
    told = next(watch)
    assert (told.state, told.reason) == (RES.STATE_DISPLACED, "closed")
    assert list(watch) == []
    pushed = {item.name: item for item in (next(mine), next(mine))}
    offer = pushed[told.offer]
    assert (offer.state, offer.lot, offer.offer_for) == (RES.STATE_HELD, lot("far"), held.name)
    assert offer.price_fen <= held.price_fen
    assert not offer.equal_or_better, "further to walk at the same price"
    taken = parking.call("ConfirmReservation", name=offer.name)
    assert taken.state == RES.STATE_CONFIRMED
    mine.cancel()
    code, _, _ = refusal(parking.stub.RequestAssignment, parking.clients.request(max_walk_m=30.0))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    parking.call("OpenLot", name=lot("near"))
    assert parking.hold(max_walk_m=30.0).lot == lot("near")


def test_an_offer_is_equal_or_better_where_the_lost_place_was_further(parking):
    near = [parking.booked() for _ in range(2)]
    far = parking.booked("ann")
    assert far.lot == lot("far")
    parking.call("CancelReservation", name=near[0].name)
    parking.call("ReportOccupancy", lot=lot("far"), counts=[count("far-s", 0)])
    displaced = parking.get(far.name)
    assert (displaced.state, displaced.reason) == (RES.STATE_DISPLACED, "walk_in")
    offer = parking.get(displaced.offer)
    assert (offer.lot, offer.equal_or_better) == (lot("near"), True)


def test_a_client_that_reconnects_misses_nothing(parking):
    first = parking.hold("ann")
    watch = parking.stream("WatchReservations", driver_id="ann")
    revision = next(watch).revision
    watch.cancel()
    parking.call("ConfirmReservation", name=first.name)
    second = parking.hold("ann")
    parking.call("CancelReservation", name=first.name)
    watch = parking.stream("WatchReservations", driver_id="ann", revision=revision)
    news = [next(watch), next(watch)]
    assert [(item.name, item.state) for item in news] == [
        (second.name, RES.STATE_HELD),
        (first.name, RES.STATE_CANCELLED),
    ]
    assert news[0].revision < news[1].revision
    watch.cancel()


def test_a_hold_that_expires_soon_is_announced(parking):
    held = parking.hold()
    watch = parking.stream("WatchReservation", name=held.name)
    assert not next(watch).expiring
    parking.tick_to(NOW_MS + 13 * MINUTE)
    warned = next(watch)
    assert (warned.expiring, warned.state) == (True, RES.STATE_HELD)
    parking.tick_to(NOW_MS + 15 * MINUTE)
    assert next(watch).state == RES.STATE_EXPIRED


def test_an_arrival_after_a_no_show_is_a_walk_in(parking):
    held = parking.booked()
    parking.tick_to(NOW_MS + 30 * MINUTE)
    code, info, _ = refusal(parking.stub.RecordArrival, request("RecordArrival", name=held.name))
    assert (code, info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "IS_NO_SHOW")


def test_reservations_are_listed_by_driver_and_by_lot(parking):
    mine = [parking.booked("ann").name, parking.hold("ann").name]
    parking.hold("bob")
    found, token = [], ""
    while True:
        page = parking.call("ListReservations", driver_id="ann", page_size=1, page_token=token)
        found += [item.name for item in page.reservations]
        token = page.next_page_token
        if not token:
            break
    assert sorted(found) == sorted(mine)
    there = parking.call("ListReservations", lot=lot("near")).reservations
    assert {item.name for item in there} == set(mine)
    assert parking.call("ListReservations", driver_id="nobody").reservations == []


def test_request_ids_are_each_callers_own(parking):
    message = parking.clients.request()
    calls = [
        parking.stub.RequestAssignment(message, timeout=20, metadata=metadata)
        for metadata in (None, [("greenlot-caller", "app")], [("greenlot-caller", "app")])
    ]
    assert calls[0].name != calls[1].name
    assert calls[1] == calls[2]
    with pytest.raises(grpc.RpcError) as caught:
        parking.stub.RequestAssignment(
            parking.clients.request(), timeout=20, metadata=[("greenlot-caller", "a b")]
        )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_refusal_is_an_answer_and_stays_one(parking):
    for _ in range(7):
        parking.hold()
    message = parking.clients.request()
    first = refusal(parking.stub.RequestAssignment, message)
    assert first[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    parking.call("OpenLot", name=lot("near"))
    held = parking.call("ListReservations", lot=lot("near")).reservations[0]
    parking.call("CancelReservation", name=held.name)
    assert refusal(parking.stub.RequestAssignment, message) == first
    parking.hold()


def test_a_flood_from_one_driver_is_stopped_and_costs_the_others_nothing(parking):
    calls = [
        parking.stub.RequestAssignment.future(
            parking.clients.request(driver_id="flood"), timeout=20
        )
        for _ in range(90)
    ]
    errors = [call.exception() for call in calls]
    codes = ["OK" if error is None else refusal_reason(error) for error in errors]
    assert codes.count("OK") == 2
    assert codes.count("OPEN_MAX") >= 48
    assert codes.count("TOO_MANY") > 0
    assert set(codes) == {"OK", "OPEN_MAX", "TOO_MANY"}
    parking.hold()


def refusal_reason(error: grpc.RpcError) -> str:
    info = error_details_pb2.ErrorInfo()
    for detail in rpc_status.from_call(error).details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
    return info.reason


RESERVATION = f"{CITY}/reservations/none"
LONG = "x" * 100_000
BAD = [
    ("GetReservation", {"name": "reservations/1"}, "INVALID_ARGUMENT", "name"),
    ("GetReservation", {"name": LONG}, "INVALID_ARGUMENT", "name"),
    ("GetReservation", {"name": "cities/nowhere/reservations/1"}, "NOT_FOUND", ""),
    ("GetReservation", {"name": RESERVATION}, "NOT_FOUND", ""),
    ("ConfirmReservation", {"name": RESERVATION}, "NOT_FOUND", ""),
    (
        "ConfirmReservation",
        {"name": RESERVATION, "request_id": LONG},
        "INVALID_ARGUMENT",
        "request_id",
    ),
    ("CancelReservation", {"name": RESERVATION}, "NOT_FOUND", ""),
    ("RecordArrival", {"name": RESERVATION}, "NOT_FOUND", ""),
    ("RecordArrival", {"name": RESERVATION, "bay": LONG}, "INVALID_ARGUMENT", "bay"),
    ("RecordDeparture", {"name": RESERVATION}, "NOT_FOUND", ""),
    ("ExtendReservation", {"name": RESERVATION}, "INVALID_ARGUMENT", "leave_at"),
    ("ExtendReservation", {"name": RESERVATION, "leave_at": NOW_MS}, "NOT_FOUND", ""),
    ("RequestMove", {"name": RESERVATION}, "NOT_FOUND", ""),
    ("RequestMove", {"name": RESERVATION, "max_walk_m": -1.0}, "INVALID_ARGUMENT", "max_walk_m"),
    (
        "RequestMove",
        {"name": RESERVATION, "destination": pk.LatLng(latitude=91)},
        "INVALID_ARGUMENT",
        "destination.latitude",
    ),
    ("MoveReservation", {"name": RESERVATION, "offer": "x"}, "INVALID_ARGUMENT", "offer"),
    ("MoveReservation", {"name": RESERVATION, "offer": RESERVATION}, "NOT_FOUND", ""),
    ("ListReservations", {}, "INVALID_ARGUMENT", "driver_id"),
    ("ListReservations", {"driver_id": "a", "lot": lot("near")}, "INVALID_ARGUMENT", "driver_id"),
    ("ListReservations", {"lot": lot("none")}, "NOT_FOUND", ""),
    ("ListReservations", {"driver_id": "a", "page_size": 201}, "INVALID_ARGUMENT", "page_size"),
    ("ListReservations", {"driver_id": "a", "page_token": "?"}, "INVALID_ARGUMENT", "page_token"),
    ("ListReservations", {"parent": "cities/x", "driver_id": "a"}, "NOT_FOUND", ""),
    ("WatchReservation", {"name": RESERVATION}, "NOT_FOUND", ""),
    ("WatchReservation", {"name": RESERVATION, "revision": -1}, "INVALID_ARGUMENT", "revision"),
    ("WatchReservations", {"driver_id": "a", "revision": -1}, "INVALID_ARGUMENT", "revision"),
    ("WatchReservations", {"driver_id": "13812345678"}, "INVALID_ARGUMENT", "driver_id"),
    ("WatchReservations", {"driver_id": LONG}, "INVALID_ARGUMENT", "driver_id"),
    ("SearchLots", {}, "INVALID_ARGUMENT", "destination"),
]


@pytest.mark.parametrize(("call", "fields", "code", "field"), BAD)
def test_bad_input_is_refused_with_its_place(shared, call, fields, code, field):
    got, info, where = refusal(getattr(shared.stub, call), request(call, **fields))
    assert (got.name, where) == (code, field)
    assert info.domain == "greenlot"


@pytest.fixture(scope="module")
def shared(small_city: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parking]:
    """A server that nothing changes."""
    directory = tmp_path_factory.mktemp("shared")
    with serving(small_city, directory, SimulatedClock(NOW_MS)) as found:
        yield found


def test_a_deadline_that_has_passed_is_no_answer(parking):
    message = parking.clients.request()
    with pytest.raises(grpc.RpcError) as caught:
        parking.stub.RequestAssignment(message, timeout=0.0001)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    held = parking.stub.RequestAssignment(message, timeout=20)
    assert held.state == RES.STATE_HELD
    assert parking.stub.RequestAssignment(message, timeout=20) == held
    assert str(uuid.UUID(message.request_id)) == message.request_id
