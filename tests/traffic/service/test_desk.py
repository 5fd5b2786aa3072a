"""What controllers say is not lost while the store ails; what hinders one thing stops no other."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.traffic.small_plans import plan
from tests.traffic.street.town import NOW_MS, Town
from traffic.errors import InvalidInputError
from traffic.io.street_log import KIND, decode
from traffic.service.desk import Desk
from traffic.store import Commit, Kept, LogEntry, SqlitePlanStore, StorageError
from traffic.street import decisions
from traffic.street.health import AlarmKind, Health, Report
from traffic.street.switching import SwitchState


class Ailing(SqlitePlanStore):
    """A store whose disk is full for a while."""

    is_full = False

    def append(self, commit: Commit) -> Kept:
        if self.is_full:
            raise StorageError("no space left", where="plans")
        return super().append(commit)


class Shared(SqlitePlanStore):
    """A store in which a newer server has written something that this one does not know."""

    is_shared = True
    is_newer = False

    def load(self, after_revision: int = 0) -> tuple[LogEntry, ...]:
        if self.is_newer:
            decode(json.dumps([{KIND: "SignalMoved"}]))
        return super().load(after_revision)

    def watch(self, told: Callable[[], None]) -> None:
        self.told = told


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Ailing]:
    made = Ailing(tmp_path / "plans.sqlite")
    yield made
    made.close()


async def desk_with_a_proposal(store: Ailing) -> tuple[Desk, str]:
    """A desk of the town, whose three controllers are asked about a switch."""
    town = Town().running()
    first, _ = town.activate(town.approved_set(tuple(plan(k, 20) for k in "abcd")), NOW_MS)
    desk = Desk(city_id="x", city=town.city, store=store, clock=lambda: NOW_MS)
    await desk.carry_out(lambda _: town.events)
    for key in "abc":
        desk.heard_of(key)
    await desk.pass_time()
    assert desk.street.switch(first).is_open
    return desk, first


async def test_answers_that_could_not_be_written_are_written_later(store: Ailing) -> None:
    desk, first = await desk_with_a_proposal(store)
    desk.answer("a", first, "")
    desk.answer("b", first, "conflict")
    desk.answer("c", first, "conflict")
    store.is_full = True
    with pytest.raises(StorageError):
        await desk.pass_time()
    # What is said meanwhile counts more than what was said before.
    desk.answer("b", first, "")
    with pytest.raises(StorageError):
        await desk.pass_time()
    store.is_full = False
    await desk.pass_time()
    switch = desk.street.switch(first)
    assert (switch.acknowledged, dict(switch.refused)) == ({"a", "b"}, {"c": "conflict"})
    desk.answer("c", first, "")
    await desk.pass_time()
    assert desk.street.switch(first).state is SwitchState.COMMITTED


async def test_of_two_answers_in_one_second_the_last_counts(store: Ailing) -> None:
    desk, first = await desk_with_a_proposal(store)
    for refusals in (("", "conflict"), ("conflict", "")):
        for refusal in refusals:
            desk.answer("a", first, refusal)
        await desk.pass_time()
        switch = desk.street.switch(first)
        assert ("a" in switch.acknowledged, "a" in switch.refused) == (
            not refusals[-1],
            bool(refusals[-1]),
        )


@pytest.mark.parametrize("lost", ["c", None])
async def test_alarms_are_raised_and_wrong_clocks_left_out_though_a_signal_is_lost(
    store: Ailing, lost: str | None
) -> None:
    town = Town().running()
    signals = {key: one for key, one in town.city.signals.items() if key != lost}
    groups = tuple(
        replace(group, signals=tuple(k for k in group.signals if k != lost))
        for group in town.city.groups
    )
    town.do(lambda s: decisions.set_auto_apply(s, True, "李工", NOW_MS))
    city = replace(town.city, signals=signals, groups=groups)
    desk = Desk(city_id="x", city=city, store=store, clock=lambda: NOW_MS)
    await desk.carry_out(lambda _: town.events)
    running = desk.street.in_force("a", NOW_MS).switch
    said = Report("a", NOW_MS, running.id, "plan", 5_000, 0, True)
    desk.healths["a"] = Health(NOW_MS, said, 3)
    await desk.pass_time()
    assert ("a", AlarmKind.CLOCK) in desk.street.alarms
    (switch,) = desk.street.open_switches
    assert (switch.signals, switch.schedule.without) == (
        tuple(key for key in "abc" if key != lost),
        ("a",),
    )


async def test_a_draft_that_is_not_safe_hinders_no_alarm_and_is_said_once(store: Ailing) -> None:
    town = Town().running()
    town.do(lambda s: decisions.set_auto_apply(s, True, "李工", NOW_MS))
    stiff = replace(town.city.signals["b"], min_green_s={0: 30.0})
    city = replace(town.city, signals={**town.city.signals, "b": stiff})
    desk = Desk(city_id="x", city=city, store=store, clock=lambda: NOW_MS)
    await desk.carry_out(lambda _: town.events)
    said = Report("a", NOW_MS, desk.street.in_force("a", NOW_MS).switch.id, "plan", 5_000, 0, True)
    desk.healths["a"] = Health(NOW_MS, said, 3)
    with capture_logs() as logs:
        for _ in range(3):
            await desk.pass_time()
    assert ("a", AlarmKind.CLOCK) in desk.street.alarms
    assert not desk.street.open_switches
    (told,) = logs
    assert "signal b: minimum-green" in told["why"]


async def test_what_a_newer_server_writes_is_said_to_be_unreadable(tmp_path: Path) -> None:
    shared = Shared(tmp_path / "shared.sqlite")
    town = Town().running()
    desk = Desk(city_id="x", city=town.city, store=shared, clock=lambda: NOW_MS)
    await desk.carry_out(lambda _: town.events)
    shared.is_newer = True
    with capture_logs() as logs:
        shared.told()
        for _ in range(3):
            await asyncio.sleep(0)
        with pytest.raises(InvalidInputError, match="not an entry of the log"):
            await desk.catch_up()
    (told,) = logs
    assert (told["log_level"], told["event"]) == (
        "error",
        "another server writes what this one cannot read",
    )
    shared.close()
