"""What drivers ask for: hold, confirm, cancel, arrive, depart, extend."""

from parking.errors import InvalidInputError, NoSpaceError, RuleError, StateError
from parking.ledger.commands import (
    STAY_MAX_MS,
    Arrive,
    Cancel,
    Confirm,
    Depart,
    Extend,
    Hold,
)
from parking.ledger.displacing import displace, refit
from parking.ledger.draft import Draft
from parking.ledger.events import Arrived, Cancelled, Confirmed, Departed, Extended, Held, Moved
from parking.ledger.limits import booking_refusal, look_ahead_refusal
from parking.ledger.reservation import WAITING, Reservation, ReservationState
from parking.ledger.rules import LotRules


def hold(draft: Draft, command: Hold) -> None:
    """HELD begins, or is refused."""
    now_ms = draft.now_ms
    draft.pool(command.lot_id, command.pool_id)
    if command.reservation_id in draft.state.reservations:
        raise StateError(f"reservation {command.reservation_id!r} exists", reason="exists")
    lot = draft.rules_of(command.lot_id)
    arrive_ms, leave_ms = max(command.arrive_ms, now_ms), command.leave_ms
    if leave_ms <= now_ms:
        raise RuleError("the stay is over already", where="arrive_at", reason="past")
    if command.offer_for:
        _clear_the_way(draft, command)
    else:
        refusal = booking_refusal(
            draft.state, command.driver_id, now_ms, draft.rules, lot
        ) or look_ahead_refusal(arrive_ms, now_ms, lot, charging=command.charging)
        if refusal is not None:
            raise refusal
    # Looked at now: an earlier offer may just have made room.
    book = draft.pool(command.lot_id, command.pool_id)
    if book.free(arrive_ms, leave_ms) - book.reserve(now_ms, lot) < 1:
        raise NoSpaceError(f"pool {command.pool_id!r} is full for this stay", reason="full")
    draft.add(_held(command, lot, now_ms, arrive_ms))


def _held(command: Hold, lot: LotRules, now_ms: int, arrive_ms: int) -> Held:
    expires_ms = min(now_ms + lot.hold_s * 1000, command.leave_ms)
    warn_ms = expires_ms - lot.warn_s * 1000
    return Held(
        at_ms=now_ms,
        reservation_id=command.reservation_id,
        driver_id=command.driver_id,
        lot_id=command.lot_id,
        pool_id=command.pool_id,
        arrive_ms=arrive_ms,
        leave_ms=command.leave_ms,
        price_fen=command.price_fen,
        drive_s=command.drive_s,
        walk_s=command.walk_s,
        cost_fen=command.cost_fen,
        hold_expires_ms=expires_ms,
        # Never before the hold expires: who may still confirm may still come.
        no_show_ms=min(max(arrive_ms + lot.no_show_s * 1000, expires_ms), command.leave_ms),
        warn_ms=warn_ms if lot.warn_s and warn_ms > now_ms else 0,
        wish=command.wish,
        offer_for=command.offer_for,
        equal_or_better=command.equal_or_better,
    )


def _clear_the_way(draft: Draft, command: Hold) -> None:
    """Check what an offer is made for, and withdraw an earlier one."""
    source = draft.expect(command.offer_for, WAITING | {ReservationState.DISPLACED})
    if source.driver_id != command.driver_id:
        raise InvalidInputError("is another driver's reservation", where="offer_for")
    if source.offer_id:
        earlier = draft.state.reservations.get(source.offer_id)
        if earlier is not None and earlier.state is ReservationState.HELD:
            reason = "replaced"
            draft.add(Cancelled(draft.now_ms, earlier.reservation_id, late=False, reason=reason))
        elif source.state is ReservationState.DISPLACED:
            raise StateError(
                f"reservation {source.reservation_id!r} has been made up for already",
                where="name",
                reason="offer_taken",
            )


def withdraw_offer(draft: Draft, reservation: Reservation) -> None:
    """Take back the offer that was made for a reservation which needs it no more."""
    if reservation.offer_id:
        offer = draft.state.reservations.get(reservation.offer_id)
        if offer is not None and offer.state is ReservationState.HELD:
            draft.add(Cancelled(draft.now_ms, offer.reservation_id, late=False, reason="withdrawn"))


def confirm(draft: Draft, command: Confirm) -> None:
    """HELD -> CONFIRMED; what a taken offer stands in for is given up in the same step."""
    offer = draft.expect(command.reservation_id, {ReservationState.HELD})
    _give_up_the_old(draft, offer)
    draft.add(Confirmed(draft.now_ms, offer.reservation_id))


def _give_up_the_old(draft: Draft, offer: Reservation) -> None:
    # A confirmed one has given it up already, when it was confirmed.
    if not offer.offer_for or offer.state is not ReservationState.HELD:
        return
    old = draft.state.reservations.get(offer.offer_for)
    if old is None:
        return
    if old.state in WAITING:
        draft.add(Moved(draft.now_ms, old.reservation_id, offer.reservation_id))
    elif old.state is not ReservationState.DISPLACED:
        raise StateError(
            f"reservation {old.reservation_id!r} is {old.state.upper()}: nothing to move from",
            where="name",
            reason=f"is_{old.state}",
        )


