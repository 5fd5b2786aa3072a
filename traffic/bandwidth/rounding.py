"""Greens in whole seconds of a whole cycle, each inside its real one.

Greens are rounded down, which leaves the rest to the cross street. Within a block both greens start
at whole seconds too, so they may have to stand nearer to each other, or farther apart, than the
real ones. Where the fractions that they gave up do not hide that, one of them gives up a second
more: then every whole-second plan is worth no more than some real plan, and the real optimum bounds
them all.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from traffic.bandwidth.corridor import Range
from traffic.bandwidth.problem import ALWAYS_GREEN, Problem, Road

EPSILON = 1e-9
# By how much each pattern of each signal shortens the outbound and the inbound green, in s.
Cuts = tuple[tuple[tuple[int, int], ...], ...]


@dataclass(frozen=True, slots=True)
class Rounded:
    """A problem at one whole cycle, its greens and their places in whole seconds.

    Parameters
    ----------
    cycle_s
        The cycle.
    problem
        Fixed at that cycle, all greens rounded down, before any pattern's cuts.
    cuts
        For each road.
    """

    cycle_s: int
    problem: Problem
    cuts: tuple[Cuts, ...]


def rounded(problem: Problem, cycle: int) -> Rounded:
    """Round a problem to whole seconds of a cycle."""
    shared = set(problem.shared())
    found = [_whole_road(road, cycle, shared) for road in problem.roads]
    fixed = Range(float(cycle), float(cycle))
    whole = replace(problem, cycle_s=fixed, roads=tuple(road for road, _ in found))
    return Rounded(cycle, whole, tuple(cuts for _, cuts in found))


def settled(whole: Rounded, choices: Sequence[Sequence[int]]) -> Problem:
    """Leave each signal one pattern, and its greens what that pattern leaves them."""
    roads = []
    for road, cuts, choice in zip(whole.problem.roads, whole.cuts, choices, strict=True):
        cut = np.array([cuts[i][p] for i, p in enumerate(choice)]) / whole.cycle_s
        roads.append(
            replace(
                road,
                green_out=road.green_out - cut[:, 0],
                green_in=road.green_in - cut[:, 1],
                patterns=tuple((road.patterns[i][p],) for i, p in enumerate(choice)),
                starts=tuple((road.starts[i][p],) for i, p in enumerate(choice)),
            )
        )
    return replace(whole.problem, roads=tuple(roads))


def _whole_road(road: Road, cycle: int, shared: set[int]) -> tuple[Road, Cuts]:
    """Round one road.

    A signal of its own may shift its block by a fraction of a second. Where roads share a junction
    each would shift it differently: there blocks stay.
    """
    out = np.maximum(np.floor(road.green_out * cycle + EPSILON), 1.0)
    back = np.maximum(np.floor(road.green_in * cycle + EPSILON), 1.0)
    # Blocks that do not overlap stay so: starts go up, lengths down.
    block = [math.ceil(b * cycle - EPSILON) for b in road.block]
    starts, cuts = [], []
    for i, places in enumerate(road.starts):
        late_s = block[i] - road.block[i] * cycle if road.junction[i] in shared else None
        greens_s = int(out[i]), int(back[i])
        own = [_place(road, i, place, cycle, greens_s, late_s) for place in places]
        starts.append(tuple((a / cycle, b / cycle) for (a, b), _ in own))
        cuts.append(tuple(cut for _, cut in own))
    whole = replace(
        road,
        green_out=out / cycle,
        green_in=back / cycle,
        starts=tuple(starts),
        block=tuple(b / cycle for b in block),
    )
    return whole, tuple(cuts)


def _place(
    road: Road,
    i: int,
    place: tuple[float, float],
    cycle: int,
    greens_s: tuple[int, int],
    late_s: float | None,
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Whole starts of both greens within the block, and their cuts.

    ``late_s`` is by how much the block starts after the real one; None = as is best. A green that
    never ends has no start that matters: it fits as it is.
    """
    real_s = place[0] * cycle, place[1] * cycle
    shares = float(road.green_out[i]), float(road.green_in[i])
    ends = [share < ALWAYS_GREEN for share in shares]
    last = math.floor(max(place[0] + shares[0], place[1] + shares[1]) * cycle + EPSILON)
    cuts = [(0, 0), (1, 0), (0, 1), (1, 1)]
    if greens_s[1] > greens_s[0]:
        # The longer green gives.
        cuts[1:3] = cuts[2], cuts[1]
    for cut in cuts:
        length = [max(1, g - c) for g, c in zip(greens_s, cut, strict=True)]
        spare_s = [g * cycle - x for g, x in zip(shares, length, strict=True)]
        options = [_near(s, last - x) for s, x in zip(real_s, length, strict=True)]
        best: tuple[float, tuple[int, int]] | None = None
        for a, b in itertools.product(*options):
            early = [x - y for x, y, end in zip(real_s, (a, b), ends, strict=True) if end]
            spare = [x for x, end in zip(spare_s, ends, strict=True) if end]
            low = max(early, default=-math.inf)
            high = min((x + y for x, y in zip(early, spare, strict=True)), default=math.inf)
            if late_s is not None:
                low, high = max(low, late_s), min(high, late_s)
            moved = round(abs(a - real_s[0]) + abs(b - real_s[1]), 9)
            if low <= high + EPSILON and (best is None or moved < best[0]):
                best = moved, (a, b)
        if best is not None:
            return best[1], (greens_s[0] - length[0], greens_s[1] - length[1])
    # Only greens of a second or less come here.
    return (options[0][0], options[1][0]), (0, 0)


def _near(start_s: float, latest: int) -> list[int]:
    """Whole seconds around a start, not later than one that keeps the green in its block."""
    low = math.floor(start_s + EPSILON)
    high = math.ceil(start_s - EPSILON)
    return sorted({max(0, min(low, latest)), max(0, min(high, latest))})
