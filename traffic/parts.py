"""Corridor parts and the search for starts and patterns that serve all of them together."""

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from traffic.bandwidth import Arterial, ArterialLink, Pattern, solve_maxband
from traffic.corridors import Corridor
from traffic.junction_plans import JunctionPlans

Seconds = NDArray[np.floating]

PART_TIME_LIMIT_S = 20.0
# In the whole-second search a second of link band counts this much beside a second of through
# band: enough to choose among equals, and to serve drivers where no through band is left.
LINK_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Part:
    """Two or more neighbouring signals of a corridor that are coordinated as one.

    Parameters
    ----------
    corridor_id
        The corridor.
    first, last
        Indices of its signals in the corridor, both inclusive.
    signal_ids
        The signals, outbound.
    arterial
        What the band model sees, at the cycle.
    block_s
        For each signal, the block's start after the program's start.
    cycle_s
        The common cycle.
    travel_out_s, travel_in_s, speed_out_mps, speed_in_mps
        For each link.
    """

    corridor_id: str
    first: int
    last: int
    signal_ids: tuple[str, ...]
    arterial: Arterial
    block_s: tuple[int, ...]
    cycle_s: int
    travel_out_s: tuple[float, ...]
    travel_in_s: tuple[float, ...]
    speed_out_mps: tuple[float, ...]
    speed_in_mps: tuple[float, ...]

    @classmethod
    def of(
        cls,
        corridor: Corridor,
        first: int,
        last: int,
        junctions: Mapping[str, JunctionPlans],
        cycle_s: int,
        speed_mps: float | None,
    ) -> Self:
        """Cut a part out of a corridor."""
        roads = [junctions[key].roads[corridor.id] for key in corridor.signal_ids[first : last + 1]]
        links = corridor.links[first:last]
        out = [_pace(k.length_out_m, k.free_flow_out_s, speed_mps) for k in links]
        back = [_pace(k.length_in_m, k.free_flow_in_s, speed_mps) for k in links]
        # A direction that does not exist takes the other's times: its band then counts for
        # nothing but is there.
        out = [a if a[0] else b for a, b in zip(out, back, strict=True)]
        back = [b if b[0] else a for a, b in zip(out, back, strict=True)]
        arterial = Arterial(
            signals=tuple(road.arterial for road in roads),
            links=tuple(
                # A model link has one length: the way back gets the speed that keeps its time.
                ArterialLink(
                    length_m=a[0] * a[1],
                    speed_out_mps=(a[1], a[1]),
                    speed_in_mps=(a[0] * a[1] / b[0], a[0] * a[1] / b[0]),
                )
                for a, b in zip(out, back, strict=True)
            ),
            cycle_s=(cycle_s, cycle_s),
        )
        return cls(
            corridor_id=corridor.id,
            first=first,
            last=last,
            signal_ids=corridor.signal_ids[first : last + 1],
            arterial=arterial,
            block_s=tuple(road.block_s for road in roads),
            cycle_s=cycle_s,
            travel_out_s=tuple(a[0] for a in out),
            travel_in_s=tuple(b[0] for b in back),
            speed_out_mps=tuple(a[1] for a in out),
            speed_in_mps=tuple(b[1] for b in back),
        )

    def piece(self, first: int, last: int) -> Self:
        """Cut a run of signals, by their indices in this part, both inclusive."""
        return replace(
            self,
            first=self.first + first,
            last=self.first + last,
            signal_ids=self.signal_ids[first : last + 1],
            arterial=replace(
                self.arterial,
                signals=self.arterial.signals[first : last + 1],
                links=self.arterial.links[first:last],
            ),
            block_s=self.block_s[first : last + 1],
            travel_out_s=self.travel_out_s[first:last],
            travel_in_s=self.travel_in_s[first:last],
            speed_out_mps=self.speed_out_mps[first:last],
            speed_in_mps=self.speed_in_mps[first:last],
        )


def _pace(length_m: float, free_flow_s: float, speed_mps: float | None) -> tuple[float, float]:
    """Travel time and speed of a link."""
    if not length_m:
        return 0.0, 0.0
    travel_s = length_m / speed_mps if speed_mps else free_flow_s
    return travel_s, length_m / travel_s


@dataclass(frozen=True, slots=True)
class Solution:
    """An exact answer for one part: block starts in cycles, patterns, and the proven bound."""

    starts: tuple[float, ...]
    patterns: tuple[Pattern, ...]
    bound: float


def solve_alone(part: Part, *, given: Mapping[int, float] | None = None, seed: int = 0) -> Solution:
    """Solve a part exactly, given the block starts (in cycles) of some of its signals."""
    result = solve_maxband(
        part.arterial, fixed_starts=given, time_limit_s=PART_TIME_LIMIT_S, seed=seed
    )
    return Solution(result.starts, result.patterns, result.certificate.bound)


def solve_parted(parts: Sequence[Part], *, seed: int = 0) -> tuple[list[Part], list[Solution]]:
    """Solve each part alone; where no band runs through, part it at its longest link."""
    todo = list(parts)[::-1]
    solved: list[Part] = []
    solutions: list[Solution] = []
    while todo:
        part = todo.pop()
        solution = solve_alone(part, seed=seed)
        if solution.bound > 1e-6 or len(part.signal_ids) == 2:
            solved.append(part)
            solutions.append(solution)
            continue
        links = part.arterial.links
        cut = max(range(len(links)), key=lambda k: links[k].length_m)
        pieces = (part.piece(0, cut), part.piece(cut + 1, len(links)))
        todo.extend(piece for piece in pieces[::-1] if len(piece.signal_ids) > 1)
    return solved, solutions


