import pytest

from traffic.corridors import Corridor, Crossing, Link
from traffic.errors import InvalidInputError
from traffic.greenwave import PartBands
from traffic.plan import Stage, TimingPlan
from traffic.signals import Phase
from traffic.timespace import (
    Band,
    Parting,
    SignalRow,
    TimeSpace,
    circular_runs,
    time_space,
)

# Links: 0 through out, 1 through in, 2 left out, 3 cross road.
STAGES = (
    Stage("main", "GGgr", 30, 10, (Phase(3, "yyyr"), Phase(2, "rrrr"))),
    Stage("left", "rrGr", 10, 5, (Phase(3, "rryr"), Phase(2, "rrrr"))),
    Stage("cross", "rrrG", 35, 10, (Phase(3, "rrry"), Phase(2, "rrrr"))),
)
CYCLE_S = 90


def crossing(signal_id: str) -> Crossing:
    return Crossing(signal_id, (0,), (1,), (2,), (), "a", "b")


def link(length_m: float) -> Link:
    return Link(("e",), ("f",), length_m, length_m, length_m / 10, length_m / 10)


CORRIDOR = Corridor(
    id="C1",
    name="黄河路",
    crossings=tuple(crossing(key) for key in ("a", "b", "c", "d")),
    links=(link(400.0), link(1500.0), link(300.0)),
)
PLANS = {
    key: TimingPlan(key, CYCLE_S, offset_s, STAGES)
    for key, offset_s in (("a", 0), ("b", 40), ("c", 80))
}
PART = PartBands(0, 1, 12.0, 8.0, 5.0, 60.0, (10.0,), (20.0,))


def drawn() -> TimeSpace:
    return time_space(CORRIDOR, PLANS, [PART], cycle_s=CYCLE_S, names={"a": "西四路"})


def test_rows_take_greens_from_the_plans():
    """Through greens, protected lefts, offsets and names are the plans' own."""
    first, second, third, last = drawn().rows
    assert (first.name, first.position_m, first.offset_s) == ("西四路", 0.0, 0)
    assert first.green_out == ((0, 30),)
    # The left yields in the main stage: only its own stage is protected.
    assert first.left_out == ((35, 45),)
    assert second.green_in == ((40, 70),)
    assert third.green_out == ((80, 110),)  # wraps over the cycle's end
    assert third.left_out == ((25, 35),)
    assert (last.name, last.offset_s, last.green_out) == ("d", None, ())


def test_band_fronts_follow_the_speeds():
    """Outbound arrives 400 m / 10 m/s later, inbound comes from the last row at 20 m/s."""
    out, back = drawn().bands
    assert (out.direction, out.front_s, out.width_s) == ("out", (5.0, 45.0), 12.0)
    assert (back.direction, back.front_s, back.width_s) == ("in", (80.0, 60.0), 8.0)


def test_partings_say_why():
    """A long link, a missing plan, a part without bands: each its reason and length."""
    assert drawn().partings == (
        Parting(1, 1500.0, "long"),
        Parting(2, 300.0, "not_coordinated"),
    )
    none = PartBands(0, 1, 0.0, 0.0, 0.0, 0.0, (10.0,), (10.0,))
    alone = time_space(CORRIDOR, PLANS, [none], cycle_s=CYCLE_S, names={})
    assert alone.partings[0] == Parting(0, 400.0, "no_band")
    assert alone.bands == ()


def test_speed_of_a_link():
    """Known where a band runs, None where the corridor is parted."""
    assert drawn().speed_mps(0, "out") == 10.0
    assert drawn().speed_mps(0, "in") == 20.0
    assert drawn().speed_mps(1, "out") is None


@pytest.mark.parametrize(
    ("shown", "runs"),
    [
        ([False, True, True, False], ((1, 3),)),
        ([True, False, False, True], ((3, 5),)),
        ([True, True], ((0, 2),)),
        ([False, False], ()),
        ([True, False, True, False], ((0, 1), (2, 3))),
    ],
)
def test_circular_runs(shown, runs):
    """Runs on a circle, the wrapping one in one piece."""
    assert circular_runs(shown) == runs


def row(key: str, position_m: float) -> SignalRow:
    return SignalRow(key, key, position_m, ((0.0, 30.0),), ((0.0, 30.0),), 0)


@pytest.mark.parametrize(
    ("build", "where"),
    [
        (lambda: SignalRow("a", "a", 0.0, ((5.0, 5.0),), (), 0), "signal a.green_out"),
        (lambda: Band("out", 0, 1, (0.0,), 5.0, (10.0,)), "band"),
        (lambda: Band("out", 0, 1, (0.0, 9.0), 0.0, (10.0,)), "band.width_s"),
        (lambda: Band("out", 0, 1, (9.0, 0.0), 5.0, (10.0,)), "band.front_s"),
        (lambda: Band("in", 0, 1, (0.0, 9.0), 5.0, (10.0,)), "band.front_s"),
        (lambda: TimeSpace("t", 0, (row("a", 0), row("b", 9)), ()), "cycle_s"),
        (lambda: TimeSpace("t", 90, (row("a", 0),), ()), "rows"),
        (lambda: TimeSpace("t", 90, (row("a", 9), row("b", 9)), ()), "signal b.position_m"),
        (
            lambda: TimeSpace(
                "t",
                90,
                (row("a", 0), row("b", 9)),
                (Band("out", 1, 2, (0.0, 9.0), 5.0, (10.0,)),),
            ),
            "bands",
        ),
        (
            lambda: TimeSpace("t", 90, (row("a", 0), row("b", 9)), (), (Parting(1, 9.0, "long"),)),
            "partings",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(build, where):
    """The place is named."""
    with pytest.raises(InvalidInputError) as caught:
        build()
    assert caught.value.where == where
