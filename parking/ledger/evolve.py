"""How each event changes the state. Total on every event that the ledger itself made."""

from bisect import insort
from collections.abc import Iterable
from dataclasses import replace

from immutables import Map

from parking.ledger.commands import PoolTerms
from parking.ledger.due import Due, push
from parking.ledger.events import (
    Arrived,
    Audited,
    Cancelled,
    CapacitySet,
    Confirmed,
    Counted,
    Departed,
    Displaced,
    Event,
    Expired,
    Expiring,
    Extended,
    Held,
    LotChanged,
    LotClosed,
    LotEvent,
    LotOpened,
    LotRulesSet,
    Moved,
    NotShown,
    Overstayed,
    Passed,
    PoolChanged,
    SignChanged,
    StayEvent,
)
from parking.ledger.reservation import OPEN, Reservation, ReservationState
from parking.ledger.rules import LOT_RULE_NAMES, NO_SHOWS_KEPT, LotRules
from parking.ledger.state import DriverBook, LedgerState, LotBook, PoolBook
from parking.occupancy import Sight

PASSAGES_KEPT_MS = 48 * 3_600_000
"""A gate's report that is older than that is too old to be taken."""
FORGET_MAX = 4
"""The most reservations that one event lets go of; on average each lets go of less than one."""


def evolve(state: LedgerState, event: Event) -> LedgerState:
    """Return the state after an event."""
    if isinstance(event, PoolChanged | CapacitySet | Counted):
        state = _pool_event(state, event)
    elif isinstance(event, LotChanged | LotRulesSet | LotClosed | LotOpened | Passed):
        state = _lot_event(state, event)
    elif isinstance(event, SignChanged):
        state = replace(
            state,
            revision=state.revision + 1,
            now_ms=event.at_ms,
            signs=state.signs.set(event.sign_id, event.document),
        )
    elif isinstance(event, Audited):
        state = replace(state, revision=state.revision + 1, now_ms=event.at_ms)
    else:
        state = _stay_event(state, event)
    oldest = state.over.oldest()
    if oldest is not None and oldest[0] <= event.at_ms - state.kept_ms:
        return _forget(state, event.at_ms)
    return state


def replay(events: Iterable[Event], state: LedgerState | None = None) -> LedgerState:
    """Return the state that a log leads to, from the empty state or a given one."""
    state = state or LedgerState()
    for event in events:
        state = evolve(state, event)
    return state


# Lots and pools


def _lot_event(state: LedgerState, event: LotEvent) -> LedgerState:
    revision = state.revision + 1
    book = state.lots.get(event.lot_id) or LotBook()
    pools = state.pools
    match event:
        case LotChanged():
            book = replace(
                book, document=event.document, source=event.source, pools=(), revision=revision
            )
        case LotRulesSet():
            given = {name: getattr(event, name) for name in LOT_RULE_NAMES}
            rules = None if given["hold_s"] is None else LotRules(**given)
            book = replace(book, rules=rules, revision=revision)
        case LotClosed():
            book = replace(book, closed=True, reason=event.reason, revision=revision)
        case LotOpened():
            book = replace(book, closed=False, reason="", revision=revision)
        case Passed():
            times = book.gates.get(event.gate, ())
            gates = book.gates.set(event.gate, _noted(times, event.seen_ms, event.at_ms))
            book = replace(book, gates=gates)
            if event.pool_id:
                pool = pools[event.pool_id]
                sight = pool.sight.passed(event.seen_ms, 1 if event.inward else -1)
                pools = pools.set(event.pool_id, replace(pool, sight=sight))
    return replace(
        state,
        revision=revision,
        now_ms=event.at_ms,
        pools=pools,
        lots=state.lots.set(event.lot_id, book),
    )


def _noted(times: tuple[int, ...], seen_ms: int, now_ms: int) -> tuple[int, ...]:
    """Return a gate's times with one more, without those too old to come again."""
    if times and times[0] <= now_ms - PASSAGES_KEPT_MS:
        times = tuple(time for time in times if time > now_ms - PASSAGES_KEPT_MS)
    if not times or times[-1] < seen_ms:
        return (*times, seen_ms)
    ordered = list(times)
    insort(ordered, seen_ms)
    return tuple(ordered)


