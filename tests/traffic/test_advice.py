"""Advised speeds meet greens, and never break a limit on the way to them."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.traffic.small_plans import plan
from traffic.advice import KMH, LEAD_S, TAIL_S, Advice, Ahead, advise, sign_text, way_ahead
from traffic.corridors import Corridor, Crossing, Link

CROSSINGS = tuple(
    Crossing(key, (0,), (1,), (), (), f"to-{key}", f"back-{key}") for key in ("a", "b", "c")
)
LINKS = (
    Link(("ab1", "to-b"), ("ba",), 500.0, 480.0, 30.0, 28.8),
    Link(("to-c",), ("cb",), 300.0, 300.0, 27.0, 27.0),
)
CORRIDOR = Corridor("x", "黄河路", CROSSINGS, LINKS)


def test_each_signal_has_the_lowest_limit_on_the_way_to_it() -> None:
    way = way_ahead(CORRIDOR, 100.0, inbound=False, count=2)
    assert [key for key, _, _ in way.signals] == ["b", "c"]
    assert way.limits_mps == pytest.approx((500 / 30, 300 / 27))
    # Of edges whose limits are known, the lowest counts, however short.
    limits = {"ab1": 60 / KMH, "to-b": 30 / KMH, "to-c": 40 / KMH}
    way = way_ahead(CORRIDOR, 100.0, inbound=False, count=2, edge_limits_mps=limits)
    assert way.limits_mps == pytest.approx((30 / KMH, 30 / KMH))
    # Before the first signal only the edge to it is known.
    way = way_ahead(CORRIDOR, -50.0, inbound=False, count=1, edge_limits_mps={"to-a": 10.0})
    assert way.limits_mps == (10.0,)
    assert way_ahead(CORRIDOR, -50.0, inbound=False, count=1).limit_mps == 50 / KMH
    assert way_ahead(CORRIDOR, 400.0, inbound=True, count=1).limits_mps == pytest.approx(
        (480 / 28.8,)
    )


def ahead(
    distance_m: float, link: int, limit_mps: float, *, clock_s: float = 0.0, for_s: float = math.inf
) -> Ahead:
    return Ahead("s", distance_m, plan("s"), (link,), clock_s, for_s, limit_mps)


def test_a_slower_link_behind_a_faster_one_ends_the_advice_above_its_limit() -> None:
    # The second green can be met at 45 to 60 km/h alone, and its link allows 40.
    def met(limit_kmh: float) -> int:
        first = ahead(400.0, 1, 60 / KMH, clock_s=20.0)
        second = ahead(800.0, 0, limit_kmh / KMH, clock_s=20.0)
        return advise([first, second], min_mps=8, max_mps=60 / KMH).greens_met

    assert met(60) == 2
    assert met(40) == 1


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(50, 600), st.integers(0, 1), st.floats(6, 20), st.sampled_from([30.0, 1e9])
        ),
        min_size=1,
        max_size=4,
    ),
    st.floats(0, 60),
)
def test_every_green_that_is_promised_is_met_below_every_limit(
    rows: list[tuple[float, int, float, float]], clock_s: float
) -> None:
    signals: list[Ahead] = []
    at_m, lowest = 0.0, math.inf
    for length_m, link, limit_mps, for_s in rows:
        at_m, lowest = at_m + length_m, min(lowest, limit_mps)
        signals.append(ahead(at_m, link, lowest, clock_s=clock_s, for_s=for_s))
    found = advise(signals, min_mps=4, max_mps=20)
    assert bool(found.windows) == bool(found.greens_met)
    for slow, fast in found.windows:
        for speed in (slow, (slow + fast) / 2, fast):
            for signal in signals[: found.greens_met]:
                assert speed <= signal.limit_mps + 1e-9
                after_s = signal.distance_m / speed
                assert after_s <= signal.for_s + 1e-6
                # Not at the edges, where a float may fall to either side.
                shown = {
                    signal.plan.state_at(clock_s + after_s + shift)[signal.links[0]]
                    for shift in (-min(LEAD_S, after_s) / 2, TAIL_S / 2)
                }
                assert shown == {"G"}


@pytest.mark.parametrize(
    ("windows_kmh", "text"),
    [
        (((41.0, 57.0),), "绿波车速 45-55 km/h"),
        (((44.0, 46.0),), "绿波车速 45 km/h"),
        # Round numbers of a slower window before odd ones of the fastest.
        (((50.6, 54.0), (38.0, 43.0)), "绿波车速 40 km/h"),
        (((50.6, 54.0),), "绿波车速 51-54 km/h"),
        (((50.6, 50.9),), "前方红灯 减速慢行"),
        ((), "前方红灯 减速慢行"),
    ],
)
def test_the_text_of_a_sign(windows_kmh, text):
    windows = tuple((slow / KMH, fast / KMH) for slow, fast in windows_kmh)
    assert sign_text(Advice(windows, 1)) == text
