"""Networks as they are found: the eight RESCO scenarios, and broken ones."""

import gzip
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
import sumo

from traffic.errors import InvalidInputError, UnsafePlanError
from traffic.io.sumo_net import read_network
from traffic.plan import TimingPlan
from traffic.safety import check_plan
from traffic.stages import stages_of


def resco(name: str) -> Path:
    """Path of a RESCO network in the sumo-rl wheel (found without importing it)."""
    spec = find_spec("sumo_rl")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "nets" / "RESCO" / name / f"{name}.net.xml"


# edges for cars, signals
RESCO = {
    "arterial4x4": (80, 16),
    "cologne1": (10, 1),
    "cologne3": (48, 3),
    "cologne8": (149, 8),
    "grid4x4": (80, 16),
    "ingolstadt1": (11, 1),
    "ingolstadt21": (853, 21),
    "ingolstadt7": (95, 7),
}


@pytest.mark.parametrize("name", sorted(RESCO))
def test_every_resco_network_is_read_and_its_own_programs_are_safe(name: str) -> None:
    graph = read_network(resco(name))
    assert (len(graph.edges), len(graph.signals)) == RESCO[name]
    timed = 0
    for signal in graph.signals.values():
        for a, foes in enumerate(signal.foes):
            assert all(a in signal.foes[b] for b in foes), "a conflict is mutual"
        try:
            stages = stages_of(signal)
        except UnsafePlanError:
            continue
        cycle_s = sum(stage.duration_s for stage in stages)
        plan = TimingPlan(signal.id, cycle_s, 0, stages)
        assert check_plan(signal, plan) == ()
        timed += 1
    assert timed >= len(graph.signals) - 1


def test_a_network_knows_where_it_is_and_one_without_projection_says_so() -> None:
    (signal,) = read_network(resco("cologne1")).signals.values()
    assert signal.lon == pytest.approx(6.9265, abs=1e-3)
    assert signal.lat == pytest.approx(50.9, abs=0.2)
    assert {s.lon for s in read_network(resco("grid4x4")).signals.values()} == {None}


def test_a_gzipped_network_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "n.net.xml.gz"
    path.write_bytes(gzip.compress(resco("cologne1").read_bytes()))
    assert set(read_network(path).edges) == set(read_network(resco("cologne1")).edges)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[: len(text) // 2], "not well-formed XML"),
        (lambda text: text.replace("<net ", "<map ").replace("</net>", "</map>"), "expected <net>"),
        (lambda text: text.replace('length="', 'length="x', 1), "expected a number"),
        (
            lambda text: text.replace('linkIndex="0"', 'linkIndex="-1"', 1),
            "expected a whole number",
        ),
        (
            lambda text: text.replace(' state="r', ' state="Z', 1).replace(
                ' state="G', ' state="Z', 1
            ),
            "expected characters",
        ),
    ],
)
def test_a_broken_network_is_refused_with_file_and_line(
    tmp_path: Path, damage: object, words: str
) -> None:
    path = tmp_path / "broken.net.xml"
    path.write_text(damage(resco("cologne1").read_text()))  # type: ignore[operator]
    with pytest.raises(InvalidInputError, match=words) as caught:
        read_network(path)
    assert caught.value.where.startswith(f"{path}:")
    assert int(caught.value.where.rpartition(":")[2]) > 0


def test_a_missing_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="No such file"):
        read_network(tmp_path / "none.net.xml")


def test_a_left_that_waits_inside_the_junction_has_its_foes(tmp_path: Path) -> None:
    """The request matrix names the lane behind the waiting place, not the one before it."""
    nodes = "".join(
        f'<node id="{key}" x="{x}" y="{y}"/>'
        for key, x, y in (("w", -200, 0), ("e", 200, 0), ("n", 0, 200), ("s", 0, -200))
    )
    (tmp_path / "x.nod.xml").write_text(
        f'<nodes><node id="c" x="0" y="0" type="traffic_light"/>{nodes}</nodes>'
    )
    edges = "".join(
        f'<edge id="{a}{b}" from="{a}" to="{b}" numLanes="2" speed="13.9"/>'
        for k in "wens"
        for a, b in ((k, "c"), ("c", k))
    )
    (tmp_path / "x.edg.xml").write_text(f"<edges>{edges}</edges>")
    subprocess.run(
        [
            Path(sumo.SUMO_HOME) / "bin" / "netconvert",
            *("-n", "x.nod.xml", "-e", "x.edg.xml", "-o", "x.net.xml", "--no-turnarounds"),
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    graph = read_network(tmp_path / "x.net.xml")
    signal = graph.signals["c"]
    ways = {(c.from_edge, c.to_edge): c for c in graph.connections}
    left, opposing = ways["wc", "cn"], ways["ec", "cw"]
    assert opposing.link_index in signal.foes[left.link_index]
    assert left.link_index in signal.foes[opposing.link_index]
    prior = {(graph.connections[k].from_edge, graph.connections[k].to_edge) for k in left.yields_to}
    assert ("ec", "cw") in prior
    assert not opposing.yields_to & {graph.connections.index(left)}
    assert 3 < left.speed_mps < opposing.speed_mps <= 13.9
