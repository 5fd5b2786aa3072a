"""The ledger's decisions: which events a command, or time itself, brings about.

The rules of the border cases, each pinned by a test:

- *Time*: a hold is good strictly before ``hold_expires_ms``; at that instant it is expired. The
  same for a no-show. What falls due together is settled by time, then by reservation id, and
  always before the command of the same moment.
- *Arrival while HELD* counts as confirmation and arrival in one.
- *Early arrival* is let in if the pool has room until the booked stay begins; the commitment then
  starts at once. Without room it is refused (``early``) and the reservation stays as it is;
  a car that a gate has seen come in is in, and displaces whoever has no space left.
- *Late arrival*, before the no-show limit, is an arrival; the stay still ends when it was booked
  to end. A stay shorter than the limit becomes a no-show when it would have ended.
- *Arrival after NO_SHOW* or EXPIRED is refused: the space may be another's; the car is a walk-in.
- *Leaving early* gives the rest of the stay back at once.
- *Overstay*: a car still parked at its end goes on to count, ``overstay_s`` at a time. If that
  clashes, waiting reservations are DISPLACED, the latest held first.
- *Lowered capacity*, a closed lot and walk-ins displace in the same way; parked cars stay.
- *Extension* is refused if it clashes; the stay then stays as it was.
- *Moving*: an offer is a hold made for a reservation; confirming it (or arriving on it) gives the
  old place up in the same step. Until then both are the driver's.
"""

from collections.abc import Callable, Mapping, Sequence

from parking.ledger.commands import (
    Accounted,
    Arrive,
    Cancel,
    ChangeLot,
    ChangeLots,
    CloseLot,
    Command,
    Confirm,
    Count,
    CountAll,
    Depart,
    Extend,
    Hold,
    OpenLot,
    Reconcile,
    RecordPassages,
    SetCapacity,
    SetSigns,
    Tick,
)
from parking.ledger.displacing import displace
from parking.ledger.draft import Draft
from parking.ledger.due import pop
from parking.ledger.events import (
    Audited,
    Displaced,
    Event,
    Expired,
    Expiring,
    NotShown,
    Overstayed,
    SignChanged,
)
from parking.ledger.lots import (
    change_lot,
    change_lots,
    close_lot,
    count,
    count_all,
    open_lot,
    reconcile,
    record_passages,
    set_capacity,
)
from parking.ledger.reservation import OPEN, Reservation, ReservationState
from parking.ledger.rules import Rules
from parking.ledger.state import LedgerState
from parking.ledger.stays import arrive, cancel, confirm, depart, extend, hold, withdraw_offer

FindOffers = Callable[[LedgerState, Sequence[Reservation], int], Mapping[str, Hold]]
"""Finds a place for displaced reservations: by reservation id, where there is one."""


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
    draft = Draft(state, now_ms, rules)
    _advance(draft, now_ms)
    _decide(draft, command)
    return draft.state, tuple(draft.events)


def advance(state: LedgerState, now_ms: int, rules: Rules) -> tuple[LedgerState, tuple[Event, ...]]:
    """Let time pass: settle all that has fallen due up to and including ``now_ms``."""
    if state.due is None or state.due.least.at_ms > now_ms:
        return state, ()
    draft = Draft(state, now_ms, rules)
    _advance(draft, now_ms)
    return draft.state, tuple(draft.events)


def next_due_ms(state: LedgerState) -> int | None:
    """Return a time before which nothing falls due; None = nothing ever will."""
    return None if state.due is None else state.due.least.at_ms


def make_offers(
    state: LedgerState,
    events: Sequence[Event],
    now_ms: int,
    rules: Rules,
    find: FindOffers,
) -> tuple[LedgerState, tuple[Event, ...]]:
    """Hold a place for each who was displaced and has none, where ``find`` knows one.

    Parameters
    ----------
    state, events
        The state after some events, and these events.
    now_ms, rules
        As in ``apply``.
    find
        Looks for places; asked once, about all of them.

    Returns
    -------
    tuple
        The state after, and the events of the offers: to be written with the others in one
        transaction. A place that is gone when its turn comes is left out.
    """
    lost = [
        state.reservations[event.reservation_id]
        for event in events
        if isinstance(event, Displaced) and event.reservation_id in state.reservations
    ]
    lost = [item for item in lost if not _is_looked_after(state, item)]
    if not lost:
        return state, ()
    draft = Draft(state, now_ms, rules)
    for offer in find(state, lost, draft.now_ms).values():
        # Made from this very state, offers clash only with each other: then one is left out.
        book = draft.state.pools[offer.pool_id]
        arrive_ms = max(offer.arrive_ms, draft.now_ms)
        reserve = book.reserve(draft.now_ms, draft.rules_of(offer.lot_id))
        if arrive_ms < offer.leave_ms and book.free(arrive_ms, offer.leave_ms) > reserve:
            hold(draft, offer)
    return draft.state, tuple(draft.events)


