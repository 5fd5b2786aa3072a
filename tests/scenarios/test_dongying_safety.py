"""Every program of Dongying keeps every rule, also where its stages come in another order."""

from pathlib import Path

import pytest

from scenarios.dongying import build
from traffic.intergreens import change_times, intergreen
from traffic.io.sumo_net import read_network
from traffic.network import RoadGraph
from traffic.right_of_way import assign_priority
from traffic.safety import check_phases
from traffic.signals import Phase
from traffic.stages import greens_of, stages_of


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> RoadGraph:
    folder: Path = build(tmp_path_factory.mktemp("dongying") / "city")
    return read_network(folder / "network.net.xml")


def test_own_programs_are_safe(graph: RoadGraph) -> None:
    assert len(graph.signals) > 100
    for signal in graph.signals.values():
        assert check_phases(signal, signal.program.phases) == (), signal.id
        times = change_times(signal)
        assert set(times.yellow_s.values()) == {(3, 3)}
        assert set(times.gap_s.values()) == {(5, 5)}


def test_built_intergreens_and_states_are_the_network_s_own(graph: RoadGraph) -> None:
    for signal in graph.signals.values():
        stages = stages_of(signal)
        for stage, after in zip(stages, (*stages[1:], stages[0]), strict=True):
            between = intergreen(signal, stage.green_state, after.green_state)
            assert between == stage.intergreen
            assert assign_priority(signal, greens_of(stage.green_state)) == stage.green_state
        backwards = [stage.green_state for stage in reversed(stages)]
        rows: list[Phase] = []
        for k, state in enumerate(backwards):
            rows += [
                Phase(20, state),
                *intergreen(signal, state, backwards[(k + 1) % len(backwards)]),
            ]
        assert check_phases(signal, rows) == (), signal.id
