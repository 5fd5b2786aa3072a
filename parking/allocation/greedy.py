"""One arc after the other, each taken if it still fits: a first answer, never the last word."""

import numba
import numpy as np

from parking.allocation.room import Room
from parking.allocation.tables import Ints
from parking.allocation.wishes import Wishes


def take_in_order(arcs: Wishes, order: Ints, room: Room) -> Ints:
    """Return the arcs taken, going through them in an order, at most one a request.

    An arc fits if its pool has room for it at every instant of the stay.
    """
    _, request = arcs.numbered()
    _, pool = np.unique(arcs.pool, return_inverse=True)
    most = np.bincount(pool.reshape(-1))
    first = np.concatenate([[0], np.cumsum(most)])
    taken = np.zeros(len(arcs), dtype=np.bool_)
    _take(
        order,
        request,
        pool.reshape(-1),
        arcs.pool,
        arcs.arrive_ms,
        arcs.leave_ms,
        room.capacity,
        room.first,
        room.times_ms,
        room.levels,
        first,
        taken,
    )
    return np.flatnonzero(taken)


@numba.njit(cache=True, nogil=True)
def _take(  # type: ignore[no-untyped-def]
    order, request, row, pool, arrive, leave, capacity, step, times, levels, first, taken
):
    served = np.zeros(request.max() + 1, dtype=np.bool_)
    inside = np.empty(len(order), dtype=np.int64)
    count = np.zeros(len(first) - 1, dtype=np.int64)
    for k in order:
        if served[request[k]]:
            continue
        at, n = first[row[k]], count[row[k]]
        fits = True
        for q in range(-1, n):
            moment = arrive[k] if q < 0 else arrive[inside[at + q]]
            if moment >= arrive[k] and moment < leave[k]:
                fits = _room_at(
                    moment, pool[k], at, n, inside, arrive, leave, capacity, step, times, levels
                )
                if not fits:
                    break
        if fits:
            for q in range(step[pool[k]], step[pool[k] + 1]):
                if times[q] > arrive[k] and times[q] < leave[k]:
                    fits = _room_at(
                        times[q],
                        pool[k],
                        at,
                        n,
                        inside,
                        arrive,
                        leave,
                        capacity,
                        step,
                        times,
                        levels,
                    )
                    if not fits:
                        break
        if fits:
            inside[at + n] = k
            count[row[k]] += 1
            served[request[k]] = True
            taken[k] = True


@numba.njit(cache=True, nogil=True)
def _room_at(  # type: ignore[no-untyped-def]
    moment, pool, at, n, inside, arrive, leave, capacity, step, times, levels
):
    used = 1
    begin, end = step[pool], step[pool + 1]
    k = begin + np.searchsorted(times[begin:end], moment, side="right") - 1
    if k >= begin:
        used += levels[k]
    for q in range(n):
        s = inside[at + q]
        used += arrive[s] <= moment and moment < leave[s]
    return used <= capacity[pool]
