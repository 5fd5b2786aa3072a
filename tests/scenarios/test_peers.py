"""SUMO's own controls and tools, as a user would take them."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from scenarios import peers, resco
from scenarios.peers import Peer, has_trips, make_peers, read_programs
from scenarios.resco import resco_inputs
from scenarios.simulation import Inputs, simulate
from traffic.errors import InvalidInputError, NotFoundError

# SUMO 1.28.0, seed 23, the whole window.
INGOLSTADT1_S = {
    Peer.OWN: 28.70,
    Peer.ACTUATED: 17.55,
    Peer.CYCLE_ADAPTATION: 43.69,
    Peer.COORDINATOR: 43.69,
}


def test_peers_of_a_network_with_trips(tmp_path: Path) -> None:
    """What each peer gives on one RESCO scenario, to the hundredth of a second."""
    inputs = resco_inputs("ingolstadt1")
    assert has_trips(inputs.routes)
    made = {peer.peer: peer for peer in make_peers(inputs, tmp_path)}
    assert list(made) == list(Peer)
    assert not any(peer.failed for peer in made.values())
    delays_s = {peer: simulate(inputs, own.plan, 23).delay_s for peer, own in made.items()}
    assert delays_s == pytest.approx(INGOLSTADT1_S, abs=0.005)
    assert made[Peer.ACTUATED].unchecked == 1
    assert made[Peer.OWN].broken == ()


def test_a_peer_that_breaks_a_rule_is_shown_and_not_altered(tmp_path: Path) -> None:
    """The tool sets 4 s of yellow where this network has 5 s."""
    inputs = replace(resco_inputs("cologne1"), end_s=26100)
    made = {peer.peer: peer for peer in make_peers(inputs, tmp_path)}
    adapted = made[Peer.CYCLE_ADAPTATION]
    assert "yellow at 1 signal" in adapted.broken
    assert adapted.plan is not None
    (program,) = read_programs(adapted.plan).values()
    assert {phase.duration_s for phase in program.phases if "y" in phase.state} == {4.0}


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        ("", "tlsCycleAdaptation.py times no signal"),
        ("raise IndexError('no such lane')", "x.py fails: IndexError: no such lane"),
        ("pass", "x.py writes no plan"),
    ],
)
def test_a_tool_that_fails_says_why(
    tmp_path: Path,
    small_city: Path,
    monkeypatch: pytest.MonkeyPatch,
    tool: str,
    reason: str,
) -> None:
    """Here nobody passes a signal; or the tool breaks off. The coordinator has no plan then."""
    routes = tmp_path / "routes.rou.xml"
    routes.write_text(
        '<routes><vehicle id="v" depart="0"><route edges="A1B1"/></vehicle></routes>',
        encoding="utf-8",
    )
    if tool:
        (tmp_path / "x.py").write_text(tool, encoding="utf-8")
        own = peers._tool
        monkeypatch.setattr(
            peers, "_tool", lambda _, *rest: own(str(tmp_path / "x.py"), *rest).split("/")[-1]
        )
    inputs = Inputs(small_city / "network.net.xml", (routes,), (), 0, 600)
    told = {peer.peer: peer.failed for peer in make_peers(inputs, tmp_path)}
    assert told == {
        Peer.OWN: "",
        Peer.ACTUATED: "",
        Peer.CYCLE_ADAPTATION: reason,
        Peer.COORDINATOR: reason,
    }


def test_actuated_keeps_yellows_and_bounds_greens(tmp_path: Path) -> None:
    inputs = replace(resco_inputs("cologne3"), end_s=25300)
    actuated = make_peers(inputs, tmp_path)[1].plan
    assert actuated is not None
    for logic in ET.parse(actuated).iter("tlLogic"):
        assert logic.attrib["type"] == "actuated"
        for phase in logic.iter("phase"):
            bounds = (phase.get("minDur"), phase.get("maxDur"))
            yellow = "y" in phase.attrib["state"]
            assert bounds == ((None, None) if yellow else ("5", "50"))


def test_every_scenario_is_there() -> None:
    for name in resco.NAMES:
        inputs = resco_inputs(name)
        assert inputs.end_s - inputs.begin_s == 3600
    with pytest.raises(NotFoundError, match="no scenario 'paris1'; there are cologne1, "):
        resco_inputs("paris1")


def test_without_the_data_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resco, "find_spec", lambda _: None)
    with pytest.raises(NotFoundError, match=r"pip install 'greenlot\[bench\]'"):
        resco_inputs("cologne1")


def test_a_file_without_programs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.add.xml"
    path.write_text('<additional><tlLogic id="a"><phase/></tlLogic></additional>', encoding="utf-8")
    with pytest.raises(InvalidInputError, match="no programs"):
        read_programs(path)
