"""What an answer claims, measured again from nothing but its greens, lines and speeds.

Nothing of the product's measuring is used here: fronts are tried one by one.
"""

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.math_opt.python import mathopt

from traffic.bandwidth import (
    Corridor,
    CorridorLink,
    CorridorSignal,
    JunctionBlock,
    Network,
    NetworkCorridor,
    NetworkJunction,
    Range,
    Status,
    cells,
    solve,
)
from traffic.bandwidth.corridor import DIRECTIONS, PATTERNS
from traffic.bandwidth.plan import Plan, RoadPlan
from traffic.bandwidth.problem import Floats
from traffic.bandwidth.search import Watch
from traffic.bandwidth.solve import BandPlan

METHODS = ("maxband", "multiband", "amband")
ROUND_OFF_S = 2e-6


def corridor(rng: random.Random, n: int, name: str = "") -> Corridor:
    """Make any corridor: lefts or not, queues or not, weights, directions, speeds."""
    queues = rng.random() < 0.4
    x, signals = 0.0, []
    for k in range(n):
        left = rng.choice([0.0, rng.uniform(0.04, 0.12)])
        more = rng.uniform(0.0, 0.08)
        green = rng.uniform(0.25, 0.4)
        signals.append(
            CorridorSignal(
                id=f"{name}{k}",
                position_m=x,
                green_out=green + (more if left else 0.0),
                green_in=green if left else rng.uniform(0.25, 0.4),
                left_out=left + more if left else 0.0,
                left_in=left,
                patterns=tuple(rng.sample(PATTERNS, rng.randint(1, 4))) if left else ("lead-lead",),
                center_offset_share=0.0 if left else rng.uniform(-0.3, 0.3),
                queue_out_s=rng.uniform(0, 5) if queues else 0.0,
                queue_in_s=rng.uniform(0, 5) if queues else 0.0,
            )
        )
        x += rng.uniform(150, 700)
    low = rng.uniform(9, 14)
    links = tuple(
        CorridorLink(
            volume_out_vph=rng.uniform(100, 900),
            volume_in_vph=rng.uniform(100, 900),
            saturation_vph=1800,
        )
        for _ in range(n - 1)
    )
    cycle = rng.uniform(50, 90)
    return Corridor(
        tuple(signals),
        cycle_s=None if name else Range(cycle, cycle + rng.choice([1.0, 12.0])),
        speed_mps=Range(low, low + rng.choice([0.0, 3.0])),
        slowness_change_s_per_m=rng.choice([None, 0.0, 0.006]),
        direction=rng.choice(["both", "both", *DIRECTIONS]),
        inbound_weight=rng.choice([1.0, 1.0, 0.5, 2.0]),
        p=rng.choice([0.0, 1.0, 2.0]),
        links=rng.choice([(), links]),
        id=name,
    )


def network(rng: random.Random) -> Network:
    """Two roads that cross at two signals, which closes a loop."""
    roads = [corridor(rng, 3, name) for name in "AB"]
    blocks = []
    for key, (i, j) in {"x": (0, 0), "y": (2, 2)}.items():
        shares = []
        for r, k in ((0, i), (1, j)):
            signals = list(roads[r].signals)
            signals[k] = _shrunk(signals[k], key)
            roads[r] = replace(roads[r], signals=tuple(signals))
            shares.append(signals[k].block)
        free = 1 - sum(shares)
        first = rng.uniform(0, free / 2)
        second = first + shares[0] + rng.uniform(0, free / 2)
        blocks.append(NetworkJunction(key, (JunctionBlock("A", first), JunctionBlock("B", second))))
    cycle = rng.uniform(55, 80)
    return Network(
        Range(cycle, cycle + 4),
        tuple(NetworkCorridor(road, rng.uniform(0.5, 2)) for road in roads),
        tuple(blocks),
    )


def _shrunk(signal: CorridorSignal, key: str) -> CorridorSignal:
    """Leave the other road its half of the cycle."""
    f = min(1.0, 0.48 / signal.block)
    return replace(
        signal,
        id=key,
        green_out=signal.green_out * f,
        green_in=signal.green_in * f,
        left_out=signal.left_out * f,
        left_in=signal.left_in * f,
        center_offset_share=signal.center_offset_share * f,
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(METHODS), st.integers(2, 5))
def test_a_corridor_has_the_bands_that_are_claimed(seed: int, method: str, n: int) -> None:
    check(corridor(random.Random(seed), n), method)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(METHODS))
