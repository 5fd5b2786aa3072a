"""Where a pool could become over-full: one constraint for each set of stays that meet.

Of the instants at which a pool's wished-for stays overlap only those matter after which somebody
leaves (or what is committed changes): the stays present then are a maximal clique of the interval
graph, and earlier sets are parts of it. Sets that fit anyway are left out.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from parking.allocation.room import Room
from parking.allocation.tables import Flags, Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Cliques:
    """Constraints: at an instant the stays in a pool are at most its room.

    Parameters
    ----------
    matrix
        Shape (cliques, arcs): 1 where the arc's stay covers the clique's instant.
    limit, pool, instant_ms
        Room, pool and instant of each clique, pools in order, then instants.
    """

    matrix: sparse.csr_array
    limit: Ints
    pool: Ints
    instant_ms: Ints

    def paid(self, price: Floats, pool: Ints, arrive_ms: Ints, leave_ms: Ints) -> Floats:
        """Return what stays pay in all at a price for each clique, shape of the stays."""
        if not len(self.pool):
            return np.zeros(len(pool))
        # One axis for all pools: instants as ranks, pools side by side.
        instants, rank = np.unique(self.instant_ms, return_inverse=True)
        place = self.pool * (len(instants) + 1) + rank.reshape(-1)
        total = np.concatenate([[0.0], np.cumsum(price)])
        first = pool * (len(instants) + 1) + np.searchsorted(instants, arrive_ms)
        last = pool * (len(instants) + 1) + np.searchsorted(instants, leave_ms)
        return np.asarray(
            total[np.searchsorted(place, last)] - total[np.searchsorted(place, first)]
        )


def narrow_pools(pool: Ints, arrive_ms: Ints, leave_ms: Ints, room: Room) -> Flags:
    """Return whether a pool could be over-full if everybody came, shape (pools,)."""
    steps = np.diff(room.first)
    inner = np.repeat(np.arange(len(steps)), steps)
    before = np.concatenate([[0], room.levels])[:-1]
    before[room.first[:-1][steps > 0]] = 0
    pools = np.concatenate([pool, pool, inner])
    times = np.concatenate([arrive_ms, leave_ms, room.times_ms])
    ones = np.ones(len(pool), dtype=np.int64)
    change = np.concatenate([ones, -ones, room.levels - before])
    order = np.lexsort((change, times, pools))
    pools = pools[order]
    level = np.cumsum(change[order])
    narrow = np.zeros(len(room.capacity), dtype=np.bool_)
    # Each pool's changes sum up to 0, so the level of one does not reach into the next.
    narrow[pools[level > room.capacity[pools]]] = True
    return narrow


def find_cliques(pool: Ints, arrive_ms: Ints, leave_ms: Ints, room: Room) -> Cliques:
    """Find the cliques that could be over-full.

    Parameters
    ----------
    pool, arrive_ms, leave_ms
        Of each arc, shape (arcs,).
    """
    nothing = np.zeros(0, dtype=np.int64)
    row, column, limits = [nothing], [nothing], [nothing]
    pools, moments = [nothing], [nothing]
    count = 0
    order = np.argsort(pool, kind="stable")
    cuts = np.searchsorted(pool[order], np.arange(len(room.capacity) + 1))
    for j in np.flatnonzero(narrow_pools(pool, arrive_ms, leave_ms, room)):
        own = order[cuts[j] : cuts[j + 1]]
        arrive, leave = arrive_ms[own], leave_ms[own]
        steps = room.times_ms[room.first[j] : room.first[j + 1]]
        instants = _last_before_a_change(arrive, leave, steps)
        here = np.full(len(instants), j)
        limit = room.over(here, instants, instants + 1)
        first = np.searchsorted(instants, arrive)
        last = np.searchsorted(instants, leave)
        present = np.cumsum(
            np.bincount(first, minlength=len(instants) + 1)
            - np.bincount(last, minlength=len(instants) + 1)
        )[:-1]
        tight = present > limit
        if not tight.any():
            continue
        before = np.concatenate([[0], np.cumsum(tight)])
        first, last = before[first], before[last]
        lengths = last - first
        ends = np.cumsum(lengths)
        within = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
        row.append(count + np.repeat(first, lengths) + within)
        column.append(np.repeat(own, lengths))
        limits.append(limit[tight])
        pools.append(np.full(len(limits[-1]), j))
        moments.append(instants[tight])
        count += len(limits[-1])
    rows, columns = np.concatenate(row), np.concatenate(column)
    matrix = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(count, len(pool)))
    return Cliques(matrix, np.concatenate(limits), np.concatenate(pools), np.concatenate(moments))


def _last_before_a_change(arrive: Ints, leave: Ints, steps: Ints) -> Ints:
    """Return the arrivals and steps after which the next event is a departure or a step."""
    starts = np.unique(np.concatenate([arrive, steps]))
    changes = np.unique(np.concatenate([leave, steps]))
    following = np.append(starts[1:], np.iinfo(np.int64).max)
    next_change = np.searchsorted(changes, starts, side="right")
    change = np.append(changes, np.iinfo(np.int64).max)[next_change]
    is_step = np.isin(starts, steps)
    return starts[(change <= following) | is_step]
