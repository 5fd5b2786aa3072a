"""Which plan is in force when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.errors import InvalidInputError, NotFoundError
from traffic.plan import Stage, TimingPlan
from traffic.planbook import PlanBook, PlanSet
from traffic.signals import Phase


def plan(signal_id: str, offset_s: int = 0) -> TimingPlan:
    stages = tuple(
        Stage(
            name=name,
            green_state=green,
            green_s=25,
            min_green_s=5,
            intergreen=(Phase(3, yellow), Phase(2, "rr")),
        )
        for name, green, yellow in (("1", "Gr", "yr"), ("2", "rG", "ry"))
    )
    return TimingPlan(
        signal_id=signal_id, cycle_s=60, offset_s=offset_s, stages=stages, coordinated_stage=0
    )


def test_a_later_start_replaces_an_earlier_one() -> None:
    book = PlanBook([PlanSet(1, 1_000, (plan("a", 1),)), PlanSet(2, 5_000, (plan("a", 2),))])
    first = book.in_force("a", 4_999)
    assert (first.plan.offset_s, first.valid_from_ms, first.valid_until_ms) == (1, 1_000, 5_000)
    second = book.in_force("a", 5_000)
    assert (second.plan.offset_s, second.revision, second.valid_until_ms) == (2, 2, None)


def test_nothing_is_in_force_before_the_first_set_or_for_a_stranger() -> None:
    book = PlanBook([PlanSet(1, 1_000, (plan("a"),))])
    with pytest.raises(NotFoundError, match="signal a"):
        book.in_force("a", 999)
    with pytest.raises(NotFoundError, match="signal b"):
        book.in_force("b", 2_000)


def test_a_set_for_one_corridor_leaves_other_signals_alone() -> None:
    book = PlanBook([PlanSet(1, 0, (plan("a", 1), plan("b", 1)))])
    book.add(PlanSet(2, 0, (plan("b", 2),)))
    assert book.in_force("a", 10).plan.offset_s == 1
    assert book.in_force("b", 10).plan.offset_s == 2


def test_revisions_increase() -> None:
    book = PlanBook([PlanSet(3, 0, (plan("a"),))])
    with pytest.raises(InvalidInputError, match="more than 3"):
        book.add(PlanSet(3, 0, (plan("a"),)))
    with pytest.raises(InvalidInputError, match="two plans for one signal"):
        PlanSet(4, 0, (plan("a"), plan("a")))


def test_since_gives_what_is_in_force_and_what_is_to_come_but_not_what_is_over() -> None:
    book = PlanBook(
        [
            PlanSet(1, 0, (plan("a", 1),)),
            PlanSet(2, 1_000, (plan("a", 2),)),
            PlanSet(3, 9_000, (plan("a", 3),)),
        ]
    )
    assert [entry.revision for entry in book.since(0, 5_000)] == [2, 3]
    assert [entry.revision for entry in book.since(2, 5_000)] == [3]
    assert book.since(0, 5_000, ["b"]) == ()


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=12),
    st.integers(-5, 60),
)
def test_in_force_is_the_latest_start_then_the_highest_revision(
    starts: list[int], time_ms: int
) -> None:
    """Against the rule as it is written, by brute force."""
    book = PlanBook(PlanSet(k + 1, start, (plan("a", k % 60),)) for k, start in enumerate(starts))
    begun = [(start, k + 1) for k, start in enumerate(starts) if start <= time_ms]
    if not begun:
        with pytest.raises(NotFoundError):
            book.in_force("a", time_ms)
        return
    start, revision = max(begun)
    entry = book.in_force("a", time_ms)
    assert (entry.valid_from_ms, entry.revision) == (start, revision)
    assert entry.valid_until_ms is None or entry.valid_until_ms > time_ms
