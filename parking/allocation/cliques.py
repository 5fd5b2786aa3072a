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
    limit, pool, instant_ms
        Room, pool and instant of each clique, pools in order, then instants.
    """

    limit: Ints
    pool: Ints
    instant_ms: Ints

    def __len__(self) -> int:
        return len(self.limit)

    def span(self, pool: Ints, arrive_ms: Ints, leave_ms: Ints) -> tuple[Ints, Ints]:
        """Return the first clique that each stay is part of, and the one after its last."""
        # One axis for all pools: instants as ranks, pools side by side.
        instants, rank = np.unique(self.instant_ms, return_inverse=True)
        place = self.pool * (len(instants) + 1) + rank.reshape(-1)
        begin = pool * (len(instants) + 1)
        first = np.searchsorted(place, begin + np.searchsorted(instants, arrive_ms))
        last = np.searchsorted(place, begin + np.searchsorted(instants, leave_ms))
        return first, last

    def matrix(self, pool: Ints, arrive_ms: Ints, leave_ms: Ints) -> sparse.csr_array:
        """Return shape (cliques, stays): 1 where a stay is part of a clique."""
        first, last = self.span(pool, arrive_ms, leave_ms)
        lengths = last - first
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        row = np.arange(total) - np.repeat(ends - lengths - first, lengths)
        column = np.repeat(np.arange(len(pool)), lengths)
        return sparse.csr_array((np.ones(total), (row, column)), shape=(len(self), len(pool)))

    def balances(
        self, pool: Ints, arrive_ms: Ints, leave_ms: Ints
    ) -> tuple[sparse.csr_array, Floats]:
        """Return the same constraints as balances of spaces from clique to clique.

        Columns are the stays, then the empty spaces of each clique: who is in a pool at its first
        clique and what is empty there are its room; from then on who comes takes an empty space and
        who leaves gives one back. A stay has two entries, however many cliques it is part of.
        """
        stays, count = len(pool), len(self)
        first, last = self.span(pool, arrive_ms, leave_ms)
        follows = np.zeros(count + 1, dtype=np.bool_)
        follows[1:count] = self.pool[1:] == self.pool[:-1]
        comes = np.flatnonzero(last > first)
        leaves = comes[follows[last[comes]]]
        every, later = np.arange(count), np.flatnonzero(follows)
        row = np.concatenate([first[comes], last[leaves], every, later])
        column = np.concatenate([comes, leaves, stays + every, stays + later - 1])
        sizes = [len(comes), len(leaves), count, len(later)]
        value = np.repeat([1.0, -1.0, 1.0, -1.0], sizes)
        shape = (count, stays + count)
        room = self.limit.astype(np.float64)
        room[later] -= self.limit[later - 1]
        return sparse.csr_array((value, (row, column)), shape=shape), room


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
    limits = [np.zeros(0, dtype=np.int64)]
    pools, moments = list(limits), list(limits)
    order = np.argsort(pool, kind="stable")
    cuts = np.searchsorted(pool[order], np.arange(len(room.capacity) + 1))
    for j in np.flatnonzero(narrow_pools(pool, arrive_ms, leave_ms, room)):
        own = order[cuts[j] : cuts[j + 1]]
        arrive, leave = arrive_ms[own], leave_ms[own]
        steps = room.times_ms[room.first[j] : room.first[j + 1]]
        instants = _last_before_a_change(arrive, leave, steps)
        limit = room.over(np.full(len(instants), j), instants, instants + 1)
        present = np.searchsorted(np.sort(arrive), instants, side="right") - np.searchsorted(
            np.sort(leave), instants, side="right"
        )
        tight = present > limit
        limits.append(limit[tight])
        pools.append(np.full(len(limits[-1]), j))
        moments.append(instants[tight])
    return Cliques(np.concatenate(limits), np.concatenate(pools), np.concatenate(moments))


def _last_before_a_change(arrive: Ints, leave: Ints, steps: Ints) -> Ints:
    """Return the arrivals and steps after which the next event is a departure or a step."""
    starts = np.unique(np.concatenate([arrive, steps]))
    changes = np.unique(np.concatenate([leave, steps]))
    following = np.append(starts[1:], np.iinfo(np.int64).max)
    next_change = np.searchsorted(changes, starts, side="right")
    change = np.append(changes, np.iinfo(np.int64).max)[next_change]
    is_step = np.isin(starts, steps)
    return starts[(change <= following) | is_step]
