"""Speed advice (绿波车速引导): the speeds at which a driver meets the next greens.

A driver who holds a speed v from a place on reaches a signal d metres ahead after d / v seconds.
He passes it without a stop where that moment lies in a green of his way through, ``LEAD_S`` after
it begins and ``TAIL_S`` before it ends. Queues are not known: the lead leaves room for a short one.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from traffic.corridors import Corridor
from traffic.errors import InvalidInputError, NotFoundError
from traffic.plan import TimingPlan

LEAD_S = 2.0
TAIL_S = 1.0
KMH = 3.6
DEFAULT_LIMIT_MPS = 50 / KMH
# Drivers read round numbers; a narrow window may hold none.
SIGN_STEPS_KMH = (5, 1)
MOST_WINDOWS = 4

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Ahead:
    """A signal ahead: how far in m, its plan, and the links of the way through.

    ``clock_s`` is the time now, in s after the midnight from which the plan's offset counts;
    ``for_s`` is for how long from now the plan holds, infinite until replaced; ``limit_mps`` the
    lowest speed limit on the way there.
    """

    signal_id: str
    distance_m: float
    plan: TimingPlan
    links: tuple[int, ...]
    clock_s: float
    for_s: float
    limit_mps: float = math.inf


@dataclass(frozen=True, slots=True)
class Advice:
    """Speed windows in m/s, the fastest first, and how many greens they meet."""

    windows: tuple[Interval, ...]
    greens_met: int


@dataclass(frozen=True, slots=True)
class Way:
    """The next signals from a place on a corridor, and the lowest limit on the way to each."""

    signals: tuple[tuple[str, float, tuple[int, ...]], ...]
    limits_mps: tuple[float, ...]

    @property
    def limit_mps(self) -> float:
        """The limit on the way to the first signal."""
        return self.limits_mps[0]


def way_ahead(
    corridor: Corridor,
    position_m: float,
    *,
    inbound: bool,
    count: int,
    edge_limits_mps: Mapping[str, float] | None = None,
) -> Way:
    """Return the signals that a driver meets next, with distances in m and links through.

    Parameters
    ----------
    position_m
        Metres from the corridor's first signal, in outbound lengths.
    inbound
        Whether he drives against the order of the corridor's signals.
    count
        How many signals at most.
    edge_limits_mps
        Speed limits of edges. Where a link's are not known, its length and free-flow time say it;
        where nothing does, it is 50 km/h.

    Raises
    ------
    NotFoundError
        No signal lies ahead.
    """
    places = corridor.positions_m
    order = [
        k for k, at_m in enumerate(places) if (at_m < position_m if inbound else at_m > position_m)
    ]
    if inbound:
        order.reverse()
    if not order:
        raise NotFoundError("no signal lies ahead of that place", where="position_m")
    found: list[tuple[str, float, tuple[int, ...]]] = []
    limits_mps: list[float] = []
    first = order[0]
    behind = first + 1 if inbound else first - 1
    distance_m = abs(places[first] - position_m)
    is_inside = 0 <= behind < len(places)
    if is_inside:
        length_m, _ = _link(corridor, first, behind, inbound)
        span_m = abs(places[first] - places[behind])
        distance_m *= length_m / span_m if span_m else 1.0
    lowest_mps = math.inf
    for n, k in enumerate(order[:count]):
        before = order[n - 1] if n else behind
        if n:
            distance_m += _link(corridor, k, before, inbound)[0]
        if n or is_inside:
            own_mps = _limit(corridor, k, before, inbound, edge_limits_mps or {})
            lowest_mps = min(lowest_mps, own_mps)
        crossing = corridor.crossings[k]
        approach = crossing.approach_in if inbound else crossing.approach_out
        lowest_mps = min(lowest_mps, (edge_limits_mps or {}).get(approach, math.inf))
        links = crossing.through_in if inbound else crossing.through_out
        if links:
            found.append((crossing.signal_id, distance_m, links))
            limits_mps.append(lowest_mps)
    if not found:
        raise NotFoundError("nobody drives straight on there", where="inbound")
    known = [limit for limit in limits_mps if limit < math.inf]
    assumed_mps = known[0] if known else DEFAULT_LIMIT_MPS
    return Way(tuple(found), tuple(x if x < math.inf else assumed_mps for x in limits_mps))


def _limit(
    corridor: Corridor, a: int, b: int, inbound: bool, edge_limits_mps: Mapping[str, float]
) -> float:
    """The lowest speed limit between neighbouring signals, in m/s."""
    link = corridor.links[min(a, b)]
    edges = link.edges_in if inbound else link.edges_out
    known = [edge_limits_mps[edge] for edge in edges if edge in edge_limits_mps]
    if known:
        return min(known)
    length_m, free_s = _link(corridor, a, b, inbound)
    return length_m / free_s if free_s else math.inf


def _link(corridor: Corridor, a: int, b: int, inbound: bool) -> tuple[float, float]:
    """Length in m and free-flow time in s between neighbouring signals."""
    link = corridor.links[min(a, b)]
    if inbound:
        return link.length_in_m or link.length_out_m, link.free_flow_in_s or link.free_flow_out_s
    return link.length_out_m or link.length_in_m, link.free_flow_out_s or link.free_flow_in_s


def advise(ahead: Sequence[Ahead], *, min_mps: float, max_mps: float) -> Advice:
    """Return the speeds that meet as many of the next greens as possible, one after the other.

    No speed is above the limit of any link on the way to the last of these greens.

    Parameters
    ----------
    ahead
        The signals ahead, the nearest first.
    min_mps, max_mps
        Speeds that may be advised, 0 < min <= max.
    """
    if not 0 < min_mps <= max_mps:
        raise InvalidInputError(
            f"{min_mps:g} to {max_mps:g} m/s; expected increasing speeds above 0",
            where="min_speed_mps",
        )
    # In slowness, s/m: there the windows of all signals are intervals.
    windows: list[Interval] = [(1 / max_mps, 1 / min_mps)]
    met = 0
    for signal in ahead:
        slow_enough = _intersect(windows, [(1 / signal.limit_mps, math.inf)])
        own = [
            (begin_s / signal.distance_m, end_s / signal.distance_m)
            for begin_s, end_s in _greens(signal, signal.distance_m / min_mps)
        ]
        cut = _intersect(slow_enough, own)
        if not cut:
            break
        windows, met = cut, met + 1
    if not met:
        return Advice((), 0)
    return Advice(tuple((1 / slow, 1 / fast) for fast, slow in windows[:MOST_WINDOWS]), met)


def _greens(signal: Ahead, until_s: float) -> list[Interval]:
    """When the way through may be passed, in s from now on, in order."""
    found: list[Interval] = [(0.0, min(until_s, signal.for_s))]
    for link in signal.links:
        found = _intersect(found, _greens_of(signal, link, until_s))
    cut = [(a + LEAD_S if a > 0 else a, b - TAIL_S) for a, b in found]
    return [(a, b) for a, b in cut if b > a]


def _greens_of(signal: Ahead, link: int, until_s: float) -> list[Interval]:
    cycle_s = signal.plan.cycle_s
    greens = signal.plan.greens(link)
    if greens == ((0, cycle_s),):
        return [(0.0, until_s)]
    now_s = signal.clock_s % cycle_s
    found: list[Interval] = []
    for k in range(-1, int(until_s // cycle_s) + 2):
        for begin_s, end_s in greens:
            a, b = begin_s + k * cycle_s - now_s, end_s + k * cycle_s - now_s
            if b > 0 and a < until_s:
                found.append((max(0.0, a), min(b, until_s)))
    return sorted(found)


def _intersect(some: Sequence[Interval], others: Sequence[Interval]) -> list[Interval]:
    found = [(max(a, c), min(b, d)) for a, b in some for c, d in others if max(a, c) < min(b, d)]
    return sorted(found)


def sign_text(advice: Advice) -> str:
    """Return what a roadside sign (交通诱导屏) shows: the fastest window in steps of 5 km/h.

    In steps of 1 km/h where no window holds one of these; nothing but red ahead without either.
    """
    for step_kmh in SIGN_STEPS_KMH:
        for slow, fast in advice.windows:
            low = -int(-slow * KMH // step_kmh) * step_kmh
            high = int(fast * KMH // step_kmh) * step_kmh
            if low < high:
                return f"绿波车速 {low}-{high} km/h"
            if low == high:
                return f"绿波车速 {low} km/h"
    return "前方红灯 减速慢行"


def text_holds_s(text_at: Callable[[int], str], most_s: int) -> int:
    """Return for how many whole seconds from now a sign's text stays the same, 1 to ``most_s``."""
    text = text_at(0)
    return next((k for k in range(1, most_s) if text_at(k) != text), most_s)