def test_a_network_has_the_bands_that_are_claimed(seed: int, method: str) -> None:
    check(network(random.Random(seed)), method)


def check(question: Corridor | Network, method: str) -> None:
    """Check both plans of an answer against the question."""
    solved = solve(question, method=method, time_limit_s=20, seed=1)  # type: ignore[arg-type]
    real = solved.real
    if real.certificate.status is Status.NO_BAND:
        assert solved.proof
        assert solved.whole is None
        return
    assert real.certificate.status in {Status.OPTIMAL, Status.FEASIBLE}
    if isinstance(question, Network):
        weights = [item.weight for item in question.corridors]
        cycle = question.cycle_s
    else:
        assert question.cycle_s is not None
        weights, cycle = [1.0], question.cycle_s
    answers = [real] + ([solved.whole] if solved.whole else [])
    for answer in answers:
        plan = answer.plan
        assert cycle.low - 1e-6 <= plan.cycle_s <= cycle.high + 1e-6
        value = 0.0
        for asked, own, weight in zip(solved.corridors, plan.roads, weights, strict=True):
            check_road(asked, own, plan.cycle_s, whole=answer is not real)
            value += weight * value_of(asked, own, plan.cycle_s, method)
        assert value == pytest.approx(answer.certificate.value, abs=1e-5)
        assert value <= answer.certificate.bound + 1e-6
        assert value <= real.certificate.bound + 1e-6
        if isinstance(question, Network):
            check_junctions(question, plan)


def check_road(asked: Corridor, own: RoadPlan, cycle_s: float, *, whole: bool) -> None:
    """Greens where their patterns put them, speeds within their ranges."""
    for signal, pattern, out, back in zip(
        asked.signals, own.patterns, own.green_out, own.green_in, strict=True
    ):
        assert pattern in signal.patterns or not signal.has_lefts
        first, second = signal.starts(pattern)
        asked_s = (second - first) * cycle_s
        apart_s = (back.start_s - out.start_s - asked_s + cycle_s / 2) % cycle_s - cycle_s / 2
        spare_s = [
            share * cycle_s - green.length_s
            for share, green in ((signal.green_out, out), (signal.green_in, back))
        ]
        if whole:
            assert all(float(v).is_integer() for g in (out, back) for v in (g.start_s, g.length_s))
            assert all(-1e-6 <= s < 2 for s in spare_s)
            # Some shift of the block puts both greens inside the real ones.
            assert -spare_s[0] - 1e-6 <= apart_s <= spare_s[1] + 1e-6
        else:
            assert spare_s == pytest.approx([0, 0], abs=1e-6)
            assert apart_s == pytest.approx(0, abs=1e-5)
    for times, speeds in (
        (own.travel_out_s, [asked.speed_out(k) for k in range(len(own.travel_out_s))]),
        (own.travel_in_s, [asked.speed_in(k) for k in range(len(own.travel_in_s))]),
    ):
        slow = [t / x for t, x in zip(times, asked.lengths_m, strict=True)]
        for s, speed in zip(slow, speeds, strict=True):
            assert 1 / speed.high - 1e-9 <= s <= 1 / speed.low + 1e-9
        if asked.slowness_change_s_per_m is not None and not own.dropped:
            for a, b in itertools.pairwise(slow):
                assert abs(a - b) <= asked.slowness_change_s_per_m + 1e-6


def check_junctions(question: Network, plan: Plan) -> None:
    """Roads that share a junction never have green at once."""
    for junction in question.junctions:
        greens = []
        for block in junction.blocks:
            r = [item.corridor.id for item in question.corridors].index(block.corridor)
            road = question.corridors[r].corridor
            i = [signal.id for signal in road.signals].index(junction.id)
            greens.append((plan.roads[r].green_out[i], plan.roads[r].green_in[i]))
        for a, b in itertools.product(*greens):
            apart_s = (b.start_s - a.start_s + 1e-6) % plan.cycle_s
            assert a.length_s - 1e-5 <= apart_s <= plan.cycle_s - b.length_s + 1e-5


