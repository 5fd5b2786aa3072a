"""Chosen roads and bands: measured beside code that knows no model."""

import random
from functools import cache

import numpy as np
import pytest

from tests.traffic.timing.small import scenario
from traffic.bandwidth.measure import Window, widest_band
from traffic.corridors import Corridor, find_corridor
from traffic.delay.flow_network import PROTECTED, YIELDING
from traffic.delay.model import DelayModel
from traffic.timing.options import Options, options_of
from traffic.timing.preferences import (
    OUT_OF_BAND_S,
    ROAD_WEIGHT,
    BandTerm,
    everybody_alike,
    preferences,
)
from traffic.timing.state import Encoder, SignalState

CYCLE_S = 80


@cache
def setting() -> tuple[DelayModel, Corridor, Options]:
    graph, demand = scenario("grid4x4")
    model = DelayModel(graph, demand)
    return model, find_corridor(graph, "A1,B1,C1,D1"), options_of(model, cycle_s=(60, 100))


def random_states(choices: Options, seed: int) -> tuple[SignalState, ...]:
    rng = random.Random(seed)
    states = []
    for own in choices.timed:
        option = rng.randrange(len(own.sequences))
        split = own.splits(option, CYCLE_S)
        if split is None:
            option, split = 0, own.splits(0, CYCLE_S)
        assert split is not None
        greens = tuple(int(g) for g in split[1])
        states.append(SignalState(option, greens, rng.randrange(CYCLE_S)))
    return tuple(states)


def greens_of_row(row: np.ndarray) -> list[Window]:
    """Greens of a line of codes, second by second."""
    return [Window(float(k), 1.0) for k in np.flatnonzero(np.isin(row, (PROTECTED, YIELDING)))]


@pytest.mark.parametrize("seed", range(12))
def test_band_is_what_an_independent_measure_finds(seed: int) -> None:
    """On whole seconds of travel both see the same intersection of greens."""
    model, corridor, choices = setting()
    terms = preferences(model, [corridor], bands=True).bands
    assert len(terms) == 2
    codes, cycles = Encoder(model, choices, 100).encode(random_states(choices, seed))
    for term in terms:
        windows = [greens_of_row(codes[q, :CYCLE_S]) for q in term.queues]
        travel_s = list(np.diff(term.reached_s).astype(float))
        expected_s = widest_band(windows, travel_s, float(CYCLE_S)).width_s
        band_s, shortest_s = term.band_s(codes, cycles)
        assert band_s == pytest.approx(expected_s, abs=1e-9)
        assert shortest_s == min(len(own) for own in windows)
        cost = term.flow_veh * OUT_OF_BAND_S * (1 - expected_s / shortest_s)
        assert term.cost_veh_s(codes, cycles) == pytest.approx(cost)


def test_some_of_these_bands_are_open_and_some_are_not() -> None:
    model, corridor, choices = setting()
    encoder = Encoder(model, choices, 100)
    widths = {
        term.band_s(*encoder.encode(random_states(choices, seed)))[0]
        for seed in range(12)
        for term in preferences(model, [corridor], bands=True).bands
    }
    assert 0 in widths
    assert max(widths) >= 5


def test_signals_are_reached_one_after_the_other() -> None:
    model, corridor, _ = setting()
    for term in preferences(model, [corridor], bands=True).bands:
        assert term.reached_s[0] == 0
        link_s = corridor.links[0].free_flow_out_s
        gaps = np.diff(term.reached_s)
        assert gaps == pytest.approx([link_s] * 3, abs=1)
        assert sorted(model.signal_ids[s] for s in term.signals) == ["A1", "B1", "C1", "D1"]
        assert term.flow_veh > 0


def test_different_cycles_have_no_band() -> None:
    codes = np.full((2, 8), PROTECTED, dtype=np.uint8)
    term = BandTerm("c", (0, 1), (0, 1), (0, 3), 10.0)
    assert term.band_s(codes, np.array([8, 8, 1])) == (8, 8)
    assert term.band_s(codes, np.array([8, 4, 1]))[0] == 0


def test_only_the_roads_own_through_traffic_counts_more() -> None:
    model, corridor, _ = setting()
    prefer = preferences(model, [corridor], bands=False)
    assert prefer.bands == ()
    assert set(prefer.weights) == {1.0, ROAD_WEIGHT}
    group_of = np.searchsorted(
        model.network.group_first, np.arange(model.network.queues), side="right"
    )
    for q in np.flatnonzero(prefer.weights == ROAD_WEIGHT):
        assert model.signal_ids[model.network.queue_signal[q]] in corridor.signal_ids
        approach = model.network.groups[group_of[q] - 1].approach
        assert any(approach in (c.approach_out, c.approach_in) for c in corridor.crossings)
    assert set(everybody_alike(model).weights) == {1.0}
