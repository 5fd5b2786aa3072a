"""A short run of the benchmark of large cities, and its arithmetic."""

import pytest

from benchmarks import signal_scale
from benchmarks.signal_scale import exponent, main, make_grid
from greenlot.plans import read_scenario


def test_a_grid_has_its_signals_and_trips(tmp_path):
    graph, demand = read_scenario(make_grid(16, tmp_path, seed=3))
    assert len(graph.signals) == 16
    assert demand.vehicles == pytest.approx(16 * signal_scale.TRIPS_OF_EACH_SIGNAL, rel=0.1)


def test_a_short_run(capsys):
    assert main(["--signals", "16", "--time-limit", "2"]) == 0
    row = [cell.strip() for cell in capsys.readouterr().out.splitlines()[-1].split("|")[1:-1]]
    assert row[:2] == ["16", "1120"]
    assert float(row[2]) > 0
    assert float(row[4]) > 50


def test_the_exponent_of_growth():
    assert exponent([(100, 3.0), (200, 6.0)]) == pytest.approx(1)
    assert exponent([(100, 3.0), (200, 7.0), (400, 48.0)]) == pytest.approx(2)
