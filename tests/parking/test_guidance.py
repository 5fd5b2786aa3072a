"""Signs: what they add up, and when a new number is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking.errors import InvalidInputError
from parking.guidance import Damping, Line, LotCount, Shown, Sign, show

NOW = 1_795_390_000_000
counts = st.builds(
    LotCount,
    free=st.integers(0, 60),
    held=st.integers(0, 20),
    expected_walk_ins=st.integers(0, 9),
    counted_ms=st.one_of(st.none(), st.integers(NOW - 900_000, NOW)),
    is_closed=st.booleans(),
    is_stale=st.booleans(),
)


def shown(number, age_s=0):
    return Shown(number, NOW - age_s * 1000, NOW, is_stale=False, is_closed=False)


def test_a_line_shows_free_less_held_less_expected_walk_ins():
    lots = [LotCount(10, 3, 2, NOW - 5000), LotCount(4, 6, 0, NOW), LotCount(9, 0, 0, None, True)]
    line = show(None, lots, NOW)
    assert line.number == 5, "no lot takes from another, and a closed one has none"
    assert line.counted_ms == NOW - 5000
    assert line.age_s(NOW) == 5
    assert not line.is_closed


def test_one_lot_never_counted_leaves_the_age_unknown():
    line = show(None, [LotCount(1, 0, 0, NOW), LotCount(1, 0, 0, None)], NOW)
    assert line.counted_ms is None
    assert line.age_s(NOW) is None


@pytest.mark.parametrize(
    ("before", "age_s", "free", "number"),
    [
        (20, 0, 21, 20),
        (20, 29, 21, 20),
        (20, 30, 21, 21),
        (20, 0, 23, 23),
        (100, 0, 105, 100),
        (100, 0, 110, 110),
        (2, 0, 0, 0),
        (0, 0, 2, 0),
        (0, 0, 3, 3),
        (0, 30, 1, 1),
    ],
)
def test_small_changes_wait_and_full_does_not(before, age_s, free, number):
    assert show(shown(before, age_s), [LotCount(free, 0, 0, NOW)], NOW).number == number


@given(st.lists(counts, min_size=1, max_size=4), st.integers(0, 99), st.integers(0, 120))
def test_what_is_shown_is_old_or_true(lots, before, age_s):
    line = show(shown(before, age_s), lots, NOW)
    truth = sum(item.shown for item in lots)
    assert line.number in (before, truth)
    if truth == 0 or age_s >= 30:
        assert line.number == truth
    assert line.is_closed == all(item.is_closed for item in lots)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 30)), min_size=1, max_size=60))
def test_a_sign_does_not_flicker(steps):
    """Between two changes lie 30 s, or 3 spaces, or the line goes to 0."""
    line, now = None, NOW
    for wait_s, free in steps:
        now += wait_s * 1000
        new = show(line, [LotCount(free, 0, 0, now)], now)
        if line is not None and new.number != line.number:
            calm = now - line.changed_ms >= 30_000
            assert calm or new.number == 0 or abs(new.number - line.number) >= 3
        line = new


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda: Line("", ("a",)), "text"),
        (lambda: Line("x" * 65, ("a",)), "text"),
        (lambda: Line("x", ()), "lots"),
        (lambda: Line("x", ("a", "a")), "lots"),
        (lambda: Sign("s", ()), "lines"),
        (lambda: Sign("s", (Line("x", ("a",)),) * 17), "lines"),
        (lambda: Damping(step=0), ""),
    ],
)
def test_limits(make, where):
    with pytest.raises(InvalidInputError) as refused:
        make()
    assert refused.value.where == where
