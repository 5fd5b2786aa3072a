"""The band models against models that share nothing with them, and closed-form truths."""

import itertools
import math
import random
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from tests.verification.absolute_model import best_value
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
    solve,
)
from traffic.bandwidth.corridor import PATTERNS, Pattern
from traffic.bandwidth.partition import solve_parted, worst_pair
from traffic.bandwidth.solve import objective


def corridor(
    rng: random.Random, n: int, *, lefts: bool = True, patterns: int = 4, **fields: object
) -> Corridor:
    """Make a random corridor at 13 m/s with uneven greens."""
    position_m, signals = 0.0, []
    for i in range(n):
        position_m += rng.uniform(150.0, 900.0) if i else 0.0
        out, back = rng.uniform(0.3, 0.5), rng.uniform(0.3, 0.5)
        signal = CorridorSignal(
            id=f"s{i}",
            position_m=position_m,
            green_out=out,
            green_in=back,
            center_offset_share=0.0 if lefts else rng.uniform(-0.2, 0.2),
        )
        if lefts:
            more = rng.uniform(0.05, 0.15)
            signal = replace(
                signal,
                left_out=more + max(0.0, out - back),
                left_in=more + max(0.0, back - out),
                patterns=tuple(rng.sample(PATTERNS, patterns)),
            )
        signals.append(signal)
    known: dict[str, object] = {"cycle_s": Range(70, 70), "speed_mps": Range(13, 13)}
    return Corridor(tuple(signals), **(known | fields))  # type: ignore[arg-type]


def check(question: Corridor | Network, method: str = "maxband") -> float:
    """Solve, and demand: proven, measured = claimed, whole seconds within the real bound."""
    solved = solve(question, method=method, time_limit_s=60)  # type: ignore[arg-type]
    certificate = solved.real.certificate
    if certificate.status is Status.NO_BAND:
        assert solved.proof
        return 0.0
    assert certificate.status is Status.OPTIMAL, certificate
    for answer in (solved.real, solved.whole):
        if answer is None:
            continue
        value = objective(solved.problem, answer.plan, answer.measured)
        assert value == pytest.approx(answer.certificate.value, abs=1e-7)
        assert value <= certificate.bound + 1e-6
        for asked, own, seen in zip(
            solved.corridors, answer.plan.roads, answer.measured, strict=True
        ):
            naive = naive_bands(asked, own, answer.plan.cycle_s)
            assert naive == pytest.approx((seen.out.width_s, seen.back.width_s), abs=1e-5)
    if solved.whole is not None:
        assert float(solved.whole.plan.cycle_s).is_integer()
        for own in solved.whole.plan.roads:
            for green in (*own.green_out, *own.green_in):
                assert float(green.start_s).is_integer()
                assert float(green.length_s).is_integer()
    return certificate.value


def naive_bands(asked: Corridor, own: object, cycle_s: float) -> tuple[float, float]:
    """Measure both through bands naively: try every green's start as the front."""
    n = len(asked.signals)
    found = []
    for back in (False, True):
        greens = own.green_in if back else own.green_out  # type: ignore[attr-defined]
        travel = own.travel_in_s if back else own.travel_out_s  # type: ignore[attr-defined]
        order = range(n)[::-1] if back else range(n)
        reach, tau = [0.0], [0.0]
        for before, i in itertools.pairwise(order):
            signal = asked.signals[i]
            queue_s = signal.queue_in_s if back else signal.queue_out_s
            reach.append(reach[-1] + travel[min(before, i)] - queue_s)
            tau.append(queue_s)
        windows = [
            (greens[i].start_s - reach[k], greens[i].length_s - tau[k], greens[i].length_s)
            for k, i in enumerate(order)
        ]
        best = 0.0
        for start, _, _ in windows:
            room = math.inf
            for begin, length, whole in windows:
                since = (start - begin) % cycle_s
                if since > cycle_s - 1e-7:
                    since = 0.0
                room = min(room, math.inf if whole >= cycle_s - 1e-9 else length - since)
            best = max(best, min(room, cycle_s))
        found.append(best)
    return found[0], found[1]


