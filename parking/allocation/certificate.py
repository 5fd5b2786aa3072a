"""What no answer goes below, from dual prices, in whole numbers.

Any prices of instants in pools, none negative, give a bound (weak duality): each request takes its
best at these prices or stays away, and what the rooms take in goes off. A solver's prices are
floating point; rounded to fractions of a fen they are prices like any other, and everything after
that is exact. So a bound, and with it a proof, never rests on a solver's tolerance: prices that
are a little off give a bound that is a little lower.
"""

from dataclasses import dataclass

import numpy as np

from parking.allocation.cliques import Cliques
from parking.allocation.tables import Floats, Ints
from parking.allocation.wishes import Wishes
from parking.errors import SolverError

FINEST_BITS = 24
"""Prices are rounded to fen / 2**24 where whole numbers of 64 bits leave room for it."""
ROOM_BITS = 61.0


@dataclass(frozen=True, slots=True)
class Demand:
    """So many must be served (None = no matter), and so many of those who hold a place."""

    count: int | None = None
    kept: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """A bound of a batch's weight.

    Parameters
    ----------
    value, least
        The bound, and the least whole number that is not below it.
    reduced
        An answer that takes this arc weighs at least this much more; 0 or more, shape (arcs,).
    away
        The same of leaving a request out; shape (requests with arcs,).
    """

    value: float
    least: int
    reduced: Floats
    away: Floats


def certify(
    arcs: Wishes,
    weight: Ints,
    cliques: Cliques,
    clique_price: Floats,
    demand: Demand,
    count_price: float,
    kept_price: float,
) -> Certificate:
    """Bound the weight of every answer that keeps the demand, over all arcs.

    Parameters
    ----------
    arcs, weight
        The batch; what each arc counts, shape (arcs,).
    cliques, clique_price
        Rooms of instants in pools and their prices, 0 or more; shape (cliques,).
    count_price, kept_price
        Prices of the demand, 0 or more.
    """
    requests, request = arcs.numbered()
    first, last = cliques.span(arcs.pool, arcs.arrive_ms, arcs.leave_ms)
    # Sums along the cliques are rounded, not prices: a stay pays the difference of two sums.
    total = np.concatenate([[0.0], np.cumsum(np.maximum(0.0, clique_price))])
    taken_in = float((np.diff(total) * cliques.limit).sum())
    paid = float((total[last] - total[first]).max(initial=0))
    most = float(np.abs(weight).max(initial=1)) + count_price + kept_price + paid
    size = most * (requests + (demand.count or 0) + demand.kept + 1) + taken_in + float(total[-1])
    bits = int(min(FINEST_BITS, np.floor(ROOM_BITS - np.log2(size))))
    if bits < 0:
        raise SolverError(f"weights of {most:.3g} are too large to prove", where="allocation")
    scale = 1 << bits
    sums = np.round(total * scale).astype(np.int64)
    count_fen, kept_fen = round(count_price * scale), round(kept_price * scale)
    value = weight * scale + sums[last] - sums[first] - count_fen
    value[arcs.must] -= kept_fen
    best = np.zeros(requests, dtype=np.int64)
    np.minimum.at(best, request, value)
    bound = int(best.sum()) - int((np.diff(sums) * cliques.limit).sum())
    bound += count_fen * (demand.count or 0) + kept_fen * demand.kept
    reduced = (value - best[request]) / scale
    return Certificate(bound / scale, -(-bound // scale), reduced, -best / scale)
