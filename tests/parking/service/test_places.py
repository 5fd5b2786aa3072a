"""The lots as the ledger has them: near ones are found, and no other is missed."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from parking.inventory import Lot, Pool, SpaceClass
from parking.ledger import CloseLot, LedgerState, LotRules, Rules, apply
from parking.service.places import change_lot, lot_document, lot_of_document, places_of
from parking.travel import GreatCircle

NOW = 1_795_390_000_000


def lot(lot_id, lon, lat, **extra):
    pool = Pool(f"{lot_id}-s", SpaceClass.STANDARD, 9, 8, 1, 7, **extra)
    return Lot(lot_id, f"停车场 {lot_id}", lon, lat, (pool,))


def state_of(*lots, rules=None):
    state = LedgerState()
    for item in lots:
        state, _ = apply(state, change_lot(item, rules, "file"), NOW, Rules())
    return state


def test_a_lot_is_what_its_document_says():
    made = lot("a", 118.66, 37.43, bays=tuple("123456789"))
    assert lot_of_document(lot_document(made)) == made


def test_what_changes_is_followed():
    state = state_of(lot("b", 1, 1), lot("a", 0, 0))
    places = places_of(state)
    assert list(places.lots) == ["a", "b"]
    state, _ = apply(state, CloseLot("b"), NOW, Rules())
    state, _ = apply(state, change_lot(lot("c", 2, 2), LotRules(), "call"), NOW, Rules())
    after = places_of(state, places, {"b", "c"})
    assert [item.closed for item in after.listed] == [False, True, False]
    assert after.own_rules == {"c"}
    assert not places.lots["b"].closed


def test_a_new_pool_begins_with_what_the_inventory_says_is_free():
    book = state_of(lot("a", 0, 0)).pools["a-s"]
    assert (book.capacity, book.terms.walk_in_buffer, book.sight.cars) == (7, 1, 2)


degrees = st.floats(-0.05, 0.05).map(lambda x: round(x, 5))
places_here = st.lists(st.tuples(degrees, degrees), min_size=1, max_size=12, unique=True)


@settings(max_examples=60)
@given(places_here, st.lists(st.tuples(degrees, degrees, st.integers(0, 6000)), min_size=1))
def test_no_lot_within_reach_is_left_out(where, points):
    lots = [lot(f"l{k:02}", 118 + lon, 37 + lat) for k, (lon, lat) in enumerate(where)]
    places = places_of(state_of(*lots))
    asked = [(118 + lon, 37 + lat, float(limit)) for lon, lat, limit in points]
    near = {item.id for item in places.near(asked, GreatCircle())}
    for lon, lat, limit_m in asked:
        walks_m = GreatCircle().walk_m(
            np.array([item.lon for item in lots]),
            np.array([item.lat for item in lots]),
            np.array(lon),
            np.array(lat),
        )
        assert {lots[k].id for k in np.nonzero(walks_m <= limit_m)[0]} <= near