@pytest.mark.parametrize("n", [3, 6, 9, 12])
@pytest.mark.parametrize("seed", range(3))
def test_symmetric_corridors_equal_the_half_cycle_enumeration(n: int, seed: int) -> None:
    """Morgan & Little 1964: centres of red lie 0 or 1/2 a cycle apart."""
    rng = random.Random(100 * seed + n)
    asked = corridor(rng, n, lefts=False)
    asked = replace(
        asked,
        signals=tuple(
            replace(s, green_in=s.green_out, center_offset_share=0) for s in asked.signals
        ),
    )
    travel = np.array([s.position_m for s in asked.signals]) / 13 / 70
    best = 0.0
    for halves in itertools.product((0.0, 0.5), repeat=n - 1):
        centre = np.array([0.0, *halves])
        # Relative to the band's own axis a centre lies at c - x; greens are centred there.
        low = high = 0.0
        shift = np.mod(centre - travel + 0.5, 1.0) - 0.5
        for turn in itertools.chain([0.0], shift):
            around = np.mod(shift - turn + 0.5, 1.0) - 0.5
            greens = np.array([s.green_out for s in asked.signals])
            low, high = (around - greens / 2).max(), (around + greens / 2).min()
            best = max(best, high - low)
    assert check(asked) == pytest.approx(2 * max(0.0, best), abs=1e-4)


@pytest.mark.parametrize(("n", "seed"), [(3, 0), (3, 1), (4, 2), (4, 3), (5, 4), (5, 5)])
def test_every_choice_of_integers_and_patterns_as_a_linear_program(n: int, seed: int) -> None:
    """Asymmetric signals with lefts: the best of all linear programs that integers leave."""
    rng = random.Random(seed)
    asked = corridor(rng, n, patterns=2, cycle_s=Range(60, 80))
    assert check(asked) == pytest.approx(best_of_programs(asked), abs=1e-5)


def best_of_programs(asked: Corridor) -> float:
    """Enumerate patterns and whole cycles; variables b, v0 - u0, z and the block starts.

    With u0 = 0 the inbound front lies between v0 = start + back - turn .. + green at signal 0. A
    turn that even a band of 0 cannot reach at any cycle of the range has no program.
    """
    n = len(asked.signals)
    travel_s = np.array([s.position_m for s in asked.signals]) / 13
    assert asked.cycle_s is not None
    low, high = 1 / asked.cycle_s.high, 1 / asked.cycle_s.low
    gain = np.zeros(3 + n)
    gain[0] = -2
    bounds = [(0, 1), (None, None), (low, high)] + [(None, None)] * n
    best = 0.0
    for patterns in itertools.product(*(s.patterns for s in asked.signals)):
        spans = []
        first = _apart(asked.signals[0], patterns[0])
        for signal, pattern, t in zip(asked.signals, patterns, travel_s, strict=True):
            own = _apart(signal, pattern)
            # v - u at the signal, from what signal 0 allows less the way there and back.
            least, most = first[0] - 2 * t * high, first[1] - 2 * t * low
            spans.append(range(math.ceil(least - own[1]), math.floor(most - own[0]) + 1))
        for turns in itertools.product([0], *spans[1:]):
            rows, limits = [], []
            for i, (signal, pattern, turn) in enumerate(
                zip(asked.signals, patterns, turns, strict=True)
            ):
                out, back = signal.starts(pattern)
                start, b, u, v = (np.zeros(3 + n) for _ in range(4))
                start[3 + i] = b[0] = 1
                u[2] = travel_s[i]
                v[1], v[2] = 1, -travel_s[i]
                rows += [start - u, u + b - start, start - v, v + b - start]
                limits += [
                    -out,
                    out + signal.green_out,
                    -back - turn,
                    back + turn + signal.green_in,
                ]
            result = linprog(gain, np.array(rows), limits, bounds=bounds)
            if result.status == 0:
                best = max(best, -result.fun)
    return best


def _apart(signal: CorridorSignal, pattern: Pattern) -> tuple[float, float]:
    """Least and largest v - u with both fronts in green, but for whole cycles."""
    out, back = signal.starts(pattern)
    return back - out - signal.green_out, back - out + signal.green_in


