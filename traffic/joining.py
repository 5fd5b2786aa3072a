"""Starts and patterns that serve all corridor parts together: one network of the band engine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from traffic.bandwidth import Pattern
from traffic.bandwidth.plan import Plan
from traffic.bandwidth.solve import solve_problem
from traffic.junction_plans import JunctionPlans
from traffic.parts import Part, junction_ids, problem_of

Seconds = NDArray[np.floating]

MIN_TIME_LIMIT_S = 1.0
# When signals are moved after that, a second of link band counts this much beside a second of
# through band: it chooses among equals, and serves drivers where no through band is left.
LINK_WEIGHT = 0.01


@dataclass(frozen=True, slots=True)
class Joined:
    """Whole-second program starts and patterns, with the bands that they give.

    Parameters
    ----------
    starts_s
        Of each signal's program.
    patterns
        Of each corridor at each signal.
    value, bound
        Sum over parts of twice the narrower band, and what no plan at the cycle exceeds, in cycles.
    """

    starts_s: Mapping[str, int]
    patterns: Mapping[str, Mapping[str, Pattern]]
    value: float
    bound: float


class Search(Protocol):
    """What the join needs of the search around it."""

    @property
    def should_stop(self) -> Callable[[], bool] | None:
        """The caller's wish, where one was given."""

    def over(self) -> bool:
        """Whether to stop with the best so far."""

    def left_s(self) -> float:
        """Seconds until the limit."""


def join_parts(
    whole: Sequence[Part],
    parts: Sequence[Part],
    junctions: Mapping[str, JunctionPlans],
    *,
    most: float,
    seed: int,
    search: Search,
) -> Joined:
    """Find starts and patterns for all parts together: one network, solved as one.

    Its whole-second plan is then moved signal by signal where that widens the bands of links, or
    the wider of two bands, and narrows none. ``whole`` are the parts before those without a band
    were parted again: along them every link counts. ``most`` is the sum of the parts' own optima.
    """
    state = _State(whole, parts, junctions)
    bound = most
    if parts and not search.over():
        solved = solve_problem(
            problem_of(parts),
            tuple(part.model for part in parts),
            lone=False,
            time_limit_s=max(MIN_TIME_LIMIT_S, search.left_s()),
            seed=seed,
            should_stop=search.should_stop,
        )
        bound = min(most, solved.real.certificate.bound)
        if solved.whole is not None:
            bound = min(bound, solved.whole.certificate.bound)
            state.take(solved.whole.plan, junction_ids(parts))
    state.polish(search)
    cycle_s = parts[0].cycle_s if parts else 1
    return Joined(state.start_s, state.pattern, state.through_bands() / cycle_s, bound)


@dataclass(frozen=True, slots=True)
class _Term:
    """What a part adds to the score: its bands all the way through, or those of its links."""

    part: Part
    through: bool


