"""No switch that controllers would refuse, or that cannot be undone, gets past the door."""

from dataclasses import replace

import pytest

from tests.traffic.street.town import CYCLE_MS, NOW_MS, Town
from tests.traffic.test_transition import plan_of, signal_of
from traffic.controller.controller import fixed_plan
from traffic.controller.held import Held, HeldSwitch, why_not
from traffic.controller.held import Program as HeldProgram
from traffic.plan import TimingPlan
from traffic.signals import Program, Signal
from traffic.street import decisions, going_back
from traffic.street.door import RefusedPlanError, refuse_ways
from traffic.street.events import Approved, PlanSetMade, ScheduleMade, SwitchMade
from traffic.street.groups import Group
from traffic.street.health import Health, Report
from traffic.street.records import Life, Origin, PlanSet, Schedule, all_week
from traffic.street.switching import Switch, SwitchState
from traffic.street.ways import are_alike

ONE = signal_of("cologne1")
PLAN = plan_of(ONE, (1, 3), (20, 20), 0)
# The same junction, whose network shows those two stages alone: its own plan.
TWO = replace(ONE, programs=(Program("0", PLAN.phases()),))
OWN = fixed_plan(TWO)
# Its stages claim to be over after a second: a way leads in, none leads out. The door lets no such
# plan in; what an older version has kept may be one.
HASTY = plan_of(ONE, (0, 2), (20, 20), 0)
HASTY = replace(HASTY, stages=tuple(replace(s, min_green_s=1) for s in HASTY.stages))
ORIGIN = Origin("王工", "import", NOW_MS)


def town_with(*plans: TimingPlan, signal: Signal = TWO) -> tuple[Town, list[Schedule]]:
    """A town of one signal, with approved sets of these plans, however they came in."""
    town = Town()
    town.city = replace(town.city, signals={ONE.id: signal}, groups=(Group(ONE.id, (ONE.id,)),))
    schedules = []
    for one in plans:
        set_id, schedule_id = (key for key, _ in zip(town.street.next_ids(), "ab", strict=False))
        schedule = all_week(schedule_id, set_id, ORIGIN)
        happened = (
            PlanSetMade(PlanSet(set_id, (one,), ORIGIN)),
            ScheduleMade(schedule),
            Approved("plan-set", set_id, "李工", NOW_MS),
            Approved("schedule", schedule_id, "李工", NOW_MS),
        )
        town.do(lambda _, happened=happened: happened)
        schedules.append(schedule)
    return town, schedules


def ran(town: Town, schedule: Schedule, at_ms: int) -> None:
    """Let a schedule have come into force at a moment."""
    made = Switch(
        id=next(town.street.next_ids()),
        group=ONE.id,
        signals=(ONE.id,),
        schedule=schedule,
        activate_at_ms=at_ms,
        cycle_ms=CYCLE_MS,
        by="李工",
        proposed_ms=at_ms,
        state=SwitchState.COMMITTED,
    )
    town.do(lambda _: (SwitchMade(made),))


def test_the_plans_are_what_this_is_about() -> None:
    refuse_ways({ONE.id: ONE}, [(PLAN, HASTY), (OWN, HASTY), (OWN, PLAN), (PLAN, OWN)])
    refuse_ways({ONE.id: ONE}, [(HASTY, fixed_plan(ONE)), (fixed_plan(ONE), HASTY)])
    for there in (PLAN, OWN):
        with pytest.raises(RefusedPlanError, match="no safe way"):
            refuse_ways({ONE.id: ONE}, [(HASTY, there)])


def test_a_plan_from_which_no_way_leads_to_the_own_plan_is_refused_as_controllers_do() -> None:
    town, (hasty,) = town_with(HASTY)
    with pytest.raises(RefusedPlanError, match="no safe way"):
        town.activate(hasty.id, NOW_MS)
    assert why_not(TWO, OWN, Held(), HeldProgram(hasty, {hasty.plan_sets[0]: HASTY}))
    assert not why_not(TWO, OWN, Held(), HeldProgram(hasty, {hasty.plan_sets[0]: PLAN}))


def test_a_switch_that_could_not_be_undone_is_refused() -> None:
    # The network shows all four stages: to and from that plan there are ways. One back is not.
    town, (good, hasty) = town_with(PLAN, HASTY, signal=ONE)
    ran(town, good, NOW_MS - 10 * CYCLE_MS)
    with pytest.raises(RefusedPlanError, match="no safe way"):
        town.activate(hasty.id, NOW_MS)


def test_rolling_back_looks_at_the_ways_first() -> None:
    town, (good, hasty) = town_with(PLAN, HASTY)
    ran(town, hasty, NOW_MS - 20 * CYCLE_MS)
    ran(town, good, NOW_MS - 10 * CYCLE_MS)
    with pytest.raises(RefusedPlanError, match="no safe way"):
        going_back.roll_back(town.street, town.city, (), by="x", now_ms=NOW_MS)
    # A controller would say the same.
    held = Held(
        1,
        (
            HeldSwitch(
                "1", SwitchState.COMMITTED, 1, NOW_MS, HeldProgram(good, {good.plan_sets[0]: PLAN})
            ),
        ),
    )
    assert why_not(TWO, OWN, held, HeldProgram(hasty, {hasty.plan_sets[0]: HASTY}))


def test_a_clock_draft_without_safe_ways_stays_a_proposal() -> None:
    town, (hasty,) = town_with(HASTY)
    ran(town, hasty, NOW_MS - 10 * CYCLE_MS)
    town.do(lambda s: decisions.set_auto_apply(s, True, "李工", NOW_MS))
    (switch,) = town.street.switches.values()
    said = Report(ONE.id, NOW_MS, switch.id, "plan", 5_000, 0, True)
    town.healths[ONE.id] = Health(NOW_MS, said, 3)
    town.tick(NOW_MS)
    draft = list(town.street.schedules.values())[-1]
    assert draft.without == (ONE.id,)
    assert town.street.life("schedule", draft.id, NOW_MS) is Life.DRAFT
    assert len(town.street.switches) == 1


def test_plans_with_the_same_stages_are_told_from_others() -> None:
    assert are_alike(PLAN, plan_of(ONE, (1, 3), (9, 30), 7))
    assert not are_alike(PLAN, plan_of(ONE, (3, 1), (20, 20), 0))
    assert not are_alike(PLAN, HASTY)