@pytest.mark.parametrize("seed", range(4))
def test_a_grid_of_one_second_brackets_the_optimum(seed: int) -> None:
    """N <= 4: grid <= optimum <= grid + 1 s a direction."""
    rng = random.Random(100 + seed)
    cycle = 40
    asked = corridor(rng, 3 + seed % 2, patterns=2, cycle_s=Range(cycle, cycle))
    if len(asked.signals) == 4:
        asked = replace(
            asked, signals=tuple(replace(s, patterns=s.patterns[:1]) for s in asked.signals)
        )
    optimum_s = check(asked) * cycle
    travel = np.array([s.position_m for s in asked.signals]) / 13
    choices = [
        [(o, p) for o in (range(cycle) if i else [0]) for p in s.patterns]
        for i, s in enumerate(asked.signals)
    ]
    best = 0.0
    for choice in itertools.product(*choices):
        widths = []
        for side in (0, 1):
            windows = [
                (
                    o + s.starts(p)[side] * cycle - (t if side == 0 else -t),
                    (s.green_in if side else s.green_out) * cycle,
                )
                for s, t, (o, p) in zip(asked.signals, travel, choice, strict=True)
            ]
            begins = [w[0] for w in windows]
            widths.append(
                max(min(length - (x - begin) % cycle for begin, length in windows) for x in begins)
            )
        best = max(best, 2 * min(widths))
    assert best - 1e-6 <= optimum_s <= best + 2 + 1e-6


VARIANTS: dict[str, dict[str, object]] = {
    "free cycle": {"cycle_s": Range(55, 95)},
    "free speeds": {"speed_mps": Range(11, 15)},
    "limited changes": {
        "cycle_s": Range(60, 70),
        "speed_mps": Range(10, 16),
        "slowness_change_s_per_m": 0.004,
    },
    "k = 0.4": {"inbound_weight": 0.4},
    "k = 2.5": {"inbound_weight": 2.5, "cycle_s": Range(60, 75)},
    "outbound only": {"direction": "out", "cycle_s": Range(60, 90)},
    "inbound only": {"direction": "in"},
}


