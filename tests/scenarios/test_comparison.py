"""Comparing plans on a case: same seeds, nothing twice, failures named, bars as they are set."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from scenarios import comparison
from scenarios.bars import Bar, bars, better_actuated, stuck_seeds
from scenarios.cases import GROUPS, Case, case_names, make_case
from scenarios.comparison import Candidate, Comparison, Made, Outcome, compare
from scenarios.measures import Measured
from scenarios.peers import Peer
from scenarios.resco import resco_inputs
from scenarios.run_store import RunStore
from scenarios.simulation import Inputs
from traffic.errors import NotFoundError
from traffic.io.sumo_net import read_network


def own_with_green(inputs: Inputs, out: Path, first_green_s: float | None) -> Made:
    """The network's own program, its first green changed."""
    root = ET.Element("additional")
    for signal in read_network(inputs.net).signals.values():
        logic = ET.SubElement(
            root, "tlLogic", id=signal.id, type="static", programID="x", offset="0"
        )
        for k, phase in enumerate(signal.program.phases):
            green_s = phase.duration_s if k or first_green_s is None else first_green_s
            ET.SubElement(logic, "phase", duration=str(green_s), state=phase.state)
    ET.ElementTree(root).write(out)
    return Made(1.5, 80.0)


def refused(inputs: Inputs, out: Path) -> Made:
    out.write_text(
        '<additional><tlLogic id="nowhere" type="static" programID="x" offset="0">'
        '<phase duration="9" state="G"/></tlLogic></additional>',
        encoding="utf-8",
    )
    return Made(1.0)


@pytest.fixture
def case() -> Case:
    return Case("short", replace(resco_inputs("ingolstadt1"), end_s=57900))


