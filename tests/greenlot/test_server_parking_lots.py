"""Operators, the city and drivers' data over the wire."""

import math
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from greenlot.clock import SimulatedClock
from parking.ledger.events import Audited
from parking.store.copying import read_file
from parking.v1 import parking_pb2 as pk
from tests.greenlot.parking_client import (
    CITY,
    MINUTE,
    NOW_MS,
    RES,
    Parking,
    count,
    described,
    lot,
    passage,
    request,
    serving,
)
from tests.greenlot.test_server import refusal

HOUR = 60 * MINUTE
PLATE = "鲁E·A1234"
PHONE = "138 1234 5678"
ENTRY = pk.EntryDecision


@pytest.fixture
def parking(small_city: Path, tmp_path: Path) -> Iterator[Parking]:
    with serving(small_city, tmp_path, SimulatedClock(NOW_MS)) as found:
        yield found


# Lots


def test_a_lot_added_at_run_time_is_given_and_survives_a_restart(small_city, tmp_path):
    clock = SimulatedClock(NOW_MS)
    rules = pk.LotRules(hold_s=60)
    new = described("new", 118.66, 37.43, 3, rules=rules)
    with serving(small_city, tmp_path, clock) as parking:
        (made,) = parking.call("UpsertLots", lots=[new]).lots
        assert (made.name, made.pools[0].bookable) == (lot("new"), 3)
        (smaller,) = parking.call("UpsertLots", lots=[described("far", 118.665, 37.433, 1)]).lots
        assert smaller.pools[0].capacity == 1
        parking.call("CloseLot", name=lot("near"), reason="works")
        held = parking.hold(max_walk_m=30.0)
    with serving(small_city, tmp_path, clock) as parking:
        lots = parking.call("ListLots").lots
        assert [item.name for item in lots] == [lot(x) for x in ("far", "low", "near", "new")]
        assert [item.pools[0].capacity for item in lots] == [1, 50, 2, 3]
        assert [item.closed for item in lots] == [False, False, True, False]
        assert parking.get(held.name).state == RES.STATE_HELD
        parking.call("CancelReservation", name=held.name)
        again = parking.hold(max_walk_m=30.0)
        assert again.lot == lot("new")
        assert again.hold_expires_at.ToMilliseconds() == NOW_MS + MINUTE


def test_shrinking_a_lot_displaces(parking):
    held = [parking.booked() for _ in range(2)]
    parking.call("UpsertLots", lots=[described("near", 118.66, 37.43, 1)])
    states = [parking.get(item.name) for item in held]
    assert sorted(item.state for item in states) == [RES.STATE_CONFIRMED, RES.STATE_DISPLACED]
    (lost,) = [item for item in states if item.state == RES.STATE_DISPLACED]
    assert lost.reason == "capacity"
    assert parking.get(lost.offer).lot == lot("far")


def test_several_lots_change_or_none(parking):
    good = described("new", 118.66, 37.43, 3)
    bad = described("other", 118.66, 37.43, 3, pool={"id": "far-s"})
    code, _, field = refusal(parking.stub.UpsertLots, request("UpsertLots", lots=[good, bad]))
    assert (code, field) == (grpc.StatusCode.INVALID_ARGUMENT, "lots[1].pools[0].pool_id")
    code, _, _ = refusal(parking.stub.GetLot, request("GetLot", name=lot("new")))
    assert code is grpc.StatusCode.NOT_FOUND


def test_numbered_bays_are_given_at_arrival(parking):
    bays = described("bays", 118.66, 37.43, 2, pool={"bays": ["A1", "A2"]})
    parking.call("UpsertLots", lots=[bays])
    parking.call("CloseLot", name=lot("near"))
    held = [parking.booked(max_walk_m=30.0) for _ in range(2)]
    assert {item.lot for item in held} == {lot("bays")}
    assert [item.bay for item in held] == ["", ""]
    first = parking.call("RecordArrival", name=held[0].name, bay="A2")
    second = parking.call("RecordArrival", name=held[1].name)
    assert (first.bay, second.bay) == ("A2", "A1")
    code, _, field = refusal(
        parking.stub.RecordArrival, request("RecordArrival", name=held[1].name, bay="ZZ")
    )
    assert code in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT)
    assert field in ("", "bay")


# Physical truth


