"""A state as rows of plain values, and back: so that a start need not replay the whole log.

The log stays the truth. A snapshot is the state that its first events lead to, written down; it
counts only for a program whose states look the same (``SHAPE``) and that would come to the same
state from the same log (``MEANING``). What can be told from the reservations is not written.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from typing import Any

from immutables import Map

from parking.ledger.commands import PoolTerms
from parking.ledger.due import Due, Heap, push
from parking.ledger.kept import Kept
from parking.ledger.profile import Profile
from parking.ledger.reservation import OPEN, Reservation
from parking.ledger.rules import LotRules
from parking.ledger.state import DriverBook, LedgerState, LotBook, PoolBook
from parking.occupancy import Sight

MEANING = 1
"""To be raised whenever the same log leads to another state than before."""

Row = list[Any]
"""What it is, and its values: text, numbers, flags, None and lists of them."""

_CLASSES = (
    *(LedgerState, Reservation, PoolBook, PoolTerms, Profile, Sight),
    *(DriverBook, LotBook, LotRules),
)
SHAPE = hashlib.blake2b(
    repr(
        [MEANING, [(kind.__name__, [(f.name, f.type) for f in fields(kind)]) for kind in _CLASSES]]
    ).encode(),
    digest_size=8,
).hexdigest()
"""Tells states of one make from those of another."""


def rows_of(state: LedgerState) -> Iterator[Row]:
    """Yield a state as rows, the one about the whole of it first."""
    over = state.over
    yield ["state", state.revision, state.now_ms, state.kept_ms, over.first, over.last]
    for reservation in state.reservations.values():
        yield ["stay", *reservation.values()]
    for place, (over_ms, reservation_id) in over.items.items():
        yield ["over", place, over_ms, reservation_id]
    for pool_id, book in state.pools.items():
        yield [
            *("pool", pool_id, book.lot_id, book.capacity, book.parked),
            *(book.profile.times_ms, book.profile.levels, sorted(book.taken.items())),
            None if book.terms is None else asdict(book.terms),
            [getattr(book.sight, item.name) for item in fields(Sight)],
        ]
    for driver_id, driver in state.drivers.items():
        yield ["driver", driver_id, driver.open, driver.no_shows_ms, driver.recent]
    for lot_id, lot in state.lots.items():
        yield [
            *("lot", lot_id, lot.document, lot.source, lot.pools, lot.closed, lot.reason),
            *(lot.revision, sorted(lot.gates.items())),
            None if lot.rules is None else asdict(lot.rules),
        ]
    for sign_id, document in state.signs.items():
        yield ["sign", sign_id, document]


def state_of(rows: Iterable[Row]) -> LedgerState:
    """Return the state that ``rows_of`` wrote down.

    Raises
    ------
    ValueError, TypeError, KeyError, IndexError
        The rows are none, or not all of them.
    """
    given: dict[str, list[Row]] = {}
    for kind, *values in rows:
        given.setdefault(kind, []).append(values)
    ((revision, now_ms, kept_ms, first, last),) = given["state"]
    reservations = {item[0]: Reservation.of(item) for item in given.get("stay", ())}
    over = {place: (over_ms, key) for place, over_ms, key in given.get("over", ())}
    if sorted(over) != list(range(first, last)):
        raise ValueError("not all reservations that are over are there")
    open_in: dict[str, list[str]] = {}
    due: Heap | None = None
    for stay in reservations.values():
        if stay.state in OPEN:
            open_in.setdefault(stay.pool_id, []).append(stay.reservation_id)
        if stay.due_ms is not None:
            due = push(due, Due(stay.due_ms, stay.reservation_id))
    return LedgerState(
        revision=revision,
        now_ms=now_ms,
        reservations=Map(reservations),
        pools=Map({item[0]: _pool(item, open_in) for item in given.get("pool", ())}),
        drivers=Map(
            {
                driver_id: DriverBook(tuple(still), tuple(missed), tuple(recent))
                for driver_id, still, missed, recent in given.get("driver", ())
            }
        ),
        due=due,
        lots=Map({item[0]: _lot(item) for item in given.get("lot", ())}),
        over=Kept(first, last, Map(over)),
        kept_ms=kept_ms,
        signs=Map(dict(given.get("sign", ()))),
    )


def _pool(row: Row, open_in: dict[str, list[str]]) -> PoolBook:
    pool_id, lot_id, capacity, parked, times_ms, levels, taken, terms, sight = row
    if terms is not None:
        terms = PoolTerms(**terms | {"bays": tuple(terms["bays"])})
    occupied, counted_ms, since_ms, moves, balance = sight
    return PoolBook(
        lot_id=lot_id,
        capacity=capacity,
        profile=Profile(tuple(times_ms), tuple(levels)),
        open=Map(dict.fromkeys(open_in.get(pool_id, ()))),
        terms=terms,
        sight=Sight(occupied, counted_ms, since_ms, tuple(map(tuple, moves)), balance),
        parked=parked,
        taken=Map(dict(taken)),
    )


def _lot(row: Row) -> LotBook:
    _, document, source, pools, closed, reason, revision, gates, rules = row
    return LotBook(
        document=document,
        source=source,
        pools=tuple(pools),
        rules=None if rules is None else LotRules(**rules),
        closed=closed,
        reason=reason,
        gates=Map({gate: tuple(times) for gate, times in gates}),
        revision=revision,
    )
