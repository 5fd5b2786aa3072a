"""What has happened: the entries of the append-only log, and their form as JSON.

An event carries all that its effect needs, so that a replay asks neither the rules nor a clock.
``at_ms`` (UTC epoch milliseconds) never falls from one event to the next.
"""

import json
from dataclasses import dataclass, fields

from parking.errors import ParkingError


@dataclass(frozen=True, slots=True)
class CapacitySet:
    """A pool has this many bookable spaces from now on (0 or more)."""

    at_ms: int
    pool_id: str
    lot_id: str
    capacity: int


@dataclass(frozen=True, slots=True)
class Held:
    """A space of a pool is kept for a driver; the fields are those of the reservation."""

    at_ms: int
    reservation_id: str
    driver_id: str
    lot_id: str
    pool_id: str
    arrive_ms: int
    leave_ms: int
    price_fen: int
    drive_s: int
    walk_s: int
    cost_fen: int
    hold_expires_ms: int
    no_show_ms: int


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The driver has confirmed the hold."""

    at_ms: int
    reservation_id: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The driver has given the space up; ``late`` = after the free time."""

    at_ms: int
    reservation_id: str
    late: bool


@dataclass(frozen=True, slots=True)
class Arrived:
    """The car is in the lot."""

    at_ms: int
    reservation_id: str


@dataclass(frozen=True, slots=True)
class Departed:
    """The car has left the lot."""

    at_ms: int
    reservation_id: str


@dataclass(frozen=True, slots=True)
class Extended:
    """The stay ends at ``leave_ms`` now and costs ``price_fen`` in all."""

    at_ms: int
    reservation_id: str
    leave_ms: int
    price_fen: int
    no_show_ms: int


@dataclass(frozen=True, slots=True)
class Expired:
    """The hold was not confirmed in time."""

    at_ms: int
    reservation_id: str


@dataclass(frozen=True, slots=True)
class NotShown:
    """The car of a confirmed reservation has not come."""

    at_ms: int
    reservation_id: str


@dataclass(frozen=True, slots=True)
class Overstayed:
    """The car is still there and counts as staying until ``until_ms``."""

    at_ms: int
    reservation_id: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class Displaced:
    """Reality took the space: ``reason`` is ``overstay`` or ``capacity``."""

    at_ms: int
    reservation_id: str
    reason: str


Event = (
    CapacitySet
    | Held
    | Confirmed
    | Cancelled
    | Arrived
    | Departed
    | Extended
    | Expired
    | NotShown
    | Overstayed
    | Displaced
)

_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        CapacitySet,
        Held,
        Confirmed,
        Cancelled,
        Arrived,
        Departed,
        Extended,
        Expired,
        NotShown,
        Overstayed,
        Displaced,
    )
}
_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in _KINDS.values()}
_encode_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encode(event: Event) -> tuple[str, str]:
    """Return an event as its kind and a JSON object with its fields."""
    kind = type(event)
    return kind.__name__, _encode_json({name: getattr(event, name) for name in _FIELDS[kind]})


def decode(kind: str, body: str, *, where: str = "") -> Event:
    """Return the event that ``encode`` wrote.

    Raises
    ------
    ParkingError
        If the kind is unknown or the body does not fit it; ``where`` tells which entry.
    """
    try:
        return _KINDS[kind](**json.loads(body))
    except (KeyError, TypeError, ValueError) as error:
        raise ParkingError(
            f"not an event of this version: {kind!r} ({error})", where=where, reason="BROKEN_LOG"
        ) from error
