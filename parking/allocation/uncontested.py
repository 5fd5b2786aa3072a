"""The common case: nobody stands in another's way, so that each gets what is cheapest for him.

If every request's cheapest pool has room for all who would have it, over each one's whole stay,
no answer serves more and none costs less: that is proven by looking. Most batches of a server on
a day without a shortage are of this kind.
"""

import numba
import numpy as np

from parking.allocation.room import Room
from parking.allocation.rows import Rows
from parking.allocation.tables import Ints, RequestTable


def cheapest_of_each(asked: RequestTable, rows: Rows, room: Room) -> Ints | None:
    """Return the entry of each request's cheapest arc, -1 = it has none; shape (requests,).

    None where some pool may not have room for all who would have it.
    """
    entry = np.full(len(rows.begin), -1, dtype=np.int64)
    wanted = np.zeros(rows.pools, dtype=np.int64)
    _choose(rows.begin, rows.end, rows.pool, rows.weight, entry, wanted)
    served = np.flatnonzero(entry >= 0)
    pool = rows.pool[entry[served]]
    if (room.capacity[pool] < wanted[pool]).any():
        return None
    # As if all of them were there all the time.
    there = room.over(pool, asked.arrive_ms[served], asked.leave_ms[served])
    return entry if (there >= wanted[pool]).all() else None


@numba.njit(cache=True, nogil=True)
def _choose(begin, end, pool, weight, entry, wanted):  # type: ignore[no-untyped-def]
    for i in range(len(begin)):
        best = -1
        for e in range(begin[i], end[i]):
            if (
                best < 0
                or weight[e] < weight[best]
                or (weight[e] == weight[best] and pool[e] < pool[best])
            ):
                best = e
        if best >= 0:
            entry[i] = best
            wanted[pool[best]] += 1