def test_methods_meet_the_same_seeds_once(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two plans that are the same share their runs; called again, nothing runs."""
    ran: list[int] = []
    real = comparison.simulate

    def counted(inputs: Inputs, plan: Path | None, seed: int) -> Measured:
        ran.append(seed)
        return real(inputs, plan, seed)

    monkeypatch.setattr(comparison, "simulate", counted)
    candidates = [
        Candidate("one", lambda inputs, out: own_with_green(inputs, out, None)),
        Candidate("same", lambda inputs, out: own_with_green(inputs, out, None)),
        Candidate("short green", lambda inputs, out: own_with_green(inputs, out, 2)),
        Candidate("broken", lambda inputs, out: Made(0.5, failed="ValueError: no luck")),
        Candidate("refused", refused),
    ]
    arguments = {"seeds": (7, 8), "out": tmp_path, "workers": 2}
    first = compare(case, candidates, **arguments)  # type: ignore[arg-type]
    by_name = {outcome.method: outcome for outcome in first.outcomes}
    assert list(by_name)[:4] == [peer.value for peer in Peer]
    for name in ("own program", "actuated", "one", "same", "short green"):
        assert [run.seed for run in by_name[name].runs] == [7, 8]
    own, one = by_name["own program"], by_name["one"]
    # SUMO's offset is no part of this program: it is the same.
    assert one.spread("delay_s") == by_name["same"].spread("delay_s")
    assert one.spread("demanded").mean == own.spread("demanded").mean
    assert one.made == Made(1.5, 80.0)
    assert any(rule.startswith("minimum-green") for rule in by_name["short green"].broken)
    assert by_name["broken"].failed == "ValueError: no luck"
    assert by_name["refused"].failed.startswith("SUMO refuses it: sumo: ")
    # Own, actuated, adapted (as coordinated), one (as same), short, and the refused.
    assert len(ran) == 2 * 6
    ran.clear()
    again = compare(case, candidates, **arguments)  # type: ignore[arg-type]
    assert set(ran) <= {7, 8}
    assert len(ran) == 2  # what SUMO refuses is asked anew
    assert [o.runs for o in again.outcomes] == [o.runs for o in first.outcomes]


def test_figures_belong_to_contents(case: Case, tmp_path: Path) -> None:
    """A copied file is the same run, a changed one is another; comments do not count."""
    store = RunStore(tmp_path / "runs")
    copied = tmp_path / "routes.rou.xml"
    copied.write_bytes(case.inputs.routes[0].read_bytes())
    same = replace(case.inputs, routes=(copied,))
    assert store.key(same, None, 1) == store.key(case.inputs, None, 1)
    assert store.key(same, None, 2) != store.key(case.inputs, None, 1)
    assert store.key(replace(same, end_s=57800), None, 1) != store.key(case.inputs, None, 1)
    plans = [tmp_path / f"{k}.xml" for k in range(3)]
    for plan, text in zip(plans, ("<a><!-- 08:00 --><b/></a>", "<a><b/></a>", "<a/>"), strict=True):
        plan.write_text(text, encoding="utf-8")
    first, comment, other = (store.key(same, plan, 1) for plan in plans)
    assert first == comment != other
    assert store.find(first) is None
    (tmp_path / "runs" / f"{first}.json").write_text("{half", encoding="utf-8")
    assert store.find(first) is None


def run(seed: int, delay_s: float, finished: int = 95) -> Measured:
    return Measured(seed, 100, finished, 100 - finished, 0, delay_s, 0.0, 1.0, 2.0, 0, 0.1)


def outcome(method: str, *delays_s: float, peer: Peer | None = None, finished: int = 95) -> Outcome:
    runs = tuple(run(seed, delay_s, finished) for seed, delay_s in enumerate(delays_s))
    return Outcome(method, peer, None, Made(20.0), runs=runs)


def compared(case: str, own_s: float, *more: Outcome) -> Comparison:
    peers = [outcome(peer.value, s, s, peer=peer) for peer, s in zip(Peer, (50, 30, 40, 45))]  # noqa: B905
    return Comparison(case, 0, 3600, (*peers, outcome("greenlot", own_s, own_s), *more))


def test_gains_are_against_the_best_static_peer() -> None:
    """Actuated control is no static peer, but is named where it is better."""
    found = compared("cologne8", 36.0)
    assert found.best_static_peer.method == "tlsCycleAdaptation"
    assert Bar("gain", "cologne8", pytest.approx(0.1), 0.12, False) in bars([found])  # type: ignore[arg-type]
    assert Bar("planning s", "cologne8", 20.0, 30.0, True) in bars([found])
    assert better_actuated([found, compared("cologne1", 29.0)]) == (("cologne8", "greenlot"),)


def test_bars_of_refined_plans_and_of_the_oversaturated_scenario() -> None:
    refined = outcome("greenlot refined", 38.0, 38.5)
    found = bars([compared("cologne8", 30.0, refined), compared("arterial4x4", 39.9)])
    assert Bar("refined delay s", "cologne8", 38.25, 39.0, True) in found
    gain = next(bar for bar in found if bar.case == "arterial4x4" and bar.name == "gain")
    assert (gain.limit, gain.met) == (0.0, True)
    assert not [bar for bar in found if bar.name == "mean gain"]


def test_mean_gain_needs_all_scenarios() -> None:
    every = [compared(name, 28.0 if name != "arterial4x4" else 40.0) for name in GROUPS["resco"]]
    means = {bar.case: bar for bar in bars(every) if bar.name == "mean gain"}
    assert means["RESCO"].value == pytest.approx(0.3 * 7 / 8)
    assert means["RESCO without arterial4x4"].value == pytest.approx(0.3)


def test_gridlock_is_what_a_peer_keeps_flowing() -> None:
    flowing, jammed = outcome("a", 30, 30), outcome("b", 30, 30, finished=80)
    assert stuck_seeds(jammed, flowing) == (0, 1)
    assert stuck_seeds(flowing, flowing) == stuck_seeds(jammed, jammed) == ()


def test_a_plan_that_failed_misses_a_bar() -> None:
    failed = replace(outcome("greenlot refined"), failed="no plan")
    assert Bar("greenlot refined: a plan", "cologne1", 0, 1, False) in bars(
        [compared("cologne1", 30.0, failed)]
    )


def test_cases_by_name() -> None:
    assert case_names(["cologne1", "resco"])[:2] == ("cologne1", "cologne3")
    assert len(case_names(["all"])) == 11
    assert make_case("cologne1", Path()).judged(5) == resco_inputs("cologne1")
    with pytest.raises(NotFoundError, match="--scenario: no scenario 'paris'; there are cologne1"):
        case_names(["paris"])


def test_every_judged_day_of_dongying_is_its_own(tmp_path: Path) -> None:
    """Plans are made from one day's trips and judged on others; the same seed, the same day."""
    case = make_case("dongying-midday", tmp_path)
    assert case.inputs.end_s - case.inputs.begin_s == 2700
    planned = case.inputs.routes[0].read_bytes()
    one, two = (case.judged(seed).routes[0] for seed in (1001, 1002))
    assert len({planned, one.read_bytes(), two.read_bytes()}) == 3
    written = one.read_bytes()
    assert make_case("dongying-midday", tmp_path).judged(1001).routes[0].read_bytes() == written
