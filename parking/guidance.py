"""What guidance signs show: a number for each line, with its age, that does not flicker.

number = free - held - expected walk-ins, over the lots of a line. Damped: a sign changes only
when the number has moved by enough or has stayed changed for long enough, but "full" and the way
out of it are not held back when they are sure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from parking.errors import InvalidInputError

LINES_MAX = 16
LOTS_PER_LINE_MAX = 64


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a sign: its text, and the lots whose spaces it adds up."""

    text: str
    lot_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.text) <= 64:
            raise InvalidInputError("expected 1 to 64 characters", where="text")
        if not 1 <= len(self.lot_ids) <= LOTS_PER_LINE_MAX:
            raise InvalidInputError(f"expected 1 to {LOTS_PER_LINE_MAX} lots", where="lots")
        if len(set(self.lot_ids)) != len(self.lot_ids):
            raise InvalidInputError("a lot stands twice", where="lots")


@dataclass(frozen=True, slots=True)
class Sign:
    """A guidance sign with 1 to 16 lines."""

    sign_id: str
    lines: tuple[Line, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.lines) <= LINES_MAX:
            raise InvalidInputError(f"expected 1 to {LINES_MAX} lines", where="lines")


@dataclass(frozen=True, slots=True)
class LotCount:
    """What is known of a lot's spaces now.

    Parameters
    ----------
    free
        Spaces without a car, as last counted and by what has passed since; 0 or more.
    held
        Of them promised to cars that are to come soon, 0 or more.
    expected_walk_ins
        Of them likely to be taken by others before a driver who reads the sign is there.
    counted_ms
        When it was counted last; None = never.
    is_closed, is_stale
        It takes nobody; its count is too old to be taken as it is.
    """

    free: int
    held: int
    expected_walk_ins: int
    counted_ms: int | None = None
    is_closed: bool = False
    is_stale: bool = False

    @property
    def shown(self) -> int:
        """``free - held - expected walk-ins``, 0 or more; 0 if closed."""
        return 0 if self.is_closed else max(0, self.free - self.held - self.expected_walk_ins)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a line shows.

    Parameters
    ----------
    number
        Spaces, 0 or more.
    changed_ms
        When the number changed last.
    counted_ms
        The oldest count in it; None = one of its lots has never been counted.
    is_stale, is_closed
        One of its lots' counts is stale; all its lots are closed.
    """

    number: int
    changed_ms: int
    counted_ms: int | None
    is_stale: bool
    is_closed: bool

    def age_s(self, now_ms: int) -> int | None:
        """Age of the oldest count, whole s; None = never counted."""
        return None if self.counted_ms is None else max(0, now_ms - self.counted_ms) // 1000


@dataclass(frozen=True, slots=True)
class Damping:
    """When a new number is shown.

    Parameters
    ----------
    step, share
        At once if it differs by at least ``step`` and by ``share`` of what is shown.
    settle_s
        Otherwise if what is shown is at least that old, s.
    reopen
        A line that shows 0 shows at least that many when it comes back before ``settle_s``.
    """

    step: int = 3
    share: float = 0.1
    settle_s: int = 30
    reopen: int = 3

    def __post_init__(self) -> None:
        if self.step < 1 or not 0 <= self.share <= 1 or self.settle_s < 0 or self.reopen < 1:
            raise InvalidInputError("step >= 1, share 0 to 1, settle_s >= 0, reopen >= 1")

    def takes(self, shown: int, age_ms: int, number: int) -> bool:
        """Whether a number that differs from the one shown since ``age_ms`` is to be shown."""
        if number == shown:
            return False
        if number == 0 or age_ms >= self.settle_s * 1000:
            # Nobody is sent to a full lot for the sake of calm.
            return True
        if shown == 0:
            return number >= self.reopen
        return abs(number - shown) >= max(self.step, self.share * shown)


DAMPING = Damping()


def show(
    before: Shown | None,
    counts: Sequence[LotCount],
    now_ms: int,
    damping: Damping = DAMPING,
) -> Shown:
    """Return what a line shows now.

    Parameters
    ----------
    before
        What it showed; None = nothing yet.
    counts
        Of its lots.
    now_ms
        UTC epoch milliseconds.
    damping
        When a new number is shown.
    """
    number = sum(count.shown for count in counts)
    counted = [count.counted_ms for count in counts if not count.is_closed]
    known = [time_ms for time_ms in counted if time_ms is not None]
    changed_ms = now_ms
    if before is not None and not damping.takes(before.number, now_ms - before.changed_ms, number):
        number, changed_ms = before.number, before.changed_ms
    return Shown(
        number=number,
        changed_ms=changed_ms,
        counted_ms=min(known) if known and len(known) == len(counted) else None,
        is_stale=any(count.is_stale for count in counts if not count.is_closed),
        is_closed=all(count.is_closed for count in counts),
    )
