"""Parts of an arterial where no band runs through, or where a link is too long for a platoon."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from traffic.bandwidth.cells import CellSearch
from traffic.bandwidth.corridor import Corridor, Range
from traffic.bandwidth.limits import FreeSpeed
from traffic.bandwidth.network import Network, NetworkCorridor
from traffic.bandwidth.problem import Method, Problem, Road, corridor_problem
from traffic.bandwidth.search import TOLERANCE, Watch
from traffic.bandwidth.solve import Solved, prove_none, solve
from traffic.errors import InvalidInputError

CELLS = 256
# What the plan of the parts may take at least.
LEAST_S = 0.5


@dataclass(frozen=True, slots=True)
class Parted:
    """An arterial in parts with one common cycle.

    Parameters
    ----------
    parts
        First and last index of the signals of each part, both inclusive; two signals or more.
    solved
        The parts as corridors of a network that share no signal, in the same order.
    """

    parts: tuple[tuple[int, int], ...]
    solved: Solved


def solve_parted(
    corridor: Corridor,
    *,
    method: Method = "maxband",
    cycle_s: Range | None = None,
    max_link_m: float | None = None,
    time_limit_s: float = 60.0,
    most_s: float = math.inf,
    seed: int = 0,
    should_stop: Callable[[], bool] | None = None,
) -> Parted:
    """Part a corridor at too long links, and where no band runs through.

    Of all ways to part it one is taken that leaves the fewest signals alone, of these one with the
    fewest parts, of these one whose parts' own optima have the largest sum. That each part has a
    band at some cycle of the range is proven; at the common one a part may still be left out. What
    half of the time limit could not rule out counts as having a band, and what it left no time to
    solve as worth nothing. All has ended after ``most_s``.

    Raises
    ------
    InvalidInputError
        No cycle, a length that is not positive, or no two neighbours that can be coordinated.
    """
    cycle = cycle_s or corridor.cycle_s
    if cycle is None:
        raise InvalidInputError("expected a cycle", where="cycle_s")
    if max_link_m is not None and not max_link_m > 0:
        raise InvalidInputError(f"{max_link_m}; expected more than 0", where="max_link_m")
    lengths = corridor.lengths_m
    cuts = [k for k, length in enumerate(lengths) if max_link_m and length > max_link_m]
    firsts, lasts = [0, *(k + 1 for k in cuts)], [*cuts, len(lengths)]
    whole_call = Watch(most_s, None, should_stop)
    watch = whole_call.part(time_limit_s)
    pieces = _Pieces(corridor, method, cycle, watch.part(time_limit_s / 2), seed)
    parts = [
        part
        for first, last in zip(firsts, lasts, strict=True)
        for part in best_parts(first, last, pieces.has_band, pieces.value)
    ]
    if not parts:
        raise InvalidInputError("no two neighbours can be coordinated", where="signals")
    network = Network(
        cycle, tuple(NetworkCorridor(piece(corridor, first, last)) for first, last in parts)
    )
    solved = solve(
        network,
        method=method,
        time_limit_s=max(LEAST_S, watch.left_s()),
        most_s=max(LEAST_S, whole_call.left_s()),
        seed=seed,
        should_stop=should_stop,
    )
    return Parted(tuple(parts), solved)


def best_parts(
    first: int,
    last: int,
    has_band: Callable[[int, int], bool],
    value: Callable[[int, int], float],
) -> list[tuple[int, int]]:
    """Part a run of signals: most of them in parts, then fewest parts, then most value.

    Parameters
    ----------
    first, last
        Indices of its signals, both inclusive.
    has_band, value
        Of the part from one index to another; what lies within a part that has a band has one too.
        Only parts between which the choice is open are valued.
    """
    reach = _reach(first, last, has_band)
    # From each signal on: signals in parts less a little for each part, and the best next steps.
    score: dict[int, tuple[int, int]] = {last + 1: (0, 0)}
    steps: dict[int, list[int]] = {}
    for i in range(last, first - 1, -1):
        own = {i: score[i + 1]}
        for j in range(i + 1, reach[i] + 1):
            own[j] = (score[j + 1][0] + j - i + 1, score[j + 1][1] - 1)
        score[i] = max(own.values())
        steps[i] = [j for j, found in own.items() if found == score[i]]
    met, todo = set[int](), [first]
    while todo:
        i = todo.pop()
        if i <= last and i not in met:
            met.add(i)
            todo += [j + 1 for j in steps[i]]
    is_open = any(len(steps[i]) > 1 for i in met)
    worth = {last + 1: 0.0}
    for i in sorted(met, reverse=True):
        own_worth = {
            j: worth[j + 1] + (value(i, j) if is_open and j > i else 0.0) for j in steps[i]
        }
        best = max(steps[i], key=lambda j: (round(own_worth[j], 6), j))
        worth[i], steps[i] = own_worth[best], [best]
    parts, i = [], first
    while i <= last:
        j = steps[i][0]
        if j > i:
            parts.append((i, j))
        i = j + 1
    return parts


def _reach(first: int, last: int, has_band: Callable[[int, int], bool]) -> dict[int, int]:
    """Last signal that a part from each signal can reach: by halving, as it only grows."""
    reach: dict[int, int] = {}
    far = first
    for i in range(first, last + 1):
        far = max(far, i)
        if far < last and has_band(i, last):
            far = last
        none = last
        while none - far > 1:
            middle = (far + none) // 2
            if has_band(i, middle):
                far = middle
            else:
                none = middle
        reach[i] = far
    return reach


class _Pieces:
    """Runs of a corridor's signals, each searched once."""

    def __init__(
        self, corridor: Corridor, method: Method, cycle_s: Range, watch: Watch, seed: int
    ) -> None:
        self.corridor = corridor
        self.method: Method = method
        self.cycle_s = cycle_s
        self.watch = watch
        self.seed = seed
        self._values: dict[tuple[int, int], float] = {}

    def has_band(self, first: int, last: int) -> bool:
        """Whether a part has a band, on links that count or not, or nothing rules one out."""
        if self.watch.over():
            return True
        asked = replace(piece(self.corridor, first, last), p=0.0)
        problem = corridor_problem(asked, self.method, self.cycle_s)
        search = CellSearch(problem, self.watch, self.seed, enough=TOLERANCE)
        search.run()
        return search.bound > TOLERANCE or not prove_none(search, self.watch, self.seed)

    def value(self, first: int, last: int) -> float:
        """Best objective of a part by itself, in cycles; 0 where time is over."""
        key = first, last
        if key not in self._values:
            asked = piece(self.corridor, first, last)
            problem = corridor_problem(asked, self.method, self.cycle_s)
            search = CellSearch(problem, self.watch, self.seed)
            if not self.watch.over():
                search.run()
            self._values[key] = search.floor
        return self._values[key]


