"""What is a caller's own, by what a request names."""

from typing import Any

import pytest

from greenlot.security.access import PARKING_CALLS, SIGNAL_TIMING_CALLS
from greenlot.security.callers import Caller, Role
from greenlot.security.ownership import NotOwnError, check_own
from parking.v1 import parking_pb2 as pk
from tests.greenlot.parking_client import described
from traffic.v1 import signal_timing_pb2 as st

OURS = Caller("o", Role.OPERATOR, lots=frozenset({"mine"}), operators=frozenset({"we"}))
SIGNALS = Caller("c", Role.CONTROLLER, signals=frozenset({"A1", "B1"}))
CITY = "cities/c"


class City:
    """Two lots of ours, one of others, one of nobody."""

    city_id = "c"
    lots = {"mine": "", "also": "we", "theirs": "they", "public": ""}  # noqa: RUF012
    reservations = {"r1": "mine", "r2": "theirs"}  # noqa: RUF012

    def operator_of(self, lot_id: str) -> str | None:
        return self.lots.get(lot_id)

    async def lot_of(self, reservation_id: str) -> str | None:
        return self.reservations.get(reservation_id)


async def owns(caller: Caller, call: str, request: Any) -> bool:
    calls = PARKING_CALLS if caller.role is Role.OPERATOR else SIGNAL_TIMING_CALLS
    assert caller.role is not None
    before = request.SerializeToString(deterministic=True)
    try:
        await check_own(caller, calls[call].own[caller.role], request, City())
    except NotOwnError:
        return False
    finally:
        assert request.SerializeToString(deterministic=True) == before, "the request is unchanged"
    return True


@pytest.mark.parametrize(
    ("lot", "own"),
    [
        ("cities/c/lots/mine", True),
        ("cities/c/lots/also", True),
        ("cities/c/lots/theirs", False),
        ("cities/c/lots/public", False),
        ("cities/c/lots/none", False),
        ("cities/d/lots/mine", False),
        ("mine", False),
        ("", False),
        ("cities/c/lots/", False),
        ("cities/c/lots/mine/x", False),
        ("cities/c/lots/theirs/../mine", False),
    ],
)
async def test_lots(lot: str, own: bool) -> None:
    assert await owns(OURS, "CheckEntry", pk.CheckEntryRequest(lot=lot)) is own
    assert await owns(OURS, "CloseLot", pk.CloseLotRequest(name=lot)) is own


@pytest.mark.parametrize(("name", "own"), [("r1", True), ("r2", False), ("r3", False)])
async def test_reservations_are_of_their_lot(name: str, own: bool) -> None:
    request = pk.RecordArrivalRequest(name=f"{CITY}/reservations/{name}")
    assert await owns(OURS, "RecordArrival", request) is own


async def test_a_list_by_driver_is_not_for_operators() -> None:
    assert not await owns(OURS, "ListReservations", pk.ListReservationsRequest(driver_id="d"))


def lots(*descriptions: tuple[str, str]) -> pk.UpsertLotsRequest:
    request = pk.UpsertLotsRequest()
    for lot_id, operator in descriptions:
        extra = {"operator": operator} if operator else {}
        request.lots.append(described(lot_id, 118.66, 37.43, 3, **extra))
    return request


@pytest.mark.parametrize(
    ("descriptions", "own"),
    [
        ([("mine", "")], True),
        ([("mine", "they")], True),  # by its id it stays ours
        ([("also", "we")], True),
        ([("fresh", "we")], True),
        ([("fresh", "they")], False),
        ([("fresh", "")], False),
        ([("theirs", "we")], False),  # taken over
        ([("public", "we")], False),
        ([("also", "they")], False),  # given away
        ([("mine", ""), ("theirs", "they")], False),
        ([], False),
    ],
)
async def test_descriptions_must_be_ours_before_and_after(
    descriptions: list[tuple[str, str]], own: bool
) -> None:
    assert await owns(OURS, "UpsertLots", lots(*descriptions)) is own


async def test_a_description_without_properties_is_nobodys() -> None:
    assert not await owns(OURS, "UpsertLots", pk.UpsertLotsRequest(lots=[pk.LotDescription()]))


@pytest.mark.parametrize(
    ("names", "own"),
    [
        (["A1"], True),
        (["A1", "B1"], True),
        (["A1", "C1"], False),
        ([], False),  # empty means all signals
    ],
)
async def test_signals(names: list[str], own: bool) -> None:
    request = st.WatchPlansRequest(signals=[f"{CITY}/signals/{name}" for name in names])
    assert await owns(SIGNALS, "WatchPlans", request) is own


async def test_a_platform_may_have_all_signals() -> None:
    platform = Caller("p", Role.CONTROLLER, signals=None)
    assert await owns(platform, "GetPlan", st.GetPlanRequest(name=f"{CITY}/signals/C1"))
    assert not await owns(platform, "GetPlan", st.GetPlanRequest(name="cities/d/signals/C1"))
