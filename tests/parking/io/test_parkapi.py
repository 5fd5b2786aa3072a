"""ParkAPI v3 lists of parking sites: what is mapped, and what is said of the rest."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from parking.errors import InvalidInputError
from parking.inventory import Lot, Pool, SpaceClass
from parking.io.lots import LotsWarning, read_lots
from parking.io.parkapi import lots_of_parkapi
from parking.opening import OpeningWindow

SITE: dict[str, Any] = {
    "id": 7,
    "original_uid": "demo-1",
    "source_id": 1,
    "name": "Parkhaus Mitte",
    "operator_name": "Demo Operator",
    "address": "Street 1, City",
    "type": "CAR_PARK",
    "purpose": "CAR",
    "has_fee": False,
    "has_realtime_data": True,
    "lat": "50.1000000",
    "lon": 10.1,
    "capacity": 100,
    "realtime_capacity": 90,
    "realtime_free_capacity": 40,
    "realtime_data_updated_at": "2026-11-23T06:00:00Z",
    "realtime_opening_status": "OPEN",
    "max_height": 200,
    "opening_hours": "Mo-Fr 07:00-19:00; Sa 08:00-14:00",
    "static_data_updated_at": "2026-11-01T00:00:00Z",
    "created_at": "2026-11-01T00:00:00Z",
}


def site(**changes: Any) -> dict[str, Any]:
    return SITE | changes


def read(*sites: dict[str, Any], **more: Any) -> tuple[tuple[Lot, ...], tuple[str, ...]]:
    found = lots_of_parkapi({"items": list(sites), **more})
    return found.lots, found.warnings


def test_a_plain_site() -> None:
    (lot,), remarks = read(site(), total_count=1)
    seen_ms = 1_795_413_600_000
    assert lot == Lot(
        id="7",
        name="Parkhaus Mitte",
        lon=10.1,
        lat=50.1,
        pools=(Pool("7-standard", SpaceClass.STANDARD, 100, 90, 0, 40, seen_ms),),
        operator="Demo Operator",
        kind="car_park",
        max_height_cm=200,
        opening=(
            OpeningWindow(frozenset({1, 2, 3, 4, 5}), 420, 1140),
            OpeningWindow(frozenset({6}), 480, 840),
        ),
    )
    assert remarks == ()


def by_class(lot: Lot) -> dict[str, tuple[int, int, int]]:
    return {str(pool.space_class): (pool.capacity, pool.quota, pool.free) for pool in lot.pools}


def test_spaces_for_some_are_taken_out_of_the_whole() -> None:
    (lot,), remarks = read(
        site(
            capacity_disabled=4,
            realtime_free_capacity_disabled=1,
            capacity_charging=10,
            realtime_free_capacity_charging=2,
            capacity_truck=2,
            capacity_bus=1,
            capacity_woman=5,
        )
    )
    found = by_class(lot)
    assert found["accessible"] == (4, 4, 1)
    assert found["charging"] == (10, 10, 2)
    # Nobody counted these: all may be free, and count first.
    assert found["large"] == (3, 3, 3)
    assert found["standard"] == (78, 68, 29)
    assert "7: spaces for WOMEN are left out" in remarks
    assert "7: connector and power of its chargers are not known" in remarks


def test_restrictions_say_the_same_in_the_newer_form() -> None:
    old, _ = read(site(capacity_disabled=4, realtime_free_capacity_disabled=1))
    new, _ = read(
        site(
            restrictions=[
                {"type": "DISABLED", "capacity": 4, "realtime_free_capacity": 1},
                {"type": "DISABLED", "capacity": 0},
            ]
        )
    )
    assert by_class(old[0]) == by_class(new[0])


def test_a_site_for_one_class_or_for_some_drivers_only() -> None:
    (lot,), _ = read(site(restrictions=[{"type": "CHARGING"}]))
    assert by_class(lot) == {"charging": (100, 90, 40)}
    (lot,), remarks = read(site(restrictions=[{"type": "RESIDENT"}, {"type": "CUSTOMER"}]))
    assert lot.permits == {"resident", "customer"}
    assert "7: for RESIDENT only: taken as the permit 'resident'" in remarks
    (lot,), remarks = read(site(restrictions=[{"type": "TAXI", "capacity": 20}]))
    assert by_class(lot) == {"standard": (80, 70, 20)}
    assert "7: spaces for TAXI are left out" in remarks


@pytest.mark.parametrize(
    ("changes", "remark"),
    [
        ({"has_fee": True}, "its fee is in words or another currency: it counts as free of charge"),
        ({"fee_description": "2 EUR"}, "its fee is in words"),
        ({"max_stay": 7200}, "max_stay is not kept"),
        ({"restrictions": [{"max_stay": "P4H"}]}, "max_stay is not kept"),
        ({"restrictions": [{"type": "RESIDENT", "hours": "Mo-Fr"}]}, "hours of a restriction"),
        ({"max_width": 200}, "max_width is not kept"),
        ({"realtime_free_capacity": None}, "no free count: all of its spaces count as free"),
        ({"realtime_free_capacity": 95}, "more spaces free than there are"),
        ({"realtime_capacity": 120}, "more spaces at the moment than capacity"),
        ({"capacity_charging": 101}, "more spaces are kept for some drivers than there are"),
        ({"opening_hours": "whenever"}, "opening_hours 'whenever'; expected opening hours"),
        ({"opening_hours": "PH off; Mo-Su 08:00-18:00"}, "holidays are not known here"),
    ],
)
def test_what_is_lost_is_said(changes: dict[str, Any], remark: str) -> None:
    (lot,), remarks = read(site(**changes))
    assert any(text.startswith(f"7: {remark}") or remark in text for text in remarks)
    assert all(pool.free <= pool.quota <= pool.capacity for pool in lot.pools)


@pytest.mark.parametrize(
    ("changes", "remark"),
    [
        ({"purpose": "BIKE"}, "purpose BIKE: left out"),
        ({"capacity": None}, "no capacity: left out"),
        ({"restrictions": [{"type": "NO_PARKING"}]}, "parking is forbidden there: left out"),
    ],
)
def test_sites_that_are_no_lots(changes: dict[str, Any], remark: str) -> None:
    lots, remarks = read(site(**changes), site(id=8))
    assert [lot.id for lot in lots] == ["8"]
    assert any(remark in text for text in remarks)


def test_closed_now_or_not_understood_is_closed() -> None:
    lots, _ = read(
        site(realtime_opening_status="CLOSED"),
        site(id=8, opening_hours="whenever"),
        site(id=9, opening_hours="24/7"),
        site(id=10, opening_hours="off"),
        site(id=11, opening_hours=None),
    )
    assert [lot.closed for lot in lots] == [True, True, False, True, False]
    assert lots[2].opening == lots[4].opening == ()


def test_a_page_of_several_is_noticed_and_remarks_are_gathered() -> None:
    sites = [site(id=k, has_fee=True) for k in range(8)]
    _, remarks = read(*sites, total_count=50)
    assert remarks[0].startswith("0, 1, 2, 3, 4 and 3 more: its fee")
    assert remarks[-1] == "the list: total_count is 50: this is one page of several"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": None, "original_uid": None}, "items[0]: id: is missing"),
        ({"capacity": "100"}, "items[0] (7): capacity: '100'; expected a number"),
        ({"capacity": -1}, "items[0] (7): capacity: -1; expected 0 or more"),
        ({"lat": "north"}, "items[0] (7): lat: 'north'; expected degrees"),
        ({"lon": None}, "items[0] (7): lon: is missing"),
        ({"lat": 500.1}, "location.latitude: 500.1"),
        ({"restrictions": ["DISABLED"]}, "restrictions[0]: 'DISABLED'; expected an object"),
        ({"restrictions": [{"type": ["X"]}]}, "restrictions[0].type: ['X']; expected text"),
        ({"realtime_data_updated_at": "noon"}, "realtime_data_updated_at: 'noon'; expected a time"),
    ],
)
def test_a_wrong_value_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read(site(**changes))
    assert message in str(caught.value)


def test_times_without_a_zone_are_utc() -> None:
    (lot,), _ = read(site(realtime_data_updated_at="2026-11-23T06:00:00"))
    assert lot.pools[0].seen_ms == 1_795_413_600_000


def test_the_content_says_which_format_it_is(tmp_path: Path) -> None:
    path = tmp_path / "sites.json"
    path.write_text(json.dumps({"items": [site(), site(id=8, has_fee=True)]}))
    with pytest.warns(LotsWarning, match=r"sites.json: 8: its fee is in words"):
        assert [lot.id for lot in read_lots(path)] == ["7", "8"]
    path.write_text(json.dumps({"items": [site(), site()]}))
    with warnings.catch_warnings(), pytest.raises(InvalidInputError, match="'7' stands twice"):
        read_lots(path)
