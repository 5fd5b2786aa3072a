"""A wish written and read again is the request."""

import math

from hypothesis import given
from hypothesis import strategies as st

from parking.inventory import Connector, SpaceClass
from parking.requests import ParkingRequest
from parking.wishes import request_of, wish_text

degrees = st.integers(-8_000_000, 8_000_000).map(lambda n: round(n / 100_000, 5))
requests = st.builds(
    ParkingRequest,
    id=st.just("q"),
    origin_lon=degrees,
    origin_lat=degrees,
    dest_lon=degrees,
    dest_lat=degrees,
    arrive_ms=st.just(1_795_390_000_000),
    leave_ms=st.just(1_795_393_600_000),
    space_class=st.sampled_from(SpaceClass),
    height_cm=st.integers(0, 1000),
    connector=st.one_of(st.none(), st.sampled_from(Connector)),
    min_power_kw=st.sampled_from([0.0, 7.5, 120.0]),
    max_walk_m=st.sampled_from([0.0, 300.0, 1500.0, math.inf]),
    max_price_fen=st.one_of(st.none(), st.integers(0, 10**6)),
    value_of_time_fen_per_h=st.integers(0, 100_000),
    permits=st.frozensets(st.text(min_size=1, max_size=5), max_size=3),
)


@given(requests)
def test_a_wish_read_again_is_the_request(request):
    text = wish_text(request)
    again = request_of(text, key="q", arrive_ms=request.arrive_ms, leave_ms=request.leave_ms)
    assert again == request
    assert wish_text(again) == text
