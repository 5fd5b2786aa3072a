"""Where a pool could become over-full: one constraint for each set of stays that meet.

Of the instants at which a pool's wished-for stays overlap only those matter after which somebody
leaves (or what is committed changes): the stays present then are a maximal clique of the interval
graph, and earlier sets are parts of it. Sets that fit anyway are left out.
"""

import numpy as np
from scipy import sparse

from parking.allocation.room import Room
from parking.allocation.tables import Ints


def clique_rows(
    pool: Ints, arrive_ms: Ints, leave_ms: Ints, room: Room
) -> tuple[sparse.csr_array, Ints]:
    """Return a matrix (cliques x arcs) and the room of each clique.

    Parameters
    ----------
    pool, arrive_ms, leave_ms
        Of each arc, shape (arcs,).
    """
    row, column, limits = [], [], []
    count = 0
    order = np.argsort(pool, kind="stable")
    cuts = np.searchsorted(pool[order], np.arange(len(room.capacity) + 1))
    for j in np.unique(pool):
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
        number = np.cumsum(tight) - 1
        before = np.concatenate([[0], np.cumsum(tight)])
        first, last = before[first], before[last]
        lengths = last - first
        ends = np.cumsum(lengths)
        within = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
        row.append(count + np.repeat(first, lengths) + within)
        column.append(np.repeat(own, lengths))
        limits.append(limit[tight])
        count += int(number[-1]) + 1
    if not count:
        return sparse.csr_array((0, len(pool))), np.zeros(0, dtype=np.int64)
    rows, columns = np.concatenate(row), np.concatenate(column)
    ones = np.ones(len(rows))
    matrix = sparse.csr_array((ones, (rows, columns)), shape=(count, len(pool)))
    return matrix, np.concatenate(limits)


def _last_before_a_change(arrive: Ints, leave: Ints, steps: Ints) -> Ints:
    """Return the arrivals and steps after which the next event is a departure or a step."""
    starts = np.unique(np.concatenate([arrive, steps]))
    changes = np.unique(np.concatenate([leave, steps]))
    following = np.append(starts[1:], np.iinfo(np.int64).max)
    next_change = np.searchsorted(changes, starts, side="right")
    change = np.append(changes, np.iinfo(np.int64).max)[next_change]
    is_step = np.isin(starts, steps)
    return starts[(change <= following) | is_step]
