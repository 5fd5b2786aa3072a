"""How the day goes beside its forecast: what was asked in the last while corrects what is to come.

How many drivers come to a market (a zone and a class) is a number that the forecast knows up to a
factor. Before the day that factor is 1, believed as firmly as if ``MARKET_DRIVERS`` had been seen
(a gamma distribution); those who ask make it ``(MARKET_DRIVERS + seen) / (MARKET_DRIVERS +
expected)``, about the factor of the whole city, which is learned the same way. Only the last
``WINDOW_MS`` count, as forecasts are wrong in other ways at other hours.
"""

import numpy as np

from parking.allocation import RequestTable
from parking.allocation.tables import Floats, Ints
from parking.day.forecast import Forecast

WINDOW_MS = 5_400_000
MARKET_DRIVERS, CITY_DRIVERS = 20.0, 100.0


class Pace:
    """Counts who asks.

    Parameters
    ----------
    forecast
        Of the day.
    """

    def __init__(self, forecast: Forecast) -> None:
        self._forecast = forecast
        self._weight = forecast.weight
        self._markets, self._market = forecast.market()
        self._seen: list[tuple[int, Ints]] = []
        self._from_ms: int | None = None

    @property
    def market(self) -> Ints:
        """Market of each example of the forecast, shape (examples,)."""
        return self._market

    def see(self, until_ms: int, asked: RequestTable) -> None:
        """Note requests that were made since the last call, up to an instant.

        The first call is of the day's first requests: that nobody is seen before them counts.
        """
        if self._from_ms is None:
            self._from_ms = until_ms
        self._seen = [(ms, own) for ms, own in self._seen if ms > until_ms - WINDOW_MS]
        self._seen.append((until_ms, self._forecast.market_of(asked, self._markets)))

    def factors(self, now_ms: int) -> tuple[Floats, Floats]:
        """Return factors of what the markets bring, and their uncertainty; shape (markets,).

        The uncertainty is the standard deviation relative to the factor.
        """
        count = len(self._markets)
        seen, expected = np.zeros(count), np.zeros(count)
        since_ms = now_ms - WINDOW_MS
        for until_ms, own in self._seen:
            if since_ms < until_ms <= now_ms:
                seen += np.bincount(own[own >= 0], minlength=count)
        if self._from_ms is not None:
            booked = self._forecast.examples.booked_ms
            first, last = np.searchsorted(booked, [since_ms, now_ms], side="right")
            expected += np.bincount(
                self._market[first:last], self._weight[first:last], minlength=count
            )
        city = (CITY_DRIVERS + seen.sum()) / (CITY_DRIVERS + expected.sum())
        factor = city * (MARKET_DRIVERS + seen) / (MARKET_DRIVERS + city * expected)
        return factor, 1 / np.sqrt(MARKET_DRIVERS + seen)
