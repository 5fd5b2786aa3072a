"""The booking rules, configurable for the city and for each lot."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from types import MappingProxyType

from parking.errors import InvalidInputError
from parking.occupancy import Caution

NO_SHOWS_KEPT = 32
"""How many no-shows of a driver the ledger remembers, the latest: the most a rule can count."""

_DAY_S = 86_400
_LIMITS = {
    "hold_s": (10, _DAY_S),
    "warn_s": (0, _DAY_S),
    "no_show_s": (0, _DAY_S),
    "look_ahead_s": (0, 30 * _DAY_S),
    "look_ahead_charging_s": (0, 30 * _DAY_S),
    "free_cancel_s": (0, _DAY_S),
    "overstay_s": (60, _DAY_S),
    "stale_s": (1, _DAY_S),
    "stale_percent_per_h": (0, 100),
    "open_max": (1, 100),
    "no_shows_max": (1, NO_SHOWS_KEPT),
    "no_show_window_s": (0, 366 * _DAY_S),
}


def _check(rules: object) -> None:
    for name, (low, high) in _LIMITS.items():
        value = getattr(rules, name, None)
        if value is not None and not low <= value <= high:
            raise InvalidInputError(f"expected {low} to {high}, got {value}", where=name)


@lru_cache
def _caution(stale_s: int, percent_per_h: int) -> Caution:
    return Caution(stale_s, percent_per_h / 100)


@dataclass(frozen=True, slots=True)
class LotRules:
    """The rules that a lot may set for itself.

    Parameters
    ----------
    hold_s
        How long a hold waits to be confirmed, s, 10 to 86,400.
    no_show_s
        How long after its arrival time a confirmed reservation waits for the car, s, 0 to 86,400.
    look_ahead_s, look_ahead_charging_s
        How far ahead an arrival can be booked, s, 0 to 30 days; for charging pools the latter.
    free_cancel_s
        Cancelling is free until this long before the arrival time, s, 0 to 86,400.
    overstay_s
        How long at a time a car that has not left counts as staying on, s, 60 to 86,400.
    warn_s
        How long before a hold expires its driver is told, s, 0 (not at all) to 86,400.
    stale_s, stale_percent_per_h
        A count older than that is stale, s, 1 to 86,400; for each further hour that percentage
        of the pool's spaces is withheld from new holds, 0 to 100.
    open_max, no_shows_max, no_show_window_s
        As in ``Rules``, for bookings at this lot; None = the city's.
    """

    hold_s: int = 15 * 60
    no_show_s: int = 30 * 60
    look_ahead_s: int = 2 * 3600
    look_ahead_charging_s: int = 3600
    free_cancel_s: int = 30 * 60
    overstay_s: int = 15 * 60
    warn_s: int = 2 * 60
    stale_s: int = 10 * 60
    stale_percent_per_h: int = 10
    open_max: int | None = None
    no_shows_max: int | None = None
    no_show_window_s: int | None = None

    def __post_init__(self) -> None:
        _check(self)

    @property
    def caution(self) -> Caution:
        """What is withheld from new holds as counts grow old."""
        return _caution(self.stale_s, self.stale_percent_per_h)


LOT_RULE_NAMES = tuple(item.name for item in fields(LotRules))


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a city.

    Parameters
    ----------
    open_max
        The most reservations that a driver has open (held, confirmed or parked), 1 to 100.
    no_shows_max
        As many no-shows within ``no_show_window_s`` pause a driver's booking, 1 to 32.
    no_show_window_s
        The window that counts them, s, 0 to 366 days; the default is 30 days.
    lot
        The rules of every lot that sets none of its own.
    lots
        The lots with rules of their own, by lot id. Rules that a lot's operator has put into the
        ledger itself go before these.
    """

    open_max: int = 2
    no_shows_max: int = 3
    no_show_window_s: int = 30 * _DAY_S
    lot: LotRules = LotRules()
    lots: Mapping[str, LotRules] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        _check(self)

    def of(self, lot_id: str) -> LotRules:
        """Return the rules in force at a lot that has none in the ledger."""
        return self.lots.get(lot_id, self.lot)
