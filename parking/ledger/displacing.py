"""Who must yield when reality takes spaces away, and what a pool can carry after what was seen."""

from parking.ledger.draft import Draft
from parking.ledger.events import CapacitySet, Displaced
from parking.ledger.profile import Profile
from parking.ledger.reservation import WAITING
from parking.ledger.state import PoolBook
from parking.occupancy import open_capacity

_FOREVER_MS = 1 << 62


def refit(draft: Draft, pool_id: str, reason: str) -> None:
    """Bring a pool's capacity to what its terms and its cars leave; whoever loses is displaced.

    A pool without terms keeps the capacity that it was set to, unless its lot is closed.
    """
    book = draft.state.pools[pool_id]
    capacity = fitting_capacity(draft, book)
    if capacity != book.capacity:
        draft.add(CapacitySet(draft.now_ms, pool_id, book.lot_id, capacity))
        displace(draft, pool_id, reason)


def fitting_capacity(draft: Draft, book: PoolBook) -> int:
    """Return how many reservations a pool can carry, by its terms and by what was seen."""
    lot = draft.state.lots.get(book.lot_id)
    if lot is not None and lot.closed:
        return 0
    if book.terms is None:
        return book.capacity
    return open_capacity(book.terms.spaces, book.terms.quota, book.sight.cars, book.parked)


def displace(draft: Draft, pool_id: str, reason: str, at_ms: int | None = None) -> None:
    """Displace the latest held first, until no waiting stay is over the pool's capacity.

    One pass is enough: whoever is passed over stands on no overfull instant then, and later
    ones only free more.
    """
    at_ms = draft.now_ms if at_ms is None else at_ms
    book = draft.state.pools[pool_id]
    profile: Profile = book.profile
    if profile.peak(at_ms, _FOREVER_MS) <= book.capacity:
        return
    waiting = [
        reservation
        for reservation in (draft.state.reservations[item] for item in book.open)
        if reservation.state in WAITING
    ]
    waiting.sort(key=lambda item: (item.held_ms, item.reservation_id), reverse=True)
    for reservation in waiting:
        start_ms = max(reservation.from_ms, at_ms)
        if profile.peak(start_ms, reservation.until_ms) > book.capacity:
            profile = profile.add(start_ms, reservation.until_ms, -1)
            draft.add(Displaced(at_ms, reservation.reservation_id, reason))