def _is_looked_after(state: LedgerState, lost: Reservation) -> bool:
    """Whether a displaced reservation has a place in hand: an offer, or what it was offered for."""
    offer = state.reservations.get(lost.offer_id) if lost.offer_id else None
    source = state.reservations.get(lost.offer_for) if lost.offer_for else None
    return (offer is not None and offer.state in OPEN) or (
        source is not None and source.state in OPEN
    )


def _decide(draft: Draft, command: Command) -> None:
    match command:
        case Hold():
            hold(draft, command)
        case Confirm():
            confirm(draft, command)
        case Arrive():
            arrive(draft, command)
        case Depart():
            depart(draft, command)
        case Cancel():
            cancel(draft, command)
        case Extend():
            extend(draft, command)
        case Count():
            count(draft, command)
        case CountAll():
            count_all(draft, command)
        case RecordPassages():
            record_passages(draft, command)
        case Reconcile():
            reconcile(draft, command)
        case ChangeLot():
            change_lot(draft, command)
        case ChangeLots():
            change_lots(draft, command)
        case SetSigns():
            for sign_id, document in command.signs:
                if draft.state.signs.get(sign_id) != document:
                    draft.add(SignChanged(draft.now_ms, sign_id, document))
        case CloseLot():
            close_lot(draft, command)
        case OpenLot():
            open_lot(draft, command)
        case SetCapacity():
            set_capacity(draft, command)
        case Accounted():
            draft.add(Audited(draft.now_ms, command.caller, command.call, command.subject))
            _decide(draft, command.command)
        case Tick():
            pass


def _advance(draft: Draft, now_ms: int) -> None:
    """Settle what has fallen due, at its own time each."""
    reading_ms = draft.now_ms
    while draft.state.due is not None and draft.state.due.least.at_ms <= now_ms:
        state = draft.state
        due = state.due
        if due is None:  # pragma: no cover - the loop's condition, for the type checker
            break
        reservation = state.reservations.get(due.least.reservation_id)
        draft.state = LedgerState(
            revision=state.revision,
            now_ms=state.now_ms,
            reservations=state.reservations,
            pools=state.pools,
            drivers=state.drivers,
            due=pop(due),
            lots=state.lots,
            over=state.over,
            kept_ms=state.kept_ms,
            signs=state.signs,
        )
        if reservation is not None and reservation.due_ms == due.least.at_ms:
            draft.now_ms = max(due.least.at_ms, state.now_ms)
            _fall_due(draft, reservation, now_ms)
    draft.now_ms = reading_ms


def _fall_due(draft: Draft, reservation: Reservation, now_ms: int) -> None:
    """Let a reservation's falling due happen at ``draft.now_ms``; the clock reads ``now_ms``."""
    at_ms, reservation_id = draft.now_ms, reservation.reservation_id
    match reservation.state:
        case ReservationState.HELD if reservation.warn_ms:
            draft.add(Expiring(at_ms, reservation_id))
        case ReservationState.HELD:
            withdraw_offer(draft, reservation)
            draft.add(Expired(at_ms, reservation_id))
        case ReservationState.CONFIRMED:
            withdraw_offer(draft, reservation)
            draft.add(NotShown(at_ms, reservation_id))
        case _:
            # Beyond now, so that a clock that jumps far ahead makes one entry, not one each step.
            step_ms = draft.rules_of(reservation.lot_id).overstay_s * 1000
            draft.add(Overstayed(at_ms, reservation_id, max(at_ms, now_ms) + step_ms))
            displace(draft, reservation.pool_id, "overstay")
