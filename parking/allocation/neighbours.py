"""A better answer from a good one: neighbours are asked to settle anew, again and again.

The drivers in a few pools around one of them, at about the same time, are set free; everybody else
stays. Their own small problem is solved exactly (``branching.py``), and what it finds is never
worse. Who is not served, or served at more than the linear program would pay, is asked about first.
"""

import time

import numpy as np

from parking.allocation.branching import branch
from parking.allocation.room import Room
from parking.allocation.tables import Floats, Ints
from parking.allocation.wishes import Wishes

POOLS, REQUESTS, ARCS = 4, 60, 8
"""Of a small problem: pools around one driver, drivers there, arcs of each."""
LARGER = (1, 2)
"""Factors of pools and drivers: when nothing changes any more, problems become larger."""
TIME_S = 2.0
PATIENCE = 25
"""Small problems in a row that change nothing, after which it ends."""


def settle_anew(
    arcs: Wishes, room: Room, taken: Ints, reduced: Floats, reward: float, ends_s: float
) -> Ints:
    """Return an answer that serves at least as many and, if as many, weighs no more.

    Parameters
    ----------
    taken
        Arcs of an answer to begin with.
    reduced
        What each arc costs beyond the linear program's optimum: dear ones are looked at last.
    reward
        Of serving one more, more than any chain of moves costs.
    ends_s
        When to end, on ``time.perf_counter``.
    """
    rng = np.random.default_rng(0)
    requests, request = arcs.numbered()
    rank = _ranks(request, reduced)
    arrive_ms = arcs.arrive_ms[np.searchsorted(request, np.arange(requests))]
    value = arcs.weight.astype(np.float64) - reward
    every = np.arange(len(arcs))
    idle = 0
    while idle < PATIENCE * len(LARGER) and time.perf_counter() < ends_s:
        factor = LARGER[idle // PATIENCE]
        own = np.full(requests, -1, dtype=np.int64)
        own[request[taken]] = taken
        who = int(rng.choice(requests, p=_odds(own, reduced)))
        pools = arcs.pool[(request == who) & (rank < factor * POOLS)]
        # Who stands there, and who would like to.
        there = np.isin(arcs.pool, pools) & ((own[request] < 0) | (own[request] == every))
        among = np.unique(request[there])
        order = np.argsort(np.abs(arrive_ms[among] - arrive_ms[who]), kind="stable")
        free = np.zeros(requests, dtype=np.bool_)
        free[among[order[: factor * REQUESTS]]] = True
        free[who] = True
        stays = free[request[taken]]
        before, fixed = taken[stays], taken[~stays]
        mine = free[request] & (rank < ARCS)
        mine[before] = True
        some = np.flatnonzero(mine)
        left = room.beside(arcs.pool[fixed], arcs.arrive_ms[fixed], arcs.leave_ms[fixed])
        found = branch(
            arcs.take(some),
            left,
            value[some],
            count=None,
            kept=int(arcs.must[before].sum()),
            ends_s=min(ends_s, time.perf_counter() + TIME_S),
        ).arcs
        if found is not None and value[some[found]].sum() < value[before].sum() - 0.5:
            taken = np.sort(np.concatenate([fixed, some[found]]))
            idle -= idle % PATIENCE
        else:
            idle += 1
    return taken


def _ranks(request: Ints, value: Floats) -> Ints:
    """Return each arc's place among those of its request, by value, from 0."""
    order = np.lexsort((value, request))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(request[order], request[order])
    return rank


def _odds(own: Ints, reduced: Floats) -> Floats:
    """Return how often to begin with each request: half for those who are left out.

    The others by what they cost beyond the linear program's optimum.
    """
    out = own < 0
    odds = np.where(out, 0.0, 1.0 + np.maximum(0.0, reduced[own]))
    if out.any():
        odds[out] = max(1.0, float(odds.sum())) / np.count_nonzero(out)
    return np.asarray(odds / odds.sum())
