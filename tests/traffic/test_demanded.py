"""A city's own demands override what the network shows."""

import json
import shutil
from itertools import permutations
from pathlib import Path

import pytest

from greenlot.city import load_city
from tests.traffic.small_plans import plan, signal
from traffic.demanded import SafetyDemand, with_demands
from traffic.errors import InvalidInputError
from traffic.intergreens import intergreen
from traffic.safety import check_plan
from traffic.stages import stages_of

OWN = signal("a")


def rules(*demands: SafetyDemand) -> set[str]:
    return {violation.rule for violation in check_plan(with_demands(OWN, demands), plan("a"))}


def test_each_kind_is_kept() -> None:
    assert rules() == set()
    assert rules(SafetyDemand("a", "min-green", 1, value=26)) == {"minimum-green"}
    assert rules(SafetyDemand("a", "intergreen", 0, 1, 6)) == {"intergreen"}
    assert rules(SafetyDemand("a", "intergreen", 0, 1, 4)) == set(), "it may also be less"
    free = with_demands(OWN, [SafetyDemand("a", "no-conflict", 0, 1)])
    assert rules(SafetyDemand("a", "intergreen", 1, 0, 6)) == {"intergreen"}
    assert free.foes == (frozenset(), frozenset())
    barred = with_demands(free, [SafetyDemand("a", "conflict", 0, 1)])
    assert barred.foes == OWN.foes
    assert barred.never_together == {(0, 1)}


def test_stages_and_intergreens_are_made_by_them() -> None:
    demanding = with_demands(
        OWN, [SafetyDemand("a", "min-green", 0, value=12), SafetyDemand("a", "intergreen", 0, 1, 9)]
    )
    assert stages_of(demanding)[0].min_green_s == 12
    assert sum(phase.duration_s for phase in intergreen(demanding, "Gr", "rG")) == 9


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("a", "speed", 0), "expected one of"),
        (("a", "conflict", 0), "takes another link"),
        (("a", "min-green", 0, 1, 5.0), "takes no other link"),
        (("a", "conflict", 0, 0), "is the link itself"),
        (("a", "min-green", 0, None, 0.0), "0; expected 0.1 to 300"),
        (("a", "may-stay-red", 0, None, 1.0), "1; expected 0 to 0"),
    ],
)
def test_bad_demands_are_refused(fields: tuple, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        SafetyDemand(*fields)


def test_links_must_exist_and_be_crossings() -> None:
    with pytest.raises(InvalidInputError, match="no link 2; it has 2"):
        with_demands(OWN, [SafetyDemand("a", "min-green", 2, value=5)])
    with pytest.raises(InvalidInputError, match="link 0 is no crossing"):
        with_demands(OWN, [SafetyDemand("a", "crossing-length", 0, value=20)])


def test_a_demand_that_nothing_would_keep_is_refused() -> None:
    free = with_demands(OWN, [SafetyDemand("a", "no-conflict", 0, 1)])
    gap = SafetyDemand("a", "intergreen", 0, 1, 20)
    with pytest.raises(InvalidInputError, match="links 0 and 1 do not conflict"):
        with_demands(free, [gap])
    # In whatever order the table has them.
    for demands in permutations((gap, SafetyDemand("a", "conflict", 1, 0))):
        assert with_demands(free, demands).gaps_s == {(0, 1): 20}
        broken = check_plan(with_demands(free, demands), plan("a"))
        assert "intergreen" in {violation.rule for violation in broken}


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (("conflict", 0, 1), ("no-conflict", 1, 0), "links 1 and 0 are a conflict before"),
        (("no-conflict", 0, 1), ("intergreen", 1, 0, 9.0), "links 1 and 0 do not conflict"),
        (("min-green", 0, None, 8.0), ("min-green", 0, None, 9.0), "8 before; expected once"),
    ],
)
def test_demands_that_contradict_each_other_are_refused(
    first: tuple, second: tuple, message: str
) -> None:
    demands = [SafetyDemand("a", *first), SafetyDemand("a", *second)]
    with pytest.raises(InvalidInputError, match=message):
        with_demands(OWN, demands)
    assert with_demands(OWN, demands[:1] * 2) == with_demands(OWN, demands[:1])


def test_a_city_names_its_demands_in_a_table(small_city: Path, tmp_path: Path) -> None:
    folder = tmp_path / "city"
    shutil.copytree(small_city, folder)
    manifest = json.loads((folder / "city.json").read_text())
    (folder / "city.json").write_text(json.dumps(manifest | {"safety": "safety.csv"}))
    table = folder / "safety.csv"
    table.write_text("signal,kind,link,other,value\nB1,min-green,3,,11\nB1,intergreen,0,5,8\n")
    city = load_city(folder, cache=tmp_path)
    assert city.graph.signals["B1"].min_green_s == {3: 11}
    assert city.graph.signals["B1"].gaps_s == {(0, 5): 8}
    table.write_text("signal,kind,link,other,value\nB1,min-green,3,,11\nB1,min-green,99,,8\n")
    with pytest.raises(InvalidInputError, match=r"safety.csv:3: .*no link 99"):
        load_city(folder, cache=tmp_path)
    table.write_text(
        "signal,kind,link,other,value\nB1,conflict,0,4,\nB1,min-green,3,,9\nB1,no-conflict,4,0,\n"
    )
    with pytest.raises(InvalidInputError, match=r"safety.csv:4: .*are a conflict before"):
        load_city(folder, cache=tmp_path)
