"""A decision in the making: the state as it would be, and the events that lead there."""

from collections.abc import Iterable

from parking.errors import NotFoundError, StateError
from parking.ledger.events import Event
from parking.ledger.evolve import evolve
from parking.ledger.reservation import Reservation, ReservationState
from parking.ledger.rules import LotRules, Rules
from parking.ledger.state import LedgerState, PoolBook, lot_rules


class Draft:
    """Events are added one by one, each decided on the state after those before it.

    A draft that is refused is thrown away: the state that it began from is as it was.
    """

    __slots__ = ("events", "now_ms", "rules", "state")

    def __init__(self, state: LedgerState, now_ms: int, rules: Rules) -> None:
        self.state = state
        self.now_ms = max(now_ms, state.now_ms)
        self.rules = rules
        self.events: list[Event] = []

    def add(self, event: Event) -> None:
        """Let an event happen."""
        self.state = evolve(self.state, event)
        self.events.append(event)

    def rules_of(self, lot_id: str) -> LotRules:
        """Return the rules in force at a lot."""
        return lot_rules(self.state, lot_id, self.rules)

    def pool(self, lot_id: str, pool_id: str) -> PoolBook:
        """Return the book of a lot's pool.

        Raises
        ------
        NotFoundError
            The lot has no such pool.
        """
        book = self.state.pools.get(pool_id)
        if book is None or book.lot_id != lot_id:
            raise NotFoundError(f"no pool {pool_id!r} in lot {lot_id!r}", where="pool_id")
        return book

    def expect(self, reservation_id: str, states: Iterable[ReservationState]) -> Reservation:
        """Return a reservation that is in one of the states.

        Raises
        ------
        NotFoundError, StateError
            It does not exist, or is in another state.
        """
        reservation = self.state.reservations.get(reservation_id)
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
