"""Every safety rule is caught when broken, and only then."""

import subprocess
from dataclasses import replace
from functools import cache
from itertools import permutations
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import sumo_tool
from tests.traffic.io.test_sumo_net import RESCO, resco
from tests.traffic.test_intergreens import signal
from traffic.errors import InvalidInputError, UnsafePlanError
from traffic.intergreens import intergreen
from traffic.io.sumo_additional import check_file
from traffic.io.sumo_net import read_network
from traffic.network import RoadGraph
from traffic.plan import Stage, TimingPlan
from traffic.right_of_way import assign_priority, green_conflict_free, yields
from traffic.safety import Rules, check_phases, require_safe
from traffic.signals import Phase, Program, Signal, SignalLink
from traffic.stages import greens_of, stages_of

Rows = list[tuple[float, str]]

# 0 and 1 are opposing throughs, 2 and 3 the lefts beside them; 2 yields to 1 and 3 to 0; 4 crosses
# all. 1 s of all-red.
OWN: Rows = [
    *((20, "GGggr"), (3, "yyggr"), (6, "rrGGr"), (3, "rryyr"), (1, "rrrrr")),
    *((20, "rrrrG"), (3, "rrrry"), (1, "rrrrr")),
]


def junction() -> Signal:
    base = signal(*OWN, foes={0: {3}, 1: {2}, 4: {0, 1, 2, 3}})
    links = tuple(
        SignalLink(k, f"in{k % 2}", f"out{k}", 0, 0, direction, 12.0)
        for k, direction in enumerate("sslls")
    )
    none = frozenset[int]()
    yields_to = (none, none, frozenset({1}), frozenset({0}), none)
    return Signal("s", "s", None, None, links, base.foes, base.programs, "road", yields_to)


def rules_broken(rows: Rows) -> set[str]:
    phases = [Phase(*row) for row in rows]
    return {violation.rule for violation in check_phases(junction(), phases)}


def test_the_own_program_is_safe() -> None:
    assert rules_broken(OWN) == set()


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        # Both have the right of way; one that does not yield meets one that need not.
        ([(20, "GGGgr"), *OWN[1:]], "conflict"),
        ([*OWN[:5], (20, "Grrrg"), *OWN[6:]], "conflict"),
        ([*OWN[:5], (4.5, "rrrrG"), *OWN[6:]], "minimum-green"),
        ([OWN[0], (2, "yyggr"), *OWN[2:]], "yellow"),
        ([*OWN[:5], (20, "rrrrG"), (4, "rrrrr")], "yellow"),
        ([*OWN[:4], (0.5, "rrrrr"), *OWN[5:]], "intergreen"),
        ([*OWN[:4], *OWN[5:]], "intergreen"),
        # The lefts' own green begins while the through is still yellow.
        ([OWN[0], (1, "yyggr"), (8, "yyGGr"), *OWN[3:]], "intergreen"),
        # A left that had the right of way yields at the moment at which the through begins.
        ([(6, "rrGGr"), (20, "GGggr"), (3, "yyyyr"), *OWN[4:]], "intergreen"),
        # Left 2 yields and ends, the opposing through 1 goes on beside its left 3.
        (
            [
                *((20, "GGggr"), (3, "yGygr"), (10, "rGrGr"), (3, "ryryr"), (1, "rrrrr")),
                *OWN[5:],
            ],
            "yellow-trap",
        ),
        ([(20, "GGgg"), *OWN[1:]], "links"),
        ([], "links"),
    ],
)
def test_a_broken_rule_is_named(rows: Rows, rule: str) -> None:
    assert rule in rules_broken(rows)


@pytest.mark.parametrize(
    "rows",
    [
        # Lefts lead, and end before they yield.
        [(6, "rrGGr"), (3, "rryyr"), (1, "rrrrr"), (20, "GGggr"), (3, "yyyyr"), *OWN[4:]],
        # A left lags where the opposing one has not been shown in the through's green.
        [(20, "GGrgr"), (3, "yGrgr"), (10, "rGrGr"), (3, "ryryr"), *OWN[4:]],
        # A green over several phases is one green, also over the end of the program.
        [(2, "GGggr"), *OWN[1:], (3, "GGggr")],
        # A longer change is as good.
        [OWN[0], (5, "yyggr"), *OWN[2:4], (4, "rrrrr"), *OWN[5:]],
    ],
)
def test_safe_programs_pass(rows: Rows) -> None:
    assert rules_broken(rows) == set()


def test_minimum_green_is_a_parameter() -> None:
    phases = [Phase(*row) for row in OWN]
    broken = check_phases(junction(), phases, Rules(min_green_s=21))
    assert {violation.rule for violation in broken} == {"minimum-green"}
    assert "expected 21" in str(broken[0])


def test_people_on_foot_need_walk_and_length() -> None:
    walk = signal((20, "Gr"), (3, "yr"), (16, "rG"), (1, "rr"), foes={0: {1}}, crossing=1)
    assert check_phases(walk, walk.program.phases) == ()  # 5 s and 12 m at 1.2 m/s
    (short,) = check_phases(walk, [*walk.program.phases[:2], Phase(14, "rG"), Phase(3, "rr")])
    assert short.rule == "pedestrian"
    assert check_phases(walk, walk.program.phases, Rules(walk_s=7))[0].rule == "pedestrian"


def test_an_unsafe_plan_is_refused_with_every_broken_rule() -> None:
    stages = (Stage("a", "GGggr", 20, 5), Stage("b", "rrrrG", 4, 1))
    with pytest.raises(UnsafePlanError, match=r"minimum-green.*yellow"):
        require_safe(junction(), TimingPlan("s", 24, 0, stages))


