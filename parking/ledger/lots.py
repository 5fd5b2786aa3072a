"""What operators say: lots and their spaces, closing, counts, gates, daily reconciliation."""

from bisect import bisect_left
from dataclasses import asdict

from parking.errors import InvalidInputError, NotFoundError
from parking.ledger.commands import (
    Arrive,
    ChangeLot,
    ChangeLots,
    CloseLot,
    Count,
    CountAll,
    OpenLot,
    Passage,
    PoolTerms,
    Reconcile,
    RecordPassages,
    SetCapacity,
)
from parking.ledger.displacing import displace, refit
from parking.ledger.draft import Draft
from parking.ledger.events import (
    CapacitySet,
    Counted,
    LotChanged,
    LotClosed,
    LotOpened,
    LotRulesSet,
    Passed,
    PoolChanged,
)
from parking.ledger.evolve import PASSAGES_KEPT_MS
from parking.ledger.reservation import WAITING, Reservation, ReservationState
from parking.ledger.state import LotBook
from parking.ledger.stays import arrive, leave
from parking.occupancy import left_unseen

AHEAD_MAX_MS = 60_000
"""How far a lot's clock may be ahead of ours."""


def change_lots(draft: Draft, command: ChangeLots) -> None:
    """Take several descriptions over; a mistake in one is told with its place, and none counts."""
    for k, lot in enumerate(command.lots):
        try:
            change_lot(draft, lot)
        except InvalidInputError as error:
            raise InvalidInputError(error.message, where=f"lots[{k}].{error.where}") from None


def change_lot(draft: Draft, command: ChangeLot) -> None:
    """Take a lot's new description over; where nothing differs, nothing happens."""
    now_ms, lot_id = draft.now_ms, command.lot_id
    for k, terms in enumerate(command.pools):
        known = draft.state.pools.get(terms.pool_id)
        if known is not None and known.lot_id != lot_id and known.terms and known.terms.spaces:
            raise InvalidInputError(
                f"pool {terms.pool_id!r} is in lot {known.lot_id!r}", where=f"pools[{k}].pool_id"
            )
    book = draft.state.lots.get(lot_id) or LotBook()
    gone = [pool_id for pool_id in book.pools if pool_id not in {p.pool_id for p in command.pools}]
    changed = command.document != book.document or command.source != book.source
    if changed:
        draft.add(LotChanged(now_ms, lot_id, command.document, command.source))
    if command.rules != book.rules:
        draft.add(LotRulesSet(now_ms, lot_id, **(asdict(command.rules) if command.rules else {})))
    for terms in command.pools:
        known = draft.state.pools.get(terms.pool_id)
        if changed or known is None or known.terms is None or not _same(terms, known.terms):
            draft.add(
                PoolChanged(
                    at_ms=now_ms,
                    pool_id=terms.pool_id,
                    lot_id=lot_id,
                    spaces=terms.spaces,
                    quota=terms.quota,
                    walk_in_buffer=terms.walk_in_buffer,
                    bays=terms.bays,
                    occupied=terms.occupied,
                )
            )
        refit(draft, terms.pool_id, "capacity")
    for pool_id in gone:
        # It keeps its parked cars; nobody else is let in.
        draft.add(PoolChanged(now_ms, pool_id, lot_id, 0, 0, 0))
        refit(draft, pool_id, "capacity")


def _same(one: PoolTerms, other: PoolTerms) -> bool:
    names = ("spaces", "quota", "walk_in_buffer", "bays")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def close_lot(draft: Draft, command: CloseLot) -> None:
    """Close a lot: its pools carry nobody but who is parked."""
    book = _lot(draft, command.lot_id)
    if not book.closed:
        draft.add(LotClosed(draft.now_ms, command.lot_id, command.reason))
        for pool_id in book.pools:
            refit(draft, pool_id, "closed")


def open_lot(draft: Draft, command: OpenLot) -> None:
    """Open a lot that was closed."""
    book = _lot(draft, command.lot_id)
    if book.closed:
        draft.add(LotOpened(draft.now_ms, command.lot_id))
        for pool_id in book.pools:
            refit(draft, pool_id, "capacity")


def set_capacity(draft: Draft, command: SetCapacity) -> None:
    """Set what a pool can carry."""
    draft.add(CapacitySet(draft.now_ms, command.pool_id, command.lot_id, command.capacity))
    displace(draft, command.pool_id, "capacity")


def count(draft: Draft, command: Count) -> None:
    """Take a count of cars; one that is older than the last changes nothing."""
    _in_time(draft, command.seen_ms, "seen_at")
    _counted(draft, command.lot_id, command.pool_id, command.occupied, command.seen_ms)


def count_all(draft: Draft, command: CountAll) -> None:
    """Take counts of free spaces of several pools."""
    _lot(draft, command.lot_id)
    _in_time(draft, command.seen_ms, "seen_at")
    for k, (pool_id, free) in enumerate(command.frees):
        terms = draft.pool(command.lot_id, pool_id).terms
        spaces = terms.spaces if terms is not None else 0
        if not 0 <= free <= spaces:
            raise InvalidInputError(f"{free}; expected 0 to {spaces}", where=f"counts[{k}].free")
        _counted(draft, command.lot_id, pool_id, spaces - free, command.seen_ms)


def _counted(draft: Draft, lot_id: str, pool_id: str, occupied: int, seen_ms: int) -> None:
    book = draft.pool(lot_id, pool_id)
    if book.terms is None:
        raise NotFoundError(f"pool {pool_id!r} has no spaces to count", where="pool_id")
    if occupied > book.terms.spaces and book.terms.spaces:
        raise InvalidInputError(
            f"{occupied} cars; pool {pool_id!r} has {book.terms.spaces} spaces", where="occupied"
        )
    last_ms = book.sight.counted_ms
    if last_ms is not None and seen_ms <= last_ms:
        return
    draft.add(Counted(draft.now_ms, pool_id, occupied, seen_ms))
    _let_unseen_go(draft, pool_id)
    refit(draft, pool_id, "walk_in")


