"""What an allocation takes besides requests and lots, and what it explains."""

import random
from dataclasses import replace

import numpy as np
import pytest

from parking.allocation import REASONS, Tentative, allocate, find_arcs
from parking.errors import InvalidInputError
from parking.inventory import Connector, Lot, Pool, SpaceClass
from parking.ledger import Profile
from parking.opening import OpeningWindow
from parking.requests import ParkingRequest
from parking.tariff import Tariff
from tests.parking.allocation.cities import HOUR_MS, LAT, LON, NOON_MS, mixed_city, mixed_requests
from tests.verification.allocation_model import check_answer, judge

NEAR, FAR = LON + 0.001, LON + 0.004


def lot(key: str, lon: float, spaces: int, **more: object) -> Lot:
    pool = Pool(f"{key}-p", SpaceClass.STANDARD, spaces, spaces, 0, spaces)
    fields: dict[str, object] = {"id": key, "name": "", "lon": lon, "lat": LAT, "pools": (pool,)}
    return Lot(**(fields | more))  # type: ignore[arg-type]


def request(key: str, arrive_ms: int = NOON_MS, stay_ms: int = HOUR_MS) -> ParkingRequest:
    return ParkingRequest(key, LON - 0.05, LAT, LON, LAT, arrive_ms, arrive_ms + stay_ms)


def given(result: object) -> dict[str, str]:
    return {a.request_id: a.lot_id for a in result.assigned}  # type: ignore[attr-defined]


def test_who_holds_a_place_never_gets_a_worse_one() -> None:
    lots = [lot("near", NEAR, 1), lot("far", FAR, 1)]
    holder = Tentative(request("holder"), "near-p")
    alone = allocate([request("other")], lots, held=[holder])
    assert given(alone) == {"holder": "near", "other": "far"}
    full = allocate([request("one"), request("two")], lots, held=[holder])
    assert given(full)["holder"] == "near"
    assert len(full.assigned) == 2


def test_who_holds_a_place_moves_to_a_better_one() -> None:
    lots = [lot("near", NEAR, 1), lot("far", FAR, 1)]
    result = allocate([], lots, held=[Tentative(request("holder"), "far-p")])
    assert given(result) == {"holder": "near"}
    dear = [lot("near", NEAR, 1, tariff=Tariff(fen=1)), lot("far", FAR, 1)]
    kept = allocate([], dear, held=[Tentative(request("holder"), "far-p")])
    assert given(kept) == {"holder": "far"}


def test_a_place_is_kept_though_its_lot_closed() -> None:
    lots = [lot("near", NEAR, 1, closed=True), lot("far", FAR, 5)]
    holder = Tentative(request("holder"), "near-p")
    assert given(allocate([], lots, held=[holder])) == {"holder": "near"}


@pytest.mark.parametrize("spread_ms", [0, 3 * HOUR_MS])
@pytest.mark.parametrize("seed", range(25))
def test_held_places_in_random_batches(seed: int, spread_ms: int) -> None:
    rng = random.Random(seed)
    requests, lots = mixed_requests(rng, 40, spread_ms=spread_ms), mixed_city(rng, 12)
    before = allocate(requests[:20], lots)
    pools = {pool.id: (lot, pool) for lot in lots for pool in lot.pools}
    held = [
        Tentative(next(r for r in requests if r.id == a.request_id), a.pool_id)
        for a in before.assigned
    ]
    after = allocate(requests[20:], lots, held=held)
    check_answer(after, [*requests[20:], *(h.request for h in held)], lots)
    assert after.proven
    now = {a.request_id: a for a in after.assigned}
    for item in held:
        old = judge(item.request, *pools[item.pool_id])
        assert old is not None
        new = now[item.request.id]
        assert (new.walk_s, new.price_fen, new.cost_fen) <= (old[1], old[2], old[3]) or (
            new.walk_s <= old[1] and new.price_fen <= old[2] and new.cost_fen <= old[3]
        )


def test_a_surcharge_is_minimised_but_not_part_of_the_cost() -> None:
    lots = [lot("near", NEAR, 1), lot("far", FAR, 1)]
    plain = allocate([request("r")], lots).assigned[0]
    away = allocate([request("r")], lots, surcharge_fen={"near-p": 10_000})
    assert given(away) == {"r": "far"}
    assert away.surcharge_fen == 0
    for surcharge in ({"near-p": 5}, np.array([5, 5]), lambda i, j: 5 + 0 * j):
        dearer = allocate([request("r")], lots, surcharge_fen=surcharge)
        assert dearer.assigned[0].cost_fen == plain.cost_fen
        assert dearer.surcharge_fen == 5
        assert dearer.objective_fen == dearer.bound_fen == plain.cost_fen + 5


