"""How many spaces of a pool are committed at each instant: a step function of time."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Profile:
    """Committed spaces over time, immutable, in its one canonical form.

    Two profiles that agree at every instant are equal, whatever way they were built.

    Parameters
    ----------
    times_ms
        Instants at which the level changes, UTC epoch milliseconds, strictly increasing.
    levels
        ``levels[i]`` spaces are committed on ``[times_ms[i], times_ms[i + 1])``. Neighbours
        differ, the last is 0, and before ``times_ms[0]`` the level is 0.
    """

    times_ms: tuple[int, ...] = ()
    levels: tuple[int, ...] = ()

    def peak(self, start_ms: int, end_ms: int) -> int:
        """Return the most spaces committed at any instant of ``[start_ms, end_ms)``."""
        first = max(bisect_right(self.times_ms, start_ms) - 1, 0)
        return max(self.levels[first : bisect_left(self.times_ms, end_ms)], default=0)

    def add(self, start_ms: int, end_ms: int, spaces: int = 1) -> Self:
        """Return the profile with ``spaces`` more (or, negative, fewer) on a stretch of time.

        An empty stretch changes nothing. Takes time linear in the number of steps.

        Raises
        ------
        ValueError
            If the level would fall below 0: more is released than was committed.
        """
        if start_ms >= end_ms or spaces == 0:
            return self
        times, levels = list(self.times_ms), list(self.levels)
        first = _cut(times, levels, start_ms)
        last = _cut(times, levels, end_ms)
        levels[first:last] = [level + spaces for level in levels[first:last]]
        if spaces < 0 and min(levels[first:last]) < 0:
            raise ValueError(f"more spaces released than committed on [{start_ms}, {end_ms})")
        for step in (last, first):
            if levels[step] == (levels[step - 1] if step else 0):
                del times[step], levels[step]
        return type(self)(tuple(times), tuple(levels))

    def since(self, now_ms: int) -> Self:
        """Return the profile without what lies wholly before ``now_ms``.

        What it says about ``now_ms`` and later stays the same.
        """
        first = bisect_right(self.times_ms, now_ms) - 1
        if first < 0:
            return self
        if self.levels[first] == 0:
            return type(self)(self.times_ms[first + 1 :], self.levels[first + 1 :])
        return type(self)((now_ms, *self.times_ms[first + 1 :]), self.levels[first:])


def _cut(times: list[int], levels: list[int], at_ms: int) -> int:
    """Make ``at_ms`` a step, without changing any level, and return its place."""
    place = bisect_left(times, at_ms)
    if place == len(times) or times[place] != at_ms:
        times.insert(place, at_ms)
        levels.insert(place, levels[place - 1] if place else 0)
    return place