@pytest.mark.parametrize("method", ["maxband", "multiband", "amband"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_equal_the_absolute_model(variant: str, method: str) -> None:
    """Free cycles and speeds, weights, one-way bands, queues; all three methods."""
    rng = random.Random(f"{variant} {method}")
    for queues in (False, True):
        asked = corridor(rng, 4, patterns=3, lefts=not queues, **VARIANTS[variant])
        links = tuple(
            CorridorLink(
                volume_out_vph=rng.uniform(200, 900),
                volume_in_vph=rng.uniform(200, 900),
                saturation_vph=1800,
            )
            for _ in range(3)
        )
        asked = replace(asked, links=links, p=1.5)
        if queues:
            asked = replace(
                asked,
                signals=tuple(
                    replace(s, queue_out_s=rng.uniform(0, 6), queue_in_s=rng.uniform(0, 6))
                    for s in asked.signals
                ),
            )
        expected = best_value(asked, method)
        assert check(asked, method) == pytest.approx(expected or 0.0, abs=1e-5)


def crossing(rng: random.Random, **fields: object) -> Network:
    """Three roads that cross each other: a loop of three shared junctions."""
    ids = {"A": ["ab", "a1", "ac"], "B": ["b0", "ab", "bc"], "C": ["ac", "bc", "c2"]}
    roads, junctions = [], []
    for key, own in ids.items():
        road = corridor(rng, 3, patterns=2, **fields)
        signals = []
        for signal, name in zip(road.signals, own, strict=True):
            share = 0.46
            left = rng.uniform(0.06, 0.1)
            signals.append(
                replace(
                    signal,
                    id=name,
                    green_out=share - left,
                    green_in=share - left,
                    left_out=left,
                    left_in=left,
                )
            )
        roads.append(
            NetworkCorridor(
                replace(road, id=key, signals=tuple(signals), cycle_s=None), rng.uniform(0.5, 2)
            )
        )
    for name in ("ab", "ac", "bc"):
        first, second = name.upper()
        junctions.append(
            NetworkJunction(
                name, (JunctionBlock(first, 0.02), JunctionBlock(second, rng.uniform(0.48, 0.54)))
            )
        )
    return Network(Range(64, 72), tuple(roads), tuple(junctions))


@pytest.mark.parametrize("method", ["maxband", "multiband", "amband"])
@pytest.mark.parametrize("seed", range(3))
def test_networks_equal_the_absolute_model(seed: int, method: str) -> None:
    """Loops close, shared junctions keep their blocks, weights count."""
    rng = random.Random(seed)
    fields = {"speed_mps": Range(12, 14)} if seed else {}
    network = crossing(rng, **fields)
    expected = best_value(network, method)
    assert expected is not None, "choose another seed: every road has a band"
    assert check(network, method) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_shared_junctions_keep_their_blocks_apart(seed: int) -> None:
    """Both plans: offsets plus block starts give the greens of either road, and none overlap."""
    network = crossing(random.Random(seed))
    solved = solve(network)
    for answer in (solved.real, solved.whole):
        assert answer is not None
        cycle_s = answer.plan.cycle_s
        for junction in network.junctions:
            greens = []
            for block in junction.blocks:
                r = [c.id for c in solved.corridors].index(block.corridor)
                i = [s.id for s in solved.corridors[r].signals].index(junction.id)
                own = answer.plan.roads[r]
                greens.append((own.green_out[i], own.green_in[i]))
            for a in greens[0]:
                for b in greens[1]:
                    apart_s = (b.start_s - a.start_s) % cycle_s
                    assert a.length_s - 1e-6 <= apart_s <= cycle_s - b.length_s + 1e-6


def hopeless() -> Corridor:
    """Two short greens half a cycle out of step both ways."""
    signal = CorridorSignal(id="a", position_m=0, green_out=0.2, green_in=0.2)
    other = replace(signal, id="b", position_m=13 * 70 / 4)
    return Corridor((signal, other), cycle_s=Range(70, 70), speed_mps=Range(13, 13))


def test_no_band_is_an_answer_with_a_proof() -> None:
    """T = 1/4 cycle: 0.2 - 1/4 < 0; so says the pair bound, and the absolute model."""
    solved = solve(hopeless())
    assert solved.real.certificate.status is Status.NO_BAND
    assert solved.real.certificate.value == solved.real.certificate.bound == 0
    assert solved.proof
    assert worst_pair(hopeless())[0] <= 0
    assert best_value(hopeless()) is None


@pytest.mark.parametrize(
    ("share", "travel", "band"), [(0.5, 0.25, 0.25), (0.5, 0.1, 0.4), (0.3, 0.4, 0.2)]
)
def test_two_signals_have_the_closed_form(share: float, travel: float, band: float) -> None:
    """Equal two-way band = g - dist(T, multiples of 1/2)."""
    signal = CorridorSignal(id="a", position_m=0, green_out=share, green_in=share)
    other = replace(signal, id="b", position_m=13 * 70 * travel)
    asked = Corridor((signal, other), cycle_s=Range(70, 70), speed_mps=Range(13, 13))
    assert check(asked) == pytest.approx(2 * band, abs=1e-6)
    assert worst_pair(asked)[0] == pytest.approx(2 * band, abs=1e-3)


def test_the_pair_bound_holds() -> None:
    """No optimum exceeds the least of its pairs."""
    for seed in range(5):
        asked = corridor(random.Random(seed), 5, cycle_s=Range(60, 90))
        assert check(asked) <= worst_pair(asked)[0] + 1e-6


def test_parts_where_no_band_runs_through() -> None:
    """The arterial is cut where it must be; every part then has a band."""
    signals = [replace(s, id=s.id + "0") for s in hopeless().signals]
    far = [replace(s, id=s.id + "1", position_m=s.position_m + 2000) for s in hopeless().signals]
    wide = [replace(s, green_out=0.6, green_in=0.6) for s in far]
    asked = replace(hopeless(), signals=(*signals, *wide))
    parted = solve_parted(asked)
    assert parted.parts == ((1, 3),)
    apart = solve_parted(
        replace(
            asked, signals=tuple(replace(s, green_out=0.6, green_in=0.6) for s in asked.signals)
        ),
        max_link_m=1000,
    )
    assert apart.parts == ((0, 1), (2, 3))
    assert all(seen.out.width_s > 0 for seen in apart.solved.real.measured)
