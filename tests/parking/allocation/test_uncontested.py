"""Where nobody stands in another's way the cheapest is right; else the solvers are asked."""

import random

import numpy as np
import pytest

from parking.allocation import LotTable, RequestTable, allocate
from parking.allocation.room import Room
from parking.allocation.rows import find_rows
from parking.allocation.uncontested import cheapest_of_each
from parking.ledger import Profile
from parking.travel import GreatCircle
from tests.parking.allocation.cities import HOUR_MS, NOON_MS, mixed_city, mixed_requests

FAR_TOO_MUCH_FEN = 10_000_000


@pytest.mark.parametrize("spread_h", [0, 4])
@pytest.mark.parametrize("seed", range(8))
def test_it_costs_what_the_solvers_find(seed: int, spread_h: int) -> None:
    """An outside option that nobody would take sends the same batch to the solvers."""
    rng = random.Random(seed)
    lots = mixed_city(rng, 12, spaces=40)
    requests = mixed_requests(rng, 15, spread_ms=spread_h * HOUR_MS)
    plain = allocate(requests, lots)
    solved = allocate(requests, lots, outside_fen=FAR_TOO_MUCH_FEN)
    assert len(plain.assigned) == len(solved.assigned)
    assert plain.total_cost_fen == solved.total_cost_fen
    assert plain.proven
    assert plain.bound_fen == plain.objective_fen


def test_it_is_the_common_case_and_steps_back_where_space_is_scarce() -> None:
    rng = random.Random(3)
    requests = mixed_requests(rng, 15)
    lots = mixed_city(rng, 12)
    for spaces, is_common in ((15, True), (1, False)):
        capacities = {pool.id: spaces for lot in lots for pool in lot.pools}
        result = allocate(requests, lots, capacities=capacities)
        assert (result.method == "cheapest of each") is is_common


def test_a_later_commitment_stands_in_the_way() -> None:
    rng = random.Random(4)
    requests = mixed_requests(rng, 6)
    city = LotTable.of(mixed_city(rng, 3, spaces=9))
    asked = RequestTable.of(requests)
    rows = find_rows(asked, city, GreatCircle())
    chosen = cheapest_of_each(asked, rows, Room.of(city, {}, {}))
    assert chosen is not None
    (pool, *_) = np.unique(rows.pool[chosen[chosen >= 0]])
    _, wanted = city.pools[pool]
    full = Profile().add(NOON_MS + 10 * 60_000, NOON_MS + 11 * 60_000, wanted.bookable)
    room = Room.of(city, {}, {wanted.id: full})
    assert cheapest_of_each(asked, rows, room) is None
