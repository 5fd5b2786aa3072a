"""Key figures of a city's parking, counted from the ledger's state."""

from collections import Counter
from dataclasses import dataclass

from parking.guidance import LotCount
from parking.ledger import LedgerState, ReservationState, Rules, lot_rules
from parking.occupancy import walk_ins

SOON_MS = 900_000
WALK_IN_LEAD_SHARE = 1 / 3
"""Of the cars that have come in the last quarter of an hour, as many again come within 5 min."""


@dataclass(frozen=True, slots=True)
class CityFigures:
    """Sums over all lots, and the states of the reservations that are kept (24 hours)."""

    lots: int
    lots_closed: int
    pools_stale: int
    pools_uncounted: int
    spaces: int
    quota: int
    cars: int
    free: int
    walk_ins: int
    overstaying: int
    states: Counter[ReservationState]
    revision: int


def city_figures(state: LedgerState, now_ms: int, rules: Rules) -> CityFigures:
    """Count a state; takes time linear in the reservations and pools."""
    stale = uncounted = spaces = quota = cars = free = others = 0
    for book in state.pools.values():
        if book.terms is None or not book.terms.spaces:
            continue
        seen = book.sight
        spaces += book.terms.spaces
        quota += book.terms.quota
        cars += seen.cars
        free += max(0, book.terms.spaces - seen.cars)
        others += walk_ins(seen.cars, book.parked)
        uncounted += seen.counted_ms is None
        caution = lot_rules(state, book.lot_id, rules).caution
        stale += caution.is_stale(seen.counted_ms, now_ms)
    return CityFigures(
        lots=len(state.lots),
        lots_closed=sum(book.closed for book in state.lots.values()),
        pools_stale=stale,
        pools_uncounted=uncounted,
        spaces=spaces,
        quota=quota,
        cars=cars,
        free=free,
        walk_ins=others,
        overstaying=sum(
            item.overstay and item.state is ReservationState.PARKED
            for item in state.reservations.values()
        ),
        states=Counter(item.state for item in state.reservations.values()),
        revision=state.revision,
    )


def lot_count(
    state: LedgerState, lot_id: str, now_ms: int, rules: Rules, *, closed: bool = False
) -> LotCount:
    """Return what a sign needs to know of a lot's spaces.

    Expected walk-ins: a third of the net inflow of the last 15 minutes, since a driver who reads
    the sign is about 5 minutes away, and what is withheld because the count is old.
    """
    book = state.lots[lot_id]
    caution = lot_rules(state, lot_id, rules).caution
    free = held = expected = 0
    counted: list[int | None] = []
    stale = False
    for pool_id in book.pools:
        pool = state.pools[pool_id]
        if pool.terms is None or not pool.terms.spaces:
            continue
        seen = pool.sight
        free += max(0, pool.terms.spaces - seen.cars)
        held += len(pool.open) - pool.parked
        old = caution.reserve(pool.terms.spaces, 0, seen.counted_ms, now_ms)
        inflow = sum(cars for at_ms, cars in seen.moves if at_ms > now_ms - SOON_MS)
        expected += old + -int(-max(0, inflow) * WALK_IN_LEAD_SHARE // 1)
        counted.append(seen.counted_ms)
        stale = stale or caution.is_stale(seen.counted_ms, now_ms)
    known = [time_ms for time_ms in counted if time_ms is not None]
    return LotCount(
        free=free,
        held=held,
        expected_walk_ins=expected,
        counted_ms=min(known) if known and len(known) == len(counted) else None,
        is_closed=closed or book.closed,
        is_stale=stale,
    )
