"""A controller with what it was told: schedules, midnights, lost and late messages."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.traffic.controller.test_machine import checked, safe
from tests.traffic.test_transition import SIGNALS, plan_of, signal_of
from traffic.client.held_file import read_held, write_held
from traffic.client.programs import held_switch
from traffic.controller.controller import NOTHING, Controller, Manual, fixed_plan
from traffic.controller.held import Held, HeldSwitch, Program, why_not
from traffic.controller.machine import LEAST_ALL_RED_S, Mode, longest_way_s
from traffic.errors import InvalidInputError, UnsafePlanError
from traffic.io.street_messages import program_to_proto, signal_switch_to_proto
from traffic.plan import TimingPlan
from traffic.signals import Signal
from traffic.stages import stages_of
from traffic.street.records import DayPlan, Origin, Period, Schedule, all_week
from traffic.street.switching import SwitchState

MIDNIGHT_MS = 1_795_017_600_000
DAY_S = 86400
NOBODY = Origin("", "", 0)
ONE = signal_of("cologne1")
OWN = fixed_plan(ONE)
PLAN = plan_of(ONE, (0, 1, 2, 3), (22, 9, 21, 9), 30)
COMMITTED = SwitchState.COMMITTED


def program(plan: TimingPlan | None) -> Program:
    return Program(all_week("0", "1", NOBODY), {} if plan is None else {"1": plan})


def switch(
    number: int,
    at_s: int,
    what: Program | None,
    state: SwitchState = COMMITTED,
    revision: int = 0,
) -> HeldSwitch:
    return HeldSwitch(str(number), state, revision or number, MIDNIGHT_MS + 1000 * at_s, what)


def run(controller: Controller, begin_s: int, seconds: int, manual: Manual = NOTHING) -> list:
    return [controller.step(MIDNIGHT_MS + 1000 * (begin_s + k), manual) for k in range(seconds)]


def test_it_runs_its_own_plan_until_it_is_told_another() -> None:
    controller = Controller(ONE)
    shown = run(controller, 0, 300)
    assert (shown[-1].mode, shown[-1].in_step) == (Mode.OWN_PLAN, True)
    assert controller.status().switch == ""
    assert controller.told(switch(3, 350, program(PLAN)), MIDNIGHT_MS + 300_000) == ""
    run(controller, 300, 50)
    assert controller.status().switch == ""
    shown = run(controller, 350, 300)
    assert (controller.status().switch, shown[-1].in_step) == ("3", True)
    assert controller.status().out_of_step_s <= 3 * PLAN.cycle_s


def test_a_word_that_comes_while_it_looks_is_not_lost() -> None:
    """The link's thread tells of a switch at the very moment at which the lamps look."""
    controller = Controller(ONE)

    class Told(dict[str, TimingPlan]):
        def get(self, *given: object) -> TimingPlan | None:  # type: ignore[override]
            if controller.held.switches[-1].id != "4":
                controller.told(switch(4, 110, program(PLAN)), MIDNIGHT_MS + 100_000)
            return None

    held = Held().told(switch(3, 100, Program(all_week("0", "1", NOBODY), Told())), MIDNIGHT_MS)
    controller.held = held
    run(controller, 100, 10)
    assert controller.plan == controller.own_plan
    run(controller, 110, 1)
    assert controller.plan == PLAN


def test_what_is_only_proposed_or_was_cancelled_is_never_shown() -> None:
    controller = Controller(ONE)
    now_ms = MIDNIGHT_MS
    controller.told(switch(3, 100, program(PLAN), SwitchState.PROPOSED), now_ms)
    run(controller, 0, 400)
    assert controller.status().switch == ""
    controller.told(switch(3, 100, None, SwitchState.CANCELLED, revision=4), now_ms)
    assert controller.held.switches == ()
    assert controller.held.revision == 4


def test_the_last_good_plan_goes_on_for_days_without_a_server() -> None:
    odd = plan_of(ONE, (0, 1, 2, 3), (24, 10, 24, 9), 30)
    controller = Controller(ONE)
    controller.told(switch(3, 0, program(odd)), MIDNIGHT_MS)
    run(controller, 2 * DAY_S - 400, 400)
    shown = run(controller, 2 * DAY_S, 600)
    assert controller.status().switch == "3"
    assert all(second.in_step for second in shown[3 * odd.cycle_s :])


