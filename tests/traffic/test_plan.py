"""A plan is valid from construction, and says what is shown at every second."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.traffic.small_plans import plan
from traffic.errors import UnsafePlanError
from traffic.plan import BrokenPlanError


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cycle_s": 61}, "sum to 60"),
        ({"cycle_s": 5}, "cycle: 5 s; expected 10 to 300"),
        ({"offset_s": 60}, "offset: 60 s; expected 0 to 59"),
        ({"offset_s": -1}, "offset: -1 s"),
        ({"coordinated_stage": 2}, "coordinated-stage: 2"),
    ],
)
def test_a_broken_rule_is_refused_with_the_value(changes: dict[str, int], words: str) -> None:
    with pytest.raises(UnsafePlanError, match=words):
        replace(plan("a"), **changes)


def test_a_green_below_its_minimum_is_refused_with_signal_and_stage() -> None:
    good = plan("junction-7")
    short = replace(good.stages[1], green_s=4, min_green_s=5)
    longer = replace(good.stages[0], green_s=46)
    with pytest.raises(UnsafePlanError, match=r"junction-7: minimum-green: stage 2: 4 s"):
        replace(good, stages=(longer, short))


def test_every_broken_rule_is_told_at_once() -> None:
    good = plan("a")
    short = replace(good.stages[1], green_s=4, min_green_s=5)
    with pytest.raises(BrokenPlanError) as caught:
        replace(good, offset_s=99, stages=(good.stages[0], short))
    assert [(b.rule, b.stage, b.value) for b in caught.value.broken] == [
        ("offset", "", "99 s; expected 0 to 59"),
        ("minimum-green", "2", "4 s; expected at least 5"),
        ("cycle", "", "stages sum to 39 s; expected 60 s"),
    ]
    assert caught.value.details == {
        "signal": "a",
        "rule": "offset",
        "stage": "",
        "value": "99 s; expected 0 to 59",
    }


@given(st.integers(0, 59), st.integers(0, 1))
def test_the_coordinated_green_begins_at_the_offset(offset_s: int, coordinated: int) -> None:
    shown = replace(plan("a"), offset_s=offset_s, coordinated_stage=coordinated)
    green = shown.stages[coordinated].green_state
    assert shown.state_at(offset_s) == green
    assert shown.state_at(offset_s - 1) != green
    link = coordinated
    assert shown.greens(link) == ((offset_s, offset_s + 25),)


@given(st.integers(0, 59), st.integers(0, 500))
def test_greens_agree_with_the_states_second_by_second(offset_s: int, t_s: int) -> None:
    shown = replace(plan("a"), offset_s=offset_s)
    for link in (0, 1):
        inside = any((t_s - start) % 60 < end - start for start, end in shown.greens(link))
        assert inside == (shown.state_at(t_s)[link] == "G")
