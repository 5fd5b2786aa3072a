"""Green waves for a city's corridors: one consistent set of plans for all their signals.

1. Stages of every signal from its own program; cycle and splits from turn flows (Webster).
2. For each candidate cycle, the exact two-way band (MAXBAND) of every corridor part by itself;
   a part through which no band exists is parted again, at its longest link.
   Their sum bounds what any common plan can reach; the cycles with the largest sums are taken.
3. There all parts are one network of the band engine, solved as one, in whole seconds; the cycle
   with the widest bands stays.
4. Signals are moved one at a time while that widens the bands of links and narrows no other.
5. The bands are measured again from the finished plans, which are checked for safety.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from traffic.bandwidth import Certificate, Pattern, Status, Window, widest_band
from traffic.corridors import Corridor
from traffic.errors import InvalidInputError, UnsafePlanError
from traffic.joining import Joined, join_parts
from traffic.junction_plans import JunctionPlans, junction_plans, through_windows
from traffic.network import RoadGraph
from traffic.parts import Part, solve_parted
from traffic.plan import MAX_CYCLE_S, MIN_CYCLE_S, Stage, TimingPlan
from traffic.safety import require_safe
from traffic.splits import (
    TurnFlows,
    flow_ratios,
    least_cycle_s,
    saturated_cycle_s,
    split,
    webster_cycle_s,
)
from traffic.stages import stages_of

MAX_LINK_M = 1200.0
CANDIDATE_CYCLES = 7
# Cycles, the most promising ones, at which the network is solved.
JOINED_CYCLES = 2


@dataclass(frozen=True, slots=True)
class Progress:
    """A step of the search: what is done, the share done, best value and bound in cycles."""

    message: str
    done_share: float
    value: float
    bound: float


class OnProgress(Protocol):
    """Is told of every step."""

    def __call__(self, step: Progress, /) -> object:
        """Take a step."""


@dataclass(frozen=True, slots=True)
class PartBands:
    """The bands of a corridor part, measured from the finished plans.

    Parameters
    ----------
    first, last
        Indices of the part's signals in the corridor, both inclusive.
    band_out_s, band_in_s
        Widths in s a cycle; 0 = no band.
    start_out_s, start_in_s
        When the band's front passes the first signal of its direction (the last one inbound).
    speed_out_mps, speed_in_mps
        For each link.
    """

    first: int
    last: int
    band_out_s: float
    band_in_s: float
    start_out_s: float
    start_in_s: float
    speed_out_mps: tuple[float, ...]
    speed_in_mps: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class GreenWave:
    """The answer.

    Parameters
    ----------
    cycle_s
        The common cycle.
    plans
        One for each coordinated signal, ordered by id.
    bands
        For each corridor its parts of two signals or more, in order.
    certificate
        Sum over parts of twice the narrower band, in cycles, with its bound.
    kept
        Signals that keep their own program, with the reason.
    """

    cycle_s: int
    plans: tuple[TimingPlan, ...]
    bands: Mapping[str, tuple[PartBands, ...]]
    certificate: Certificate
    kept: Mapping[str, str]


def optimize(
    graph: RoadGraph,
    corridors: Sequence[Corridor],
    *,
    turn_flows: TurnFlows | None = None,
    cycle_s: tuple[int, int] = (60, 120),
    speed_mps: float | None = None,
    max_link_m: float = MAX_LINK_M,
    time_limit_s: float = 60.0,
    seed: int = 0,
    progress: OnProgress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> GreenWave:
    """Time the signals of all corridors into green waves.

    Parameters
    ----------
    graph
        The road network.
    corridors
        With ids of their own; signals that several of them share get one plan.
    turn_flows
        What cycle and splits are made for; None keeps the proportions of each own program.
    cycle_s
        (shortest, longest) common cycle in whole s; equal = fixed.
    speed_mps
        Progression speed; None = each link's speed limit.
    max_link_m
        A longer link parts its corridor.
    time_limit_s
        Seconds of search; the best plan so far is returned then.
    seed
        Same input and seed, same answer (unless the time limit cuts the search).
    progress, should_stop
        Told of every step; asked between steps whether to stop with the best so far.

    Raises
    ------
    InvalidInputError
        No corridor, or a parameter out of range.
    UnsafePlanError
        No signal of the corridors can be coordinated safely within the cycle range.
    """
    _check(corridors, cycle_s, speed_mps, max_link_m)
    by_id = {corridor.id: corridor for corridor in corridors}
    search = _Search(time.perf_counter(), time_limit_s, progress, should_stop)
    base, kept = _base_stages(graph, by_id, cycle_s[1])
    ratios = {
        key: flow_ratios(graph, key, stages, turn_flows) if turn_flows else None
        for key, stages in base.items()
    }
    tried: list[_Cycle] = []
    candidates = _candidate_cycles(base, ratios, cycle_s)
    for k, cycle in enumerate(candidates):
        junctions = _junctions(graph, by_id, base, ratios, cycle)
        whole = _parts(by_id, junctions, cycle, speed_mps, max_link_m)
        parts, total = solve_parted(whole, seed=seed)
        tried.append(_Cycle(total, cycle, junctions, whole, parts))
        bound = max(item.bound for item in tried)
        search.tell(f"cycle {cycle} s", 0.5 * (k + 1) / len(candidates), 0.0, bound)
        if search.over():
            break
    if not tried:
        raise UnsafePlanError("no cycle in the range fits the signals", where="cycle_s")
    tried.sort(key=lambda item: -item.bound)
    best: tuple[_Cycle, Joined] | None = None
    for k, item in enumerate(tried[:JOINED_CYCLES]):
        if best is not None and (search.over() or item.bound <= best[1].value + 1e-9):
            break
        own = join_parts(
            item.whole, item.parts, item.junctions, most=item.bound, seed=seed, search=search
        )
        if best is None or own.value > best[1].value + 1e-9:
            best = item, own
        search.tell(
            f"joined at {item.cycle_s} s",
            0.5 + 0.5 * (k + 1) / JOINED_CYCLES,
            best[1].value,
            tried[0].bound,
        )
    assert best is not None, "the first one is always taken"
    chosen, joined = best
    cycle, junctions, parts = chosen.cycle_s, chosen.junctions, chosen.parts
    plans = {
        key: require_safe(
            graph.signals[key], junctions[key].plan(joined.starts_s[key], joined.patterns[key])
        )
        for key in sorted(junctions)
    }
    bands = {
        key: tuple(_measure(p, by_id[key], plans) for p in parts if p.corridor_id == key)
        for key in by_id
    }
    value = sum(
        2 * min(part.band_out_s, part.band_in_s) for group in bands.values() for part in group
    )
    certificate = _certificate(value / cycle, joined.bound, search, seed)
    search.tell("done", 1.0, certificate.value, certificate.bound)
    return GreenWave(cycle, tuple(plans.values()), bands, certificate, kept)


@dataclass(frozen=True, slots=True)
class _Cycle:
    """A candidate cycle: what its parts reach each by itself, and the parts."""

    bound: float
    cycle_s: int
    junctions: dict[str, JunctionPlans]
    whole: list[Part]
    parts: list[Part]


class _Search:
    """Time and the caller's wishes."""

    def __init__(
        self,
        began: float,
        limit_s: float,
        progress: OnProgress | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self._began = began
        self._limit_s = limit_s
        self._progress = progress
        self.should_stop = should_stop

    def elapsed_s(self) -> float:
        """Seconds since the search began."""
        return time.perf_counter() - self._began

    def left_s(self) -> float:
        """Seconds until the limit, 0 when it has passed."""
        return max(0.0, self._limit_s - self.elapsed_s())

    def over(self) -> bool:
        """Whether to stop with the best so far."""
        stopped = self.should_stop is not None and self.should_stop()
        return stopped or self.elapsed_s() >= self._limit_s

    def tell(self, message: str, done_share: float, value: float, bound: float) -> None:
        """Report a step."""
        if self._progress is not None:
            self._progress(Progress(message, done_share, value, bound))


def _check(
    corridors: Sequence[Corridor],
    cycle_s: tuple[int, int],
    speed_mps: float | None,
    max_link_m: float,
) -> None:
    if not corridors or len({corridor.id for corridor in corridors}) != len(corridors):
        raise InvalidInputError("expected one or more, each with its own id", where="corridors")
    if not MIN_CYCLE_S <= cycle_s[0] <= cycle_s[1] <= MAX_CYCLE_S:
        raise InvalidInputError(
            f"{cycle_s[0]}:{cycle_s[1]}; expected {MIN_CYCLE_S} <= low <= high <= {MAX_CYCLE_S}",
            where="cycle_s",
        )
    if speed_mps is not None and not 0 < speed_mps < 100:
        raise InvalidInputError(f"{speed_mps}; expected more than 0, below 100", where="speed_mps")
    if not max_link_m > 0:
        raise InvalidInputError(f"{max_link_m}; expected more than 0", where="max_link_m")


def _base_stages(
    graph: RoadGraph, corridors: Mapping[str, Corridor], longest_s: int
) -> tuple[dict[str, tuple[Stage, ...]], dict[str, str]]:
    """Stages of each signal, and the signals that cannot be timed, with the reason."""
    base: dict[str, tuple[Stage, ...]] = {}
    kept: dict[str, str] = {}
    for key in sorted({key for corridor in corridors.values() for key in corridor.signal_ids}):
        try:
            stages = stages_of(graph.signal(key))
        except UnsafePlanError as error:
            kept[key] = error.message
            continue
        if least_cycle_s(stages) > longest_s:
            kept[key] = (
                f"minimum greens and intergreens need {least_cycle_s(stages)} s, "
                f"more than the longest cycle, {longest_s} s"
            )
        else:
            base[key] = stages
    for corridor in corridors.values():
        for crossing in corridor.crossings:
            key = crossing.signal_id
            links = (*crossing.through_out, *crossing.through_in)
            if key in base and not _green_together(base[key], crossing.through_out):
                kept[key] = f"the way through along {corridor.id} has no common green"
            elif key in base and not _green_together(base[key], crossing.through_in):
                kept[key] = f"the way back along {corridor.id} has no common green"
            elif key in base and not links:
                kept[key] = f"{corridor.id} is not controlled there"
    base = {key: stages for key, stages in base.items() if key not in kept}
    if not base:
        reasons = "; ".join(f"{key}: {reason}" for key, reason in kept.items())
        raise UnsafePlanError(f"no signal can be coordinated: {reasons}", where="corridors")
    return base, kept


def _green_together(stages: Sequence[Stage], links: Sequence[int]) -> bool:
    return not links or any(all(s.green_state[k] in "Gg" for k in links) for s in stages)


def _candidate_cycles(
    base: Mapping[str, tuple[Stage, ...]],
    ratios: Mapping[str, tuple[float, ...] | None],
    cycle_s: tuple[int, int],
) -> list[int]:
    """Cycles to try: all evenly spread between what safety and demand need and the longest.

    With flows, from the least cycle that keeps every degree of saturation at 0.9 to the largest
    of the signals' Webster optima; where one signal is beyond that, the longest cycle alone.
    """
    low = max(cycle_s[0], *(least_cycle_s(stages) for stages in base.values()))
    high = cycle_s[1]
    known = {key: r for key, r in ratios.items() if r is not None}
    if known:
        need = max(saturated_cycle_s(base[key], r) for key, r in known.items())
        webster = max(webster_cycle_s(base[key], r) for key, r in known.items())
        low = int(min(high, max(low, -(-need // 1)))) if need < high else high
        high = int(min(high, max(low, webster)))
    count = min(CANDIDATE_CYCLES, high - low + 1)
    steps = [low + round(k * (high - low) / max(1, count - 1)) for k in range(count)]
    return list(dict.fromkeys(steps))


def _junctions(
    graph: RoadGraph,
    corridors: Mapping[str, Corridor],
    base: Mapping[str, tuple[Stage, ...]],
    ratios: Mapping[str, tuple[float, ...] | None],
    cycle: int,
) -> dict[str, JunctionPlans]:
    junctions = {}
    for key, stages in base.items():
        crossings = {
            corridor_id: crossing
            for corridor_id, corridor in corridors.items()
            for crossing in corridor.crossings
            if crossing.signal_id == key
        }
        greens_s = split(stages, cycle, ratios[key], where=f"signal {key}")
        junctions[key] = junction_plans(graph.signals[key], stages, greens_s, cycle, crossings)
    return junctions


def _parts(
    corridors: Mapping[str, Corridor],
    junctions: Mapping[str, JunctionPlans],
    cycle: int,
    speed_mps: float | None,
    max_link_m: float,
) -> list[Part]:
    """Runs of coordinated signals that no long link and no kept signal parts."""
    parts = []
    for corridor in corridors.values():
        for first, last in corridor.parts(max_link_m):
            run: list[int] = []
            for k in range(first, last + 2):
                if k <= last and corridor.signal_ids[k] in junctions:
                    run.append(k)
                    continue
                if len(run) > 1:
                    parts.append(Part.of(corridor, run[0], run[-1], junctions, cycle, speed_mps))
                run = []
    return parts


def _measure(part: Part, corridor: Corridor, plans: Mapping[str, TimingPlan]) -> PartBands:
    """Bands from the plans' greens and the travel times, by code that knows no model."""
    crossings = corridor.crossings[part.first : part.last + 1]
    cycle = part.cycle_s

    def windows(back: bool) -> list[list[Window]]:
        found = []
        for crossing in crossings[::-1] if back else crossings:
            links = crossing.through_in if back else crossing.through_out
            greens = through_windows(plans[crossing.signal_id], links)
            found.append([Window(start_s, end_s - start_s) for start_s, end_s in greens])
        return found

    out = widest_band(windows(False), part.travel_out_s, cycle)
    back = widest_band(windows(True), part.travel_in_s[::-1], cycle)
    return PartBands(
        first=part.first,
        last=part.last,
        band_out_s=out.width_s,
        band_in_s=back.width_s,
        start_out_s=out.start_s,
        start_in_s=back.start_s,
        speed_out_mps=part.speed_out_mps,
        speed_in_mps=part.speed_in_mps,
    )


def _certificate(value: float, bound: float, search: _Search, seed: int) -> Certificate:
    if bound <= 1e-6:
        return Certificate(Status.NO_BAND, 0.0, bound, search.elapsed_s(), seed)
    status = Status.OPTIMAL if bound - value <= 1e-6 else Status.FEASIBLE
    return Certificate(status, value, max(bound, value), search.elapsed_s(), seed)


__all__ = ["GreenWave", "OnProgress", "PartBands", "Pattern", "Progress", "optimize"]