def test_an_unsafe_program_is_refused_whoever_sends_it() -> None:
    controller = Controller(ONE)
    stages = list(PLAN.stages)
    stages[0] = replace(stages[0], intergreen=())
    cycle_s = sum(stage.duration_s for stage in stages)
    bad = TimingPlan(ONE.id, cycle_s, 0, tuple(stages))
    why = controller.told(switch(3, 0, program(bad)), MIDNIGHT_MS)
    assert "yellow" in why
    run(controller, 10, 200)
    assert controller.status().switch == ""
    assert controller.held.switches[0].refusal == why, "to be said again after a lost call"
    other = replace(PLAN, signal_id="elsewhere")
    assert "elsewhere" in why_not(ONE, OWN, Held(), program(other))


def test_what_is_over_is_forgotten_and_what_is_in_force_is_not() -> None:
    held = Held()
    for number in range(1, 30):
        what = program(PLAN.with_offset(number))
        held = held.told(switch(number, number, what), MIDNIGHT_MS + 1000 * number)
    assert [s.id for s in held.switches] == ["29"]
    for number in range(30, 60):
        held = held.told(
            switch(number, 1000 + number, program(PLAN), SwitchState.PROPOSED), MIDNIGHT_MS + 40_000
        )
    assert "29" in {s.id for s in held.switches}
    assert len(held.switches) <= 9


def test_what_it_holds_survives_on_its_disk(tmp_path: Path) -> None:
    path = tmp_path / "held.json"
    assert read_held(path, city_id="x", signal_id=ONE.id) == Held()
    held = Held(7, (switch(3, 5, program(PLAN)), switch(4, 9, program(None)))).told(
        replace(switch(6, 99, program(PLAN)), refusal="no"), MIDNIGHT_MS
    )
    write_held(held, path, city_id="x", signal_id=ONE.id)
    assert read_held(path, city_id="x", signal_id=ONE.id) == held
    with pytest.raises(InvalidInputError, match=r"held.json: is of cities/x/signals/"):
        read_held(path, city_id="x", signal_id="other")
    path.write_text("{}")
    with pytest.raises(InvalidInputError, match=r"held.json: not what a controller holds"):
        read_held(path, city_id="x", signal_id=ONE.id)
    told = held.switches[0]
    body = None if told.program is None else program_to_proto(told.program, "x")
    message = signal_switch_to_proto(told, ONE.id, body, "x")
    assert held_switch(message, "x") == held.switches[0]


def test_an_emergency_stage_must_be_one_of_the_own_plan() -> None:
    with pytest.raises(InvalidInputError, match="the own plan has 4 stages"):
        Controller(ONE).step(MIDNIGHT_MS, Manual(pre_empt=4))


@st.composite
def lives(
    draw: st.DrawFn,
) -> tuple[Signal, list[Program], list[tuple[int, int, int, int]], int, int]:
    """A signal, programs with edges near a moment, and what is told when."""
    signal = signal_of(draw(st.sampled_from(SIGNALS)))
    own = tuple(range(len(stages_of(signal))))
    plans: list[TimingPlan] = []
    for _ in range(5):
        order = tuple(draw(st.permutations(own))) if draw(st.booleans()) else own
        greens = tuple(draw(st.integers(6, 35)) for _ in order)
        plan = checked(signal, plan_of(signal, order, greens, draw(st.integers(0, 300))))
        if plan is not None:
            plans.append(plan)
    begin_s = draw(st.sampled_from([3600, DAY_S - 400, DAY_S - 30]))
    programs = [program(None)]
    for _ in range(3 if plans else 0):
        # Edges of periods close to each other and around midnight.
        edges = draw(st.lists(st.integers(1, 900), max_size=4, unique=True))
        begins = sorted({0, *((begin_s + edge) % DAY_S for edge in edges)})
        chosen = [draw(st.integers(0, len(plans))) for _ in begins]
        day = DayPlan("d", tuple(Period(b, str(k)) for b, k in zip(begins, chosen, strict=True)))
        schedule = Schedule("0", (day,), ("d",) * 7, NOBODY)
        programs.append(Program(schedule, {str(k): plan for k, plan in enumerate(plans)}))
    told = draw(
        st.lists(
            # At which second, which program, how far ahead, and whether it is committed.
            st.tuples(
                st.integers(0, 800),
                st.integers(0, len(programs) - 1),
                st.integers(-100, 200),
                st.integers(0, 3),
            ),
            max_size=8,
        )
    )
    return signal, programs, sorted(told), begin_s, draw(st.sampled_from([0, 0, 9, 300]))


