"""The exact answer of a batch whose stays share an instant, on as few arcs as it takes.

A flow on some arcs gives prices; an arc that was left out can improve the answer only if, at these
prices, it is better than what its request has. Such arcs come in and the flow is solved again,
until there is none: then the prices prove the answer over every arc, for both objectives, since a
request that stays unserved is charged more than any chain of moves could cost.
"""

from dataclasses import dataclass

import numba
import numpy as np

from parking.allocation.flow import Chosen, dual_bound, pool_prices, solve_flow
from parking.allocation.prices import auction_prices
from parking.allocation.rows import Rows, in_threads
from parking.allocation.tables import Ints
from parking.errors import SolverError

DIRECT = 20
"""Arcs for each request up to which all of them are taken at once."""
FIRST, MORE = 12, 8
"""Arcs of a request in the first round, and most that the second adds; later ones add more."""
STEPS = (0.05, 0.015, 0.0045, 0.0014)
"""Steps of the auction that guesses the first prices, as shares of the charge for the unserved."""
SMALL_ROUNDS = 6
"""Rounds after which all arcs come in: prices swing so long where requests are all alike."""
MAX_ROUNDS = SMALL_ROUNDS + 1


@dataclass(frozen=True, slots=True, eq=False)
class FlowAnswer:
    """An optimal answer with its proof.

    Parameters
    ----------
    entry
        Place in ``Rows.pool`` of each request's arc, -1 = unserved; shape (requests,).
    price_fen
        Of the pools: what one more space would save.
    rounds
        Flows that were solved.
    arcs_used
        Arcs of the last of them.
    """

    entry: Ints
    price_fen: Ints
    rounds: int
    arcs_used: int


def serve_first_fen(rows: Rows, pools: int) -> int:
    """Return a charge for the unserved that makes serving more always worth it.

    Serving one more moves a chain of drivers that visits each pool at most once; so the charge
    exceeds (pools + 1) of the dearest arcs.
    """
    low, high = rows.range_fen()
    longest = min(pools, len(rows.begin))
    return (longest + 1) * high - longest * low + 1


def solve_by_growth(
    rows: Rows, capacity: Ints, outside_fen: Ints, bonus_fen: Ints | None
) -> FlowAnswer:
    """Solve exactly; see ``flow.solve_flow`` for the arguments.

    With a bonus, ``outside_fen`` must be at least ``serve_first_fen`` plus the bonus.

    Raises
    ------
    SolverError
        The flow solver failed, or its answer does not stand the proof.
    """
    n, arcs = len(rows.begin), rows.arcs
    counts = np.cumsum(rows.end - rows.begin)
    inside = np.zeros(len(rows.pool), dtype=np.uint8)

    noise = 2 * _steps(rows, capacity)[-1] + 1

    def bring_in(price: Ints, limit: Ints, most: int) -> int:
        added = np.zeros(n, dtype=np.int64)

        def look(first: int, last: int) -> None:
            _bring_in(
                first,
                last,
                rows.begin,
                rows.end,
                rows.pool,
                rows.weight,
                price,
                limit,
                most,
                noise,
                inside,
                added,
            )

        in_threads(look, counts)
        return int(added.sum())

    if arcs <= max(DIRECT * n, 1000):
        request, entry = rows.entries()
        inside[entry] = 1
    else:
        guess = guess_prices(rows, capacity, outside_fen)
        bring_in(guess, np.full(n, np.iinfo(np.int64).max), FIRST)
        request, entry = _gather(rows.begin, rows.end, inside)
    for rounds in range(1, MAX_ROUNDS + 1):
        chosen = solve_flow(rows, request, entry, capacity, outside_fen, bonus_fen)
        price = pool_prices(rows, chosen, capacity, outside_fen)
        own = _worth(rows, chosen, outside_fen, price)
        if len(entry) == arcs or not bring_in(price, own, MORE << min(rounds - 1, 20)):
            break
        if rounds == SMALL_ROUNDS:
            inside[:] = 1
        request, entry = _gather(rows.begin, rows.end, inside)
    else:
        raise SolverError(f"no proof after {MAX_ROUNDS} rounds", where="allocation")
    served = chosen.taken >= 0
    taken = np.where(served, chosen.entry[chosen.taken], -1) if len(entry) else chosen.taken
    reached = int(rows.weight[taken[served]].sum()) + int(outside_fen[~served].sum())
    bound = dual_bound(rows, capacity, outside_fen, price)
    if reached != bound:
        raise SolverError(f"answer {reached}, dual bound {bound}", where="allocation")
    return FlowAnswer(taken, price, rounds, len(entry))


