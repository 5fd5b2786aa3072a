"""The ledger's decisions: which events a command, or time itself, brings about.

The rules of the border cases, each pinned by a test:

- *Time*: a hold is good strictly before ``hold_expires_ms``; at that instant it is expired. The
  same for a no-show. What falls due together is settled by time, then by reservation id, and
  always before the command of the same moment.
- *Arrival while HELD* counts as confirmation and arrival in one.
- *Early arrival* is let in if the pool has room until the booked stay begins; the commitment then
  starts at once. Without room it is refused (``early``) and the reservation stays as it is.
- *Late arrival*, before the no-show limit, is an arrival; the stay still ends when it was booked
  to end. A stay shorter than the limit becomes a no-show when it would have ended.
- *Arrival after NO_SHOW* or EXPIRED is refused: the space may be another's; the car is a walk-in.
- *Leaving early* gives the rest of the stay back at once.
- *Overstay*: a car still parked at its end goes on to count, ``overstay_s`` at a time. If that
  clashes, waiting reservations are DISPLACED, the latest held first.
- *Lowered capacity* displaces in the same way; parked cars stay.
- *Extension* is refused if it clashes; the stay then stays as it was.
"""

from collections.abc import Iterable

from parking.errors import NoSpaceError, NotFoundError, ParkingError, RuleError, StateError
from parking.ledger.commands import (
    STAY_MAX_MS,
    Arrive,
    Cancel,
    Command,
    Confirm,
    Depart,
    Extend,
    Hold,
    SetCapacity,
    Tick,
)
from parking.ledger.due import pop
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
from parking.ledger.reservation import WAITING, Reservation, ReservationState
from parking.ledger.rules import Rules
from parking.ledger.state import DriverBook, LedgerState, PoolBook, replay


def apply(
    state: LedgerState, command: Command, now_ms: int, rules: Rules
) -> tuple[LedgerState, tuple[Event, ...]]:
    """Let a command happen.

    Parameters
    ----------
    state
        The state before; it stays as it is.
    command
        What is asked.
    now_ms
        The injected clock's reading, UTC epoch milliseconds. A reading behind the ledger's own
        time counts as that time.
    rules
        The rules in force.

    Returns
    -------
    tuple
        The state after, and the events that lead to it: first those that time brought about.

    Raises
    ------
    NotFoundError, NoSpaceError, RuleError, StateError, InvalidInputError
        If the command is refused; then nothing has happened.
    """
    state, passed = advance(state, now_ms, rules)
    events = _decide(state, command, max(now_ms, state.now_ms), rules)
    return replay(events, state), passed + events


def advance(state: LedgerState, now_ms: int, rules: Rules) -> tuple[LedgerState, tuple[Event, ...]]:
    """Let time pass: settle all that has fallen due up to and including ``now_ms``."""
    happened: list[Event] = []
    due = state.due
    while due is not None and due.least.at_ms <= now_ms:
        reservation = state.reservations.get(due.least.reservation_id)
        at_ms = due.least.at_ms
        state = LedgerState(
            state.revision, state.now_ms, state.reservations, state.pools, state.drivers, pop(due)
        )
        if reservation is not None and reservation.due_ms == at_ms:
            events = _fall_due(state, reservation, max(at_ms, state.now_ms), now_ms, rules)
            state = replay(events, state)
            happened += events
        due = state.due
    return state, tuple(happened)


def next_due_ms(state: LedgerState) -> int | None:
    """Return a time before which nothing falls due; None = nothing ever will."""
    return None if state.due is None else state.due.least.at_ms


def booking_refusal(
    state: LedgerState,
    driver_id: str,
    now_ms: int,
    rules: Rules,
) -> ParkingError | None:
    """Return why a driver may not book now, whatever the place; None = may."""
    driver = state.drivers.get(driver_id) or DriverBook()
    if len(driver.open) >= rules.open_max:
        return RuleError(
            f"{len(driver.open)} reservations are open, at most {rules.open_max} may be",
            where="driver_id",
            reason="open_max",
        )
    since_ms = now_ms - rules.no_show_window_s * 1000
    missed = sum(at_ms > since_ms for at_ms in driver.no_shows_ms)
    if missed >= rules.no_shows_max:
        return RuleError(
            f"booking is paused after {missed} no-shows in {rules.no_show_window_s} s",
            where="driver_id",
            reason="no_shows",
        )
    return None