@dataclass(frozen=True, slots=True)
class Joined:
    """Whole-second program starts, and the pattern of each corridor at each signal."""

    starts_s: Mapping[str, int]
    patterns: Mapping[str, Mapping[str, Pattern]]


class Search(Protocol):
    """What the join needs of the search around it."""

    def over(self) -> bool:
        """Whether to stop with the best so far."""

    def tell(self, message: str, done_share: float, value: float, bound: float) -> None:
        """Report a step."""


def join_parts(
    whole: Sequence[Part],
    parts: Sequence[Part],
    junctions: Mapping[str, JunctionPlans],
    alone: Sequence[Solution],
    *,
    rng: random.Random,
    orders: int,
    seed: int,
    search: Search,
) -> Joined:
    """Find starts and patterns for all parts together.

    ``whole`` are the parts before those without a band were parted again: along them every link
    counts. Parts are taken in an order (the first one: by their bound; then at random), each solved
    exactly given the signals that it shares with parts before it; the whole is then polished in
    whole seconds. The best of all orders is returned.
    """
    bound = sum(solution.bound for solution in alone)
    state = _State(whole, parts, junctions)
    best: tuple[float, Joined] | None = None
    for round_ in range(orders):
        order = sorted(range(len(parts)), key=lambda k: -alone[k].bound)
        if round_:
            rng.shuffle(order)
        state.reset()
        for k in order:
            given = state.given(parts[k])
            # A lone part was solved when its cycle was chosen.
            state.place(
                parts[k], solve_alone(parts[k], given=given, seed=seed) if given else alone[k]
            )
        score = state.polish(search)
        if best is None or score > best[0] + 1e-9:
            best = (score, state.joined())
        value = state.through_bands() / parts[0].cycle_s if parts else 0.0
        search.tell(
            f"joined {round_ + 1} of {orders}", 0.5 + 0.5 * (round_ + 1) / orders, value, bound
        )
        if search.over() or not parts:
            break
    if best is None:
        return state.joined()
    return best[1]


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
        self.reset()

    def reset(self) -> None:
        """Forget all starts; patterns are the first allowed ones."""
        self.start_s = dict.fromkeys(self.junctions, 0)
        self.placed: set[str] = set()
        self.pattern: dict[str, dict[str, Pattern]] = {
            key: {c: road.arterial.patterns[0] for c, road in junction.roads.items()}
            for key, junction in self.junctions.items()
        }

    def given(self, part: Part) -> dict[int, float]:
        """Block starts, in cycles, of the part's signals that are placed already."""
        return {
            i: ((self.start_s[key] + part.block_s[i]) % part.cycle_s) / part.cycle_s
            for i, key in enumerate(part.signal_ids)
            if key in self.placed
        }

    def place(self, part: Part, solution: Solution) -> None:
        """Take a part's solution over for the signals that are not placed yet."""
        for i, key in enumerate(part.signal_ids):
            if not solution.starts:
                break
            self.pattern[key][part.corridor_id] = solution.patterns[i]
            if key not in self.placed:
                start_s = solution.starts[i] * part.cycle_s - part.block_s[i]
                self.start_s[key] = round(start_s) % part.cycle_s
                self.placed.add(key)

    def joined(self) -> Joined:
        """Return a copy of the present state."""
        return Joined(dict(self.start_s), {k: dict(v) for k, v in self.pattern.items()})

    def through_bands(self) -> float:
        """Sum over parts of twice the narrower band, in s."""
        return float(
            sum(2 * min(self._band(part, back) for back in (False, True)) for part in self.parts)
        )

    def polish(self, search: Search) -> float:
        """Move one signal at a time to its best second and patterns, until none improves."""
        improved = True
        while improved and not search.over():
            improved = False
            for key, members in self.memberships.items():
                if members and self._improve(key, members):
                    improved = True
        return sum(self._score(term) for term in self.terms)

    def _improve(self, key: str, members: Sequence[tuple["_Term", int]]) -> bool:
        """Try every second, and every pattern on each road, for one signal."""
        now = self.start_s[key]
        by_road: dict[str, Seconds] = {}
        options: dict[str, tuple[Pattern, ...]] = {}
        for term, i in members:
            road = term.part.corridor_id
            options[road] = term.part.arterial.signals[i].patterns
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
            offset_s = part.arterial.signals[i].starts(pattern)[int(back)] * part.cycle_s
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

    def _score(self, term: "_Term") -> float:
        """The same score for the present state, all links counted."""
        part = term.part
        if term.through:
            widths = [self._band(part, back) for back in (False, True)]
            return float(_value(*(np.array([width]) for width in widths))[0])
        links = 0.0
        for back in (False, True):
            for a, b in itertools.pairwise(self._aligned(part, back)):
                links += _longest(_common([a, b], part.cycle_s), part.cycle_s)
        return LINK_WEIGHT * links

    def _band(self, part: Part, back: bool) -> float:
        return _longest(_common(self._aligned(part, back), part.cycle_s), part.cycle_s)

    def _greens(self, part: Part, back: bool) -> list[tuple[float, float]]:
        """Start after the program's start, and length, of each signal's green."""
        greens = []
        for i, key in enumerate(part.signal_ids):
            signal = part.arterial.signals[i]
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


__all__ = ["Joined", "Part", "Solution", "join_parts", "solve_alone"]