@settings(deadline=None, max_examples=120)
@given(lives())
def test_whatever_it_is_told_and_whenever_every_second_is_safe(life: tuple) -> None:
    signal, programs, told, begin_s, countdown_s = life
    controller = Controller(signal, countdown_s=countdown_s)
    states: list[str] = []
    number = 0
    for second in range(1000):
        now_s = begin_s + second
        while told and told[0][0] <= second:
            _, which, ahead_s, how = told.pop(0)
            number += 1
            state = SwitchState.PROPOSED if how == 0 else COMMITTED
            # A lost message: number and moment are old, or it never comes.
            controller.told(
                switch(number, now_s + ahead_s, programs[which], state), MIDNIGHT_MS + now_s * 1000
            )
        states.append(controller.step(MIDNIGHT_MS + now_s * 1000).state)
    assert controller.status().faults == ()
    safe(signal, states)


@settings(deadline=None, max_examples=60)
@given(lives(), st.lists(st.integers(1, 999), min_size=1, max_size=4, unique=True))
def test_power_cuts_at_any_moment_lose_nothing_that_was_kept(life: tuple, cuts: list[int]) -> None:
    """It comes up all red with what its file has, and goes on as safely as ever."""
    signal, programs, told, begin_s, countdown_s = life
    with TemporaryDirectory() as folder:
        path = Path(folder) / "held.json"
        controller = Controller(signal, countdown_s=countdown_s)
        states: list[str] = []
        number = 0
        for second in range(1000):
            now_ms = MIDNIGHT_MS + (begin_s + second) * 1000
            if second in cuts:
                safe(signal, states)
                held = read_held(path, city_id="x", signal_id=signal.id)
                assert held == controller.held
                controller, states = Controller(signal, held=held, countdown_s=countdown_s), []
            while told and told[0][0] <= second:
                _, which, ahead_s, how = told.pop(0)
                number += 1
                state = SwitchState.PROPOSED if how == 0 else COMMITTED
                word = switch(number, begin_s + second + ahead_s, programs[which], state)
                # As the link does: written, and then gone by.
                kept, _ = controller.considered(controller.held, word, now_ms)
                write_held(kept, path, city_id="x", signal_id=signal.id)
                controller.held = kept
            shown = controller.step(now_ms)
            states.append(shown.state)
            if len(states) <= LEAST_ALL_RED_S:
                assert set(shown.state) == {"r"}
    assert controller.status().faults == ()
    safe(signal, states)
    # What it runs is what it was told last of all that is due, as if there had been no cut.
    current = controller.held.current(now_ms)
    wanted = None if current is None or current.program is None else current.program.plan_at(now_ms)
    assert controller.plan == (wanted or controller.own_plan)


@settings(deadline=None, max_examples=60)
@given(lives())
def test_three_cycles_after_the_last_change_it_is_in_step(life: tuple) -> None:
    signal, programs, told, _, countdown_s = life
    controller = Controller(signal, countdown_s=countdown_s)
    begin_s = 7200
    quiet = [p for p in programs if p.plans]
    if not quiet:
        return
    plans = [plan for p in quiet for plan in p.plans.values()]
    final = plans[len(told) % len(plans)]
    before = plans[0]
    try:
        longest_s = max(
            longest_way_s(signal, a, b)
            for a in (controller.own_plan, before)
            for b in (before, final)
        )
    except UnsafePlanError:
        return
    if longest_s > 2 * min(before.cycle_s, final.cycle_s):
        return
    now_ms = MIDNIGHT_MS + begin_s * 1000
    controller.told(switch(1, begin_s, program(before)), now_ms)
    run(controller, begin_s, 4 * max(before.cycle_s, controller.own_plan.cycle_s) + 60)
    at_s = begin_s + 1000
    run(controller, begin_s + 460, 540)
    controller.told(switch(2, at_s, program(final)), now_ms)
    within_s = 3 * max(before.cycle_s, final.cycle_s)
    run(controller, at_s, within_s)
    assert all(second.in_step for second in run(controller, at_s + within_s, final.cycle_s))
