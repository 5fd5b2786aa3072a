"""The ledger's state: immutable, so that an old one stays valid whatever comes after it.

That is what makes a failed commit harmless (the state before it is still in hand) and a snapshot
for the solver free.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from immutables import Map

from parking.ledger.due import Due, Heap, push
from parking.ledger.events import (
    Arrived,
    Cancelled,
    CapacitySet,
    Confirmed,
    Departed,
    Displaced,
    Event,
    Expired,
    Extended,
    Held,
    NotShown,
    Overstayed,
)
from parking.ledger.profile import Profile
from parking.ledger.reservation import OPEN, Reservation, ReservationState
from parking.ledger.rules import NO_SHOWS_KEPT


@dataclass(frozen=True, slots=True)
class PoolBook:
    """A pool's side of the ledger.

    Parameters
    ----------
    lot_id
        The lot that the pool is in.
    capacity
        Its bookable spaces now.
    profile
        Its committed spaces over time.
    open
        The ids of its reservations that commit a space.
    """

    lot_id: str
    capacity: int
    profile: Profile = field(default_factory=Profile)
    open: Map[str, None] = field(default_factory=Map)

    def free(self, start_ms: int, end_ms: int) -> int:
        """Return how many more stays over ``[start_ms, end_ms)`` fit; negative = too many."""
        return self.capacity - self.profile.peak(start_ms, end_ms)


@dataclass(frozen=True, slots=True)
class DriverBook:
    """A driver's side: open reservations, and when the latest no-shows were."""

    open: tuple[str, ...] = ()
    no_shows_ms: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LedgerState:
    """All that the log says, at one revision.

    Parameters
    ----------
    revision
        How many events have happened.
    now_ms
        When the last one did: the ledger's time never goes back behind it.
    reservations, pools, drivers
        By id. Never rely on the order in which a map is walked: it has none.
    due
        What falls due when; entries that no longer hold are skipped as they come up.
    """

    revision: int = 0
    now_ms: int = 0
    reservations: Map[str, Reservation] = field(default_factory=Map)
    pools: Map[str, PoolBook] = field(default_factory=Map)
    drivers: Map[str, DriverBook] = field(default_factory=Map)
    due: Heap | None = field(default=None, compare=False, repr=False)


def evolve(state: LedgerState, event: Event) -> LedgerState:
    """Return the state after an event. Total on every event that the ledger itself made."""
    revision = state.revision + 1
    match event:
        case CapacitySet():
            book = state.pools.get(event.pool_id) or PoolBook(event.lot_id, 0)
            book = replace(book, lot_id=event.lot_id, capacity=event.capacity)
            return replace(
                state,
                revision=revision,
                now_ms=event.at_ms,
                pools=state.pools.set(event.pool_id, book),
            )
        case Held():
            return _settle(state, event.at_ms, None, _held(event, revision))
    old = state.reservations[event.reservation_id]
    match event:
        case Confirmed():
            new = replace(old, state=ReservationState.CONFIRMED, revision=revision)
        case Arrived():
            new = replace(
                old,
                state=ReservationState.PARKED,
                revision=revision,
                arrived_ms=event.at_ms,
                from_ms=min(old.from_ms, event.at_ms),
            )
        case Extended():
            new = replace(
                old,
                revision=revision,
                leave_ms=event.leave_ms,
                until_ms=event.leave_ms,
                price_fen=event.price_fen,
                overstay=False,
                no_show_ms=event.no_show_ms,
            )
        case Overstayed():
            new = replace(old, revision=revision, until_ms=event.until_ms, overstay=True)
        case Departed():
            new = replace(
                old, state=ReservationState.COMPLETED, revision=revision, left_ms=event.at_ms
            )
        case Expired():
            new = replace(old, state=ReservationState.EXPIRED, revision=revision)
        case NotShown():
            new = replace(old, state=ReservationState.NO_SHOW, revision=revision)
        case Cancelled():
            new = replace(
                old,
                state=ReservationState.CANCELLED,
                revision=revision,
                reason="late" if event.late else "",
            )
        case Displaced():
            new = replace(
                old, state=ReservationState.DISPLACED, revision=revision, reason=event.reason
            )
    return _settle(state, event.at_ms, old, new)


def _held(event: Held, revision: int) -> Reservation:
    return Reservation(
        reservation_id=event.reservation_id,
        driver_id=event.driver_id,
        lot_id=event.lot_id,
        pool_id=event.pool_id,
        arrive_ms=event.arrive_ms,
        leave_ms=event.leave_ms,
        from_ms=event.arrive_ms,
        until_ms=event.leave_ms,
        price_fen=event.price_fen,
        drive_s=event.drive_s,
        walk_s=event.walk_s,
        cost_fen=event.cost_fen,
        held_ms=event.at_ms,
        hold_expires_ms=event.hold_expires_ms,
        no_show_ms=event.no_show_ms,
        state=ReservationState.HELD,
        revision=revision,
    )