def _decide(state: LedgerState, command: Command, now_ms: int, rules: Rules) -> tuple[Event, ...]:
    match command:
        case Tick():
            return ()
        case SetCapacity():
            return _set_capacity(state, command, now_ms)
        case Hold():
            return (_hold(state, command, now_ms, rules),)
        case Confirm():
            reservation = _expect(state, command.reservation_id, {ReservationState.HELD})
            return (Confirmed(now_ms, reservation.reservation_id),)
        case Cancel():
            reservation = _expect(state, command.reservation_id, WAITING)
            free_ms = rules.of(reservation.lot_id).free_cancel_s * 1000
            late = (
                reservation.state is ReservationState.CONFIRMED
                and now_ms > reservation.arrive_ms - free_ms
            )
            return (Cancelled(now_ms, reservation.reservation_id, late),)
        case Arrive():
            return (_arrive(state, command, now_ms),)
        case Depart():
            reservation = _expect(state, command.reservation_id, {ReservationState.PARKED})
            return (Departed(now_ms, reservation.reservation_id),)
        case Extend():
            return (_extend(state, command, now_ms, rules),)


def _expect(
    state: LedgerState, reservation_id: str, states: Iterable[ReservationState]
) -> Reservation:
    """Return a reservation that is in one of the states, or refuse."""
    reservation = state.reservations.get(reservation_id)
    if reservation is None:
        raise NotFoundError(f"no reservation {reservation_id!r}", where="name")
    if reservation.state not in states:
        wanted = " or ".join(sorted(state.upper() for state in states))
        raise StateError(
            f"reservation {reservation_id!r} is {reservation.state.upper()}, expected {wanted}",
            where="name",
            reason=f"is_{reservation.state}",
        )
    return reservation


def _hold(state: LedgerState, command: Hold, now_ms: int, rules: Rules) -> Held:
    book = state.pools.get(command.pool_id)
    if book is None or book.lot_id != command.lot_id:
        raise NotFoundError(
            f"no pool {command.pool_id!r} in lot {command.lot_id!r}", where="pool_id"
        )
    if command.reservation_id in state.reservations:
        raise StateError(f"reservation {command.reservation_id!r} exists", reason="exists")
    refusal = booking_refusal(state, command.driver_id, now_ms, rules)
    if refusal is not None:
        raise refusal
    lot = rules.of(command.lot_id)
    arrive_ms, leave_ms = max(command.arrive_ms, now_ms), command.leave_ms
    if leave_ms <= now_ms:
        raise RuleError("the stay is over already", where="arrive_at", reason="past")
    ahead_s = lot.look_ahead_charging_s if command.charging else lot.look_ahead_s
    if arrive_ms - now_ms > ahead_s * 1000:
        raise RuleError(
            f"an arrival can be booked {ahead_s} s ahead, not {(arrive_ms - now_ms) // 1000} s",
            where="arrive_at",
            reason="look_ahead",
        )
    if book.free(arrive_ms, leave_ms) < 1:
        raise NoSpaceError(f"pool {command.pool_id!r} is full for this stay", reason="full")
    hold_expires_ms = min(now_ms + lot.hold_s * 1000, leave_ms)
    return Held(
        at_ms=now_ms,
        reservation_id=command.reservation_id,
        driver_id=command.driver_id,
        lot_id=command.lot_id,
        pool_id=command.pool_id,
        arrive_ms=arrive_ms,
        leave_ms=leave_ms,
        price_fen=command.price_fen,
        drive_s=command.drive_s,
        walk_s=command.walk_s,
        cost_fen=command.cost_fen,
        hold_expires_ms=hold_expires_ms,
        # Never before the hold expires: who may still confirm may still come.
        no_show_ms=min(max(arrive_ms + lot.no_show_s * 1000, hold_expires_ms), leave_ms),
    )


