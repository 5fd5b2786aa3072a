"""Whether a driver may book: the limits of the city and of each lot."""

from parking.errors import ParkingError, RuleError
from parking.ledger.reservation import OPEN, ReservationState
from parking.ledger.rules import LotRules, Rules
from parking.ledger.state import DriverBook, LedgerState


def booking_refusal(
    state: LedgerState,
    driver_id: str,
    now_ms: int,
    rules: Rules,
    lot: LotRules | None = None,
) -> ParkingError | None:
    """Return why a driver may not book now; None = may.

    Parameters
    ----------
    state, driver_id, now_ms, rules
        Who asks, and when.
    lot
        The rules of the lot where a space is wanted; None = whatever the place.
    """
    book = state.drivers.get(driver_id)
    if book is None:
        return None
    open_max, no_shows_max, window_s = _limits(rules, lot)
    count = _open_count(state, book)
    if count >= open_max:
        return RuleError(
            f"{count} reservations are open, at most {open_max} may be",
            where="driver_id",
            reason="open_max",
        )
    missed = sum(at_ms > now_ms - window_s * 1000 for at_ms in book.no_shows_ms)
    if missed >= no_shows_max:
        return RuleError(
            f"booking is paused after {missed} no-shows in {window_s} s",
            where="driver_id",
            reason="no_shows",
        )
    return None


def look_ahead_refusal(
    arrive_ms: int, now_ms: int, lot: LotRules, *, charging: bool
) -> ParkingError | None:
    """Return why an arrival cannot be booked yet at a lot with such rules; None = it can."""
    ahead_s = lot.look_ahead_charging_s if charging else lot.look_ahead_s
    if arrive_ms - now_ms <= ahead_s * 1000:
        return None
    return RuleError(
        f"an arrival can be booked {ahead_s} s ahead, not {(arrive_ms - now_ms) // 1000} s",
        where="arrive_at",
        reason="look_ahead",
    )


def _limits(rules: Rules, lot: LotRules | None) -> tuple[int, int, int]:
    if lot is None:
        return rules.open_max, rules.no_shows_max, rules.no_show_window_s
    return (
        rules.open_max if lot.open_max is None else lot.open_max,
        rules.no_shows_max if lot.no_shows_max is None else lot.no_shows_max,
        rules.no_show_window_s if lot.no_show_window_s is None else lot.no_show_window_s,
    )


def _open_count(state: LedgerState, book: DriverBook) -> int:
    """Count a driver's open reservations; an offer and what it is made for count as one."""
    count = 0
    for reservation_id in book.open:
        reservation = state.reservations[reservation_id]
        if reservation.offer_for and reservation.state is ReservationState.HELD:
            source = state.reservations.get(reservation.offer_for)
            count += source is None or source.state not in OPEN
        else:
            count += 1
    return count
