"""Which pools and stays a batch changes: for stores that check the invariant by themselves."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from parking.ledger import OPEN, Event, LedgerState, Reservation, ReservationState


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two states.

    Parameters
    ----------
    capacities
        Pool id -> how many reservations it can carry now.
    stays
        The reservations that changed and commit a space.
    over
        The ids of those that commit none any more.
    pools
        Every pool whose committed spaces may differ, in order.
    """

    capacities: dict[str, int]
    stays: tuple[Reservation, ...]
    over: tuple[str, ...]
    pools: tuple[str, ...]


def changes(before: LedgerState, after: LedgerState, events: Sequence[Event]) -> Changes:
    """Return what the events between two states changed.

    It looks at the states and at the ids that events name, not at what they mean: a new kind of
    event needs nothing here.
    """
    changed = {
        pool_id: book
        for pool_id, book in after.pools.items()
        if before.pools.get(pool_id) is not book
    }
    capacities = {}
    for pool_id, book in changed.items():
        old = before.pools.get(pool_id)
        if old is None or old.capacity != book.capacity:
            capacities[pool_id] = max(0, book.capacity)
    touched = {value for event in events for value in _reservations(event)}
    for pool_id, book in changed.items():
        old = before.pools.get(pool_id)
        if old is None or old.open is not book.open:
            touched.update(set(book.open) ^ set(old.open if old is not None else ()))
    stays, over, pools = [], [], set(changed)
    for reservation_id in sorted(touched):
        new = after.reservations.get(reservation_id)
        old_stay = before.reservations.get(reservation_id)
        pools.update(item.pool_id for item in (new, old_stay) if item is not None)
        if new is not None and new.state in OPEN:
            stays.append(new)
        else:
            over.append(reservation_id)
    return Changes(capacities, tuple(stays), tuple(over), tuple(sorted(pools)))


def is_parked(reservation: Reservation) -> bool:
    """Whether the reservation's car stands in the pool."""
    return reservation.state is ReservationState.PARKED


def _reservations(event: Event) -> list[str]:
    """Return the reservations that an event names, by the names of its fields."""
    return [
        value
        for field in fields(event)
        if field.name in ("reservation_id", "to_id", "offer_for")
        and isinstance(value := getattr(event, field.name), str)
        and value
    ]
