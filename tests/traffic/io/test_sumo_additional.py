"""Plans in SUMO's own format: read back, and shown by SUMO second by second."""

import multiprocessing
from pathlib import Path

import pytest

from tests.traffic.io.test_sumo_net import resco
from traffic.corridors import find_corridor
from traffic.greenwave import optimize
from traffic.io.sumo_additional import read_plans, write_plans
from traffic.io.sumo_net import read_network
from traffic.plan import TimingPlan

BEGIN_S = 25200


def _shown(net: str, additional: str, ids: list[str], seconds: int) -> list[dict[str, str]]:
    """What SUMO shows at each second; in a process of its own."""
    import libsumo

    libsumo.start(
        ["sumo", "-n", net, "-a", additional, "-b", str(BEGIN_S), "--no-step-log", "true"]
    )
    states = []
    for _ in range(seconds):
        # A step first switches the lamps of its second, then moves the cars.
        libsumo.simulationStep()
        states.append({key: libsumo.trafficlight.getRedYellowGreenState(key) for key in ids})
    libsumo.close()
    return states


def _plans(coordinated: int) -> tuple[TimingPlan, ...]:
    graph = read_network(resco("arterial4x4"))
    corridor = find_corridor(graph, "nt1,nt2,nt3,nt4")
    wave = optimize(graph, [corridor], cycle_s=(87, 87))
    changed = []
    for k, plan in enumerate(wave.plans):
        stage = (plan.coordinated_stage + coordinated) % len(plan.stages)
        changed.append(TimingPlan(plan.signal_id, plan.cycle_s, 13 * (k + 1), plan.stages, stage))
    return tuple(changed)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    for coordinated in range(3):
        plans = _plans(coordinated)
        write_plans(plans, tmp_path / "plan.add.xml")
        assert read_plans(tmp_path / "plan.add.xml") == plans


def test_sumo_shows_what_the_plan_says_with_the_coordinated_stage_not_first(
    tmp_path: Path,
) -> None:
    plans = _plans(2)
    assert any(plan.coordinated_stage != 0 for plan in plans)
    write_plans(plans, tmp_path / "plan.add.xml")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        states = pool.apply(
            _shown,
            (
                str(resco("arterial4x4")),
                str(tmp_path / "plan.add.xml"),
                [plan.signal_id for plan in plans],
                2 * 87,
            ),
        )
    for second, shown in enumerate(states):
        for plan in plans:
            assert shown[plan.signal_id] == plan.state_at(BEGIN_S + second)


def test_a_failing_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "plan.add.xml"
    write_plans(_plans(0), path)
    before = path.read_text()

    def broken() -> object:
        yield from _plans(0)[:1]
        raise RuntimeError("stopped in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        write_plans(broken(), path)  # type: ignore[arg-type]
    assert path.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["plan.add.xml"]
