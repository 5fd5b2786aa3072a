"""The profile against counting instant by instant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking.ledger import Profile

stays = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 8)).map(lambda stay: (stay[0], sum(stay))),
    max_size=12,
)


def counted(given_stays: list[tuple[int, int]], at: int) -> int:
    return sum(start <= at < end for start, end in given_stays)


def built(given_stays: list[tuple[int, int]]) -> Profile:
    profile = Profile()
    for start, end in given_stays:
        profile = profile.add(start, end)
    return profile


@given(stays, st.integers(-2, 30), st.integers(1, 10))
def test_peak_is_the_largest_count_of_any_instant(given_stays, start, length):
    expected = max(counted(given_stays, at) for at in range(start, start + length))
    assert built(given_stays).peak(start, start + length) == expected


@given(stays, st.randoms())
def test_the_form_is_canonical(given_stays, random):
    shuffled = given_stays[:]
    random.shuffle(shuffled)
    profile = built(given_stays)
    assert built(shuffled) == profile
    assert list(profile.times_ms) == sorted(set(profile.times_ms))
    assert all(a != b for a, b in zip((0, *profile.levels), profile.levels, strict=False))
    assert not profile.levels or profile.levels[-1] == 0


@given(stays)
def test_taking_everything_back_leaves_nothing(given_stays):
    profile = built(given_stays)
    for start, end in given_stays:
        profile = profile.add(start, end, -1)
    assert profile == Profile()


@given(stays, st.integers(-1, 30))
def test_since_forgets_only_the_past(given_stays, now):
    profile = built(given_stays)
    later = profile.since(now)
    assert all(at >= now for at in later.times_ms)
    for at in range(now, 32):
        assert later.peak(at, at + 1) == profile.peak(at, at + 1)


def test_an_instant_that_only_ends_or_begins_does_not_count():
    profile = Profile().add(10, 20)
    assert profile.peak(0, 10) == 0
    assert profile.peak(20, 30) == 0
    assert profile.peak(19, 20) == 1
    assert profile.add(5, 5) == profile


def test_releasing_more_than_was_committed_is_an_error():
    with pytest.raises(ValueError, match="more spaces released"):
        Profile().add(0, 10).add(5, 15, -1)
