"""Reservations that are over, in the order in which they ended, until they are let go of.

The log keeps everything; the state in memory keeps what has ended for a while only, so that it
does not grow for ever. A persistent queue, since the ledger's state is immutable.
"""

from typing import NamedTuple, Self

from immutables import Map


class Kept(NamedTuple):
    """A queue: entries ``first`` to ``last - 1`` of ``items``, each ``(over_ms, id)``."""

    first: int = 0
    last: int = 0
    items: Map[int, tuple[int, str]] = Map()

    def push(self, over_ms: int, reservation_id: str) -> Self:
        """Return the queue with one entry more at its end."""
        items = self.items.set(self.last, (over_ms, reservation_id))
        return type(self)(self.first, self.last + 1, items)

    def oldest(self) -> tuple[int, str] | None:
        """Return the entry that has waited longest; None = the queue is empty."""
        return self.items[self.first] if self.first < self.last else None

    def pop(self) -> Self:
        """Return the queue without its oldest entry."""
        return type(self)(self.first + 1, self.last, self.items.delete(self.first))