def test_counts_take_spaces_and_grow_stale(parking):
    now = parking.call("ReportOccupancy", lot=lot("far"), counts=[count("far-s", 2)])
    (pool,) = now.pools
    assert (pool.free, pool.walk_ins, pool.bookable, pool.stale) == (2, 3, 2, False)
    assert pool.seen_at.ToMilliseconds() == NOW_MS
    parking.tick_to(NOW_MS + HOUR)
    (pool,) = parking.lot("far").pools
    assert (pool.stale, pool.withheld, pool.bookable) == (True, 1, 1)
    older = parking.call(
        "ReportOccupancy", lot=lot("far"), counts=[count("far-s", 5)], seen_at=NOW_MS - 1
    )
    assert older.pools[0].free == 2


def test_gate_events_count_once_whatever_their_order(parking):
    events = [passage(NOW_MS - 3000), passage(NOW_MS - 1000), passage(NOW_MS - 2000, inward=False)]
    first = parking.call("ReportGateEvents", lot=lot("far"), events=events)
    assert (first.taken, first.lot.pools[0].walk_ins) == (3, 1)
    again = parking.call("ReportGateEvents", lot=lot("far"), events=events[::-1])
    assert (again.taken, again.lot.pools[0].walk_ins) == (0, 1)


def test_a_plate_at_the_gate_arrives_and_leaves(parking):
    driver = parking.call("RegisterDriver", plates=[PLATE], phones=[PHONE])
    held = parking.booked(driver.driver_id)
    entry = parking.call("CheckEntry", lot=held.lot, plate="鲁ea1234")
    assert (entry.decision, entry.reservation.name) == (ENTRY.DECISION_RESERVED, held.name)
    parking.tick_to(NOW_MS + MINUTE)
    parking.call("ReportGateEvents", lot=held.lot, events=[passage(NOW_MS + 30_000, plate=PLATE)])
    arrived = parking.get(held.name)
    assert arrived.state == RES.STATE_PARKED
    assert arrived.arrived_at.ToMilliseconds() == NOW_MS + 30_000
    parking.tick_to(NOW_MS + 10 * MINUTE)
    out = passage(NOW_MS + 9 * MINUTE, inward=False, plate=PLATE)
    parking.call("ReportGateEvents", lot=held.lot, events=[out])
    left = parking.get(held.name)
    assert (left.state, left.left_at.ToMilliseconds()) == (
        RES.STATE_COMPLETED,
        NOW_MS + 9 * MINUTE,
    )
    (pool,) = parking.lot("near").pools
    assert (pool.free, pool.walk_ins, pool.parked) == (2, 0, 0)


def test_the_gate_asks_before_it_opens(parking):
    ask = lambda **who: parking.call("CheckEntry", lot=lot("near"), **who)  # noqa: E731
    assert (ask().decision, ask().walk_in_spaces) == (ENTRY.DECISION_WALK_IN, 2)
    here = [parking.booked("ann"), parking.booked("bob")]
    assert ask().decision == ENTRY.DECISION_FULL
    assert ask(driver_id="ann").decision == ENTRY.DECISION_RESERVED
    assert ask(reservation=here[1].name).decision == ENTRY.DECISION_RESERVED
    elsewhere = parking.booked("cui")
    assert elsewhere.lot == lot("far")
    wrong = ask(driver_id="cui")
    assert (wrong.decision, wrong.reservation.name) == (ENTRY.DECISION_WRONG_LOT, elsewhere.name)
    parking.call("CloseLot", name=lot("near"))
    assert ask().decision == ENTRY.DECISION_CLOSED


def test_too_early_at_the_gate(parking):
    for _ in range(2):
        parking.booked()
    message = parking.clients.request(driver_id="eve", max_walk_m=30.0)
    message.arrive_at.FromMilliseconds(NOW_MS + HOUR)
    later = parking.stub.RequestAssignment(message, timeout=20)
    entry = parking.call("CheckEntry", lot=lot("near"), driver_id="eve")
    assert (entry.decision, entry.reservation.name) == (ENTRY.DECISION_EARLY, later.name)


