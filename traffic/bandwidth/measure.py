"""Measures the bands of a plan, exactly, from nothing but greens and travel times.

It knows no model: a band through signals is a set of departure times at the first one from which
every green is met, so it is the longest run in an intersection of circular intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """A green on a common clock: ``[start_s, start_s + length_s)``, repeated every cycle."""

    start_s: float
    length_s: float


@dataclass(frozen=True, slots=True)
class Band:
    """A band: where it starts at the first signal, on the common clock, and its width."""

    start_s: float
    width_s: float


def widest_band(
    windows: Sequence[Sequence[Window]], travel_s: Sequence[float], cycle_s: float
) -> Band:
    """Find the widest band through signals.

    Parameters
    ----------
    windows
        For each signal in driving order its greens, one or more, not overlapping.
    travel_s
        Travel time to each signal from the one before it; one fewer than signals.
    cycle_s
        The common cycle.

    Returns
    -------
    Band
        Width 0 when no band runs through; a green all along is a band of the whole cycle.
    """
    runs = [(0.0, cycle_s)]
    reached_s = 0.0
    for k, greens in enumerate(windows):
        if k:
            reached_s += travel_s[k - 1]
        pieces = []
        for window in greens:
            length_s = min(window.length_s, cycle_s)
            begin_s = (window.start_s - reached_s) % cycle_s
            pieces.append((begin_s, min(begin_s + length_s, cycle_s)))
            if begin_s + length_s > cycle_s:
                pieces.append((0.0, begin_s + length_s - cycle_s))
        runs = [
            (max(a, c), min(b, d))
            for a, b in runs
            for c, d in pieces
            if min(b, d) - max(a, c) > 1e-12
        ]
    return _longest(runs, cycle_s)


def _longest(runs: list[tuple[float, float]], cycle_s: float) -> Band:
    """Longest run on the circle: pieces that touch, also across its end, are one."""
    joined: list[list[float]] = []
    for start_s, end_s in sorted(runs):
        if joined and start_s - joined[-1][1] <= 1e-9:
            joined[-1][1] = max(joined[-1][1], end_s)
        else:
            joined.append([start_s, end_s])
    if len(joined) > 1 and joined[0][0] <= 1e-9 and joined[-1][1] >= cycle_s - 1e-9:
        first = joined.pop(0)
        joined[-1][1] += first[1]
    best = max(joined, key=lambda run: (run[1] - run[0], -run[0]), default=[0.0, 0.0])
    return Band(best[0] % cycle_s, min(best[1] - best[0], cycle_s))