def cancel(draft: Draft, command: Cancel) -> None:
    """HELD or CONFIRMED -> CANCELLED."""
    reservation = draft.expect(command.reservation_id, WAITING)
    free_ms = draft.rules_of(reservation.lot_id).free_cancel_s * 1000
    late = (
        reservation.state is ReservationState.CONFIRMED
        and draft.now_ms > reservation.arrive_ms - free_ms
    )
    withdraw_offer(draft, reservation)
    draft.add(Cancelled(draft.now_ms, reservation.reservation_id, late))


def arrive(draft: Draft, command: Arrive, *, seen: bool = False) -> None:
    """HELD or CONFIRMED -> PARKED.

    ``seen``: the car is in, as a gate or a count has shown; then early arrival is never refused,
    and whoever has no space left for it is displaced.
    """
    now_ms = draft.now_ms
    reservation = draft.expect(command.reservation_id, WAITING)
    book = draft.state.pools[reservation.pool_id]
    early = now_ms < reservation.from_ms
    if early and not seen and book.free(now_ms, reservation.from_ms) < 1:
        raise NoSpaceError(
            f"the booked stay begins in {(reservation.from_ms - now_ms + 999) // 1000} s and "
            f"pool {reservation.pool_id!r} is full until then",
            where="name",
            reason="early",
        )
    arrived_ms = None if command.seen_ms is None else min(command.seen_ms, now_ms)
    bay = _bay(draft, reservation, command.bay)
    _give_up_the_old(draft, reservation)
    withdraw_offer(draft, reservation)
    draft.add(Arrived(now_ms, reservation.reservation_id, arrived_ms, bay))
    if early and seen:
        displace(draft, reservation.pool_id, "walk_in")
    if book.terms is not None:
        refit(draft, reservation.pool_id, "walk_in")


def _bay(draft: Draft, reservation: Reservation, asked: str) -> str:
    """Return the bay to stand in: the one that the lot names, else the first free one."""
    book = draft.state.pools[reservation.pool_id]
    bays = book.terms.bays if book.terms is not None else ()
    if not asked:
        return next((bay for bay in bays if bay not in book.taken), "")
    if asked not in bays:
        raise InvalidInputError(
            f"{asked[:32]!r} is no bay of pool {reservation.pool_id!r}", where="bay"
        )
    if asked in book.taken:
        raise StateError(f"bay {asked!r} is taken", where="bay", reason="bay_taken")
    return asked


def depart(draft: Draft, command: Depart) -> None:
    """PARKED -> COMPLETED. Who was already taken to have left unseen has left: no more happens."""
    reservation = draft.expect(
        command.reservation_id, {ReservationState.PARKED, ReservationState.COMPLETED}
    )
    if reservation.state is ReservationState.COMPLETED:
        if reservation.reason == "unseen":
            return
        draft.expect(command.reservation_id, {ReservationState.PARKED})
    leave(draft, reservation, command.seen_ms)


def leave(draft: Draft, reservation: Reservation, seen_ms: int | None, reason: str = "") -> None:
    """Let a parked car have left."""
    left_ms = None
    if seen_ms is not None:
        left_ms = max(min(seen_ms, draft.now_ms), reservation.arrived_ms or 0)
    draft.add(Departed(draft.now_ms, reservation.reservation_id, left_ms, reason))
    if draft.state.pools[reservation.pool_id].terms is not None:
        refit(draft, reservation.pool_id, "walk_in")


def extend(draft: Draft, command: Extend) -> None:
    """Let a stay end later, or refuse and leave it as it is."""
    now_ms = draft.now_ms
    reservation = draft.expect(
        command.reservation_id, {ReservationState.CONFIRMED, ReservationState.PARKED}
    )
    leave_ms = command.leave_ms
    if not max(now_ms, reservation.leave_ms) < leave_ms <= reservation.arrive_ms + STAY_MAX_MS:
        raise RuleError(
            "an extension ends later than the stay, in the future, and at most 14 days after "
            "the arrival",
            where="leave_at",
            reason="leave_at",
        )
    book = draft.state.pools[reservation.pool_id]
    if leave_ms > reservation.until_ms and book.free(reservation.until_ms, leave_ms) < 1:
        raise NoSpaceError(
            f"pool {reservation.pool_id!r} is full for the longer stay",
            where="leave_at",
            reason="full",
        )
    wait_ms = draft.rules_of(reservation.lot_id).no_show_s * 1000
    withdraw_offer(draft, reservation)
    draft.add(
        Extended(
            at_ms=now_ms,
            reservation_id=reservation.reservation_id,
            leave_ms=leave_ms,
            price_fen=command.price_fen,
            no_show_ms=max(reservation.no_show_ms, min(reservation.arrive_ms + wait_ms, leave_ms)),
        )
    )
