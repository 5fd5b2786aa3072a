"""No unsafe plan comes in; the refusal names signal, rule, stage and value."""

from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.traffic.io.test_sumo_net import RESCO, resco
from tests.traffic.small_plans import plan, signal
from tests.traffic.street.town import NOW_MS, Town
from tests.traffic.test_transition import plan_of, signal_of, switches
from traffic.controller.controller import fixed_plan
from traffic.controller.monitor import Monitor
from traffic.demanded import SafetyDemand, with_demands
from traffic.io.sumo_net import read_network
from traffic.plan import Stage, TimingPlan
from traffic.safety import check_plan
from traffic.signals import Phase, SignalLink
from traffic.street import decisions
from traffic.street.door import Limits, RefusedPlanError, refuse_unsafe, refuse_ways
from traffic.street.groups import Group
from traffic.street.records import Origin, PlanSet
from traffic.timing.sequences import orders, sequence, signal_stages, subsets

SIGNALS = {key: signal(key) for key in "abcd"}
GROUPS = (Group("a", ("a", "b", "c")), Group("d", ("d",)))


def refusal(*plans: TimingPlan, signals=SIGNALS) -> tuple[str, str, str]:
    with pytest.raises(RefusedPlanError) as caught:
        refuse_unsafe(signals, plans, GROUPS, Limits())
    first = caught.value.refusals[0]
    assert caught.value.details["value"] == first.value
    assert first.signal in str(caught.value)
    return first.rule, first.stage, first.value


def with_stage(k: int, **changes: object) -> TimingPlan:
    own = plan("a")
    stages = list(own.stages)
    stages[k] = replace(stages[k], **changes)
    cycle_s = sum(stage.duration_s for stage in stages)
    return TimingPlan("a", cycle_s, 0, tuple(stages))


def test_safe_plans_pass() -> None:
    refuse_unsafe(SIGNALS, [plan(key, 3) for key in "abcd"], GROUPS, Limits())


@pytest.mark.parametrize(
    ("unsafe", "rule", "stage", "value"),
    [
        (with_stage(0, green_state="GG"), "conflict", "1", "links 0 and 1 are G and G"),
        (
            with_stage(1, green_s=4, min_green_s=4),
            "minimum-green",
            "2",
            "link 1: 4 s; expected 5 or more",
        ),
        (
            with_stage(0, intergreen=(Phase(2, "yr"), Phase(2, "rr"))),
            "yellow",
            "1",
            "link 0: 2 s; expected 3",
        ),
        (
            with_stage(0, intergreen=(Phase(3, "yr"),)),
            "intergreen",
            "2",
            "link 1 begins 3 s after link 0; expected 5",
        ),
        (with_stage(0, intergreen=(Phase(5, "rr"),)), "yellow", "1", "link 0 ends without yellow"),
        (plan("a", greens_s=(9, 9)), "cycle", "", "28 s; expected 30 to 300"),
        (plan("z"), "signal", "", "not in the city's network"),
    ],
)
def test_each_rule_is_named_with_its_stage_and_value(
    unsafe: TimingPlan, rule: str, stage: str, value: str
) -> None:
    assert refusal(unsafe) == (rule, stage, value)


@pytest.mark.parametrize("aspect", "soOu")
def test_lamps_that_move_traffic_unseen_are_refused(aspect: str) -> None:
    odd = with_stage(0, green_state="G" + aspect)
    assert refusal(odd) == ("aspect", "1", f"link 1 is {aspect}")
    # The monitor of a controller says so, too, by itself.
    seen = Monitor(SIGNALS["a"]).see("G" + aspect)
    assert [(found.rule, found.value) for found in seen] == [("aspect", f"link 1 is {aspect}")]
    between = with_stage(0, intergreen=(Phase(3, "y" + aspect), Phase(2, "rr")))
    assert refusal(between)[0] == "aspect"


def test_a_signal_that_flashes_altogether_is_no_plan_but_may_be_seen() -> None:
    assert refusal(with_stage(0, green_state="oO"))[0] == "aspect"
    assert Monitor(SIGNALS["a"]).see("oO") == ()


def test_a_link_that_the_network_serves_is_served() -> None:
    both_first = with_stage(1, green_state="Gr", intergreen=(Phase(3, "yr"), Phase(2, "rr")))
    assert refusal(both_first) == ("never-green", "", "link 1 is red for ever")
    closed = with_demands(SIGNALS["a"], [SafetyDemand("a", "may-stay-red", 1)])
    refuse_unsafe({"a": closed}, [both_first], GROUPS, Limits())


