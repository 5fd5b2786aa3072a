"""No second of the lamps is cut short, however the wall clock is set and however late they come."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.traffic.test_transition import signal_of
from traffic.client.seconds import MOST_APART_MS, MOST_DRAWN_MS, whole_seconds
from traffic.controller.controller import Controller
from traffic.controller.monitor import Monitor

BEGIN_MS = 1_795_017_600_400
Set = tuple[int, int]


class FakeClock:
    """A clock that is set, and a machine that wakes up late, as a script says.

    ``late_ms`` holds by how much each sleep is too long, ``sets`` at which ms of the machine the
    wall clock is put forward or back by how many ms.
    """

    def __init__(self, late_ms: Sequence[int] = (), sets: Sequence[Set] = ()) -> None:
        self.ms = 0
        self._late_ms = list(late_ms)
        self._sets = sets

    def now_ms(self) -> int:
        return BEGIN_MS + self.ms + sum(by_ms for at_ms, by_ms in self._sets if at_ms <= self.ms)

    def monotonic_s(self) -> float:
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        self.ms += -int(-seconds * 1000 // 1) + (self._late_ms.pop(0) if self._late_ms else 0)


def seconds_of(clock: FakeClock, count: int) -> list[tuple[int, int]]:
    """The first seconds: when on the machine, and which second of the wall clock."""

    async def collect() -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        async for second_ms in whole_seconds(clock):
            found.append((clock.ms, second_ms))
            if len(found) == count:
                return found
        raise AssertionError("it goes on for ever")

    return asyncio.run(collect())


def test_they_begin_with_the_wall_clock_s() -> None:
    assert seconds_of(FakeClock(), 3) == [
        (600, BEGIN_MS + 600),
        (1600, BEGIN_MS + 1600),
        (2600, BEGIN_MS + 2600),
    ]


def test_a_clock_put_forward_by_less_than_a_second_cuts_none() -> None:
    found = seconds_of(FakeClock(sets=[(2500, 900)]), 6)
    assert all(b - a >= 1000 for (a, _), (b, _) in pairwise(found))
    # The count follows the clock: a second is left out, not cut.
    assert [(b - a) // 1000 for (_, a), (_, b) in pairwise(found)] == [1, 2, 1, 1, 1]


def test_a_late_second_shortens_the_next_ones_by_a_few_ms_alone() -> None:
    found = seconds_of(FakeClock(late_ms=[0, 0, 650]), 5)
    lengths_ms = [b - a for (a, _), (b, _) in pairwise(found)]
    assert lengths_ms[:2] == [1000, 1650]
    # The clock of this test has whole ms only.
    assert all(0 <= ms - (1000 - MOST_DRAWN_MS) <= 1 for ms in lengths_ms[2:])
    assert [(b - a) // 1000 for (_, a), (_, b) in pairwise(found)] == [1, 1, 1, 1]


def test_a_clock_that_is_put_back_repeats_seconds() -> None:
    found = seconds_of(FakeClock(sets=[(2500, -3000)]), 4)
    assert [b - a for (a, _), (b, _) in pairwise(found)] == [1000] * 3
    assert [(b - a) // 1000 for (_, a), (_, b) in pairwise(found)] == [1, -2, 1]


@pytest.mark.parametrize("late_ms", [1, 3])
def test_waking_up_late_does_not_add_up(late_ms: int) -> None:
    found = seconds_of(FakeClock(late_ms=[late_ms] * 3601), 3600)
    assert {b - a for (_, a), (_, b) in pairwise(found)} == {1000}
    assert all(BEGIN_MS + at_ms - second_ms <= 2 * late_ms for at_ms, second_ms in found)


@pytest.mark.parametrize("by_ms", [-300, 300])
def test_the_lamps_are_drawn_back_to_a_clock_that_was_set_a_little(by_ms: int) -> None:
    clock = FakeClock(sets=[(2500, by_ms)])
    found = seconds_of(clock, 70)
    assert {b - a for (_, a), (_, b) in pairwise(found)} == {1000}
    begun_ms, second_ms = found[-1]
    assert abs(BEGIN_MS + begun_ms + by_ms - second_ms) <= 1


SETS = st.lists(
    st.tuples(st.integers(0, 60_000), st.sampled_from([-4000, -950, -300, 300, 900, 950, 4000])),
    max_size=12,
)
LATE = st.lists(st.sampled_from([0, 0, 0, 1, 5, 40, 700, 990, 2300]), max_size=60)


@settings(deadline=None, max_examples=200)
@given(LATE, SETS)
def test_none_is_ever_shorter_and_the_wall_clock_is_never_far(
    late_ms: list[int], sets: list[Set]
) -> None:
    clock = FakeClock(late_ms, sets)
    found = seconds_of(clock, 60)
    assert all(b - a >= 1000 - MOST_DRAWN_MS for (a, _), (b, _) in pairwise(found))
    for at_ms, second_ms in found:
        assert second_ms % 1000 == 0
        clock.ms = at_ms
        assert abs(clock.now_ms() - second_ms) <= MOST_APART_MS


@settings(deadline=None, max_examples=15)
@given(LATE, SETS)
def test_no_green_and_no_yellow_of_a_controller_is_cut(late_ms: list[int], sets: list[Set]) -> None:
    one = signal_of("cologne1")
    controller, monitor = Controller(one), Monitor(one)
    found = seconds_of(FakeClock(late_ms, sets), 400)
    ends_ms = [*(at_ms for at_ms, _ in found[1:]), found[-1][0] + 1000]
    for (begin_ms, second_ms), end_ms in zip(found, ends_ms, strict=True):
        state = controller.step(second_ms).state
        # What the lamps showed in real time, in whole seconds that were over.
        shown_s = (end_ms - begin_ms + MOST_DRAWN_MS) // 1000
        assert monitor.see(state, shown_s) == ()
