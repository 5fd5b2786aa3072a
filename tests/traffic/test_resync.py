"""Greens that bring a signal into step, by hand."""

import pytest

from traffic.plan import Stage, TimingPlan
from traffic.resync import Resync
from traffic.signals import Phase

# 76 s: greens of 20 and 8 s, twice, each with 5 s of yellow; nothing below 5 s. A quarter of the
# cycle, 19 s, may be added or taken: 7 s of the long greens, 3 s of the short ones.
STAGES = tuple(
    Stage(str(k), "rG"[k % 2] * 2, green_s, 5, (Phase(5, "yy"),))
    for k, green_s in enumerate((20, 8, 20, 8))
)
PLAN = TimingPlan("s", 76, 0, STAGES, 2)
RESYNC = Resync(PLAN, (5, 5, 5, 5), 0.25)


@pytest.mark.parametrize(
    ("lag_s", "greens_s"),
    [
        (0, ()),
        (1, (21,)),
        (7, (27,)),
        (9, (26, 11)),
        (12, (24, 10, 26)),
        # 21 s is more than a cycle's 20.
        (21, (25, 11, 25, 10, 26)),
    ],
)
def test_adding(lag_s: int, greens_s: tuple[int, ...]) -> None:
    found = RESYNC.add(0, lag_s, 5)
    assert len(found) == len(greens_s)
    own = [STAGES[k % 4].green_s for k in range(len(found))]
    assert sum(found) - sum(own) == lag_s
    assert all(0 <= a - b <= 7 for a, b in zip(found, own, strict=True))
    if lag_s < 9:
        assert found == greens_s


@pytest.mark.parametrize(("early_s", "count"), [(1, 1), (7, 1), (8, 2), (10, 2), (17, 3), (20, 4)])
def test_subtracting(early_s: int, count: int) -> None:
    found = RESYNC.subtract(0, 76 - early_s, 5)
    assert found is not None
    own = [STAGES[k % 4].green_s for k in range(count)]
    assert len(found) == count
    assert sum(own) - sum(found) == early_s
    assert all(a >= 5 and b - a <= 7 for a, b in zip(found, own, strict=True))


def test_dwelling_holds_the_coordinated_green() -> None:
    assert RESYNC.dwell(0, 30, 5) == (20, 8, 50)
    assert RESYNC.dwell(2, 30, 5) == (50,)
    assert RESYNC.dwell(3, 30, 5) == (8, 20, 8, 50)
    # 25 s of the first green have been shown: 5 too many, which the hold makes good.
    assert RESYNC.dwell(0, 30, 25) == (25, 8, 45)
    assert RESYNC.dwell(0, 0, 25) == (25, 8, 91)


def test_what_has_been_shown_counts() -> None:
    assert RESYNC.add(0, 5, 25) == (25,)
    assert RESYNC.subtract(0, 5, 25) == (25,)
    assert RESYNC.takes_s(0, (25, 8)) == 43


def test_nothing_to_shorten_is_said() -> None:
    least = tuple(stage.green_s for stage in STAGES)
    assert Resync(PLAN, least, 0.25).subtract(0, 10, 5) is None
    assert Resync(PLAN, least, 0.25).subtract(0, 0, 5) == ()
