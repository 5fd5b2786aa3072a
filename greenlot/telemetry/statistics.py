"""How many calls, how they ended, how long they took: counted on the event loop, without locks."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histograms' buckets; what took longer is in one more."""


class Durations:
    """A histogram of durations, s."""

    __slots__ = ("bounds", "buckets", "sum_s")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.sum_s = 0.0

    def add(self, took_s: float) -> None:
        """Count one."""
        self.buckets[bisect_left(self.bounds, took_s)] += 1
        self.sum_s += took_s


class MethodStatistics:
    """Of one method.

    ``by_code`` counts calls that ended, by the name of their status code; ``in_flight`` those that
    have not. ``durations`` are of unary calls.
    """

    __slots__ = ("by_code", "durations", "in_flight", "is_stream")

    def __init__(self, *, is_stream: bool) -> None:
        self.by_code: Counter[str] = Counter()
        self.durations = Durations()
        self.in_flight = 0
        self.is_stream = is_stream


class Statistics:
    """Of all methods, by full name; and what was refused at the door, by why."""

    def __init__(self) -> None:
        self.methods: dict[str, MethodStatistics] = {}
        self.refused: Counter[str] = Counter()
        self.allocation = Durations()
        self.loop_lag_s = 0.0

    def method(self, name: str, *, is_stream: bool) -> MethodStatistics:
        """Return a method's; made at the first time."""
        found = self.methods.get(name)
        if found is None:
            found = self.methods[name] = MethodStatistics(is_stream=is_stream)
        return found

    @property
    def in_flight(self) -> int:
        """Unary calls under way."""
        return sum(each.in_flight for each in self.methods.values() if not each.is_stream)

    @property
    def streams(self) -> int:
        """Streams that are open."""
        return sum(each.in_flight for each in self.methods.values() if each.is_stream)
