"""What a day brings: requests, and when each of them is made."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from parking.allocation import RequestTable
from parking.allocation.tables import Flags, Ints
from parking.errors import InvalidInputError

_COLUMNS = tuple(field.name for field in fields(RequestTable) if field.name != "permit_sets")


@dataclass(frozen=True, slots=True, eq=False)
class Bookings:
    """Requests with the instants at which they are made.

    Parameters
    ----------
    asked
        The requests.
    booked_ms
        When each is made, UTC epoch milliseconds, not after its arrival; shape (requests,), never
        falling.
    """

    asked: RequestTable
    booked_ms: Ints

    def __post_init__(self) -> None:
        if self.booked_ms.shape != self.asked.arrive_ms.shape:
            raise InvalidInputError(
                f"shape {self.booked_ms.shape}; expected {self.asked.arrive_ms.shape}",
                where="booked_ms",
            )
        if (self.booked_ms > self.asked.arrive_ms).any():
            raise InvalidInputError("a request is made after its arrival", where="booked_ms")
        if (np.diff(self.booked_ms) < 0).any():
            raise InvalidInputError("expected the order of asking", where="booked_ms")

    def __len__(self) -> int:
        return len(self.booked_ms)

    @classmethod
    def of(cls, asked: RequestTable, booked_ms: Ints) -> Self:
        """Put requests into the order in which they are made; ties keep theirs."""
        order = np.argsort(booked_ms, kind="stable")
        return cls(rows_of(asked, order), booked_ms[order])

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """Join some, in the order in which they are made.

        Raises
        ------
        InvalidInputError
            There is none, or their drivers' sets of permits are numbered differently.
        """
        if not parts or any(p.asked.permit_sets != parts[0].asked.permit_sets for p in parts):
            raise InvalidInputError("expected parts with the same permit sets", where="bookings")
        table = RequestTable(
            **{n: np.concatenate([getattr(p.asked, n) for p in parts]) for n in _COLUMNS},
            permit_sets=parts[0].asked.permit_sets,
        )
        return cls.of(table, np.concatenate([part.booked_ms for part in parts]))

    def take(self, chosen: Ints | Flags) -> Self:
        """Return some of them, in their order, by number or by flag."""
        return type(self)(rows_of(self.asked, chosen), self.booked_ms[chosen])

    def later(self, by_ms: int) -> Self:
        """Return them as if all had been so much later, such as a past day on today's date."""
        asked = replace(
            self.asked,
            arrive_ms=self.asked.arrive_ms + by_ms,
            leave_ms=self.asked.leave_ms + by_ms,
        )
        return type(self)(asked, self.booked_ms + by_ms)


def rows_of(asked: RequestTable, chosen: Ints | Flags) -> RequestTable:
    """Return some rows of a table of requests, by number or by flag."""
    return RequestTable(
        **{name: getattr(asked, name)[chosen] for name in _COLUMNS}, permit_sets=asked.permit_sets
    )