@pytest.mark.parametrize("name", sorted(RESCO))
def test_resco_programs_are_safe_as_they_stand(name: str) -> None:
    for found in read_network(resco(name)).signals.values():
        for program in found.programs:
            assert check_phases(found, program.phases) == ()


def test_a_written_file_is_checked_by_its_phases(tmp_path: Path) -> None:
    graph = read_network(resco("cologne1"))
    (own,) = graph.signals.values()

    def check(program: Program, signal_id: str = own.id) -> dict[str, set[str]]:
        path = tmp_path / "plan.add.xml"
        rows = "".join(
            f'<phase duration="{p.duration_s}" state="{p.state}"/>' for p in program.phases
        )
        path.write_text(
            f'<additional><tlLogic id="{signal_id}" type="static" programID="x">{rows}</tlLogic>'
            "</additional>"
        )
        return {k: {v.rule for v in found} for k, found in check_file(graph, path).items()}

    assert check(own.program) == {own.id: set()}
    quick = Program(
        "x", tuple(Phase(2 if "y" in p.state else 20, p.state) for p in own.program.phases)
    )
    assert check(quick) == {own.id: {"yellow", "intergreen"}}
    with pytest.raises(InvalidInputError, match="no signal 'nobody'"):
        check(own.program, "nobody")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<additional>", "cannot be read"),
        ('<additional><tlLogic programID="x"/></additional>', "no id"),
        ('<a><tlLogic id="i" programID="x"><phase duration="3"/></tlLogic></a>', "no state"),
        ('<a><tlLogic id="i" programID="x"><phase duration="x" state="r"/></tlLogic></a>', "'x'"),
        (
            '<a><tlLogic id="i" programID="x"><phase duration="3" state="r" next="2"/></tlLogic>'
            "</a>",
            "jumps",
        ),
    ],
)
def test_files_that_are_no_programs_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "plan.add.xml"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=message):
        check_file(read_network(resco("cologne1")), path)


@pytest.fixture(scope="module")
def walkers(tmp_path_factory: pytest.TempPathFactory) -> RoadGraph:
    """A generated network with crossings, protected lefts and all-red."""
    net = tmp_path_factory.mktemp("net") / "walk.net.xml"
    subprocess.run(
        [
            *(sumo_tool("netgenerate"), "--grid", "--grid.number", "2", "--grid.length", "200"),
            *("--grid.attach-length", "100", "--default.lanenumber", "2", "--turn-lanes", "1"),
            *("--sidewalks.guess", "--crossings.guess", "--tls.allred.time", "2"),
            *("--default-junction-type", "traffic_light", "-o", str(net)),
        ],
        check=True,
        capture_output=True,
    )
    return read_network(net)


def _with_stages(graph: RoadGraph) -> list[Signal]:
    return [s for s in graph.signals.values() if len(s.program.phases) > 4]


def test_programs_with_crossings_are_safe_but_for_people_on_foot(walkers: RoadGraph) -> None:
    signals = _with_stages(walkers)
    assert len(signals) == 4
    for found in signals:
        # What the generator leaves too short for people on foot is named, and nothing else.
        broken = {violation.rule for violation in check_phases(found, found.program.phases)}
        assert broken <= {"pedestrian"}


def test_crossings_get_the_green_that_people_on_foot_need(walkers: RoadGraph) -> None:
    for found in _with_stages(walkers):
        stages = stages_of(found, cross_in_green=True)
        least = [replace(stage, green_s=stage.min_green_s) for stage in stages]
        rows = [phase for stage in least for phase in TimingPlan.phases_of(stage)]
        assert check_phases(found, rows) == ()
        # One second less is too short for some crossing.
        crossings = {link.index for link in found.links if link.is_crossing}
        for k, stage in enumerate(least):
            short = [*least]
            short[k] = replace(stage, green_s=stage.green_s - 1, min_green_s=1)
            rows = [phase for stage in short for phase in TimingPlan.phases_of(stage)]
            broken = {violation.rule for violation in check_phases(found, rows)}
            assert ("pedestrian" in broken) == bool(greens_of(stage.green_state) & crossings)


def test_stages_with_crossings_in_any_order_are_safe(walkers: RoadGraph) -> None:
    found = _with_stages(walkers)[0]
    states = [stage.green_state for stage in stages_of(found)]
    for order in permutations(states):
        phases: list[Phase] = []
        for k, state in enumerate(order):
            between = intergreen(found, state, order[(k + 1) % len(order)])
            phases += [Phase(30, state), *between]
        broken = check_phases(found, phases)
        assert {violation.rule for violation in broken} <= {"yellow-trap"}


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(RESCO)), st.randoms(use_true_random=False))
def test_new_stages_and_the_changes_between_them_are_safe(name: str, random: Random) -> None:
    """Whatever links go together, in whatever order: only a yellow trap may be in it."""
    found = random.choice(list(_graph(name).signals.values()))
    states: list[str] = []
    for _ in range(random.randint(2, 4)):
        links: set[int] = set()
        for link in random.sample(range(found.link_count), found.link_count):
            if all(yields(found, link, other) is not None for other in found.foes[link] & links):
                links.add(link)
        states.append(assign_priority(found, links))
    phases: list[Phase] = []
    for k, state in enumerate(states):
        phases += [Phase(20, state), *intergreen(found, state, states[(k + 1) % len(states)])]
    assert all(green_conflict_free(found, phase.state) for phase in phases)
    broken = check_phases(found, phases)
    assert {violation.rule for violation in broken} <= {"yellow-trap"}


@cache
def _graph(name: str) -> RoadGraph:
    return read_network(resco(name))