@pytest.mark.parametrize("name", sorted(RESCO))
def test_what_networks_have_and_what_the_optimiser_makes_of_it_passes(name: str) -> None:
    for one in read_network(resco(name)).signals.values():
        own = signal_stages(one)
        made = [
            built.plan(one.id, [stage.min_green_s for stage in built.stages], 0, 0)
            for chosen in subsets(own)
            for order in islice(orders(chosen), 3)
            if (built := sequence(own, order)) is not None
        ]
        assert made
        for plan_made in (fixed_plan(one), *made):
            refuse_unsafe({one.id: one}, [plan_made], (), Limits(min_cycle_s=10))


def test_a_group_needs_cycles_that_fit() -> None:
    found = refusal(plan("a"), plan("b", greens_s=(20, 25)))
    assert found == ("coordination", "", "55 s; expected a divisor of its group's 60 s")
    refuse_unsafe(SIGNALS, [plan("a"), plan("b", greens_s=(10, 10))], GROUPS, Limits())


def test_people_on_foot_get_across() -> None:
    crossing = SignalLink(1, "n", "s", 0, 0, "x", 40.0)
    wide = replace(SIGNALS["a"], links=(SIGNALS["a"].links[0], crossing))
    slow = plan("a", greens_s=(33, 17))
    assert refusal(slow, signals={"a": wide})[0] == "pedestrian"
    refuse_unsafe({"a": wide}, [plan("a", greens_s=(16, 34))], GROUPS, Limits())


def test_what_the_city_demands_overrides_what_the_network_shows() -> None:
    own = SIGNALS["a"]
    stricter = {
        "minimum-green": replace(own, min_green_s={1: 30.0}),
        "intergreen": replace(own, gaps_s={(0, 1): 7.0}),
    }
    for rule, demanding in stricter.items():
        assert refusal(plan("a"), signals={"a": demanding})[0] == rule


def test_a_change_without_a_safe_way_is_refused() -> None:
    one = signal_of("cologne1")
    # Greens that cannot be shortened, and a jump of half a cycle, still get there by dwelling.
    stiff = plan_of(one, (0, 1, 2, 3), (5, 5, 5, 5), 0)
    refuse_ways({one.id: one}, [(stiff, stiff.with_offset(20))])
    # Nothing in common, and stages that claim to be over after a second.
    new = plan_of(one, (1, 3), (20, 20), 0)
    hasty = plan_of(one, (0, 2), (20, 20), 0)
    hasty = replace(hasty, stages=tuple(replace(s, min_green_s=1) for s in hasty.stages))
    refuse_ways({one.id: one}, [(plan_of(one, (0, 2), (20, 20), 0), new)])
    with pytest.raises(RefusedPlanError, match="transition: no safe way"):
        refuse_ways({one.id: one}, [(hasty, new)])


def test_creating_a_plan_looks_at_the_way_from_what_is_in_force() -> None:
    town = Town().running()
    stages = (Stage("x", "Gr", 25, 5, (Phase(3, "yr"), Phase(2, "rr"))), plan("a").stages[1])
    other = TimingPlan("a", 60, 30, stages, 1)
    made = PlanSet("99", (other,), Origin("", "", NOW_MS))
    assert decisions.make_plan_set(town.street, town.city, made, NOW_MS)


@settings(deadline=None, max_examples=80)
@given(switches(), st.integers(0, 3), st.integers(1, 25))
def test_what_the_door_lets_in_the_monitor_of_a_controller_never_refuses(
    switch: tuple, k: int, green_s: int
) -> None:
    one, base, _, _ = switch
    stage = base.stages[k % len(base.stages)]
    changed = replace(stage, green_s=green_s, min_green_s=min(stage.min_green_s, green_s))
    stages = tuple(changed if s is stage else s for s in base.stages)
    made = TimingPlan(one.id, sum(s.duration_s for s in stages), 0, stages)
    try:
        refuse_unsafe({one.id: one}, [made], (), Limits(min_cycle_s=10))
    except RefusedPlanError:
        return
    assert check_plan(one, made) == ()
    monitor = Monitor(one)
    for _ in range(3):
        for phase in made.phases():
            assert monitor.see(phase.state, int(phase.duration_s)) == ()
