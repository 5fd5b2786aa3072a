"""A reservation as it stands: one driver's claim on one space of a pool."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter
from typing import Any


class ReservationState(StrEnum):
    """Where a reservation is in its life; every one ends exactly once."""

    HELD = "held"
    """Kept until the hold expires."""
    CONFIRMED = "confirmed"
    """Kept for the driver, who is expected."""
    PARKED = "parked"
    """The car is there."""
    COMPLETED = "completed"
    """The car has left: over."""
    EXPIRED = "expired"
    """Not confirmed in time: over."""
    CANCELLED = "cancelled"
    """Given up by the driver: over."""
    NO_SHOW = "no_show"
    """Confirmed, but the car never came: over."""
    DISPLACED = "displaced"
    """Reality took the space (an overstayer, a closed lot): over, and not the driver's fault."""
    MOVED = "moved"
    """The driver took an offered place in its stead: over."""


WAITING = frozenset({ReservationState.HELD, ReservationState.CONFIRMED})
"""The states that wait for the car."""

OPEN = WAITING | {ReservationState.PARKED}
"""The states that commit a space; all others are over."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """A reservation after some revision of the ledger. All times are UTC epoch milliseconds.

    Parameters
    ----------
    reservation_id, driver_id, lot_id, pool_id
        Opaque ids.
    arrive_ms, leave_ms
        The booked stay, ``[arrive_ms, leave_ms)``.
    from_ms, until_ms
        The committed stretch: the booked stay, but earlier from an early arrival on, and later as
        long as the car overstays.
    price_fen
        Price of the stay, frozen when it was held.
    drive_s, walk_s, cost_fen
        What the allocation foresaw.
    held_ms, hold_expires_ms, no_show_ms
        When it was held; from when on it is expired if only held; from when on it is a no-show
        if confirmed.
    state, revision
        The state, and the ledger's revision at which this reservation changed last.
    warn_ms
        When the driver is to be told that the hold expires; 0 = not (any more).
    arrived_ms, left_ms
        When the car came and left; None = not (yet).
    expiring
        The driver has been told that the hold expires.
    overstay
        The car is parked beyond ``leave_ms``.
    reason
        Why it is over, where its state does not say it: ``late`` (cancelled after the free
        time), ``withdrawn``, ``replaced`` (offers), ``unseen`` (left, as inferred), ``overstay``,
        ``walk_in``, ``capacity``, ``closed`` (displaced by).
    bay
        Number of its bay, once parked in a pool with numbered bays.
    wish
        What the driver had asked for, as text.
    offer_for
        The reservation in whose place it is offered; empty = it is no offer.
    equal_or_better
        Of an offer: no worse for the driver than what it stands in for.
    offer_id
        The offer that was made in its place last and is not void.
    moved_to
        The reservation that took its place.
    """

    reservation_id: str
    driver_id: str
    lot_id: str
    pool_id: str
    arrive_ms: int
    leave_ms: int
    from_ms: int
    until_ms: int
    price_fen: int
    drive_s: int
    walk_s: int
    cost_fen: int
    held_ms: int
    hold_expires_ms: int
    no_show_ms: int
    state: ReservationState
    revision: int
    warn_ms: int = 0
    arrived_ms: int | None = None
    left_ms: int | None = None
    expiring: bool = False
    overstay: bool = False
    reason: str = ""
    bay: str = ""
    wish: str = ""
    offer_for: str = ""
    equal_or_better: bool = False
    offer_id: str = ""
    moved_to: str = ""

    def changed(self, **changes: Any) -> "Reservation":
        """Return the reservation with some fields changed.

        What ``dataclasses.replace`` does, in less than half the time: each event does it.
        """
        new = object.__new__(Reservation)
        for put, value in zip(_SLOTS.values(), _values(self), strict=True):
            put(new, value)
        for name, value in changes.items():
            _SLOTS[name](new, value)
        return new

    def values(self) -> tuple[Any, ...]:
        """Return the values of all fields, in order."""
        return _values(self)

    @classmethod
    def of(cls, values: Sequence[Any]) -> "Reservation":
        """Return the reservation with these values, of which the state may be plain text."""
        new = object.__new__(cls)
        for put, value in zip(_SLOTS.values(), values, strict=True):
            put(new, value)
        _SLOTS["state"](new, ReservationState(new.state))
        return new

    @property
    def due_ms(self) -> int | None:
        """When time itself changes it: a warning, hold expiry, no-show, overstay; None = over."""
        match self.state:
            case ReservationState.HELD:
                return self.warn_ms or self.hold_expires_ms
            case ReservationState.CONFIRMED:
                return self.no_show_ms
            case ReservationState.PARKED:
                return self.until_ms
            case _:
                return None


_SLOTS: dict[str, Callable[[Reservation, Any], None]] = {
    item.name: getattr(Reservation, item.name).__set__ for item in fields(Reservation)
}
_values: Callable[[Reservation], tuple[Any, ...]] = attrgetter(*_SLOTS)
