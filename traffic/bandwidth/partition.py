"""Parts of an arterial where no band runs through, or where a link is too long for a platoon."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from traffic.bandwidth.certificate import Status
from traffic.bandwidth.corridor import Corridor, Range
from traffic.bandwidth.limits import FreeSpeed
from traffic.bandwidth.network import Network, NetworkCorridor
from traffic.bandwidth.problem import Method, Problem, Road, corridor_problem
from traffic.bandwidth.solve import Solved, solve
from traffic.errors import InvalidInputError

CELLS = 256


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
    seed: int = 0,
    should_stop: Callable[[], bool] | None = None,
) -> Parted:
    """Part a corridor at too long links, and at the longest link of whatever has no band.

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
    todo = [(a, b) for a, b in zip(firsts, lasts, strict=True) if a < b][::-1]
    parts: list[tuple[int, int]] = []
    while todo:
        first, last = todo.pop()
        alone = solve(
            replace(piece(corridor, first, last), cycle_s=cycle),
            method=method,
            time_limit_s=time_limit_s / 4,
            seed=seed,
            should_stop=should_stop,
        )
        if alone.real.certificate.status is not Status.NO_BAND:
            parts.append((first, last))
            continue
        cut = max(range(first, last), key=lambda k: lengths[k])
        todo += [(a, b) for a, b in ((cut + 1, last), (first, cut)) if a < b]
    if not parts:
        raise InvalidInputError("no two neighbours can be coordinated", where="signals")
    network = Network(
        cycle, tuple(NetworkCorridor(piece(corridor, first, last)) for first, last in parts)
    )
    solved = solve(
        network, method=method, time_limit_s=time_limit_s, seed=seed, should_stop=should_stop
    )
    return Parted(tuple(parts), solved)


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
    problem = corridor_problem(corridor, "maxband", cycle_s)
    road = problem.roads[0]
    ends = np.linspace(*problem.z, CELLS + 1)
    least = (np.inf, "", "")
    for i in range(road.n):
        for j in range(i + 1, road.n):
            if road.counts == (True, True):
                most = float(FreeSpeed(_pair(road, i, j)).most(ends[:-1], ends[1:]).max())
            else:
                most = _one_way(problem, road, i, j)
            if most < least[0]:
                least = (most, corridor.signals[i].id, corridor.signals[j].id)
    return least


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
