"""The seconds of a controller's lamps: none is cut short, whatever the wall clock does.

A controller counts minimum greens and intergreens in its own seconds. They are paced by a clock
that nobody sets. The wall clock says which second of the day it is where both agree no more, and
draws the lamps towards it by a few ms in each second.
"""

from collections.abc import AsyncIterator, Awaitable
from typing import Protocol

MOST_APART_MS = 700
"""How far the wall clock may be from the lamps' own count before that is given up.

More than half a second: after the count is put right it lies within the half, and does not go
back and forth there.
"""

MOST_DRAWN_MS = 5
"""By how much a second may be shorter or longer, to begin where the wall clock's begins.

A machine wakes up about a ms late. Were that never won back, it would add up, and the count would
leave a second out every ten minutes. A yellow of 3 s lasts 2.985 s at least.
"""


class Clock(Protocol):
    """Time as a machine has it."""

    def now_ms(self) -> int:
        """Return the wall clock, UTC epoch milliseconds: it may jump at any moment."""

    def monotonic_s(self) -> float:
        """Return the s since some moment, which nobody sets."""

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait that long, or longer."""


async def whole_seconds(clock: Clock) -> AsyncIterator[int]:
    """Yield each second as it begins, as UTC epoch milliseconds of a whole second.

    At least one second of ``clock.monotonic_s`` less ``MOST_DRAWN_MS`` lies between two. A machine
    that wakes up very late, or a wall clock that is set, makes the count leave seconds out or say
    them again; a signal's machine gets into step from there as after any other change of its clock.
    """
    await clock.sleep((1000 - clock.now_ms() % 1000) / 1000)
    second_ms = _nearest(clock.now_ms())
    while True:
        late_ms = clock.now_ms() - second_ms
        drawn_ms = max(-MOST_DRAWN_MS, min(MOST_DRAWN_MS, late_ms))
        ends_s = clock.monotonic_s() + (1000 - drawn_ms) / 1000
        yield second_ms
        while (left_s := ends_s - clock.monotonic_s()) > 0:
            await clock.sleep(left_s)
        second_ms += 1000
        now_ms = clock.now_ms()
        if abs(now_ms - second_ms) > MOST_APART_MS:
            second_ms = _nearest(now_ms)


def _nearest(time_ms: int) -> int:
    return (time_ms + 500) // 1000 * 1000
