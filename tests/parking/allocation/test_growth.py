"""Flows on growing arcs against the flow on all of them, and the prices by weak duality."""

import numpy as np
import pytest

from parking.allocation import LotTable, RequestTable, assign, growth
from parking.allocation.growth import serve_first_fen, solve_by_growth
from parking.allocation.rows import Rows, _in_blocks, find_rows
from parking.inventory import Lot, Pool, SpaceClass
from parking.travel import GreatCircle


def city(
    seed: int, requests: int, lots: int, load: float, walk_m: float
) -> tuple[RequestTable, LotTable]:
    """Hot spots, lognormal lots."""
    rng = np.random.default_rng(seed)
    sizes = rng.lognormal(0, 0.8, lots)
    spaces = np.round(sizes * requests / load / sizes.sum()).astype(int)
    places = zip(
        rng.uniform(-0.03, 0.03, lots), rng.uniform(-0.03, 0.03, lots), spaces, strict=True
    )
    table = LotTable.of(
        [
            Lot(f"l{k}", "", 118.6 + x, 37.4 + y, (_pool(f"p{k}", int(n)),))
            for k, (x, y, n) in enumerate(places)
        ]
    )
    spots = rng.uniform(-0.02, 0.02, (4, 2))[rng.integers(0, 4, requests)]
    lon, lat = (spots + rng.normal(0, 0.004, (requests, 2))).T
    start = rng.uniform(-0.06, 0.06, (2, requests))
    zero = np.zeros(requests, dtype=np.int64)
    asked = RequestTable.of_coordinates(
        118.6 + start[0],
        37.4 + start[1],
        118.6 + lon,
        37.4 + lat,
        zero,
        zero + 3_600_000,
        max_walk_m=walk_m,
    )
    return asked, table


def _pool(key: str, spaces: int) -> Pool:
    return Pool(key, SpaceClass.STANDARD, spaces, spaces, 0, spaces)


def check_prices(
    rows: Rows, capacity: np.ndarray, price: np.ndarray, entry: np.ndarray, charge: int
) -> None:  # type: ignore[type-arg]
    """Optimality as it is written: nobody prefers another pool, free pools cost nothing."""
    assert (price >= 0).all()
    used = np.zeros(rows.pools, dtype=int)
    for i in range(len(rows.begin)):
        own = [int(rows.weight[e] + price[rows.pool[e]]) for e in range(rows.begin[i], rows.end[i])]
        best = min([*own, charge])
        if entry[i] < 0:
            assert best == charge
        else:
            assert rows.begin[i] <= entry[i] < rows.end[i]
            assert rows.weight[entry[i]] + price[rows.pool[entry[i]]] == best
            used[rows.pool[entry[i]]] += 1
    assert (used <= capacity).all()
    assert (price[used < capacity] == 0).all()


@pytest.mark.parametrize("walk_m", [1500.0, np.inf])
@pytest.mark.parametrize("load", [0.6, 0.95, 1.3])
@pytest.mark.parametrize("seed", range(3))
def test_growing_arcs_give_the_optimum_of_all(
    seed: int, load: float, walk_m: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, table = city(seed, 400, 60, load, walk_m)
    rows = find_rows(asked, table, GreatCircle())
    capacity = table.bookable
    charge = serve_first_fen(rows, rows.pools)
    outside, bonus = np.full(400, charge), np.zeros(400, dtype=np.int64)
    monkeypatch.setattr(growth, "DIRECT", 1000)
    all_at_once = solve_by_growth(rows, capacity, outside, bonus)
    assert all_at_once.rounds == 1
    monkeypatch.setattr(growth, "DIRECT", 0)
    monkeypatch.setattr(growth, "FIRST", 3)
    grown = solve_by_growth(rows, capacity, outside, bonus)
    assert (grown.entry >= 0).sum() == (all_at_once.entry >= 0).sum()
    assert rows.weight[grown.entry[grown.entry >= 0]].sum() == (
        rows.weight[all_at_once.entry[all_at_once.entry >= 0]].sum()
    )
    check_prices(rows, capacity, grown.price_fen, grown.entry, charge)


def test_more_are_served_whatever_it_costs() -> None:
    """A chain in which one more is served only if all others move to dearer pools."""
    n = 40
    request = np.repeat(np.arange(n), 2)
    pool = np.column_stack([np.arange(n), np.arange(1, n + 1)]).reshape(-1)[: 2 * n]
    weight = np.tile([0, 1000], n)
    # The last request can only take pool n - 1; pool n is free for the one before.
    request, pool, weight = np.append(request, n), np.append(pool, 0), np.append(weight, 500)
    rows = Rows(
        np.searchsorted(request, np.arange(n + 1)),
        np.searchsorted(request, np.arange(n + 1), side="right"),
        pool,
        weight,
        n + 1,
    )
    charge = serve_first_fen(rows, n + 1)
    capacity = np.ones(n + 1, dtype=np.int64)
    answer = solve_by_growth(
        rows, capacity, np.full(n + 1, charge), np.zeros(n + 1, dtype=np.int64)
    )
    assert (answer.entry >= 0).all()
    assert rows.weight[answer.entry].sum() == 40 * 1000 + 500


@pytest.mark.parametrize("seed", range(4))
def test_both_ways_to_find_the_rows_agree(seed: int) -> None:
    asked, table = city(seed, 150, 40, 0.9, [800.0, 1500.0, 5000.0, np.inf][seed])
    one, other = find_rows(asked, table, GreatCircle()), _in_blocks(asked, table, GreatCircle())
    for rows in (one, other):
        assert (rows.begin <= rows.end).all()
    assert triples(one) == triples(other)


def triples(rows: Rows) -> list[tuple[int, int, int]]:
    request, entry = rows.entries()
    return sorted(
        zip(request.tolist(), rows.pool[entry].tolist(), rows.weight[entry].tolist(), strict=True)
    )


def test_large_batches_on_two_threads_are_the_same_every_time() -> None:
    asked, table = city(9, 3000, 150, 0.95, np.inf)
    one, other = assign(asked, table), assign(asked, table)
    assert one.proven
    assert (one.pool == other.pool).all()
    assert one.rounds == other.rounds


def test_what_stands_between_rows_is_never_read() -> None:
    """Compiled rows leave room between them, with whatever was in memory."""
    asked, table = city(3, 60, 20, 0.9, 1500.0)
    full = find_rows(asked, table, GreatCircle())
    short = np.maximum(full.begin, full.end - 1)
    clean = Rows(full.begin, short, full.pool, full.weight, full.pools)
    dirty = Rows(clean.begin, clean.end, clean.pool.copy(), clean.weight.copy(), clean.pools)
    _, entry = clean.entries()
    between = np.ones(len(clean.weight), dtype=bool)
    between[entry] = False
    assert between.any()
    dirty.weight[between] = np.iinfo(np.int64).min
    dirty.pool[between] = 10**9
    charge = serve_first_fen(clean, clean.pools)
    assert serve_first_fen(dirty, dirty.pools) == charge
    outside, bonus = np.full(60, charge), np.zeros(60, dtype=np.int64)
    one = solve_by_growth(clean, table.bookable, outside, bonus)
    other = solve_by_growth(dirty, table.bookable, outside, bonus)
    assert (one.entry == other.entry).all()
    assert (one.price_fen == other.price_fen).all()
