"""The booking rules, configurable for the city and for each lot."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from parking.errors import InvalidInputError

NO_SHOWS_KEPT = 32
"""How many no-shows of a driver the ledger remembers, the latest: the most a rule can count."""

_DAY_S = 86_400


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidInputError(f"expected {low} to {high}, got {value}", where=name)


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
    """

    hold_s: int = 15 * 60
    no_show_s: int = 30 * 60
    look_ahead_s: int = 2 * 3600
    look_ahead_charging_s: int = 3600
    free_cancel_s: int = 30 * 60
    overstay_s: int = 15 * 60

    def __post_init__(self) -> None:
        _check("hold_s", self.hold_s, 10, _DAY_S)
        _check("no_show_s", self.no_show_s, 0, _DAY_S)
        _check("look_ahead_s", self.look_ahead_s, 0, 30 * _DAY_S)
        _check("look_ahead_charging_s", self.look_ahead_charging_s, 0, 30 * _DAY_S)
        _check("free_cancel_s", self.free_cancel_s, 0, _DAY_S)
        _check("overstay_s", self.overstay_s, 60, _DAY_S)


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
        The lots with rules of their own, by lot id.
    """

    open_max: int = 2
    no_shows_max: int = 3
    no_show_window_s: int = 30 * _DAY_S
    lot: LotRules = LotRules()
    lots: Mapping[str, LotRules] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        _check("open_max", self.open_max, 1, 100)
        _check("no_shows_max", self.no_shows_max, 1, NO_SHOWS_KEPT)
        _check("no_show_window_s", self.no_show_window_s, 0, 366 * _DAY_S)

    def of(self, lot_id: str) -> LotRules:
        """Return the rules in force at a lot."""
        return self.lots.get(lot_id, self.lot)