def _arrive(state: LedgerState, command: Arrive, now_ms: int) -> Arrived:
    reservation = _expect(state, command.reservation_id, WAITING)
    if now_ms < reservation.from_ms:
        book = state.pools[reservation.pool_id]
        if book.free(now_ms, reservation.from_ms) < 1:
            raise NoSpaceError(
                f"the booked stay begins in {(reservation.from_ms - now_ms + 999) // 1000} s and "
                f"pool {reservation.pool_id!r} is full until then",
                where="name",
                reason="early",
            )
    return Arrived(now_ms, reservation.reservation_id)


def _extend(state: LedgerState, command: Extend, now_ms: int, rules: Rules) -> Extended:
    reservation = _expect(
        state, command.reservation_id, {ReservationState.CONFIRMED, ReservationState.PARKED}
    )
    leave_ms = command.leave_ms
    if not max(now_ms, reservation.leave_ms) < leave_ms <= reservation.arrive_ms + STAY_MAX_MS:
        raise RuleError(
            "an extension ends later than the stay, in the future, and at most 14 days after "
            "the arrival",
            where="leave_at",
            reason="leave_at",
        )
    book = state.pools[reservation.pool_id]
    if leave_ms > reservation.until_ms and book.free(reservation.until_ms, leave_ms) < 1:
        raise NoSpaceError(
            f"pool {reservation.pool_id!r} is full for the longer stay",
            where="leave_at",
            reason="full",
        )
    wait_ms = rules.of(reservation.lot_id).no_show_s * 1000
    return Extended(
        at_ms=now_ms,
        reservation_id=reservation.reservation_id,
        leave_ms=leave_ms,
        price_fen=command.price_fen,
        no_show_ms=max(reservation.no_show_ms, min(reservation.arrive_ms + wait_ms, leave_ms)),
    )


def _set_capacity(state: LedgerState, command: SetCapacity, now_ms: int) -> tuple[Event, ...]:
    book = state.pools.get(command.pool_id)
    events: list[Event] = [CapacitySet(now_ms, command.pool_id, command.lot_id, command.capacity)]
    if book is not None:
        events += _displace(state, book, command.capacity, book.profile, now_ms, "capacity")
    return tuple(events)


def _fall_due(
    state: LedgerState, reservation: Reservation, at_ms: int, now_ms: int, rules: Rules
) -> tuple[Event, ...]:
    """Return what a reservation's falling due brings about."""
    reservation_id = reservation.reservation_id
    match reservation.state:
        case ReservationState.HELD:
            return (Expired(at_ms, reservation_id),)
        case ReservationState.CONFIRMED:
            return (NotShown(at_ms, reservation_id),)
    # Beyond now, so that a clock that jumps far ahead makes one entry, not one each step.
    until_ms = max(at_ms, now_ms) + rules.of(reservation.lot_id).overstay_s * 1000
    book = state.pools[reservation.pool_id]
    profile = book.profile.add(reservation.until_ms, until_ms)
    return (
        Overstayed(at_ms, reservation_id, until_ms),
        *_displace(state, book, book.capacity, profile, at_ms, "overstay"),
    )


def _displace(
    state: LedgerState,
    book: PoolBook,
    capacity: int,
    profile: Profile,
    at_ms: int,
    reason: str,
) -> list[Event]:
    """Return who must yield, the latest held first, until no waiting stay is over capacity.

    One pass is enough: whoever is passed over stands on no overfull instant then, and later
    ones only free more.
    """
    if profile.peak(at_ms, _FOREVER_MS) <= capacity:
        return []
    waiting = [
        reservation
        for reservation in (state.reservations[item] for item in book.open)
        if reservation.state in WAITING
    ]
    waiting.sort(key=lambda item: (item.held_ms, item.reservation_id), reverse=True)
    events: list[Event] = []
    for reservation in waiting:
        start_ms = max(reservation.from_ms, at_ms)
        if profile.peak(start_ms, reservation.until_ms) > capacity:
            profile = profile.add(start_ms, reservation.until_ms, -1)
            events.append(Displaced(at_ms, reservation.reservation_id, reason))
    return events


_FOREVER_MS = 1 << 62
