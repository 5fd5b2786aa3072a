"""Scarcity prices of pools by an auction: a quick guess that tells which arcs can matter.

Requests bid for their best pool, by what it is better than their second best plus a step
(Bertsekas & Castañon 1989, for many alike spaces); a full pool drops its lowest bidder and costs
what its lowest remaining bid says. A coarse step finds the level of prices, finer ones their
differences.

The prices end within about one step of an optimum's. That is not a proof and need not be one:
``growth.py`` proves with prices of its own.
"""

import numba
import numpy as np

from parking.allocation.rows import Rows
from parking.allocation.tables import Ints

MAX_BIDS = 12
"""Bids for each request in a phase, at most; then the prices stay as they are."""
NEVER = 1 << 60


def auction_prices(
    rows: Rows, capacity: Ints, outside_fen: Ints, steps_fen: tuple[int, ...]
) -> Ints:
    """Return a price of each pool, fen, shape (pools,).

    Parameters
    ----------
    rows, capacity
        The batch.
    outside_fen
        What staying unserved costs, shape (requests,).
    steps_fen
        Least raise in each phase, 1 or more, falling: larger ones are quicker and coarser.
    """
    price = np.zeros(rows.pools, dtype=np.int64)
    for step in steps_fen:
        price = np.maximum(0, price - step)
        price[capacity == 0] = NEVER
        _bid(
            rows.begin,
            rows.end,
            rows.pool,
            rows.weight,
            capacity,
            outside_fen,
            step,
            MAX_BIDS * len(rows.begin),
            price,
        )
    price[capacity == 0] = 0
    return price


@numba.njit(cache=True, nogil=True)
def _bid(  # type: ignore[no-untyped-def]
    begin, end, pool, weight, capacity, outside, step, most_bids, price
):
    n, pools = len(begin), len(capacity)
    first = np.zeros(pools + 1, dtype=np.int64)
    for j in range(pools):
        first[j + 1] = first[j] + min(n, capacity[j])
    bid = np.empty(first[pools], dtype=np.int64)
    bidder = np.empty(first[pools], dtype=np.int64)
    count = np.zeros(pools, dtype=np.int64)
    waiting = np.arange(n)[::-1].copy()
    top, bids = n, 0
    while top > 0 and bids < most_bids:
        top -= 1
        i = waiting[top]
        bids += 1
        best, second = outside[i], outside[i]
        for e in range(begin[i], end[i]):
            value = weight[e] + price[pool[e]]
            second = min(second, max(best, value))
            best = min(best, value)
        if best >= outside[i]:
            continue
        e = begin[i]
        while weight[e] + price[pool[e]] != best:
            e += 1
        choice = pool[e]
        level = price[choice] + (second - best) + step
        at, size = first[choice], first[choice + 1] - first[choice]
        k = 0
        if count[choice] < size:
            k = count[choice]
            count[choice] += 1
            while k > 0 and bid[at + (k - 1) // 2] > level:
                up = (k - 1) // 2
                bid[at + k], bidder[at + k] = bid[at + up], bidder[at + up]
                k = up
            bid[at + k], bidder[at + k] = level, i
            if count[choice] == size:
                price[choice] = bid[at]
            continue
        waiting[top] = bidder[at]
        top += 1
        while 2 * k + 1 < size:
            down = 2 * k + 1
            if down + 1 < size and bid[at + down + 1] < bid[at + down]:
                down += 1
            if bid[at + down] >= level:
                break
            bid[at + k], bidder[at + k] = bid[at + down], bidder[at + down]
            k = down
        bid[at + k], bidder[at + k] = level, i
        price[choice] = bid[at]
    return bids