def value_of(asked: Corridor, own: RoadPlan, cycle_s: float, method: str) -> float:
    """Objective of a road in cycles, from the issue's words."""
    if own.dropped:
        return 0.0
    k = asked.inbound_weight
    out, back = (ways(asked, own, cycle_s, back=side) for side in (False, True))
    if method == "maxband":
        b, bb = (through(way, cycle_s) / cycle_s for way in (out, back))
        if asked.direction != "both":
            return b if asked.direction == "out" else bb
        if k == 1:
            return 2 * min(b, bb)
        # (1 - k) bb >= (1 - k) k b: a wider band than that counts for nothing.
        return b + k * min(bb, k * b) if k > 1 else min(b, bb / k) + k * bb
    total = 0.0
    n = len(asked.signals)
    for way, line, side in ((out, own.line_out_s, 0), (back, own.line_in_s[::-1], 1)):
        if asked.direction not in ("both", ("out", "in")[side]):
            continue
        factor = k if side and asked.direction == "both" else 1.0
        for place in range(n - 1):
            link = n - 2 - place if side else place
            weight = asked.link_weights(link)[side] / (n - 1)
            width = around(way[place : place + 2], line[place : place + 2], cycle_s, method)
            total += factor * weight * width / cycle_s
    return total


Way = list[tuple[float, float, float]]


def ways(asked: Corridor, own: RoadPlan, cycle_s: float, *, back: bool) -> Way:
    """(green start, green less queue, step of the front to the next) in driving order."""
    n = len(asked.signals)
    order = list(range(n))[::-1] if back else list(range(n))
    greens = own.green_in if back else own.green_out
    times = own.travel_in_s if back else own.travel_out_s
    found = []
    for place, i in enumerate(order):
        signal = asked.signals[i]
        queue_s = (signal.queue_in_s if back else signal.queue_out_s) if place else 0.0
        step_s = 0.0
        if place + 1 < n:
            j = order[place + 1]
            ahead = asked.signals[j]
            step_s = times[min(i, j)] - (ahead.queue_in_s if back else ahead.queue_out_s)
        found.append((greens[i].start_s, greens[i].length_s - queue_s, step_s))
    return found


def through(way: Way, cycle_s: float) -> float:
    """Widest band: some green's start is its front."""
    reach, total = [], 0.0
    for _, _, step_s in way:
        reach.append(total)
        total += step_s
    best = 0.0
    for front in [start - at for (start, _, _), at in zip(way, reach, strict=True)]:
        room = math.inf
        for (start, length, _), at in zip(way, reach, strict=True):
            since = (front + at - start + ROUND_OFF_S) % cycle_s - ROUND_OFF_S
            room = min(room, length - since)
        best = max(best, room)
    return best


