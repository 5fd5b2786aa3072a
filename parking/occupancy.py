"""How many cars stand in a pool: its last count, and what has passed the gate since.

Three sources know something: counts that the lot reports, its gates, and the reservations of the
ledger. A count is the truth of its moment; passages later than it are added, earlier ones are in
it already, whatever the order in which the reports come. Cars that no reservation explains are
walk-ins; if there are fewer cars than parked reservations, some have left unseen.
"""

from bisect import insort
from dataclasses import dataclass
from typing import Self

from parking.errors import InvalidInputError

MOVES_KEPT = 256
"""The most passages that are kept apart from the count; older ones are folded into it."""
HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Sight:
    """What has been seen of a pool, immutable. All times are UTC epoch milliseconds.

    Parameters
    ----------
    occupied
        Cars at ``since_ms``. May be below 0 while passages are missing: reports still on their
        way make up for it.
    counted_ms
        When the last count was taken; None = never.
    since_ms
        ``moves`` are later than this: the count, or the last passage folded into it.
    moves
        ``(time_ms, cars)``: passages after ``since_ms``, in order of time; +1 in, -1 out.
    balance
        ``occupied`` and all moves.
    """

    occupied: int = 0
    counted_ms: int | None = None
    since_ms: int = 0
    moves: tuple[tuple[int, int], ...] = ()
    balance: int = 0

    @classmethod
    def starting(cls, occupied: int) -> Self:
        """Return what is known of a pool with so many cars that nobody has counted yet."""
        return cls(occupied=occupied, balance=occupied)

    @property
    def cars(self) -> int:
        """How many there are, 0 or more."""
        return max(0, self.balance)

    def counted(self, occupied: int, at_ms: int) -> Self:
        """Return what is known after a count of cars; one older than what is known is ignored.

        Raises
        ------
        InvalidInputError
            A count below 0.
        """
        if occupied < 0:
            raise InvalidInputError(f"{occupied}; expected 0 or more", where="occupied")
        known_ms = self.since_ms if self.counted_ms is None else max(self.counted_ms, self.since_ms)
        if at_ms < known_ms:
            return self
        later = tuple(move for move in self.moves if move[0] > at_ms)
        balance = occupied + sum(move for _, move in later)
        return type(self)(occupied, at_ms, at_ms, later, balance)

    def passed(self, at_ms: int, cars: int) -> Self:
        """Return what is known after cars have come (+) or gone (-); in a count already = no more.

        One that is later than the count but older than what was folded into it still counts.
        """
        if self.counted_ms is not None and at_ms <= self.counted_ms:
            return self
        occupied, since_ms, moves = self.occupied, self.since_ms, self.moves
        if at_ms <= since_ms:
            occupied += cars
        elif not moves or moves[-1][0] <= at_ms:
            moves = (*moves, (at_ms, cars))
        else:
            ordered = list(moves)
            insort(ordered, (at_ms, cars))
            moves = tuple(ordered)
        if len(moves) > MOVES_KEPT:
            old, moves = moves[: MOVES_KEPT // 2], moves[MOVES_KEPT // 2 :]
            occupied += sum(move for _, move in old)
            since_ms = old[-1][0]
        return type(self)(occupied, self.counted_ms, since_ms, moves, self.balance + cars)


def walk_ins(cars: int, parked: int) -> int:
    """Return the cars that no reservation explains."""
    return max(0, cars - parked)


def left_unseen(cars: int, parked: int) -> int:
    """Return how many parked reservations have no car any more, going by the count."""
    return max(0, parked - cars)


def open_capacity(spaces: int, quota: int, cars: int, parked: int) -> int:
    """Return how many reservations a pool can carry.

    The spaces without a walk-in, and never more than are opened to the city:
    ``min(quota, spaces - walk_ins)``, 0 or more.
    """
    return max(0, min(quota, spaces - walk_ins(cars, parked)))


@dataclass(frozen=True, slots=True)
class Caution:
    """How many spaces are withheld from new holds, growing as the last count grows old.

    Parameters
    ----------
    fresh_s
        A count at most that old is taken as it is, s, 1 to 86,400; an older one is *stale*.
    share_per_h
        Part of the pool's spaces that is withheld more for each further hour, 0 to 1.
    """

    fresh_s: int = 600
    share_per_h: float = 0.1

    def __post_init__(self) -> None:
        if not 1 <= self.fresh_s <= 86_400:
            raise InvalidInputError(f"{self.fresh_s}; expected 1 to 86400", where="fresh_s")
        if not 0 <= self.share_per_h <= 1:
            raise InvalidInputError(f"{self.share_per_h:g}; expected 0 to 1", where="share_per_h")

    def is_stale(self, counted_ms: int | None, now_ms: int) -> bool:
        """Whether a count is too old to be taken as it is; where there is none, none is old."""
        return counted_ms is not None and now_ms - counted_ms > self.fresh_s * 1000

    def reserve(self, spaces: int, walk_in_buffer: int, counted_ms: int | None, now_ms: int) -> int:
        """Return the spaces withheld at a time, ``walk_in_buffer`` to all of them.

        ``walk_in_buffer + ceil(spaces * share_per_h * hours beyond fresh_s)``. A pool that has
        never been counted is run from the inventory alone and keeps its plain buffer.
        """
        if counted_ms is None or not self.is_stale(counted_ms, now_ms):
            return min(walk_in_buffer, spaces)
        beyond_s = (now_ms - counted_ms) / 1000 - self.fresh_s
        more = -int(-spaces * self.share_per_h * beyond_s // HOUR_S)
        return min(walk_in_buffer + more, spaces)
