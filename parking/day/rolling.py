"""A day as it rolls on: batch after batch, each decided when it is made, and for good."""

import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from parking.allocation import LotTable
from parking.allocation.tables import Ints
from parking.day.bid_prices import OUTSIDE_FEN
from parking.day.bookings import Bookings
from parking.day.policies import Committed, Policy
from parking.districts import DistrictShare, served_near
from parking.errors import InvalidInputError, SolverError
from parking.ledger.profile import Profile

BATCH_MS = 60_000


@dataclass(frozen=True, slots=True, eq=False)
class DayOutcome:
    """What became of a day's requests.

    Parameters
    ----------
    pool, cost_fen
        Pool of each request, -1 = unserved, and its cost, 0 then; shape (requests,).
    value_fen
        Outside option less cost, summed over the served.
    districts
        Served and asked by district of the destination.
    seconds
        Spent in deciding.
    batches
        With a request in them.
    """

    pool: Ints
    cost_fen: Ints
    value_fen: int
    districts: tuple[DistrictShare, ...]
    seconds: float
    batches: int

    @property
    def served(self) -> int:
        """Number of the served."""
        return int((self.pool >= 0).sum())

    @property
    def share(self) -> float:
        """Served of all, 0 to 1; 1 where nobody asked."""
        return self.served / len(self.pool) if len(self.pool) else 1.0

    @property
    def spread(self) -> float:
        """Largest less smallest share of the districts."""
        shares = [one.share for one in self.districts]
        return max(shares) - min(shares) if shares else 0.0


def run_day(
    bookings: Bookings,
    city: LotTable,
    policy: Policy,
    *,
    batch_ms: int = BATCH_MS,
    outside_fen: int = OUTSIDE_FEN,
) -> DayOutcome:
    """Let a policy decide a day's requests, in batches of ``batch_ms`` by the clock.

    What it is told of a batch is told at its end. What it gives is never taken back, and is
    checked here: no pool is ever promised more than it has to give without its walk-ins' buffer.

    Raises
    ------
    InvalidInputError
        ``batch_ms`` is less than 1.
    SolverError
        The policy gave what is not there.
    """
    if batch_ms < 1:
        raise InvalidInputError(f"{batch_ms}; expected 1 or more", where="batch_ms")
    committed: Committed = {pool.id: Profile() for _, pool in city.pools}
    given = np.full(len(bookings), -1, dtype=np.int64)
    cost = np.zeros(len(bookings), dtype=np.int64)
    number = bookings.booked_ms // batch_ms
    cuts = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(bookings)]
    seconds = 0.0
    for first, last in pairwise(cuts):
        if first == last:
            continue
        begin_ms = int(number[first]) * batch_ms
        # Nobody arrives before he asks: what was before this batch is over.
        committed = {key: profile.since(begin_ms) for key, profile in committed.items()}
        asked = bookings.take(np.arange(first, last)).asked
        began = time.perf_counter()
        own = slice(first, last)
        given[own], cost[own] = policy.decide(begin_ms + batch_ms, asked, committed)
        seconds += time.perf_counter() - began
        for i in np.flatnonzero(given[own] >= 0).tolist():
            j = int(given[first + i])
            _commit(committed, city, j, int(asked.arrive_ms[i]), int(asked.leave_ms[i]))
    served = given >= 0
    asked = bookings.asked
    return DayOutcome(
        pool=given,
        cost_fen=cost,
        value_fen=int((outside_fen - cost[served]).sum()),
        districts=served_near(asked.dest_lon, asked.dest_lat, city.lots, served),
        seconds=seconds,
        batches=len(np.unique(number)),
    )


def _commit(committed: Committed, city: LotTable, j: int, arrive_ms: int, leave_ms: int) -> None:
    key = city.pools[j][1].id
    committed[key] = committed[key].add(arrive_ms, leave_ms)
    peak = committed[key].peak(arrive_ms, leave_ms)
    if peak > city.bookable[j]:
        raise SolverError(f"{peak} promised of {city.bookable[j]}", where=key)
