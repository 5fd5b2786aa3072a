"""The greens that bring a signal into step with a plan whose stages it already shows."""

from collections.abc import Sequence
from dataclasses import dataclass

from traffic.plan import TimingPlan

Change = tuple[int, ...]
"""Greens in s of the stages from the first one on; after them the signal is in step."""


@dataclass(frozen=True, slots=True)
class Resync:
    """How a plan's greens may be changed.

    Parameters
    ----------
    plan
        What the signal gets into step with.
    least_s
        For each stage, the shortest green that is safe, at most the plan's own.
    most_share
        By how much a cycle may be changed, as a share of it, above 0.
    """

    plan: TimingPlan
    least_s: tuple[int, ...]
    most_share: float

    def dwell(self, into: int, lag_s: int, shown_s: int) -> Change:
        """Hold the coordinated green.

        Parameters
        ----------
        into
            The stage that begins, or has begun.
        lag_s
            How long after it the plan begins this stage, 0 to cycle - 1.
        shown_s
            Shortest green of this first stage.
        """
        if self._is_in_step(into, lag_s, shown_s):
            return ()
        count = len(self.plan.stages)
        hold = (self.plan.coordinated_stage - into) % count
        greens_s = [self.plan.stages[(into + k) % count].green_s for k in range(hold + 1)]
        forced_s = max(0, shown_s - greens_s[0])
        greens_s[0] += forced_s
        greens_s[-1] += (lag_s - forced_s) % self.plan.cycle_s
        return tuple(greens_s)

    def add(self, into: int, lag_s: int, shown_s: int) -> Change:
        """Lengthen greens until in step; parameters as for ``dwell``."""
        if self._is_in_step(into, lag_s, shown_s):
            return ()
        low: list[int] = []
        high: list[int] = []
        own_s = 0
        while True:
            green_s, step_s = self._stage(into + len(low))
            low.append(max(green_s, shown_s) if not low else green_s)
            high.append(low[-1] + step_s)
            own_s += green_s
            change_s = sum(low) - own_s + (lag_s - sum(low) + own_s) % self.plan.cycle_s
            if change_s <= sum(high) - own_s:
                return _share_out(low, high, own_s + change_s)

    def subtract(self, into: int, lag_s: int, shown_s: int) -> Change | None:
        """Shorten greens until in step; None where nothing can be shortened."""
        if self._is_in_step(into, lag_s, shown_s):
            return ()
        count = len(self.plan.stages)
        low: list[int] = []
        high: list[int] = []
        own_s = 0
        while True:
            at = (into + len(low)) % count
            green_s, step_s = self._stage(at)
            shortest_s = max(self.least_s[at], green_s - step_s)
            low.append(max(shortest_s, shown_s) if not low else shortest_s)
            high.append(max(green_s, low[-1]))
            own_s += green_s
            change_s = sum(high) - own_s - (sum(high) - own_s - lag_s) % self.plan.cycle_s
            if change_s >= sum(low) - own_s:
                return _share_out(low, high, own_s + change_s)
            if len(low) > count and low[-count:] == high[-count:]:
                return None

    def takes_s(self, into: int, change: Change) -> int:
        """Seconds from the beginning of the first stage until in step."""
        count = len(self.plan.stages)
        rows = (self.plan.stages[(into + k) % count].intergreen_s for k in range(len(change)))
        return sum(change) + sum(rows)

    def _is_in_step(self, into: int, lag_s: int, shown_s: int) -> bool:
        return lag_s == 0 and shown_s <= self.plan.stages[into].green_s

    def _stage(self, at: int) -> tuple[int, int]:
        """Green of a stage, and its part, 1 s or more, of what a cycle may be changed by."""
        stages = self.plan.stages
        green_s = stages[at % len(stages)].green_s
        budget_s = self.most_share * self.plan.cycle_s
        return green_s, max(1, round(budget_s * green_s / sum(stage.green_s for stage in stages)))


def _share_out(low: Sequence[int], high: Sequence[int], total_s: int) -> Change:
    """Share a total out between bounds, evenly, in whole seconds."""
    room_s = sum(high) - sum(low)
    given_s = total_s - sum(low)
    shares: list[int] = []
    seen_s = done_s = 0
    for least_s, most_s in zip(low, high, strict=True):
        seen_s += most_s - least_s
        upto_s = given_s * seen_s // room_s if room_s else 0
        shares.append(least_s + upto_s - done_s)
        done_s = upto_s
    return tuple(shares)
