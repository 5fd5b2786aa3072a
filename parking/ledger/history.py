"""Reservations as the log tells them, however long ago they ended."""

from collections.abc import Callable
from typing import get_args

from parking.ledger.events import Event, Held, StayEvent
from parking.ledger.evolve import held_reservation, reservation_after
from parking.ledger.reservation import OPEN, Reservation

_STAY_EVENTS = get_args(StayEvent)


class History:
    """Gathers some reservations from the log, read from its beginning.

    Parameters
    ----------
    wanted
        Whether a reservation is to be gathered, by its first event.
    """

    def __init__(self, wanted: Callable[[Held], bool]) -> None:
        self._wanted = wanted
        self._revision = 0
        self.reservations: dict[str, Reservation] = {}
        self.ended_ms: dict[str, int] = {}

    def add(self, event: Event) -> None:
        """Take the log's next event in."""
        self._revision += 1
        if isinstance(event, Held):
            if self._wanted(event):
                new = held_reservation(event, self._revision)
                self.reservations[event.reservation_id] = new
                source = self.reservations.get(event.offer_for)
                if source is not None:
                    self.reservations[event.offer_for] = source.changed(
                        offer_id=event.reservation_id
                    )
        elif isinstance(event, _STAY_EVENTS) and event.reservation_id in self.reservations:
            old = self.reservations[event.reservation_id]
            new = reservation_after(old, event, self._revision)
            self.reservations[event.reservation_id] = new
            if new.state not in OPEN:
                self.ended_ms[event.reservation_id] = event.at_ms
