"""Which pools and stays a batch changes: for stores that check the invariant by themselves."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from parking.ledger import OPEN, Event, LedgerState, Reservation, ReservationState

RESERVATION_FIELDS = ("reservation_id", "to_id", "offer_for")
"""Fields of events that name reservations; ``pool_id`` names a pool."""


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
        Every pool whose committed spaces may have grown, or that carries another number, in order.
        Where only stays ended or cars arrived there is nothing to be counted again.
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
    return _differences(
        before,
        after,
        pools=[pool_id for event in events if (pool_id := getattr(event, "pool_id", ""))],
        reservations=(key for event in events for key in _reservations(event)),
    )


def everything(state: LedgerState) -> Changes:
    """Return all that a state holds, as if it had just come to be."""
    return _differences(
        LedgerState(), state, pools=state.pools.keys(), reservations=state.reservations.keys()
    )


def is_parked(reservation: Reservation) -> bool:
    """Whether the reservation's car stands in the pool."""
    return reservation.state is ReservationState.PARKED


def _differences(
    before: LedgerState,
    after: LedgerState,
    *,
    pools: Iterable[str],
    reservations: Iterable[str],
) -> Changes:
    capacities = {}
    for pool_id in dict.fromkeys(pools):
        old, book = before.pools.get(pool_id), after.pools[pool_id]
        if old is None or old.capacity != book.capacity:
            capacities[pool_id] = max(0, book.capacity)
    stays, over, grown = [], [], set(capacities)
    for reservation_id in sorted(set(reservations)):
        new = after.reservations.get(reservation_id)
        known = before.reservations.get(reservation_id)
        if new is None or new.state not in OPEN:
            over.append(reservation_id)
            continue
        if known is None or _claim(known) != _claim(new):
            stays.append(new)
        if known is None or not _covers(known, new):
            grown.add(new.pool_id)
    return Changes(capacities, tuple(stays), tuple(over), tuple(sorted(grown)))


def _claim(stay: Reservation) -> tuple[str, bool, int, int]:
    return stay.pool_id, is_parked(stay), stay.from_ms, stay.until_ms


def _covers(old: Reservation, new: Reservation) -> bool:
    """Whether a stay claims no more than before."""
    return (
        old.state in OPEN
        and old.pool_id == new.pool_id
        and is_parked(old) <= is_parked(new)
        and old.from_ms <= new.from_ms
        and new.until_ms <= old.until_ms
    )


def _reservations(event: Event) -> Iterator[str]:
    """Yield the reservations that an event names."""
    for name in RESERVATION_FIELDS:
        key = getattr(event, name, "")
        if key:
            yield key