def _pool_event(state: LedgerState, event: PoolChanged | CapacitySet | Counted) -> LedgerState:
    lots = state.lots
    match event:
        case CapacitySet():
            book = state.pools.get(event.pool_id) or PoolBook(event.lot_id, 0)
            book = replace(book, lot_id=event.lot_id, capacity=event.capacity)
        case Counted():
            book = state.pools[event.pool_id]
            book = replace(book, sight=book.sight.counted(event.occupied, event.seen_ms))
        case PoolChanged():
            terms = PoolTerms(
                pool_id=event.pool_id,
                spaces=event.spaces,
                quota=event.quota,
                walk_in_buffer=event.walk_in_buffer,
                bays=event.bays,
            )
            known = state.pools.get(event.pool_id)
            if known is None or known.terms is None:
                # Cars of reservations that were parked before the count began stand in it too.
                parked = known.parked if known else 0
                sight = Sight.starting(event.occupied + parked)
                book = replace(known or PoolBook(event.lot_id, 0), terms=terms, sight=sight)
            else:
                book = replace(known, terms=terms)
            book = replace(book, lot_id=event.lot_id)
            lot = lots.get(event.lot_id) or LotBook()
            if event.pool_id not in lot.pools:
                lots = lots.set(event.lot_id, replace(lot, pools=(*lot.pools, event.pool_id)))
    return replace(
        state,
        revision=state.revision + 1,
        now_ms=event.at_ms,
        pools=state.pools.set(event.pool_id, book),
        lots=lots,
    )


# Reservations


def _stay_event(state: LedgerState, event: StayEvent) -> LedgerState:
    revision = state.revision + 1
    if isinstance(event, Held):
        return _held(state, event, revision)
    old = state.reservations[event.reservation_id]
    new = reservation_after(old, event, revision)
    state = _settle(state, event, old, new)
    if old.offer_for and old.state is ReservationState.HELD and new.state not in OPEN:
        return _unlink(state, new)
    return state


def reservation_after(old: Reservation, event: StayEvent, revision: int) -> Reservation:
    """Return a reservation as an event, the log's ``revision``, leaves it."""
    match event:
        case Held():
            return held_reservation(event, revision)
        case Confirmed():
            new = old.changed(state=ReservationState.CONFIRMED, revision=revision, warn_ms=0)
        case Arrived():
            new = old.changed(
                state=ReservationState.PARKED,
                revision=revision,
                arrived_ms=event.at_ms if event.arrived_ms is None else event.arrived_ms,
                from_ms=min(old.from_ms, event.at_ms),
                bay=event.bay,
            )
        case Departed():
            new = old.changed(
                state=ReservationState.COMPLETED,
                revision=revision,
                left_ms=event.at_ms if event.left_ms is None else event.left_ms,
                reason=event.reason,
            )
        case Expiring():
            new = old.changed(revision=revision, warn_ms=0, expiring=True)
        case Extended():
            new = old.changed(
                revision=revision,
                leave_ms=event.leave_ms,
                until_ms=event.leave_ms,
                price_fen=event.price_fen,
                overstay=False,
                no_show_ms=event.no_show_ms,
            )
        case Overstayed():
            new = old.changed(revision=revision, until_ms=event.until_ms, overstay=True)
        case Expired():
            new = old.changed(state=ReservationState.EXPIRED, revision=revision)
        case NotShown():
            new = old.changed(state=ReservationState.NO_SHOW, revision=revision)
        case Cancelled():
            new = old.changed(
                state=ReservationState.CANCELLED,
                revision=revision,
                reason="late" if event.late else event.reason,
            )
        case Displaced():
            new = replace(
                old, state=ReservationState.DISPLACED, revision=revision, reason=event.reason
            )
        case Moved():
            new = replace(
                old, state=ReservationState.MOVED, revision=revision, moved_to=event.to_id
            )
    return new


def held_reservation(event: Held, revision: int) -> Reservation:
    """Return a reservation as it begins."""
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
        warn_ms=event.warn_ms,
        wish=event.wish,
        offer_for=event.offer_for,
        equal_or_better=event.equal_or_better,
    )


