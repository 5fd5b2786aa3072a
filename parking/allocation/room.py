"""What is committed already, over time, as columns: how much room a stay finds in a pool."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Self

import numba
import numpy as np

from parking.allocation.rows import Rows
from parking.allocation.tables import Flags, Ints, LotTable
from parking.ledger.profile import Profile

_NOT_GIVEN = np.iinfo(np.int64).min


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
        empty = Profile()
        profiles = [committed.get(pool.id, empty) for _, pool in city.pools] if committed else []
        counts = [len(p.times_ms) for p in profiles] if committed else [0] * len(city.pools)
        return cls(
            np.maximum(0, capacity),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.fromiter(chain.from_iterable(p.times_ms for p in profiles), dtype=np.int64),
            np.fromiter(chain.from_iterable(p.levels for p in profiles), dtype=np.int64),
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
