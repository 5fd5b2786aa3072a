"""What may be wrong with a state, recomputed from its reservations alone."""

from collections.abc import Iterator, Sequence

from parking.ledger.profile import Profile
from parking.ledger.reservation import OPEN, Reservation, ReservationState
from parking.ledger.state import DriverBook, LedgerState


def faults(state: LedgerState) -> Iterator[str]:
    """Yield whatever is wrong with a state.

    The invariant: at every instant from now on, the committed stays of a pool are no more than
    its bookable spaces, or all that stand over it are parked cars (a lowered capacity cannot
    tow them away). And every index agrees with the reservations.
    """
    claims: dict[str, list[Reservation]] = {pool_id: [] for pool_id in state.pools}
    by_driver: dict[str, set[str]] = {}
    recent: dict[str, set[str]] = {}
    for reservation in state.reservations.values():
        recent.setdefault(reservation.driver_id, set()).add(reservation.reservation_id)
        if reservation.state in OPEN:
            claims[reservation.pool_id].append(reservation)
            by_driver.setdefault(reservation.driver_id, set()).add(reservation.reservation_id)
    for pool_id in sorted(claims):
        yield from _pool_faults(state, pool_id, claims[pool_id])
    for driver_id in sorted(set(recent) | set(state.drivers)):
        held = state.drivers.get(driver_id) or DriverBook()
        if set(held.open) != by_driver.get(driver_id, set()):
            yield f"driver {driver_id}: the index of open reservations is wrong"
        elif set(held.recent) != recent.get(driver_id, set()):
            yield f"driver {driver_id}: the index of kept reservations is wrong"
    kept = sum(item.state not in OPEN for item in state.reservations.values())
    if kept != state.over.last - state.over.first:
        yield f"{kept} reservations are over, {state.over.last - state.over.first} are queued"


def _pool_faults(state: LedgerState, pool_id: str, stays: Sequence[Reservation]) -> Iterator[str]:
    book = state.pools[pool_id]
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
    parked = [stay for stay in stays if stay.state is ReservationState.PARKED]
    if len(parked) != book.parked:
        yield f"pool {pool_id}: {len(parked)} cars are parked, its book says {book.parked}"
    bays = {stay.bay: stay.reservation_id for stay in parked if stay.bay}
    if bays != dict(book.taken) or len(bays) != sum(bool(stay.bay) for stay in parked):
        yield f"pool {pool_id}: a numbered bay is given twice, or its index is wrong"