def _settle(
    state: LedgerState, at_ms: int, old: Reservation | None, new: Reservation
) -> LedgerState:
    """Put a changed reservation in its place in every index."""
    reservation_id = new.reservation_id
    is_open = new.state in OPEN
    pools, drivers, due = state.pools, state.drivers, state.due
    if old is None or not is_open or (old.from_ms, old.until_ms) != (new.from_ms, new.until_ms):
        book = pools[new.pool_id]
        profile = book.profile.since(at_ms)
        if old is not None:
            profile = profile.add(max(old.from_ms, at_ms), old.until_ms, -1)
        if is_open:
            profile = profile.add(max(new.from_ms, at_ms), new.until_ms)
        members = book.open
        if old is None:
            members = members.set(reservation_id, None)
        elif not is_open:
            members = members.delete(reservation_id)
        pools = pools.set(new.pool_id, PoolBook(book.lot_id, book.capacity, profile, members))
    if old is None or not is_open:
        drivers = _drivers(drivers, at_ms, new)
    due_ms = new.due_ms
    if due_ms is not None and (old is None or old.due_ms != due_ms):
        due = push(due, Due(due_ms, reservation_id))
    return LedgerState(
        revision=new.revision,
        now_ms=at_ms,
        reservations=state.reservations.set(reservation_id, new),
        pools=pools,
        drivers=drivers,
        due=due,
    )


def _drivers(drivers: Map[str, DriverBook], at_ms: int, new: Reservation) -> Map[str, DriverBook]:
    """Note at its driver that a reservation was opened or is over."""
    book = drivers.get(new.driver_id) or DriverBook()
    if new.state in OPEN:
        return drivers.set(
            new.driver_id, DriverBook((*book.open, new.reservation_id), book.no_shows_ms)
        )
    still = tuple(item for item in book.open if item != new.reservation_id)
    no_shows_ms = book.no_shows_ms
    if new.state is ReservationState.NO_SHOW:
        no_shows_ms = (*no_shows_ms, at_ms)[-NO_SHOWS_KEPT:]
    if still or no_shows_ms:
        return drivers.set(new.driver_id, DriverBook(still, no_shows_ms))
    return drivers.delete(new.driver_id)


def replay(events: Iterable[Event], state: LedgerState | None = None) -> LedgerState:
    """Return the state that a log leads to, from the empty state or a given one."""
    state = state or LedgerState()
    for event in events:
        state = evolve(state, event)
    return state


def faults(state: LedgerState) -> Iterator[str]:
    """Yield whatever is wrong with a state, recomputed from its reservations alone.

    The invariant: at every instant from now on, the committed stays of a pool are no more than
    its bookable spaces, or all that stand over it are parked cars (a lowered capacity cannot
    tow them away). And every index agrees with the reservations.
    """
    claims: dict[str, list[Reservation]] = {pool_id: [] for pool_id in state.pools}
    by_driver: dict[str, set[str]] = {}
    for reservation in state.reservations.values():
        if reservation.state in OPEN:
            claims[reservation.pool_id].append(reservation)
            by_driver.setdefault(reservation.driver_id, set()).add(reservation.reservation_id)
    for pool_id in sorted(claims):
        book, stays = state.pools[pool_id], claims[pool_id]
        if {stay.reservation_id for stay in stays} != set(book.open):
            yield f"pool {pool_id}: its index of open reservations is wrong"
        profile = Profile()
        for stay in stays:
            profile = profile.add(max(stay.from_ms, state.now_ms), stay.until_ms)
        if profile != book.profile.since(state.now_ms):
            yield f"pool {pool_id}: its profile is not the sum of its stays"
        for at_ms, level in zip(profile.times_ms, profile.levels, strict=True):
            if level > book.capacity and any(
                stay.state is not ReservationState.PARKED
                for stay in stays
                if stay.from_ms <= at_ms < stay.until_ms
            ):
                yield f"pool {pool_id}: {level} of {book.capacity} spaces given at {at_ms}"
    for driver_id in sorted(set(by_driver) | set(state.drivers)):
        held = state.drivers.get(driver_id) or DriverBook()
        if set(held.open) != by_driver.get(driver_id, set()):
            yield f"driver {driver_id}: the index of open reservations is wrong"