def piece(corridor: Corridor, first: int, last: int) -> Corridor:
    """Cut a run of signals, by their indices, both inclusive."""
    return replace(
        corridor,
        signals=corridor.signals[first : last + 1],
        links=corridor.links[first:last],
        cycle_s=None,
        id=f"{corridor.signals[first].id} - {corridor.signals[last].id}",
    )


def worst_pair(corridor: Corridor, cycle_s: Range | None = None) -> tuple[float, str, str]:
    """Bound MAXBAND's objective by its least two-signal optimum: the bound, and which two signals.

    No band is wider than what any two of its signals alone would allow. Negative where two signals
    cannot meet both greens at any cycle of the range.
    """
    return min(_pairs(corridor, cycle_s), key=lambda pair: pair[0])


def ruling_pair(
    corridor: Corridor, cycle_s: Range | None, over: Callable[[], bool]
) -> tuple[str, str] | None:
    """Find two signals that alone rule a MAXBAND band out, nearest ones first.

    None where there are none, or none was found until ``over``.
    """
    for most, first, last in _pairs(corridor, cycle_s):
        if most <= 0:
            return first, last
        if over():
            break
    return None


def _pairs(corridor: Corridor, cycle_s: Range | None) -> Iterator[tuple[float, str, str]]:
    """Bound every pair of signals, nearest neighbours first."""
    problem = corridor_problem(corridor, "maxband", cycle_s)
    road = problem.roads[0]
    ends = np.linspace(*problem.z, CELLS + 1)
    for apart in range(1, road.n):
        for i in range(road.n - apart):
            j = i + apart
            if road.counts == (True, True):
                most = float(FreeSpeed(_pair(road, i, j)).most(ends[:-1], ends[1:]).max())
            else:
                most = _one_way(problem, road, i, j)
            yield most, corridor.signals[i].id, corridor.signals[j].id


def _one_way(problem: Problem, road: Road, i: int, j: int) -> float:
    green = road.green_out if road.counts[0] else road.green_in
    queue_s = road.queue_out_s if road.counts[0] else road.queue_in_s
    return float((green[[i, j]] - queue_s[[i, j]] * problem.z[0]).min())


def _pair(road: Road, i: int, j: int) -> Road:
    """Leave two signals of a road; what lies between is one link."""
    between_out = float(road.queue_out_s[i + 1 : j].sum())
    between_in = float(road.queue_in_s[i + 1 : j].sum())
    both = [i, j]

    def total(times_s: np.ndarray, queues_s: float) -> np.ndarray:
        return np.array([times_s[i:j].sum() - queues_s])

    return replace(
        road,
        green_out=road.green_out[both],
        green_in=road.green_in[both],
        queue_out_s=road.queue_out_s[both],
        queue_in_s=road.queue_in_s[both],
        patterns=(road.patterns[i], road.patterns[j]),
        starts=(road.starts[i], road.starts[j]),
        length_m=total(road.length_m, 0.0),
        fast_out_s=total(road.fast_out_s, between_out),
        slow_out_s=total(road.slow_out_s, between_out),
        fast_in_s=total(road.fast_in_s, between_in),
        slow_in_s=total(road.slow_in_s, between_in),
        weight_out=road.weight_out[:1],
        weight_in=road.weight_in[:1],
        junction=(road.junction[i], road.junction[j]),
        block=(road.block[i], road.block[j]),
    )