def test_a_daily_reconciliation(parking):
    gone, here = parking.booked(), parking.booked()
    for held in (gone, here):
        parking.call("RecordArrival", name=held.name)
    parking.tick_to(NOW_MS + 5 * MINUTE)
    answer = parking.call(
        "ReconcileLot",
        lot=lot("near"),
        counts=[count("near-s", 1)],
        present=[here.name],
        looked_at_cars=True,
    )
    assert [(item.name, item.state, item.reason) for item in answer.changed] == [
        (gone.name, RES.STATE_COMPLETED, "unseen")
    ]
    assert (answer.cars_before, answer.cars_after) == (2, 1)
    assert answer.lot.pools[0].bookable == 1


def test_the_settlement_of_a_lot(parking):
    stayed, missed, late = parking.booked(), parking.booked(), None
    parking.call("RecordArrival", name=stayed.name)
    parking.tick_to(NOW_MS + 20 * MINUTE)
    parking.call("RecordDeparture", name=stayed.name)
    late = parking.booked()
    parking.call("CancelReservation", name=late.name)
    parking.tick_to(NOW_MS + 30 * MINUTE)
    parking.call("CloseLot", name=lot("low"))
    entries = list(
        parking.stream("ExportSettlement", lot=lot("near"), **{"from": NOW_MS, "to": NOW_MS + HOUR})
    )
    kinds = pk.SettlementEntry
    assert [(item.reservation, item.kind) for item in entries] == [
        (stayed.name, kinds.KIND_STAY),
        (late.name, kinds.KIND_LATE_CANCEL),
        (missed.name, kinds.KIND_NO_SHOW),
    ]
    assert entries[0].price_fen == 500
    assert entries[0].left_at.ToMilliseconds() == NOW_MS + 20 * MINUTE
    none = parking.stream(
        "ExportSettlement", lot=lot("near"), **{"from": NOW_MS - HOUR, "to": NOW_MS}
    )
    assert list(none) == []


# The city


def test_key_figures(parking):
    parking.hold()
    booked = parking.booked()
    parking.call("RecordArrival", name=booked.name)
    parking.call("ReportOccupancy", lot=lot("far"), counts=[count("far-s", 1)])
    sums = parking.call("GetParkingStatus")
    assert (sums.lots, sums.spaces, sums.cars, sums.free) == (3, 57, 5, 52)
    assert (sums.held, sums.parked, sums.walk_ins) == (1, 1, 4)
    assert (sums.pools_uncounted, sums.pools_stale) == (2, 0)


def test_signs_show_free_less_held_and_are_watched(small_city, tmp_path):
    clock = SimulatedClock(NOW_MS)
    sign = pk.Sign(
        name=f"{CITY}/signs/s1",
        lines=[
            pk.SignLine(text="市中心", lots=[lot("near"), lot("far")]),
            pk.SignLine(text="地下", lots=[lot("low")]),
        ],
    )
    with serving(small_city, tmp_path, clock) as parking:
        (shown,) = parking.call("UpsertSigns", signs=[sign]).signs
        assert [line.number for line in shown.lines] == [7, 50]
        assert [line.age_s for line in shown.lines] == [-1, -1]
        watch = parking.stream("WatchSigns", signs=[sign.name])
        assert [line.number for line in next(watch).lines] == [7, 50]
        for _ in range(7):
            parking.hold()
        told = next(watch)
        while told.lines[0].number:
            told = next(watch)
        parking.call("CloseLot", name=lot("low"))
        while not told.lines[1].closed:
            told = next(watch)
        assert told.lines[1].number == 0
        watch.cancel()
    with serving(small_city, tmp_path, clock) as parking:
        assert [item.name for item in parking.call("ListSigns").signs] == [sign.name]
        assert parking.call("GetSign", name=sign.name).lines[0].text == "市中心"


# Who drivers are


def test_a_driver_has_one_key_however_the_plate_is_written(parking):
    first = parking.call("RegisterDriver", plates=[PLATE])
    same = parking.call("RegisterDriver", plates=["鲁E A1234"], phones=[PHONE])
    by_phone = parking.call("RegisterDriver", phones=["+8613812345678"])
    other = parking.call("RegisterDriver", plates=["鲁E·B1234"])
    assert first == same == by_phone
    assert other.driver_id != first.driver_id
    assert "1234" not in first.driver_id or len(first.driver_id) == 32