def around(way: Way, line: Sequence[float] | Floats, cycle_s: float, method: str) -> float:
    """Band of a link around its progression line; 0 where the line meets red."""
    before, after = [], []
    for (start, length, _), at in zip(way, line, strict=True):
        since = (at - start + ROUND_OFF_S) % cycle_s - ROUND_OFF_S
        before.append(since)
        after.append(length - since)
    late = line[1] - line[0] - way[0][2]
    assert late == pytest.approx(0, abs=1e-5), "the line runs at the link's speed"
    if min(*before, *after) < -ROUND_OFF_S * 2:
        return 0.0
    if method == "multiband":
        return float(2 * max(0.0, min(*before, *after)))
    return float(max(0.0, min(before)) + max(0.0, min(after)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(3))
def test_a_tiny_time_limit_never_makes_a_wrong_claim(method: str, seed: int) -> None:
    """What is claimed in 0.05 s contains the optimum that more time finds."""
    rng = random.Random(seed)
    asked = corridor(rng, 7)
    hasty = solve(asked, method=method, time_limit_s=0.05)  # type: ignore[arg-type]
    calm = solve(asked, method=method, time_limit_s=20)  # type: ignore[arg-type]
    low, high = calm.real.certificate.value, calm.real.certificate.bound
    quick = hasty.real.certificate
    assert quick.bound >= low - 1e-6
    if quick.status is Status.NO_BAND:
        assert calm.real.certificate.status is Status.NO_BAND
    elif quick.status is Status.UNKNOWN:
        assert math.isnan(quick.value)
        assert math.isinf(quick.gap)
    else:
        assert quick.value <= high + 1e-6
        assert quick.gap >= (low - quick.value) / quick.value - 1e-6
    if quick.status is Status.OPTIMAL:
        assert quick.value == pytest.approx(low, abs=5e-6)


def hopeless() -> Corridor:
    """Two short greens half a cycle out of step both ways."""
    signals = tuple(
        CorridorSignal(id=key, position_m=x, green_out=0.2, green_in=0.2)
        for key, x in (("a", 0.0), ("b", 13 * 70 / 4))
    )
    return Corridor(signals, cycle_s=Range(70, 70), speed_mps=Range(13, 13))


class NoBound:
    """A bound that says nothing, so that only solvers can tell."""

    reach_s = 1.0

    def __init__(self, *_: object) -> None:
        pass

    def most(self, z0: object, z1: object) -> object:
        """Bound by one cycle each way."""
        del z1
        return z0 * 0 + 2.0  # type: ignore[operator]


def test_without_a_bound_two_solvers_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "limits_of", NoBound)
    asked: list[bool] = []
    honest = Watch.solve

    def spy(self: Watch, model: mathopt.Model, **options: object) -> mathopt.SolveResult:
        asked.append(bool(options.get("highs", False)))
        return honest(self, model, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Watch, "solve", spy)
    solved = solve(hopeless())
    assert solved.real.certificate.status is Status.NO_BAND
    assert solved.proof.startswith("two solvers")
    assert set(asked) == {True, False}


def test_one_solver_alone_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one, out of time, does not confirm: nothing is claimed."""
    monkeypatch.setattr(cells, "limits_of", NoBound)
    honest = Watch.solve
    first: list[bool] = []

    def spy(self: Watch, model: mathopt.Model, **options: object) -> mathopt.SolveResult:
        highs = bool(options.get("highs", False))
        first.append(highs)
        if highs != first[0]:
            easy = mathopt.Model()
            easy.maximize(easy.add_variable(lb=0.0, ub=1.0))
            model = easy
        return honest(self, model, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Watch, "solve", spy)
    solved = solve(hopeless())
    assert len(set(first)) == 2
    assert solved.real.certificate.status is Status.UNKNOWN
    assert math.isnan(solved.real.certificate.value)
    assert not solved.proof


def claims(answer: BandPlan) -> tuple[object, ...]:
    """What must not change from run to run."""
    plan = answer.plan
    return plan.cycle_s, plan.offset_s, plan.roads[0].patterns, answer.certificate.value


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_plans(method: str) -> None:
    asked = corridor(random.Random(11), 6)
    one, other = (solve(asked, method=method, seed=3) for _ in range(2))  # type: ignore[arg-type]
    assert claims(one.real) == claims(other.real)
    assert one.whole is not None
    assert other.whole is not None
    assert claims(one.whole) == claims(other.whole)


@pytest.mark.parametrize("method", METHODS)
def test_no_band_is_wider_than_the_cycle(method: str) -> None:
    """Greens that never end: one cycle each way, on every link."""
    asked = corridor(random.Random(3), 4)
    signals = tuple(
        CorridorSignal(id=s.id, position_m=s.position_m, green_out=1.0, green_in=1.0)
        for s in asked.signals
    )
    asked = replace(asked, signals=signals, direction="both", inbound_weight=1.0, p=0.0)
    solved = solve(asked, method=method)  # type: ignore[arg-type]
    for answer in (solved.real, solved.whole):
        assert answer is not None
        assert answer.certificate.status is Status.OPTIMAL
        assert answer.certificate.value == pytest.approx(2.0, abs=1e-6)
        (seen,) = answer.measured
        for link in (*seen.links_out, *seen.links_in):
            assert link.width_s == pytest.approx(answer.plan.cycle_s, abs=1e-5)