def _held(state: LedgerState, event: Held, revision: int) -> LedgerState:
    new = held_reservation(event, revision)
    state = _settle(state, event, None, new)
    source = state.reservations.get(event.offer_for) if event.offer_for else None
    if source is None:
        return state
    source = source.changed(offer_id=new.reservation_id, revision=revision)
    return replace(state, reservations=state.reservations.set(source.reservation_id, source))


def _unlink(state: LedgerState, offer: Reservation) -> LedgerState:
    """Take an offer that is over off the reservation that it was made for, if that still waits."""
    source = state.reservations.get(offer.offer_for)
    if source is None or source.offer_id != offer.reservation_id or source.moved_to:
        return state
    source = source.changed(offer_id="", revision=offer.revision)
    return replace(state, reservations=state.reservations.set(source.reservation_id, source))


def _settle(
    state: LedgerState, event: StayEvent, old: Reservation | None, new: Reservation
) -> LedgerState:
    """Put a changed reservation in its place in every index."""
    at_ms, reservation_id = event.at_ms, new.reservation_id
    is_open = new.state in OPEN
    pools, drivers, due, over = state.pools, state.drivers, state.due, state.over
    moved = old is None or (old.from_ms, old.until_ms) != (new.from_ms, new.until_ms)
    if moved or not is_open or isinstance(event, Arrived):
        book = pools[new.pool_id]
        pools = pools.set(new.pool_id, _pool_after(book, event, old, new))
    if old is None or not is_open:
        drivers = _drivers(drivers, at_ms, new)
    if not is_open:
        over = over.push(at_ms, reservation_id)
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
        lots=state.lots,
        over=over,
        kept_ms=state.kept_ms,
        signs=state.signs,
    )


def _pool_after(
    book: PoolBook, event: StayEvent, old: Reservation | None, new: Reservation
) -> PoolBook:
    """Return a pool's book after one of its reservations has changed."""
    at_ms, reservation_id = event.at_ms, new.reservation_id
    is_open = new.state in OPEN
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
    sight, parked, taken = book.sight, book.parked, book.taken
    if isinstance(event, Arrived):
        parked += 1
        if book.terms is not None and new.arrived_ms is not None:
            sight = sight.passed(new.arrived_ms, 1)
        if new.bay:
            taken = taken.set(new.bay, reservation_id)
    elif isinstance(event, Departed):
        parked -= 1
        if book.terms is not None and new.left_ms is not None and event.reason != "unseen":
            sight = sight.passed(new.left_ms, -1)
        if taken.get(new.bay) == reservation_id:
            taken = taken.delete(new.bay)
    return PoolBook(book.lot_id, book.capacity, profile, members, book.terms, sight, parked, taken)


def _drivers(drivers: Map[str, DriverBook], at_ms: int, new: Reservation) -> Map[str, DriverBook]:
    """Note at its driver that a reservation was opened or is over."""
    book = drivers.get(new.driver_id) or DriverBook()
    if new.state in OPEN:
        still = (*book.open, new.reservation_id)
        recent = (*book.recent, new.reservation_id)
        return drivers.set(new.driver_id, DriverBook(still, book.no_shows_ms, recent))
    still = tuple(item for item in book.open if item != new.reservation_id)
    no_shows_ms = book.no_shows_ms
    if new.state is ReservationState.NO_SHOW:
        no_shows_ms = (*no_shows_ms, at_ms)[-NO_SHOWS_KEPT:]
    return drivers.set(new.driver_id, DriverBook(still, no_shows_ms, book.recent))


def _forget(state: LedgerState, at_ms: int) -> LedgerState:
    """Let go of reservations that ended long ago, a few at a time."""
    reservations, drivers, over = state.reservations, state.drivers, state.over
    for _ in range(FORGET_MAX):
        oldest = over.oldest()
        if oldest is None or oldest[0] > at_ms - state.kept_ms:
            break
        reservation = reservations[oldest[1]]
        reservations = reservations.delete(oldest[1])
        over = over.pop()
        book = drivers[reservation.driver_id]
        recent = tuple(item for item in book.recent if item != oldest[1])
        if recent or book.no_shows_ms:
            book = DriverBook(book.open, book.no_shows_ms, recent)
            drivers = drivers.set(reservation.driver_id, book)
        else:
            drivers = drivers.delete(reservation.driver_id)
    return replace(state, reservations=reservations, drivers=drivers, over=over)
