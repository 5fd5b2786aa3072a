"""The benchmark's plain models have our optima; Dongying's network in a short run."""

from dataclasses import replace

import pytest

from benchmarks.band_instances import SPEEDS, Speeds, random_corridor
from benchmarks.bands import Bar, Case, main, row, run_case
from benchmarks.plain_bands import SOLVERS, network_model, solve_plain
from scenarios.dongying.band_network import band_network
from traffic.bandwidth import Network, Range, Status, solve
from traffic.bandwidth.solve import objective


@pytest.mark.parametrize("speeds", SPEEDS)
@pytest.mark.parametrize("method", ["maxband", "multiband"])
def test_plain_models_have_our_optima(speeds: Speeds, method: str) -> None:
    """Every row of the benchmark rests on that."""
    asked = random_corridor(5, speeds, 1, volumes=method == "multiband")
    case = Case("five", (asked,), method, 20.0, Bar(most_s=1e9))  # type: ignore[arg-type]
    (run,) = run_case(case, lambda text: None)
    ours = run.solved.real.certificate
    assert ours.status is Status.OPTIMAL
    for name in SOLVERS:
        assert run.plain[name].optimal
        assert run.plain[name].value == pytest.approx(ours.value, abs=1e-5)
    assert row(case, [run]).startswith("| five | ")
    assert case.bar is not None
    assert case.bar.verdict([run]).endswith("pass")
    assert Bar(most_s=0.0).verdict([run]).endswith("FAIL")


def test_a_contradiction_ends_the_benchmark() -> None:
    asked = random_corridor(4, "fixed", 1)
    (run,) = run_case(Case("four", (asked,), "maxband", 20.0, None), lambda text: None)
    wrong = replace(run.plain["SCIP"], value=2.0)
    with pytest.raises(SystemExit, match="one of both is wrong"):
        replace(run, plain={"SCIP": wrong}).check()


def test_the_command_refuses_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--slow"])
    assert "--quick" in capsys.readouterr().err


def three_roads() -> Network:
    """Three of Dongying's corridors, the first four signals of each."""
    whole = band_network(cycle_s=(70, 80), speed_kmh=(50, 60))
    corridors = tuple(
        replace(item, corridor=replace(item.corridor, signals=item.corridor.signals[:4]))
        for item in whole.corridors[:3]
    )
    used = [signal.id for item in corridors for signal in item.corridor.signals]
    names = {item.corridor.id for item in corridors}
    junctions = tuple(
        replace(j, blocks=tuple(b for b in j.blocks if b.corridor in names))
        for j in whole.junctions
        if used.count(j.id) > 1
    )
    return Network(Range(70, 80), corridors, junctions)


def test_the_plain_network_model_has_our_optimum() -> None:
    asked = three_roads()
    ours = solve(asked, time_limit_s=30).real.certificate
    assert ours.status is Status.OPTIMAL
    plain = solve_plain(network_model(asked), "SCIP", 30.0)
    assert plain.optimal
    assert plain.value == pytest.approx(ours.value, abs=1e-5)


@pytest.mark.parametrize("speed_kmh", [(45.0, 60.0), (60.0, 60.0)])
def test_seven_corridors_in_a_short_run(speed_kmh: tuple[float, float]) -> None:
    """Whatever a few seconds find is measured and bounded."""
    solved = solve(band_network(speed_kmh=speed_kmh), time_limit_s=3.0)
    real = solved.real.certificate
    assert len(solved.corridors) == 7
    assert len(solved.problem.junctions) == 56
    if real.status is Status.UNKNOWN:
        assert real.bound > 0
        return
    assert real.status in {Status.OPTIMAL, Status.FEASIBLE}
    assert 0 < real.value <= real.bound + 1e-9
    assert objective(solved.problem, solved.real.plan, solved.real.measured) == real.value
    assert solved.whole is not None
    assert solved.whole.certificate.value <= real.bound + 1e-6