def test_surcharges_of_another_shape_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="surcharge_fen"):
        allocate([request("r")], [lot("near", NEAR, 1)], surcharge_fen=np.array([1, 2]))


@pytest.mark.parametrize("spread_ms", [0, 3 * HOUR_MS])
def test_an_outside_option_leaves_out_who_costs_more(spread_ms: int) -> None:
    rng = random.Random(3)
    requests, lots = mixed_requests(rng, 50, spread_ms=spread_ms), mixed_city(rng, 10)
    most = allocate(requests, lots)
    worth = allocate(requests, lots, outside_fen=2500)
    assert worth.proven
    assert max(a.cost_fen for a in worth.assigned) <= 2500
    assert worth.outside_fen == 2500 * len(worth.unserved)
    assert worth.objective_fen <= most.total_cost_fen + 2500 * len(most.unserved)
    assert allocate(requests, lots, outside_fen=0).total_cost_fen == 0


def test_an_outside_option_of_each_request() -> None:
    lots = [lot("near", NEAR, 1)]
    result = allocate(
        [request("low"), request("high")], lots, outside_fen=np.array([20_000, 30_000])
    )
    assert given(result) == {"high": "near"}
    assert [(u.request_id, u.reason) for u in result.unserved] == [("low", "outside_option")]


def test_a_full_pool_says_since_when() -> None:
    lots = [lot("near", NEAR, 2), lot("far", FAR, 5)]
    quarter_past = NOON_MS + 15 * 60_000
    committed = {"near-p": Profile().add(quarter_past, NOON_MS + 2 * HOUR_MS, 2)}
    (answer,) = allocate([request("r")], lots, committed=committed).assigned
    assert answer.lot_id == "far"
    (passed,) = answer.passed_over
    assert (passed.lot_id, passed.reason, passed.at_ms) == ("near", "full", quarter_past)


def test_stays_given_in_the_same_batch_fill_a_pool() -> None:
    lots = [lot("near", NEAR, 1), lot("far", FAR, 5)]
    later = NOON_MS + 30 * 60_000
    result = allocate([request("a"), request("b", later)], lots)
    other = next(a for a in result.assigned if a.lot_id == "far")
    (passed,) = other.passed_over
    assert passed.reason == "full"
    assert passed.at_ms == later


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"max_height_cm": 150}, "too_high"),
        ({"closed": True}, "closed"),
        ({"opening": (OpeningWindow(frozenset({7}), 0, 60),)}, "closed"),
        ({"permits": frozenset({"staff"})}, "no_permit"),
        ({"tariff": Tariff(fen=99_999)}, "over_price"),
        ({"tariff": Tariff(fen=900)}, "dearer"),
    ],
)
def test_nearer_pools_say_why_they_were_not_given(change: dict[str, object], reason: str) -> None:
    lots = [lot("near", NEAR, 5, **change), lot("far", FAR, 5)]
    tall = replace(request("r"), height_cm=180, max_price_fen=900)
    (answer,) = allocate([tall], lots).assigned
    assert answer.lot_id == "far"
    assert [(p.lot_id, p.reason, p.at_ms) for p in answer.passed_over] == [("near", reason, None)]
    assert reason in REASONS
    assert allocate([tall], lots, explain=False).assigned[0].passed_over == ()


def test_a_charger_of_another_kind_is_no_connector() -> None:
    plug = Pool("p", SpaceClass.CHARGING, 1, 1, 0, 1, connector=Connector.GBT_AC, power_kw=7.0)
    asked = replace(request("r"), space_class=SpaceClass.CHARGING, connector=Connector.GBT_DC)
    (left,) = allocate([asked], [lot("l", NEAR, 1, pools=(plug,))]).unserved
    assert left.reason == "no_connector"
    weak = replace(asked, connector=None, min_power_kw=20.0)
    (left,) = allocate([weak], [lot("l", NEAR, 1, pools=(plug,))]).unserved
    assert left.reason == "no_connector"