def test_the_log_accounts_for_what_operators_and_the_city_do(small_city, tmp_path):
    """Who, what, about what: for ever, since the log can only be added to."""
    own = (("greenlot-caller", "operator-7"),)
    with serving(small_city, tmp_path, SimulatedClock(NOW_MS)) as parking:
        parking.call("CloseLot", name=lot("near"), reason="works", metadata=own)
        parking.call("CloseLot", name=lot("near"), metadata=own)
        parking.call("UpsertLots", lots=[described("new", 118.66, 37.43, 3)], metadata=own)
        with pytest.raises(grpc.RpcError):
            parking.call("CloseLot", name=lot("nowhere"), metadata=own)
        driver = parking.call("RegisterDriver", plates=[PLATE])
        parking.call("ExportDriver", name=driver.name)
        parking.call("EraseDriver", name=driver.name)
        span = {"from": NOW_MS - HOUR, "to": NOW_MS}
        list(parking.stream("ExportSettlement", lot=lot("far"), **span))
    log = read_file(tmp_path / "data" / "smallville-parking.sqlite")
    told = [(item.caller, item.call, item.subject) for item in log if isinstance(item, Audited)]
    assert told == [
        ("operator-7", "CloseLot", "near"),
        ("operator-7", "CloseLot", "near"),
        ("operator-7", "UpsertLots", "new"),
        ("", "ExportDriver", driver.driver_id),
        ("", "EraseDriver", driver.driver_id),
        ("", "ExportSettlement", "far"),
    ]


def test_a_drivers_data_can_be_had_and_who_it_is_forgotten(parking, tmp_path):
    driver = parking.call("RegisterDriver", plates=[PLATE])
    held = parking.booked(driver.driver_id)
    data = parking.call("ExportDriver", name=driver.name)
    assert data.identifiers == 1
    assert [item.name for item in data.reservations] == [held.name]
    assert '"to":[118.66,37.43]' in data.wishes[0]
    parking.call("EraseDriver", name=driver.name)
    assert parking.call("ExportDriver", name=driver.name).identifiers == 0
    assert parking.call("RegisterDriver", plates=[PLATE]).driver_id != driver.driver_id
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file():
            body = path.read_bytes()
            assert b"A1234" not in body
            assert b"13812345678" not in body


def test_a_plate_never_comes_back_in_an_error(parking):
    bad = "鲁E·A1234567890XYZ"
    with pytest.raises(grpc.RpcError) as caught:
        parking.call("RegisterDriver", plates=[bad])
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "A1234" not in caught.value.details()
    with pytest.raises(grpc.RpcError) as caught:
        parking.hold("13812345678")
    assert "138" not in caught.value.details()


