"""A minimum-cost flow on chosen arcs, and the prices that prove it.

Requests to pools with capacities is a transportation problem; OR-Tools' cost scaling solves it
exactly. The solver shows no dual prices, so they are rebuilt here: the price of a pool is the
least that it costs to free one of its spaces, by moving drivers on or leaving one out.
"""

from dataclasses import dataclass

import numba
import numpy as np
from ortools.graph.python import min_cost_flow

from parking.allocation.rows import Rows
from parking.allocation.tables import Ints
from parking.errors import SolverError

UNREACHED = 1 << 61


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Some arcs of the rows, sorted by request, and which of them are taken.

    Parameters
    ----------
    request, entry
        Of each arc; the entry is its place in ``Rows.pool``.
    taken
        Place of each request's taken arc among these, -1 = unserved; shape (requests,).
    """

    request: Ints
    entry: Ints
    taken: Ints


def solve_flow(
    rows: Rows,
    request: Ints,
    entry: Ints,
    capacity: Ints,
    outside_fen: Ints,
    bonus_fen: Ints | None,
) -> Chosen:
    """Take arcs at most once a request and ``capacity`` times a pool, at least weight.

    Parameters
    ----------
    request, entry
        The arcs that may be taken.
    capacity
        Spaces, shape (pools,).
    outside_fen
        What staying unserved costs, shape (requests,).
    bonus_fen
        None: staying unserved costs ``outside_fen``. Otherwise as many as possible are served
        first, and among the answers that do, the bonus of those served counts.
    """
    n, pools = len(rows.begin), rows.pools
    source, sink = n + pools, n + pools + 1
    solver = min_cost_flow.SimpleMinCostFlow()
    weight = rows.weight[entry]
    if bonus_fen is not None and bonus_fen.any():
        weight = weight - bonus_fen[request]
    ones = np.ones(max(n, len(entry)), dtype=np.int64)
    arcs = solver.add_arcs_with_capacity_and_unit_cost(
        request, rows.pool[entry] + n, ones[: len(entry)], weight
    )
    solver.add_arcs_with_capacity_and_unit_cost(
        np.arange(n, n + pools), np.full(pools, sink), capacity, np.zeros(pools, dtype=np.int64)
    )
    solver.add_arcs_with_capacity_and_unit_cost(
        np.full(n, source), np.arange(n), ones[:n], np.zeros(n, dtype=np.int64)
    )
    solver.set_nodes_supplies(np.array([source, sink]), np.array([n, -n]))
    if bonus_fen is None:
        solver.add_arcs_with_capacity_and_unit_cost(
            np.arange(n), np.full(n, sink), ones[:n], outside_fen
        )
        status = solver.solve()
    else:
        status = solver.solve_max_flow_with_min_cost()
    if status != solver.OPTIMAL:
        raise SolverError(f"min-cost flow ended with status {status}", where="allocation")
    taken = np.full(n, -1, dtype=np.int64)
    place = np.flatnonzero(solver.flows(arcs))
    taken[request[place]] = place
    return Chosen(request, entry, taken)


def pool_prices(rows: Rows, chosen: Chosen, capacity: Ints, outside_fen: Ints) -> Ints:
    """Rebuild prices of the pools, fen, shape (pools,), from an optimal choice.

    Shortest paths (Bellman-Ford) on the graph of pools; the edge from pool j to pool k is the least
    that a driver in j pays more in k.
    """
    places = chosen.taken[chosen.taken >= 0]
    used = np.bincount(rows.pool[chosen.entry[places]], minlength=rows.pools)
    price = np.where(used >= capacity, UNREACHED, 0).astype(np.int64)
    _free_spaces(
        chosen.request,
        rows.pool[chosen.entry],
        rows.weight[chosen.entry],
        chosen.taken,
        outside_fen,
        price,
    )
    # A pool without any space costs more than anybody pays.
    price[price >= UNREACHED] = int(outside_fen.max(initial=0)) - rows.range_fen()[0]
    return price


@numba.njit(cache=True, nogil=True)
def _free_spaces(request, pool, weight, taken, outside, price):  # type: ignore[no-untyped-def]
    for i in range(len(taken)):
        own = taken[i]
        if own >= 0:
            price[pool[own]] = min(price[pool[own]], outside[i] - weight[own])
    changed = True
    while changed:
        changed = False
        for k in range(len(request)):
            own = taken[request[k]]
            if own >= 0:
                moved = weight[k] + price[pool[k]] - weight[own]
                if moved < price[pool[own]]:
                    price[pool[own]] = moved
                    changed = True


@numba.njit(cache=True, nogil=True)
def _least(first, last, begin, end, pool, weight, outside, price, least):  # type: ignore[no-untyped-def]
    for i in range(first, last):
        best = outside[i]
        for e in range(begin[i], end[i]):
            best = min(best, weight[e] + price[pool[e]])
        least[i] = best


def dual_bound(rows: Rows, capacity: Ints, outside_fen: Ints, price: Ints) -> int:
    """Return what no answer can go below, over every arc of the rows: weak duality.

    Each driver's best at these prices, less what the pools take in:
    ``sum_i min(outside_i, min_j(weight_ij + price_j)) - sum_j capacity_j * price_j``.
    """
    least = np.empty(len(rows.begin), dtype=np.int64)
    _least(0, len(least), rows.begin, rows.end, rows.pool, rows.weight, outside_fen, price, least)
    return int(least.sum()) - int((capacity * price).sum())