def _let_unseen_go(draft: Draft, pool_id: str) -> None:
    """Where a count shows fewer cars than are parked, the longest overstayers have left unseen.

    Only overstayers: of a stay in its booked time nobody can tell which car is missing.
    """
    book = draft.state.pools[pool_id]
    missing = left_unseen(book.sight.cars, book.parked)
    if missing:
        stays = [draft.state.reservations[item] for item in book.open]
        overstayers = [stay for stay in stays if stay.overstay]
        overstayers.sort(key=lambda stay: (stay.leave_ms, stay.reservation_id))
        for stay in overstayers[:missing]:
            leave(draft, stay, book.sight.counted_ms, "unseen")


def record_passages(draft: Draft, command: RecordPassages) -> None:
    """Take gate reports in: new ones count, others do nothing, in whatever order they come."""
    _lot(draft, command.lot_id)
    for k, passage in enumerate(command.passages):
        _in_time(draft, passage.seen_ms, f"events[{k}].seen_at")
        if passage.pool_id:
            draft.pool(command.lot_id, passage.pool_id)
        if not is_known(draft.state.lots[command.lot_id], passage, draft.now_ms):
            _passed(draft, command.lot_id, passage)


def is_known(book: LotBook, passage: Passage, now_ms: int) -> bool:
    """Whether a gate's report was taken before, or is too old to tell."""
    if passage.seen_ms <= now_ms - PASSAGES_KEPT_MS:
        return True
    times = book.gates.get(passage.gate, ())
    place = bisect_left(times, passage.seen_ms)
    return place < len(times) and times[place] == passage.seen_ms


def _passed(draft: Draft, lot_id: str, passage: Passage) -> None:
    """Let a car have passed: a reservation's, or one that the ledger knows nothing of."""
    stay = draft.state.reservations.get(passage.reservation_id)
    if stay is not None and stay.lot_id != lot_id:
        stay = None
    pool_id = passage.pool_id or (stay.pool_id if stay else "") or _first_pool(draft, lot_id)
    explained = stay is not None and _explains(stay, passage)
    draft.add(
        Passed(
            at_ms=draft.now_ms,
            lot_id=lot_id,
            gate=passage.gate,
            seen_ms=passage.seen_ms,
            inward=passage.inward,
            pool_id="" if explained else pool_id,
            reservation_id=stay.reservation_id if stay is not None and explained else "",
        )
    )
    if stay is not None and explained:
        _move_on(draft, stay, passage)
    elif pool_id:
        refit(draft, pool_id, "walk_in")


def _explains(stay: Reservation, passage: Passage) -> bool:
    """Whether a passage is a reservation's arrival or departure, taken now or known already."""
    if passage.inward:
        if stay.state in WAITING or stay.state is ReservationState.PARKED:
            return True
        return stay.left_ms is not None and passage.seen_ms <= stay.left_ms
    if stay.state in WAITING:
        # Its car came unseen and has left again; before its time it is another visit's end.
        return passage.seen_ms >= stay.arrive_ms
    return stay.state is ReservationState.PARKED or (
        stay.state is ReservationState.COMPLETED and stay.reason != "unseen"
    )


def _move_on(draft: Draft, stay: Reservation, passage: Passage) -> None:
    name, seen_ms = stay.reservation_id, passage.seen_ms
    if stay.state in WAITING:
        arrive(draft, Arrive(name, seen_ms), seen=True)
        stay = draft.state.reservations[name]
    if not passage.inward and stay.state is ReservationState.PARKED:
        arrived_ms = stay.arrived_ms
        if arrived_ms is None or seen_ms >= arrived_ms:
            leave(draft, stay, seen_ms)


def _first_pool(draft: Draft, lot_id: str) -> str:
    pools = draft.state.lots[lot_id].pools
    return pools[0] if pools else ""


def reconcile(draft: Draft, command: Reconcile) -> None:
    """Bring the ledger to what a lot found when it went through its cars."""
    book = _lot(draft, command.lot_id)
    _in_time(draft, command.seen_ms, "taken_at")
    for pool_id, _ in command.counts:
        draft.pool(command.lot_id, pool_id)
    if command.present is not None:
        for name in sorted(command.present):
            stay = draft.state.reservations.get(name)
            if stay is None or stay.lot_id != command.lot_id:
                raise NotFoundError(f"no reservation {name!r} in this lot", where="present")
            if stay.state in WAITING:
                arrive(draft, Arrive(name, command.seen_ms), seen=True)
        for pool_id in book.pools:
            for name in sorted(draft.state.pools[pool_id].open):
                stay = draft.state.reservations[name]
                there_before = stay.arrived_ms is not None and stay.arrived_ms <= command.seen_ms
                if there_before and name not in command.present:
                    leave(draft, stay, command.seen_ms, "unseen")
    for pool_id, occupied in command.counts:
        _counted(draft, command.lot_id, pool_id, occupied, command.seen_ms)


def _lot(draft: Draft, lot_id: str) -> LotBook:
    book = draft.state.lots.get(lot_id)
    if book is None:
        raise NotFoundError(f"no lot {lot_id!r}", where="name")
    return book


def _in_time(draft: Draft, seen_ms: int, where: str) -> None:
    if not 0 <= seen_ms <= draft.now_ms + AHEAD_MAX_MS:
        raise InvalidInputError("lies in the future, or before 1970", where=where)
