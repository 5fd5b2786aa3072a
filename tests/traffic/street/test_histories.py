"""Random histories of engineers, controllers and a server that is away: what always holds."""

from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.traffic.small_plans import plan
from tests.traffic.street.town import CYCLE_MS, NOW_MS, Town
from traffic.errors import InvalidInputError, StateError
from traffic.street import going_back, going_over
from traffic.street.events import Event, SwitchDecided, SwitchMade
from traffic.street.records import Life
from traffic.street.state import Street
from traffic.street.switching import Switch, SwitchRules, SwitchState

SIGNALS = "abcd"
some_signals = st.sets(st.sampled_from(SIGNALS))
mostly_all = st.one_of(st.just(set(SIGNALS)), some_signals)
mostly_none = st.one_of(st.just(set()), some_signals)


class Histories(RuleBasedStateMachine):
    """A town whose log is also read from its beginning after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.town = Town()
        self.now_ms = NOW_MS
        self.replayed = Street()
        # What was proposed for earlier than a switch that was committed by then: with that one.
        self.in_order: list[tuple[str, str]] = []
        self.read = 0
        self.schedules = [
            self.town.approved_set(tuple(plan(key, offset_s) for key in SIGNALS))
            for offset_s in (0, 10, 20)
        ]
        self.town.activate(self.schedules[0], NOW_MS)
        self.town.street.known = set(SIGNALS)

    def dare(self, act: Callable[[], Any]) -> None:
        """Do something that may be refused for good reasons."""
        before = self.town.street.revision
        try:
            act()
        except (StateError, InvalidInputError):
            assert self.town.street.revision == before

    # -- what happens

    @rule(k=st.integers(0, 2), ahead=st.one_of(st.none(), st.integers(0, 20)))
    def activate(self, k: int, ahead: int | None) -> None:
        at_ms = None if ahead is None else self.now_ms + ahead * CYCLE_MS
        self.dare(lambda: self.town.activate(self.schedules[k], self.now_ms, at_ms))

    @rule(k=st.integers(0, 2), ahead=st.integers(4, 12))
    def plan_ahead(self, k: int, ahead: int) -> None:
        """What all acknowledge at once is decided at once."""
        self.activate(k, ahead)
        for switch in self.town.street.open_switches:
            self.town.acknowledge(switch.id, *switch.signals)
        self.pass_time(1)

    @precondition(lambda self: self.town.street.open_switches)
    @rule(data=st.data(), yes=mostly_all, no=mostly_none)
    def answer(self, data: st.DataObject, yes: set[str], no: set[str]) -> None:
        switch = data.draw(st.sampled_from(self.town.street.open_switches))
        self.town.acknowledge(switch.id, *sorted(yes), **dict.fromkeys(sorted(no), "conflict"))
        now = self.town.street.switch(switch.id)
        own = set(switch.signals)
        assert now.refused.keys() >= no & own
        assert now.acknowledged >= (yes - no) & own
        assert not now.acknowledged & now.refused.keys()

    @rule(groups=st.sampled_from([(), ("a",), ("d",)]))
    def roll_back(self, groups: tuple[str, ...]) -> None:
        running = {key: self.town.street.in_force(key, self.now_ms).plan for key in SIGNALS}
        self.dare(
            lambda: self.town.do(
                lambda s: going_back.roll_back(
                    s, self.town.city, groups, by="x", now_ms=self.now_ms
                )
            )
        )
        after = {key: self.town.street.in_force(key, self.now_ms).plan for key in SIGNALS}
        assert after == running, "nothing changes at once"

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        switch = data.draw(st.sampled_from(list(self.town.street.switches.values())))
        far = switch.activate_at_ms > self.now_ms + 10_000
        can_be = switch.is_open or (switch.state is SwitchState.COMMITTED and far)
        self.dare(
            lambda: self.town.do(
                lambda s: going_over.cancel(
                    s, self.town.city, switch.id, by="x", now_ms=self.now_ms
                )
            )
        )
        is_off = self.town.street.switch(switch.id).state is SwitchState.CANCELLED
        assert is_off == (can_be or switch.state is SwitchState.CANCELLED)

    @rule(seconds=st.one_of(st.integers(0, 3), st.integers(100, 200), st.integers(0, 1500)))
    def pass_time(self, seconds: int) -> None:
        """A tick; after many seconds the server was away meanwhile."""
        self.now_ms += 1000 * seconds
        rules = SwitchRules()
        for event in self.town.tick(self.now_ms):
            if isinstance(event, SwitchDecided) and event.state is SwitchState.COMMITTED:
                ahead_ms = event.activate_at_ms - self.now_ms
                assert ahead_ms >= rules.decide_ms - rules.slack_ms, "all can hear of it in time"
                switch = self.town.street.switch(event.id)
                asked = [key for key in switch.signals if key in self.town.street.known]
                enough = rules.share * len(asked)
                assert len(switch.acknowledged & set(asked)) >= enough

    # -- what always holds

    @invariant()
    def the_log_says_it_all(self) -> None:
        fresh: tuple[Event, ...] = self.town.events[self.read :]
        self.read += len(fresh)
        for event in fresh:
            if isinstance(event, SwitchMade):
                self.in_order += _to_follow(self.replayed, event.switch)
            self.replayed.apply((event,), self.town.street.revision)
        mine = {key: _bare(s) for key, s in self.town.street.switches.items()}
        assert mine == {key: _bare(s) for key, s in self.replayed.switches.items()}
        made = [e.switch.id for e in self.town.events if isinstance(e, SwitchMade)]
        assert list(self.town.street.switches) == made

    @invariant()
    def what_is_looked_up_is_what_the_switches_say(self) -> None:
        street = self.town.street
        for time_ms in (self.now_ms, self.now_ms + 3 * CYCLE_MS, self.now_ms + 10**8, NOW_MS):
            holding = {id_ for key in SIGNALS if (id_ := _holding(street, key, time_ms))}
            assert {s.id for s in street.in_force_now(time_ms)} == holding
            coming = {
                s.id
                for s in street.switches.values()
                if s.is_open or (s.state is SwitchState.COMMITTED and s.activate_at_ms > time_ms)
            }
            assert {s.id for s in street.to_come(time_ms)} == coming
            for key in SIGNALS:
                assert street.in_force(key, time_ms).switch.id == _holding(street, key, time_ms)
            used = {street.switch(k).schedule.id for k in holding}
            for schedule_id in self.schedules:
                life = street.life("schedule", schedule_id, time_ms)
                assert (life is Life.IN_FORCE) == (schedule_id in used)
                (set_id,) = street.schedule(schedule_id).plan_sets
                assert street.life("plan-set", set_id, time_ms) is life
                assert schedule_id in street.schedules_using(set_id)

    @invariant()
    def what_was_committed_for_later_is_not_overtaken(self) -> None:
        for earlier_id, later_id in self.in_order:
            earlier, later = (self.town.street.switch(k) for k in (earlier_id, later_id))
            if earlier.state is later.state is SwitchState.COMMITTED:
                assert earlier.activate_at_ms + 3 * CYCLE_MS <= later.activate_at_ms

    @invariant()
    def a_group_goes_over_as_one(self) -> None:
        street = self.town.street
        assert len({_holding(street, key, self.now_ms) for key in "abc"}) == 1
        assert len({s.group for s in street.open_switches}) == len(street.open_switches)

    @invariant()
    def a_copy_is_its_own(self) -> None:
        twin = self.town.street.copy()
        for switch in twin.open_switches:
            twin.apply((SwitchDecided(switch.id, SwitchState.CANCELLED, 0, ()),), 10**6)
            assert self.town.street.switch(switch.id).is_open


def _bare(switch: Switch) -> tuple[Any, ...]:
    return (switch.state, switch.activate_at_ms, switch.acknowledged, dict(switch.refused))


def _to_follow(street: Street, proposed: Switch) -> list[tuple[str, str]]:
    """A proposed switch with each that is committed for later and concerns it."""
    return [
        (proposed.id, s.id)
        for s in street.switches.values()
        if s.state is SwitchState.COMMITTED
        and s.group == proposed.group
        and s.activate_at_ms > proposed.activate_at_ms
    ]


def _holding(street: Street, signal_id: str, time_ms: int) -> str:
    found = [
        (s.activate_at_ms, int(s.id))
        for s in street.switches.values()
        if s.state is SwitchState.COMMITTED
        and s.activate_at_ms <= time_ms
        and signal_id in s.signals
    ]
    return str(max(found)[1])


Histories.TestCase.settings = settings(deadline=None, max_examples=100, stateful_step_count=30)
TestHistories = Histories.TestCase
