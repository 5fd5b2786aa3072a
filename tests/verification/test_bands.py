"""Green bands against closed forms and textbook values."""

import itertools
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from traffic.bandwidth import (
    Arterial,
    ArterialLink,
    ArterialSignal,
    Status,
    Window,
    solve_maxband,
    widest_band,
)


def symmetric(
    greens: list[float], spacings_m: list[float], speed_mps: float, cycle_s: float
) -> Arterial:
    """Greens centred together, the same both ways."""
    return Arterial(
        signals=tuple(ArterialSignal(str(k), g, g) for k, g in enumerate(greens)),
        links=tuple(
            ArterialLink(x, (speed_mps, speed_mps), (speed_mps, speed_mps)) for x in spacings_m
        ),
        cycle_s=(cycle_s, cycle_s),
    )


@pytest.mark.parametrize(("travel", "band"), [(0.25, 0.25), (0.1, 0.4), (0.4, 0.4), (0.5, 0.5)])
def test_two_signals_lose_the_distance_to_the_next_half_cycle(travel: float, band: float) -> None:
    result = solve_maxband(symmetric([0.5, 0.5], [travel * 1000], 10.0, 100.0))
    assert result.band_out == pytest.approx(band, abs=1e-6)
    assert result.band_in == pytest.approx(band, abs=1e-6)


@pytest.mark.parametrize(("travel", "band"), [(0.25, 0.25), (0.5, 0.5)])
def test_five_signals_at_equal_spacing(travel: float, band: float) -> None:
    result = solve_maxband(symmetric([0.5] * 5, [travel * 1000] * 4, 10.0, 100.0))
    assert min(result.band_out, result.band_in) == pytest.approx(band, abs=1e-6)


TEXTBOOK_GREENS = [0.55, 0.60, 0.65, 0.65, 0.60, 0.65, 0.70, 0.50]
TEXTBOOK_SPACINGS_M = [350, 400, 160, 540, 280, 280, 270]


@pytest.mark.parametrize(("cycle_s", "band_s"), [(80, 22.45), (87, 32.21)])
def test_the_eight_signals_of_a_chinese_textbook(cycle_s: float, band_s: float) -> None:
    result = solve_maxband(symmetric(TEXTBOOK_GREENS, TEXTBOOK_SPACINGS_M, 11.1, cycle_s))
    assert result.certificate.status is Status.OPTIMAL
    assert result.band_out * cycle_s == pytest.approx(band_s, abs=0.005)


def test_the_best_whole_second_cycle_of_the_textbook_is_87() -> None:
    bands = {
        cycle: solve_maxband(symmetric(TEXTBOOK_GREENS, TEXTBOOK_SPACINGS_M, 11.1, cycle)).band_out
        for cycle in range(80, 95)
    }
    assert max(bands, key=lambda cycle: bands[cycle]) == 87
    free = symmetric(TEXTBOOK_GREENS, TEXTBOOK_SPACINGS_M, 11.1, 87)
    free = Arterial(free.signals, free.links, (60.0, 120.0))
    result = solve_maxband(free)
    assert result.band_out >= bands[87] - 1e-6
    assert 60 <= result.cycle_s <= 120


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0.3, 0.7), st.floats(100, 900)), min_size=2, max_size=6))
# HiGHS breaks on this one with its presolve on.
@example([(0.5, 100.0), (0.515625, 260.0), (0.453125, 222.0), (0.5, 531.0), (0.5, 214.0)])
def test_symmetric_optima_have_red_centres_a_half_cycle_apart(
    rows: list[tuple[float, float]],
) -> None:
    """Morgan & Little (1964): so enumerating half cycles finds the same equal band."""
    greens = [green for green, _ in rows]
    spacings_m = [x for _, x in rows[1:]]
    speed, cycle = 12.0, 90.0
    travel_s = [x / speed for x in spacings_m]
    best = 0.0
    for halves in itertools.product((0.0, 0.5), repeat=len(greens) - 1):
        windows = [
            [Window(((0.0, *halves)[k] - g / 2) % 1.0 * cycle, g * cycle)]
            for k, g in enumerate(greens)
        ]
        out = widest_band(windows, travel_s, cycle).width_s
        back = widest_band(windows[::-1], travel_s[::-1], cycle).width_s
        best = max(best, min(out, back))
    result = solve_maxband(symmetric(greens, spacings_m, speed, cycle))
    assert min(result.band_out, result.band_in) * cycle == pytest.approx(best, abs=1e-3)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0.25, 0.45), st.floats(0.08, 0.16), st.floats(0.0, 0.1), st.floats(200, 800)
        ),
        min_size=2,
        max_size=4,
    )
)
def test_a_one_second_grid_never_beats_the_optimum_and_is_close_to_it(
    rows: list[tuple[float, float, float, float]],
) -> None:
    """Asymmetric signals with lefts and all patterns, against every whole-second start."""
    cycle = 40.0
    signals = tuple(
        ArterialSignal(str(k), green, green + more, left, left + more, PATTERNS)
        for k, (green, left, more, _) in enumerate(rows)
    )[:3]
    links = tuple(ArterialLink(row[3], (13.0, 13.0), (11.0, 11.0)) for row in rows[1:3])
    result = solve_maxband(Arterial(signals, links, (cycle, cycle)))
    grid = _grid_optimum(signals, links, cycle)
    equal_s = min(result.band_out, result.band_in) * cycle
    if result.certificate.status is Status.NO_BAND:
        assert grid <= 1e-6
        return
    assert grid <= equal_s + 1e-6
    assert equal_s <= grid + 2.0


PATTERNS = ("lead-lead", "lag-lag", "lead-lag", "lag-lead")


def _grid_optimum(
    signals: tuple[ArterialSignal, ...], links: tuple[ArterialLink, ...], cycle: float
) -> float:
    out_s = [link.length_m / link.speed_out_mps[0] for link in links]
    in_s = [link.length_m / link.speed_in_mps[0] for link in links]
    best = 0.0
    choices = [
        [(start, signal.starts(p)) for start in range(int(cycle)) for p in signal.patterns]
        for signal in signals[1:]
    ]
    firsts = [(0, signals[0].starts(p)) for p in signals[0].patterns]
    for picks in itertools.product(firsts, *choices):
        windows_out, windows_in = [], []
        for signal, (start, (out, back)) in zip(signals, picks, strict=True):
            windows_out.append([Window(start + out * cycle, signal.green_out * cycle)])
            windows_in.append([Window(start + back * cycle, signal.green_in * cycle)])
        narrow = widest_band(windows_out, out_s, cycle).width_s
        if narrow > best:
            back_s = widest_band(windows_in[::-1], in_s[::-1], cycle).width_s
            best = max(best, min(narrow, back_s))
    return best


def test_no_band_is_an_answer() -> None:
    """Three short greens that no speed can meet both ways."""
    result = solve_maxband(symmetric([0.1, 0.1, 0.1], [250, 250], 10.0, 100.0))
    assert result.certificate.status is Status.NO_BAND
    assert result.certificate.value == 0.0
    assert math.isnan(result.cycle_s)