class _State:
    """Program starts in whole seconds and patterns, with the score of every part."""

    def __init__(
        self,
        whole: Sequence[Part],
        parts: Sequence[Part],
        junctions: Mapping[str, JunctionPlans],
    ) -> None:
        self.parts = parts
        self.junctions = junctions
        self.terms = [
            *(_Term(part, through=True) for part in parts),
            *(_Term(part, through=False) for part in whole),
        ]
        self.memberships: dict[str, list[tuple[_Term, int]]] = {key: [] for key in junctions}
        for term in self.terms:
            for i, key in enumerate(term.part.signal_ids):
                self.memberships[key].append((term, i))
        self.start_s = dict.fromkeys(junctions, 0)
        self.pattern: dict[str, dict[str, Pattern]] = {
            key: {c: road.signal.patterns[0] for c, road in junction.roads.items()}
            for key, junction in junctions.items()
        }

    def take(self, plan: Plan, ids: Sequence[str]) -> None:
        """Take a plan over whose roads are the parts and whose junctions are ``ids``."""
        for key, offset_s in zip(ids, plan.offset_s, strict=True):
            self.start_s[key] = round(offset_s) % int(plan.cycle_s)
        for part, own in zip(self.parts, plan.roads, strict=True):
            for key, pattern in zip(part.signal_ids, own.patterns, strict=True):
                self.pattern[key][part.corridor_id] = pattern

    def through_bands(self) -> float:
        """Sum over parts of twice the narrower band, in s."""
        return float(
            sum(2 * min(self._band(part, back) for back in (False, True)) for part in self.parts)
        )

    def polish(self, search: Search) -> None:
        """Move one signal at a time to its best second and patterns, until none improves."""
        improved = True
        while improved and not search.over():
            improved = False
            for key, members in self.memberships.items():
                if members and self._improve(key, members):
                    improved = True

    def _improve(self, key: str, members: Sequence[tuple["_Term", int]]) -> bool:
        """Try every second, and every pattern on each road, for one signal."""
        now = self.start_s[key]
        by_road: dict[str, Seconds] = {}
        options: dict[str, tuple[Pattern, ...]] = {}
        for term, i in members:
            road = term.part.corridor_id
            options[road] = term.part.model.signals[i].patterns
            scores = np.stack([self._scores(term, i, pattern) for pattern in options[road]])
            by_road[road] = by_road[road] + scores if road in by_road else scores
        before = sum(
            float(scores[options[road].index(self.pattern[key][road]), now])
            for road, scores in by_road.items()
        )
        total = sum(scores.max(axis=0) for scores in by_road.values())
        best = int(np.argmax(total))
        if np.max(total) <= before + 1e-6:
            return False
        self.start_s[key] = best
        for road, scores in by_road.items():
            self.pattern[key][road] = options[road][int(scores[:, best].argmax())]
        return True

    def _scores(self, term: "_Term", i: int, pattern: Pattern) -> Seconds:
        """Score of a term for every program start of one of its signals."""
        part = term.part
        starts_s = np.arange(part.cycle_s)
        widths = []
        links = np.zeros(part.cycle_s)
        for back in (False, True):
            reach_s = self._reach(part, back)
            length_s = self._greens(part, back)[i][1]
            offset_s = part.model.signals[i].starts(pattern)[int(back)] * part.cycle_s
            begin_s = (starts_s + part.block_s[i] + offset_s - reach_s[i]) % part.cycle_s
            aligned = self._aligned(part, back)
            if term.through:
                others = [green for k, green in enumerate(aligned) if k != i]
                runs = _common(others, part.cycle_s)
                widths.append(_overlap(runs, begin_s, length_s, part.cycle_s))
                continue
            for k in (i - 1, i + 1):
                if 0 <= k < len(part.signal_ids):
                    neighbour = _common([aligned[k]], part.cycle_s)
                    links += _overlap(neighbour, begin_s, length_s, part.cycle_s)
        return _value(widths[0], widths[1]) if term.through else LINK_WEIGHT * links

    def _band(self, part: Part, back: bool) -> float:
        return _longest(_common(self._aligned(part, back), part.cycle_s), part.cycle_s)

    def _greens(self, part: Part, back: bool) -> list[tuple[float, float]]:
        """Start after the program's start, and length, of each signal's green."""
        greens = []
        for i, key in enumerate(part.signal_ids):
            signal = part.model.signals[i]
            pattern = self.pattern[key][part.corridor_id]
            offset_s = signal.starts(pattern)[int(back)] * part.cycle_s
            share = signal.green_in if back else signal.green_out
            greens.append((part.block_s[i] + offset_s, share * part.cycle_s))
        return greens

    @staticmethod
    def _reach(part: Part, back: bool) -> list[float]:
        """When a band that passes the clock's zero at the first signal reaches each signal."""
        reach_s = [0.0]
        for out_s, in_s in zip(part.travel_out_s, part.travel_in_s, strict=True):
            reach_s.append(reach_s[-1] + (-in_s if back else out_s))
        return reach_s

    def _aligned(self, part: Part, back: bool) -> list[tuple[float, float]]:
        """Each green as seen from the first signal: (begin, length)."""
        reach_s = self._reach(part, back)
        return [
            ((self.start_s[key] + start_s - reach_s[i]) % part.cycle_s, length_s)
            for i, (key, (start_s, length_s)) in enumerate(
                zip(part.signal_ids, self._greens(part, back), strict=True)
            )
        ]


def _value(out: Seconds, back: Seconds) -> Seconds:
    """Twice the narrower band; what the wider one has more counts a little."""
    return np.asarray(2 * np.minimum(out, back) + 0.05 * (out + back))


def _common(greens: Sequence[tuple[float, float]], cycle_s: float) -> list[tuple[float, float]]:
    """Runs ``(begin_s, end_s)`` on 0..cycle that lie in every circular green."""
    runs = [(0.0, cycle_s)]
    for begin_s, length_s in greens:
        pieces = [(begin_s, min(begin_s + length_s, cycle_s))]
        if begin_s + length_s > cycle_s:
            pieces.append((0.0, begin_s + length_s - cycle_s))
        runs = [(max(a, c), min(b, d)) for a, b in runs for c, d in pieces if max(a, c) < min(b, d)]
    return runs


def _longest(runs: Sequence[tuple[float, float]], cycle_s: float) -> float:
    """Longest run, joined across the end of the cycle."""
    if not runs:
        return 0.0
    head = next((b for a, b in runs if a <= 1e-9), 0.0)
    tail = next((b - a for a, b in runs if b >= cycle_s - 1e-9), 0.0)
    return min(cycle_s, max(head + tail if head < cycle_s else head, *(b - a for a, b in runs)))


def _overlap(
    runs: Sequence[tuple[float, float]],
    begin_s: Seconds,
    length_s: float,
    cycle_s: float,
) -> Seconds:
    """Longest overlap of circular runs with greens that begin at each of ``begin_s``."""
    joined = list(runs)
    head = next((run for run in runs if run[0] <= 1e-9), None)
    tail = next((run for run in runs if run[1] >= cycle_s - 1e-9), None)
    if head and tail and head is not tail:
        joined = [run for run in runs if run not in (head, tail)]
        joined.append((tail[0], cycle_s + head[1]))
    best = np.zeros(len(begin_s))
    for a, b in joined:
        for turn in (-cycle_s, 0.0, cycle_s):
            width = np.minimum(begin_s + length_s + turn, b) - np.maximum(begin_s + turn, a)
            best = np.maximum(best, width)
    return best