def guess_prices(rows: Rows, capacity: Ints, outside_fen: Ints) -> Ints:
    """Guess prices of the pools.

    The auction's charge for the unserved is much smaller than the proof's, or prices would climb
    for ever; where requests reach only some of the pools it must leave room for chains of moves.
    """
    steps = _steps(rows, capacity)
    charge = int(steps[0] / STEPS[0]) + 1
    return auction_prices(rows, capacity, np.minimum(outside_fen, charge), steps)


def _steps(rows: Rows, capacity: Ints) -> tuple[int, ...]:
    """Return the steps of the auction, fen."""
    high = max(1, rows.range_fen()[1])
    few = 2 * rows.arcs < len(rows.begin) * np.count_nonzero(capacity)
    charge = high * (2 if few else 1) + 1
    return tuple(max(1, int(charge * share)) for share in STEPS)


def _worth(rows: Rows, chosen: Chosen, outside_fen: Ints, price: Ints) -> Ints:
    """Return what each request has, at these prices."""
    own = outside_fen.copy()
    served = np.flatnonzero(chosen.taken >= 0)
    entry = chosen.entry[chosen.taken[served]]
    own[served] = rows.weight[entry] + price[rows.pool[entry]]
    return own


@numba.njit(cache=True, nogil=True)
def _bring_in(  # type: ignore[no-untyped-def]
    first, last, begin, end, pool, weight, price, limit, most, noise, inside, added
):
    """Mark each request's best arcs that are below its limit, ``most`` of them at most.

    A little noise: requests that are much alike do not all take the same few pools.
    """
    most = min(most, (end[first:last] - begin[first:last]).max()) if last > first else most
    values = np.empty(most, dtype=np.int64)
    entries = np.empty(most, dtype=np.int64)
    for i in range(first, last):
        n, ceiling = 0, np.iinfo(np.int64).max
        for e in range(begin[i], end[i]):
            value = weight[e] + price[pool[e]]
            if value >= limit[i]:
                continue
            mixed = (i * 2654435761 + pool[e] * 2246822519 + 374761393) & 0xFFFFFFFF
            mixed = ((mixed ^ (mixed >> 15)) * 2246822519) & 0xFFFFFFFF
            value += ((mixed ^ (mixed >> 13)) & 0xFFFFFFFF) % noise
            if value < ceiling:
                k = n if n < most else most - 1
                while k > 0 and values[k - 1] > value:
                    values[k], entries[k] = values[k - 1], entries[k - 1]
                    k -= 1
                values[k], entries[k] = value, e
                n = min(n + 1, most)
                if n == most:
                    ceiling = values[most - 1]
        for k in range(n):
            if inside[entries[k]] == 0:
                inside[entries[k]] = 1
                added[i] += 1


@numba.njit(cache=True, nogil=True)
def _gather(begin, end, inside):  # type: ignore[no-untyped-def]
    total = 0
    for i in range(len(begin)):
        for e in range(begin[i], end[i]):
            total += inside[e]
    request = np.empty(total, dtype=np.int64)
    entry = np.empty(total, dtype=np.int64)
    k = 0
    for i in range(len(begin)):
        for e in range(begin[i], end[i]):
            if inside[e]:
                request[k], entry[k] = i, e
                k += 1
    return request, entry