def test_strange_batches() -> None:
    assert allocate([], []).proven
    assert allocate([], [lot("l", NEAR, 1)]).assigned == ()
    (left,) = allocate([request("r")], []).unserved
    assert left.reason == "no_pool_in_reach"
    (left,) = allocate([request("r")], [lot("l", LON, 0)]).unserved
    assert left.reason == "full"
    (left,) = allocate([request("r")], [replace(lot("l", LON, 0), pools=())]).unserved
    assert left.reason == "no_pool_in_reach"
    same = [lot(f"l{k}", LON, 1) for k in range(50)]
    everybody = [replace(request(f"r{k}"), origin_lon=LON) for k in range(80)]
    crowd = allocate(everybody, same)
    assert (len(crowd.assigned), crowd.total_cost_fen, crowd.proven) == (50, 0, True)
    round_the_world = replace(
        request("r"), origin_lon=179.999, dest_lon=-179.999, max_walk_m=float("inf")
    )
    assert (
        allocate([round_the_world], [lot("l", 179.999, 1), lot("m", 0.0, 1)]).assigned[0].lot_id
        == "l"
    )


def test_many_pools_and_little_demand() -> None:
    rng = random.Random(1)
    lots = [lot(f"l{k}", LON + rng.uniform(-1, 1), 1) for k in range(5000)]
    asked = [replace(request(f"r{k}"), max_walk_m=float("inf")) for k in range(20)]
    result = allocate(asked, lots)
    assert (len(result.assigned), result.proven) == (20, True)
    arcs = find_arcs(asked, lots)
    assert len(arcs) == 20 * 5000
    assert result.total_cost_fen == sum(sorted(arcs.cost_fen[arcs.request == 0].tolist())[:20])


def test_a_holder_of_what_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="not there"):
        allocate([], [lot("l", NEAR, 1)], held=[Tentative(request("r"), "gone")])


@pytest.mark.parametrize("outside_fen", [None, 5000])
def test_more_is_held_than_there_is_room_for(outside_fen: int | None) -> None:
    """Spaces that broke down: as many as fit keep theirs, and nothing breaks."""
    lots = [lot("near", NEAR, 2), lot("far", FAR, 1)]
    starts = (("a", 0), ("b", HOUR_MS), ("c", 5 * HOUR_MS // 2))
    held = [
        Tentative(request(key, NOON_MS + after_ms, 2 * HOUR_MS), "near-p")
        for key, after_ms in starts
    ]
    result = allocate(
        [request("y"), request("x", NOON_MS + 3 * HOUR_MS)],
        lots,
        held=held,
        capacities={"near-p": 1},
        outside_fen=outside_fen,
    )
    assert given(result) == {"a": "near", "c": "near", "x": "far", "y": "far"}
    assert result.proven


@pytest.mark.parametrize("seed", range(20))
def test_broken_spaces_in_random_batches(seed: int) -> None:
    rng = random.Random(500 + seed)
    requests = mixed_requests(rng, 30, spread_ms=3 * HOUR_MS)
    lots = mixed_city(rng, 5)
    before = allocate(requests[:20], lots)
    by_id = {r.id: r for r in requests}
    held = [Tentative(by_id[a.request_id], a.pool_id) for a in before.assigned]
    capacities = {pool.id: rng.randint(0, pool.bookable) for lot_ in lots for pool in lot_.pools}
    result = allocate(requests[20:], lots, held=held, capacities=capacities)
    assert result.proven
    # No more of them could keep a place if nobody else asked.
    alone = allocate([], lots, held=held, capacities=capacities)
    now = {a.request_id for a in result.assigned}
    assert sum(item.request.id in now for item in held) == len(alone.assigned)


def test_an_outside_option_may_be_a_gain() -> None:
    result = allocate(
        [request("r")], [lot("l", NEAR, 1)], outside_fen=-5, surcharge_fen={"l-p": -800}
    )
    assert result.objective_fen == result.bound_fen
    assert result.objective_fen == min(-5, 739 - 800)
    dearer = allocate(
        [request("r")], [lot("l", NEAR, 1)], outside_fen=-100, surcharge_fen={"l-p": -800}
    )
    assert (dearer.assigned, dearer.objective_fen, dearer.proven) == ((), -100, True)


@pytest.mark.parametrize("after_ms", [0, HOUR_MS // 2])
def test_no_outside_option_drives_a_holder_out(after_ms: int) -> None:
    holder = Tentative(request("holder"), "near-p")
    other = request("other", NOON_MS + after_ms, 2 * HOUR_MS)
    result = allocate(
        [other], [lot("near", NEAR, 1)], held=[holder], outside_fen=np.array([10**9, 10])
    )
    assert given(result) == {"holder": "near"}
    assert result.proven
