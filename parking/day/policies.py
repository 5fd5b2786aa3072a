"""Who gets which space when he asks: first come, batch by batch, or with bid prices.

A policy sees the requests of one batch and what is promised; of what comes later it knows its
forecast at most.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from parking.allocation import LotTable, RequestTable, assign, find_arcs
from parking.allocation.tables import Ints
from parking.day.bid_prices import OUTSIDE_FEN, BidPricer, BidPrices
from parking.ledger.profile import Profile
from parking.travel import TravelTimes

Committed = dict[str, Profile]


class Policy(Protocol):
    """Decides batch by batch."""

    def decide(
        self, now_ms: int, asked: RequestTable, committed: Mapping[str, Profile]
    ) -> tuple[Ints, Ints]:
        """Return pool, -1 = none, and cost in fen of each request; both of shape (requests,).

        Parameters
        ----------
        now_ms
            End of the batch: all of its requests have been made.
        asked
            In the order in which they were made.
        committed
            What is promised, by pool id.
        """


class FirstCome:
    """Each takes what is cheapest for him among what is left, if it beats his outside option."""

    def __init__(
        self, city: LotTable, *, travel: TravelTimes | None = None, outside_fen: int = OUTSIDE_FEN
    ) -> None:
        self._city = city
        self._travel = travel
        self._outside_fen = outside_fen

    def decide(
        self, now_ms: int, asked: RequestTable, committed: Mapping[str, Profile]
    ) -> tuple[Ints, Ints]:
        """See ``Policy``."""
        arcs = find_arcs(asked, self._city, travel=self._travel)
        arcs = arcs.take(arcs.cost_fen < self._outside_fen)
        pool, cost = np.full(len(asked), -1), np.zeros(len(asked), dtype=np.int64)
        levels = dict(committed)
        for k in np.lexsort((arcs.pool, arcs.cost_fen, arcs.request)).tolist():
            i, j = int(arcs.request[k]), int(arcs.pool[k])
            if pool[i] >= 0:
                continue
            key = self._city.pools[j][1].id
            profile = levels.get(key, Profile())
            stay = int(asked.arrive_ms[i]), int(asked.leave_ms[i])
            if profile.peak(*stay) < self._city.bookable[j]:
                pool[i], cost[i] = j, arcs.cost_fen[k]
                levels[key] = profile.add(*stay)
        return pool, cost


class Batches:
    """Each batch solved for the most value, as if nobody came after it."""

    def __init__(
        self, city: LotTable, *, travel: TravelTimes | None = None, outside_fen: int = OUTSIDE_FEN
    ) -> None:
        self._city = city
        self._travel = travel
        self._outside_fen = outside_fen

    def decide(
        self, now_ms: int, asked: RequestTable, committed: Mapping[str, Profile]
    ) -> tuple[Ints, Ints]:
        """See ``Policy``."""
        return self._solve(asked, committed, None)

    def _solve(
        self, asked: RequestTable, committed: Mapping[str, Profile], prices: BidPrices | None
    ) -> tuple[Ints, Ints]:
        surcharge = None
        if prices is not None:
            now = prices

            def surcharge(request: Ints, pool: Ints) -> Ints:
                return now.of_stays(pool, asked.arrive_ms[request], asked.leave_ms[request])

        found = assign(
            asked,
            self._city,
            committed=committed,
            travel=self._travel,
            surcharge_fen=surcharge,
            outside_fen=self._outside_fen,
        )
        return found.pool, found.cost_fen


class Priced(Batches):
    """Each batch solved for the most value, less what its spaces are worth to those to come.

    Parameters
    ----------
    pricer
        Knows the forecast; its city is the one that is served.
    """

    def __init__(
        self,
        city: LotTable,
        pricer: BidPricer,
        *,
        travel: TravelTimes | None = None,
        outside_fen: int = OUTSIDE_FEN,
    ) -> None:
        super().__init__(city, travel=travel, outside_fen=outside_fen)
        self._pricer = pricer
        self._prices: BidPrices | None = None

    def decide(
        self, now_ms: int, asked: RequestTable, committed: Mapping[str, Profile]
    ) -> tuple[Ints, Ints]:
        """See ``Policy``."""
        old = self._prices
        if old is None or now_ms - old.begin_ms >= self._pricer.rule.every_ms:
            self._prices = self._pricer.solve(now_ms, committed)
        self._pricer.pace.see(now_ms, asked)
        return self._solve(asked, committed, self._prices)
