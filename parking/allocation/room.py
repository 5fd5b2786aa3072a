"""What is committed already, over time, as columns: how much room a stay finds in a pool."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numba
import numpy as np

from parking.allocation.rows import Rows
from parking.allocation.tables import Flags, Ints, LotTable
from parking.ledger.profile import Profile

EMPTY = Profile()
LAID_MAX = 10_000
_NOT_GIVEN = np.iinfo(np.int64).min
_laid: dict[str, tuple[Profile, Ints, Ints]] = {}
"""The profile of each pool that was laid out last: from batch to batch most are the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """Capacity of each pool, less a step function of what is committed.

    Parameters
    ----------
    capacity
        Bookable spaces, shape (pools,), 0 or more.
    first
        The steps of pool j are ``first[j]`` to ``first[j + 1] - 1``; shape (pools + 1,).
    times_ms, levels
        As in ``Profile``, pool after pool.
    """

    capacity: Ints
    first: Ints
    times_ms: Ints
    levels: Ints

    @classmethod
    def of(
        cls, city: LotTable, capacities: Mapping[str, int], committed: Mapping[str, Profile]
    ) -> Self:
        """Lay capacities and commitments out, in the order of the city's pools."""
        capacity = city.bookable
        if capacities:
            given = [capacities.get(pool.id, _NOT_GIVEN) for _, pool in city.pools]
            capacity = np.array(given, dtype=np.int64)
            capacity = np.where(capacity == _NOT_GIVEN, city.bookable, capacity)
        capacity = np.maximum(0, capacity)
        if not committed:
            nothing = np.zeros(0, dtype=np.int64)
            return cls(capacity, np.zeros(len(capacity) + 1, dtype=np.int64), nothing, nothing)
        ids = [pool.id for _, pool in city.pools]
        laid = [_columns(key, committed.get(key, EMPTY)) for key in ids]
        first = np.zeros(len(capacity) + 1, dtype=np.int64)
        np.cumsum([len(times) for _, times, _ in laid], out=first[1:])
        return cls(
            capacity,
            first,
            np.concatenate([times for _, times, _ in laid]),
            np.concatenate([levels for _, _, levels in laid]),
        )

    def at(self, time_ms: int) -> Ints:
        """Return the room of each pool at an instant, 0 or more."""
        pools = np.arange(len(self.capacity))
        return self.over(pools, np.full(len(pools), time_ms), np.full(len(pools), time_ms + 1))

    def over(self, pool: Ints, arrive_ms: Ints, leave_ms: Ints) -> Ints:
        """Return the least room of pools over whole stays, 0 or more, shape of the stays."""
        peak = np.zeros(len(pool), dtype=np.int64)
        if len(self.times_ms):
            _peaks(pool, arrive_ms, leave_ms, self.first, self.times_ms, self.levels, peak)
        return np.asarray(np.maximum(0, self.capacity[pool] - peak))

    def beside(self, pool: Ints, arrive_ms: Ints, leave_ms: Ints) -> Self:
        """Return the room that is left beside some stays, shape (stays,) each."""
        steps = np.diff(self.first)
        inner = np.repeat(np.arange(len(steps)), steps)
        before = np.concatenate([[0], self.levels])[:-1]
        before[self.first[:-1][steps > 0]] = 0
        ones = np.ones(len(pool), dtype=np.int64)
        pools = np.concatenate([pool, pool, inner])
        times = np.concatenate([arrive_ms, leave_ms, self.times_ms])
        order = np.lexsort((times, pools))
        pools, times = pools[order], times[order]
        # Each pool's changes sum up to 0, so the level of one does not reach into the next.
        levels = np.cumsum(np.concatenate([ones, -ones, self.levels - before])[order])
        last = np.ones(len(pools), dtype=np.bool_)
        last[:-1] = (pools[1:] != pools[:-1]) | (times[1:] != times[:-1])
        first = np.searchsorted(pools[last], np.arange(len(self.first)))
        return type(self)(self.capacity, first, times[last], levels[last])

    def drop_full(self, rows: Rows, arrive_ms: Ints, leave_ms: Ints) -> Rows:
        """Return the rows without the arcs to pools that have no room over the whole stay."""
        if not len(self.times_ms) and (self.capacity > 0).all():
            return rows
        request, entry = rows.entries()
        pool = rows.pool[entry]
        keep: Flags = self.over(pool, arrive_ms[request], leave_ms[request]) > 0
        if keep.all():
            return rows
        cuts = np.searchsorted(request[keep], np.arange(len(rows.begin) + 1))
        return Rows(cuts[:-1], cuts[1:], pool[keep], rows.weight[entry[keep]], rows.pools)


def _columns(pool_id: str, profile: Profile) -> tuple[Profile, Ints, Ints]:
    """Return a profile with its times and levels as arrays."""
    known = _laid.get(pool_id)
    if known is None or known[0] is not profile:
        times = np.array(profile.times_ms, dtype=np.int64)
        known = (profile, times, np.array(profile.levels, dtype=np.int64))
        if len(_laid) >= LAID_MAX:
            _laid.clear()
        _laid[pool_id] = known
    return known


@numba.njit(cache=True, nogil=True)
def _peaks(pool, arrive, leave, first, times, levels, peak):  # type: ignore[no-untyped-def]
    for k in range(len(pool)):
        begin, end = first[pool[k]], first[pool[k] + 1]
        step = begin + np.searchsorted(times[begin:end], arrive[k], side="right") - 1
        step = max(step, begin)
        while step < end and times[step] < leave[k]:
            if step + 1 == end or times[step + 1] > arrive[k]:
                peak[k] = max(peak[k], levels[step])
            step += 1