NAN = described("n", 118.66, 37.43, 1)
NAN.feature.fields["geometry"].struct_value.fields["coordinates"].list_value.values[
    0
].number_value = math.nan
LONG = "x" * 100_000
BAD = [
    ("GetLot", {"name": lot("none")}, "NOT_FOUND", ""),
    ("GetLot", {"name": LONG}, "INVALID_ARGUMENT", "name"),
    ("CloseLot", {"name": lot("none")}, "NOT_FOUND", ""),
    ("CloseLot", {"name": lot("near"), "reason": LONG}, "INVALID_ARGUMENT", "reason"),
    ("OpenLot", {"name": lot("none")}, "NOT_FOUND", ""),
    ("ListLots", {"page_size": -1}, "INVALID_ARGUMENT", "page_size"),
    ("UpsertLots", {}, "INVALID_ARGUMENT", "lots"),
    ("UpsertLots", {"lots": [pk.LotDescription()]}, "INVALID_ARGUMENT", "lots[0].feature"),
    ("UpsertLots", {"lots": [NAN]}, "INVALID_ARGUMENT", "lots[0].feature"),
    (
        "UpsertLots",
        {"lots": [described("n", 118.66, 97.43, 1)]},
        "INVALID_ARGUMENT",
        "lots[0].feature",
    ),
    (
        "UpsertLots",
        {"lots": [described("n", 118.66, 37.43, 1, rules=pk.LotRules(hold_s=1))]},
        "INVALID_ARGUMENT",
        "lots[0].rules.hold_s",
    ),
    (
        "UpsertLots",
        {"lots": [described("a/b", 118.66, 37.43, 1)]},
        "INVALID_ARGUMENT",
        "lots[0].feature.properties.id",
    ),
    ("ReportOccupancy", {"lot": lot("none"), "counts": [count("a", 1)]}, "NOT_FOUND", ""),
    ("ReportOccupancy", {"lot": lot("near")}, "INVALID_ARGUMENT", "counts"),
    (
        "ReportOccupancy",
        {"lot": lot("near"), "counts": [count("near-s", -1)]},
        "INVALID_ARGUMENT",
        "counts[0].free",
    ),
    (
        "ReportOccupancy",
        {"lot": lot("near"), "counts": [count("near-s", 3)]},
        "INVALID_ARGUMENT",
        "counts[0].free",
    ),
    ("ReportOccupancy", {"lot": lot("near"), "counts": [count("far-s", 1)]}, "NOT_FOUND", ""),
    (
        "ReportOccupancy",
        {"lot": lot("near"), "counts": [count("near-s", 1)], "seen_at": NOW_MS + HOUR},
        "INVALID_ARGUMENT",
        "seen_at",
    ),
    ("ReportGateEvents", {"lot": lot("near")}, "INVALID_ARGUMENT", "events"),
    (
        "ReportGateEvents",
        {"lot": lot("near"), "events": [passage(NOW_MS, gate="")]},
        "INVALID_ARGUMENT",
        "events[0].gate",
    ),
    (
        "ReportGateEvents",
        {"lot": lot("near"), "events": [pk.GateEvent(gate="g")]},
        "INVALID_ARGUMENT",
        "events[0].seen_at",
    ),
    (
        "ReportGateEvents",
        {"lot": lot("near"), "events": [passage(NOW_MS), passage(NOW_MS, plate="x")]},
        "INVALID_ARGUMENT",
        "events[1].plate",
    ),
    (
        "ReportGateEvents",
        {"lot": lot("near"), "events": [passage(NOW_MS + HOUR)]},
        "INVALID_ARGUMENT",
        "events[0].seen_at",
    ),
    ("ReconcileLot", {"lot": lot("none")}, "NOT_FOUND", ""),
    (
        "ReconcileLot",
        {"lot": lot("near"), "present": [f"{CITY}/reservations/no"], "looked_at_cars": True},
        "NOT_FOUND",
        "",
    ),
    ("ExportSettlement", {"lot": lot("near")}, "INVALID_ARGUMENT", "from"),
    (
        "ExportSettlement",
        {"lot": lot("near"), "from": NOW_MS, "to": NOW_MS - 1},
        "INVALID_ARGUMENT",
        "to",
    ),
    ("CheckEntry", {"lot": lot("none")}, "NOT_FOUND", ""),
    ("CheckEntry", {"lot": lot("near"), "plate": LONG}, "INVALID_ARGUMENT", "plate"),
    (
        "CheckEntry",
        {"lot": lot("near"), "reservation": f"{CITY}/reservations/no"},
        "NOT_FOUND",
        "",
    ),
    ("RegisterDriver", {}, "INVALID_ARGUMENT", "plates"),
    ("RegisterDriver", {"phones": ["call me"]}, "INVALID_ARGUMENT", "phones[0]"),
    ("ExportDriver", {"name": f"{CITY}/drivers/no"}, "NOT_FOUND", ""),
    ("EraseDriver", {"name": f"{CITY}/drivers/no"}, "NOT_FOUND", ""),
    ("GetParkingStatus", {"parent": "cities/x"}, "NOT_FOUND", ""),
    ("GetSign", {"name": f"{CITY}/signs/no"}, "NOT_FOUND", ""),
    ("WatchSigns", {"signs": [f"{CITY}/signs/no"]}, "NOT_FOUND", ""),
    (
        "UpsertSigns",
        {"signs": [pk.Sign(name=f"{CITY}/signs/s")]},
        "INVALID_ARGUMENT",
        "signs[0].lines",
    ),
    (
        "UpsertSigns",
        {
            "signs": [
                pk.Sign(name=f"{CITY}/signs/s", lines=[pk.SignLine(text="t", lots=[lot("no")])])
            ]
        },
        "NOT_FOUND",
        "",
    ),
    (
        "UpsertSigns",
        {
            "signs": [
                pk.Sign(name=f"{CITY}/signs/s", lines=[pk.SignLine(text=LONG, lots=[lot("near")])])
            ]
        },
        "INVALID_ARGUMENT",
        "signs[0].lines[0].text",
    ),
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
