"""What operators say: lots, counts, gates, closing, reconciliation, numbered bays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking.errors import InvalidInputError, NoSpaceError, NotFoundError, RuleError, StateError
from parking.ledger import (
    Arrive,
    ChangeLot,
    CloseLot,
    Confirm,
    Count,
    Depart,
    LedgerState,
    LotRules,
    OpenLot,
    Passage,
    PoolTerms,
    Reconcile,
    RecordPassages,
    ReservationState,
    Rules,
    Tick,
    apply,
    faults,
)
from tests.parking.test_ledger import HOUR, MINUTE, NOW, Book


def lot(*pools, rules=None, document="{}"):
    return ChangeLot("L", document, pools, rules)


def opened(spaces=3, **extra):
    book = Book()
    rules = extra.pop("rules", None)
    book.do(lot(PoolTerms("P", spaces, extra.pop("quota", spaces), **extra), rules=rules))
    return book


def capacity(book, pool="P"):
    return book.state.pools[pool].capacity


def passage(at_ms, *, inward=True, name="", pool="", gate="north"):
    return RecordPassages("L", (Passage(gate, at_ms, inward, pool, name),))


# Lots


def test_a_lot_comes_into_being_and_says_itself_again_for_nothing():
    book = opened(4, quota=3, walk_in_buffer=1)
    assert capacity(book) == 3
    book.hold("a")
    book.hold("b")
    with pytest.raises(NoSpaceError):
        book.hold("c")
    assert book.do(lot(PoolTerms("P", 4, 3, 1))) == ()


def test_a_lot_may_lose_spaces_and_pools():
    book = Book()
    book.do(lot(PoolTerms("P", 2, 2), PoolTerms("Q", 2, 2)))
    for name in "ab":
        book.hold(name)
        book.hold(f"{name}q", pool="Q")
    book.do(Arrive("aq"))
    book.do(lot(PoolTerms("P", 1, 1), document="{1}"))
    assert [book.of(name).state for name in ("a", "b", "aq", "bq")] == [
        "held",
        "displaced",
        "parked",
        "displaced",
    ]
    assert book.of("b").reason == "capacity"
    assert book.state.lots["L"].pools == ("P", "Q")
    assert capacity(book, "Q") == 0


def test_a_pool_is_in_one_lot():
    book = opened()
    with pytest.raises(InvalidInputError) as refused:
        book.do(ChangeLot("M", "{}", (PoolTerms("P", 1, 1),)))
    assert refused.value.where == "pools[0].pool_id"


def test_rules_of_its_own_are_in_the_log():
    book = opened(rules=LotRules(hold_s=60, open_max=1, look_ahead_s=600))
    book.hold("a", driver="d")
    assert book.of("a").hold_expires_ms == NOW + MINUTE
    with pytest.raises(RuleError, match="at most 1"):
        book.hold("b", driver="d")
    with pytest.raises(RuleError) as refused:
        book.hold("b", arrive=11 * MINUTE)
    assert refused.value.reason == "look_ahead"
    book.do(lot(PoolTerms("P", 3, 3)))
    book.hold("b", driver="d", arrive=HOUR)


@pytest.mark.parametrize(
    ("terms", "where"),
    [
        ({"spaces": -1}, "spaces"),
        ({"quota": 4}, "quota"),
        ({"walk_in_buffer": 4}, "walk_in_buffer"),
        ({"occupied": 4}, "occupied"),
        ({"bays": ("1", "2")}, "bays"),
        ({"bays": ("1", "1", "2")}, "bays"),
    ],
)
def test_terms_that_make_no_sense(terms, where):
    with pytest.raises(InvalidInputError) as refused:
        PoolTerms(**{"pool_id": "P", "spaces": 3, "quota": 3} | terms)
    assert refused.value.where == where


def test_closing_displaces_who_waits_and_opening_gives_the_spaces_back():
    book = opened()
    book.hold("in")
    book.do(Arrive("in"))
    book.hold("out")
    book.do(CloseLot("L", "flooded"))
    assert book.is_in("in", ReservationState.PARKED)
    assert book.of("out").reason == "closed"
    with pytest.raises(NoSpaceError):
        book.hold("new")
    book.do(Depart("in"))
    assert capacity(book) == 0
    assert book.do(CloseLot("L")) == ()
    book.do(OpenLot("L"))
    book.hold("new")


@pytest.mark.parametrize(
    "command",
    [
        CloseLot("X"),
        OpenLot("X"),
        Count("X", "P", 0, NOW),
        Count("L", "X", 0, NOW),
        RecordPassages("X", ()),
        RecordPassages("L", (Passage("g", NOW, True, "X"),)),
        Reconcile("X", NOW, ()),
        Reconcile("L", NOW, (("X", 0),)),
        Reconcile("L", NOW, (), frozenset({"nobody"})),
    ],
)
def test_what_is_unknown_is_not_found(command):
    book = opened()
    with pytest.raises(NotFoundError):
        book.do(command)


# Counts


def test_walk_ins_take_spaces_and_displace_the_latest():
    book = opened(3)
    book.hold("in")
    book.do(Arrive("in"))
    book.hold("first")
    book.do(Tick(), NOW + 1)
    book.hold("second")
    # The parked car and one more that nobody booked.
    book.do(Count("L", "P", 2, NOW + 1))
    assert capacity(book) == 2
    assert book.of("second").reason == "walk_in"
    assert book.is_in("first", ReservationState.HELD)
    book.do(Count("L", "P", 1, NOW + 2), NOW + 2)
    book.hold("third")


def test_a_count_in_the_future_or_of_too_many_cars_is_refused():
    book = opened(3)
    with pytest.raises(InvalidInputError):
        book.do(Count("L", "P", 1, NOW + HOUR))
    with pytest.raises(InvalidInputError) as refused:
        book.do(Count("L", "P", 4, NOW))
    assert refused.value.where == "occupied"


def test_an_older_count_changes_nothing():
    book = opened(3)
    book.do(Count("L", "P", 1, NOW - 1))
    assert book.do(Count("L", "P", 3, NOW - 2)) == ()
    assert capacity(book) == 2


def test_buffers_grow_as_counts_grow_old_and_displace_nobody():
    book = opened(10)
    book.do(Count("L", "P", 0, NOW))
    for k in range(8):
        book.hold(f"r{k}", arrive=2 * HOUR)
        book.do(Confirm(f"r{k}"))
    book.do(Tick(), NOW + 130 * MINUTE)
    assert [book.of(f"r{k}").state for k in range(8)] == ["confirmed"] * 8
    # 10 min are fresh; two more hours withhold 2 of 10.
    with pytest.raises(NoSpaceError):
        book.hold("late", stay=2 * HOUR)
    book.do(Count("L", "P", 0, NOW + 130 * MINUTE))
    book.hold("late", stay=2 * HOUR)


def test_an_overstayer_that_a_count_does_not_find_has_left_unseen():
    book = opened(2)
    book.hold("long")
    book.do(Arrive("long"))
    book.hold("new", arrive=30 * MINUTE, stay=2 * HOUR)
    book.do(Confirm("new"))
    book.do(Arrive("new"), NOW + 40 * MINUTE)
    book.do(Tick(), NOW + HOUR)
    assert book.of("long").overstay
    book.do(Count("L", "P", 1, NOW + 65 * MINUTE), NOW + 65 * MINUTE)
    assert book.is_in("long", ReservationState.COMPLETED)
    assert book.of("long").reason == "unseen"
    assert book.is_in("new", ReservationState.PARKED)
    # Its own report comes late and changes nothing; nor does a count within booked time.
    assert book.do(Depart("long")) == ()
    book.do(Count("L", "P", 0, NOW + 66 * MINUTE), NOW + 66 * MINUTE)
    assert book.is_in("new", ReservationState.PARKED)


# Gates


def test_walk_ins_at_the_gate():
    book = opened(2)
    book.do(passage(NOW - 5))
    assert capacity(book) == 1
    book.do(passage(NOW - 4, inward=False))
    assert capacity(book) == 2


def test_a_gates_report_is_taken_once():
    book = opened(2)
    book.do(passage(NOW - 5))
    assert book.do(passage(NOW - 5)) == ()
    assert book.do(passage(NOW - 49 * HOUR)) == (), "too old to tell"
    book.do(passage(NOW - 5, gate="south"))
    assert capacity(book) == 0


def test_a_gate_lets_a_reservation_arrive_and_leave():
    book = opened(2)
    book.hold("a")
    book.do(passage(NOW + MINUTE, name="a"), NOW + 2 * MINUTE)
    assert book.is_in("a", ReservationState.PARKED)
    assert book.of("a").arrived_ms == NOW + MINUTE
    assert capacity(book) == 2
    book.do(passage(NOW + 9 * MINUTE, inward=False, name="a"), NOW + 10 * MINUTE)
    assert book.of("a").left_ms == NOW + 9 * MINUTE
    assert capacity(book) == 2


def test_gate_and_app_report_the_same_arrival():
    book = opened(2)
    book.hold("a")
    book.do(Arrive("a"))
    book.do(passage(NOW, name="a"))
    assert book.state.pools["P"].sight.cars == 1
    book.do(Depart("a"), NOW + MINUTE)
    book.do(passage(NOW + MINUTE, inward=False, name="a"))
    assert book.state.pools["P"].sight.cars == 0
    assert capacity(book) == 2


def test_a_departure_that_is_reported_before_its_arrival():
    book = opened(2)
    book.hold("a")
    book.do(Confirm("a"))
    book.do(passage(NOW + 9 * MINUTE, inward=False, name="a"), NOW + 10 * MINUTE)
    assert book.is_in("a", ReservationState.COMPLETED)
    book.do(passage(NOW + MINUTE, name="a"))
    assert book.is_in("a", ReservationState.COMPLETED)
    assert book.state.pools["P"].sight.cars == 0


def test_a_car_after_its_no_show_is_a_walk_in():
    book = opened(2)
    book.hold("a", stay=2 * HOUR)
    book.do(Confirm("a"))
    book.do(passage(NOW + 40 * MINUTE, name="a"), NOW + 40 * MINUTE)
    assert book.is_in("a", ReservationState.NO_SHOW)
    assert capacity(book) == 1


def test_a_car_that_the_gate_saw_come_early_is_in_and_displaces():
    book = opened(1)
    book.hold("now", stay=30 * MINUTE)
    book.hold("early", arrive=30 * MINUTE)
    book.do(passage(NOW + 5 * MINUTE, name="early"), NOW + 5 * MINUTE)
    assert book.is_in("early", ReservationState.PARKED)
    assert book.of("now").reason == "walk_in"


def test_leaving_before_its_time_is_another_visits_end():
    book = opened(2, occupied=1)
    book.hold("a", arrive=HOUR)
    book.do(passage(NOW + MINUTE, inward=False, name="a"), NOW + MINUTE)
    assert book.is_in("a", ReservationState.HELD)
    assert capacity(book) == 2


@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.booleans(), st.sampled_from(["north", "south"])),
        max_size=12,
        unique_by=lambda item: (item[0], item[2]),
    ),
    st.integers(0, 9),
    st.integers(0, 40),
    st.randoms(use_true_random=False),
)
def test_gate_reports_and_a_count_in_any_order_and_twice_say_the_same(moves, cars, at, random):
    """Cars in a pool: the count and what passed later, whatever the order of the reports."""
    commands = [
        RecordPassages("L", (Passage(gate, NOW - 100 + time, inward),))
        for time, inward, gate in moves
    ]
    commands.append(Count("L", "P", cars, NOW - 100 + at))
    shuffled = [*commands, *random.sample(commands, len(commands) // 2)]
    random.shuffle(shuffled)
    state, _ = apply(LedgerState(), lot(PoolTerms("P", 50, 50)), NOW, Rules())
    for command in shuffled:
        state, _ = apply(state, command, NOW, Rules())
        assert list(faults(state)) == []
    later = sum(1 if inward else -1 for time, inward, _ in moves if time > at)
    assert state.pools["P"].sight.cars == max(0, cars + later)


# Reconciliation


def test_a_daily_reconciliation_puts_right_what_nobody_saw():
    book = opened(5)
    for name in ("gone", "here", "came"):
        book.hold(name, stay=3 * HOUR)
        book.do(Confirm(name))
    book.do(Arrive("gone"))
    book.do(Arrive("here"))
    book.do(Reconcile("L", NOW + MINUTE, (("P", 3),), frozenset({"here", "came"})), NOW + MINUTE)
    assert book.of("gone").reason == "unseen"
    assert book.is_in("here", ReservationState.PARKED)
    assert book.is_in("came", ReservationState.PARKED)
    # Three cars, two of them booked: one walk-in.
    assert capacity(book) == 4


def test_a_reconciliation_without_a_list_only_counts():
    book = opened(5)
    book.hold("a")
    book.do(Arrive("a"))
    book.do(Reconcile("L", NOW, (("P", 0),)))
    assert book.is_in("a", ReservationState.PARKED)


def test_a_pool_is_counted_once_in_a_reconciliation():
    with pytest.raises(InvalidInputError):
        Reconcile("L", NOW, (("P", 0), ("P", 1)))


# Numbered bays


def test_bays_are_given_at_arrival_and_freed_at_departure():
    book = opened(2, bays=("A1", "A2"))
    book.hold("a")
    assert book.of("a").bay == ""
    book.do(Arrive("a"))
    book.hold("b")
    book.do(Arrive("b"))
    assert (book.of("a").bay, book.of("b").bay) == ("A1", "A2")
    book.do(Depart("a"))
    book.hold("c")
    book.do(Arrive("c"))
    assert book.of("c").bay == "A1"


def test_the_lot_may_say_which_bay_it_is():
    book = opened(3, bays=("A1", "A2", "A3"))
    for name in "ab":
        book.hold(name)
    book.do(Arrive("a", bay="A2"))
    assert book.of("a").bay == "A2"
    with pytest.raises(StateError) as refused:
        book.do(Arrive("b", bay="A2"))
    assert refused.value.reason == "bay_taken"
    with pytest.raises(InvalidInputError):
        book.do(Arrive("b", bay="Z"))
    book.do(Arrive("b"))
    assert book.of("b").bay == "A1"


# What is over is let go of


def test_what_has_been_over_for_long_leaves_the_state():
    book = opened(2)
    book.hold("a")
    book.do(Arrive("a"))
    book.do(Depart("a"))
    book.do(Count("L", "P", 0, NOW), NOW + 24 * HOUR - 1)
    assert "a" in book.state.reservations
    book.do(Count("L", "P", 0, NOW + 24 * HOUR), NOW + 24 * HOUR)
    assert "a" not in book.state.reservations
    assert len(book.state.drivers) == 0
    with pytest.raises(NotFoundError):
        book.do(Confirm("a"))
