"""Bounds from prices: never above the optimum, whatever the prices; cliques in both forms."""

import itertools
import random

import numpy as np
import pytest

from parking.allocation.certificate import Demand, certify
from parking.allocation.cliques import find_cliques
from parking.allocation.relaxation import Relaxation
from parking.allocation.room import Room
from parking.allocation.wishes import Wishes


def wishes(rng: random.Random, requests: int, pools: int) -> tuple[Wishes, Room]:
    rows = []
    for i in range(requests):
        arrive = rng.randint(0, 20)
        leave = arrive + rng.randint(1, 10)
        for j in rng.sample(range(pools), rng.randint(1, pools)):
            rows.append((i, j, rng.randint(-20, 200), arrive, leave))
    request, pool, weight, arrive_ms, leave_ms = np.array(rows, dtype=np.int64).T
    nobody = np.zeros(len(rows), dtype=np.bool_)
    capacity = np.array([rng.randint(0, 2) for _ in range(pools)], dtype=np.int64)
    nothing = np.zeros(0, dtype=np.int64)
    room = Room(capacity, np.zeros(pools + 1, dtype=np.int64), nothing, nothing)
    return Wishes(request, pool, weight, arrive_ms, leave_ms, nobody, nobody), room


def answers(arcs: Wishes, room: Room) -> list[list[int]]:
    """Every choice of arcs that fits, by trying all."""
    by_request = [np.flatnonzero(arcs.request == i).tolist() for i in np.unique(arcs.request)]
    found = []
    for choice in itertools.product(*[[-1, *own] for own in by_request]):
        taken = [k for k in choice if k >= 0]
        fits = all(
            sum(
                arcs.pool[q] == arcs.pool[k]
                and arcs.arrive_ms[q] <= arcs.arrive_ms[k] < arcs.leave_ms[q]
                for q in taken
            )
            <= room.capacity[arcs.pool[k]]
            for k in taken
        )
        if fits:
            found.append(taken)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_any_prices_give_a_bound(seed: int) -> None:
    rng = random.Random(seed)
    arcs, room = wishes(rng, 5, 3)
    cliques = find_cliques(arcs.pool, arcs.arrive_ms, arcs.leave_ms, room)
    fitting = answers(arcs, room)
    most = max(len(taken) for taken in fitting)
    for count in (None, most):
        prices = np.array([rng.choice([-1.0, 0.0, rng.uniform(0, 150)]) for _ in cliques.limit])
        bound = certify(
            arcs, arcs.weight, cliques, prices, Demand(count), rng.uniform(0, 90) if count else 0, 0
        )
        for taken in fitting:
            if len(taken) >= (count or 0):
                weight = int(arcs.weight[taken].sum())
                assert weight >= bound.least >= bound.value
                assert all(weight >= bound.value + bound.reduced[k] for k in taken)
                out = set(range(5)) - set(arcs.numbered()[1][taken].tolist())
                assert all(weight >= bound.value + bound.away[i] for i in out)


@pytest.mark.parametrize("seed", range(20))
def test_the_program_s_prices_meet_its_value(seed: int) -> None:
    rng = random.Random(100 + seed)
    arcs, room = wishes(rng, 30, 6)
    relaxed = Relaxation(arcs, room, np.inf).solve(arcs.weight, Demand())
    assert relaxed is not None
    assert relaxed.bound.value == pytest.approx(float(arcs.weight @ relaxed.share), abs=1e-4)
    assert relaxed.bound.value <= float(arcs.weight @ relaxed.share) + 1e-6
    # No stay overlaps more than a pool holds, by every instant.
    for moment in range(31):
        here = (arcs.arrive_ms <= moment) & (moment < arcs.leave_ms)
        used = np.bincount(arcs.pool[here], relaxed.share[here], minlength=6)
        assert (used <= room.capacity + 1e-6).all()


def test_balances_say_the_same_as_the_matrix() -> None:
    arcs, room = wishes(random.Random(7), 25, 5)
    cliques = find_cliques(arcs.pool, arcs.arrive_ms, arcs.leave_ms, room)
    matrix = cliques.matrix(arcs.pool, arcs.arrive_ms, arcs.leave_ms)
    balance, rhs = cliques.balances(arcs.pool, arcs.arrive_ms, arcs.leave_ms)
    taken = np.random.default_rng(1).uniform(size=len(arcs))
    empty = cliques.limit - matrix @ taken
    assert balance @ np.concatenate([taken, empty]) == pytest.approx(rhs)
