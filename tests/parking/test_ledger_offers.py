"""Offers and moves: one place for another, only with the driver's consent."""

import pytest

from parking.errors import InvalidInputError, RuleError, StateError
from parking.ledger import (
    Arrive,
    Cancel,
    Confirm,
    Depart,
    Hold,
    ReservationState,
    Rules,
    SetCapacity,
    Tick,
    apply,
    make_offers,
)
from tests.parking.test_ledger import HOUR, MINUTE, NOW, Book


def offer(book, name, source, *, pool="Q", arrive=0, stay=HOUR):
    """Offer a space of a pool in place of a reservation."""
    driver = book.of(source).driver_id
    start = NOW + arrive
    book.do(Hold(name, driver, "L", pool, start, start + stay, 400, offer_for=source))


def test_a_move_gives_the_old_place_up_in_the_same_step():
    book = Book(P=1, Q=1)
    book.hold("old")
    book.do(Confirm("old"))
    offer(book, "new", "old")
    assert book.of("old").offer_id == "new"
    assert book.is_in("old", ReservationState.CONFIRMED)
    events = book.do(Confirm("new"))
    assert [type(event).__name__ for event in events] == ["Moved", "Confirmed"]
    assert book.is_in("old", ReservationState.MOVED)
    assert book.of("old").moved_to == "new"
    assert book.is_in("new", ReservationState.CONFIRMED)
    book.hold("next", pool="P")


def test_both_places_are_the_drivers_until_then():
    book = Book(P=1, Q=1)
    book.hold("old")
    book.do(Confirm("old"))
    offer(book, "new", "old")
    for pool in "PQ":
        with pytest.raises(Exception, match="full"):
            book.hold("other", pool=pool)


@pytest.mark.parametrize("ending", ["declined", "expired"])
def test_an_offer_not_taken_leaves_the_old_place(ending):
    book = Book(P=1, Q=1)
    book.hold("old", arrive=HOUR)
    book.do(Confirm("old"))
    offer(book, "new", "old", arrive=HOUR)
    before = book.of("old").revision
    if ending == "declined":
        book.do(Cancel("new"))
    else:
        book.do(Tick(), NOW + 15 * MINUTE)
        assert book.is_in("new", ReservationState.EXPIRED)
    assert book.is_in("old", ReservationState.CONFIRMED)
    assert book.of("old").offer_id == ""
    assert book.of("old").revision > before, "whoever watches the old one learns of it"
    book.hold("other", pool="Q")


@pytest.mark.parametrize("step", [Cancel, Arrive])
def test_an_offer_is_withdrawn_when_its_occasion_is_over(step):
    book = Book(P=1, Q=1)
    book.hold("old")
    book.do(Confirm("old"))
    offer(book, "new", "old")
    book.do(step("old"))
    assert book.is_in("new", ReservationState.CANCELLED)
    assert book.of("new").reason == "withdrawn"


def test_a_no_show_withdraws_the_offer_too():
    book = Book(P=1, Q=1)
    book.hold("old")
    book.do(Confirm("old"), NOW + 10 * MINUTE)
    book.now_ms = NOW + 25 * MINUTE
    offer(book, "new", "old", stay=2 * HOUR)
    book.do(Tick(), NOW + 30 * MINUTE)
    assert book.is_in("old", ReservationState.NO_SHOW)
    assert book.is_in("new", ReservationState.CANCELLED)


def test_a_second_offer_replaces_the_first():
    book = Book(P=1, Q=1, R=1)
    book.hold("old")
    offer(book, "one", "old")
    offer(book, "two", "old", pool="R")
    assert book.of("one").reason == "replaced"
    assert book.of("old").offer_id == "two"
    book.hold("other", pool="Q")


def test_arriving_on_an_offer_takes_it():
    book = Book(P=1, Q=1)
    book.hold("old")
    book.do(Confirm("old"))
    offer(book, "new", "old")
    book.do(Arrive("new"))
    assert book.is_in("old", ReservationState.MOVED)
    assert book.is_in("new", ReservationState.PARKED)


def test_an_offer_and_its_occasion_count_as_one_open_reservation():
    book = Book(P=3, Q=3)
    book.hold("a", driver="d")
    book.hold("b", driver="d")
    offer(book, "new", "b")
    with pytest.raises(RuleError):
        book.hold("c", driver="d")
    book.do(Cancel("a"))
    book.hold("c", driver="d")


def test_nobody_is_offered_a_place_for_anothers():
    book = Book(P=1, Q=1)
    book.hold("old")
    with pytest.raises(InvalidInputError):
        book.do(Hold("new", "thief", "L", "Q", NOW, NOW + HOUR, 1, offer_for="old"))


@pytest.mark.parametrize("ending", ["parked", "cancelled", "completed"])
def test_no_offer_for_what_needs_none(ending):
    book = Book(P=1, Q=1)
    book.hold("old")
    book.do(Cancel("old") if ending == "cancelled" else Arrive("old"))
    if ending == "completed":
        book.do(Depart("old"))
    with pytest.raises(StateError):
        offer(book, "new", "old")


# Displaced


def displaced(book, name="old"):
    book.hold(name)
    book.do(Confirm(name))
    book.do(SetCapacity("P", "L", 0))
    assert book.is_in(name, ReservationState.DISPLACED)


def test_a_displaced_driver_takes_the_offer():
    book = Book(P=1, Q=1)
    displaced(book)
    offer(book, "new", "old")
    assert book.of("old").offer_id == "new"
    book.do(Confirm("new"))
    assert book.is_in("new", ReservationState.CONFIRMED)
    assert book.is_in("old", ReservationState.DISPLACED)
    with pytest.raises(StateError) as refused:
        offer(book, "again", "old")
    assert refused.value.reason == "offer_taken"


def test_an_offer_outlives_what_it_was_made_for_when_that_is_displaced():
    book = Book(P=1, Q=1)
    book.hold("old")
    book.do(Confirm("old"))
    offer(book, "new", "old")
    book.do(SetCapacity("P", "L", 0))
    assert book.is_in("old", ReservationState.DISPLACED)
    assert book.is_in("new", ReservationState.HELD)
    book.do(Confirm("new"))


def finder(pool):
    """Offer everyone a space of one pool."""

    def find(state, lost, now_ms):
        return {
            item.reservation_id: Hold(
                f"{item.reservation_id}+",
                item.driver_id,
                "L",
                pool,
                item.arrive_ms,
                item.leave_ms,
                item.price_fen,
                offer_for=item.reservation_id,
            )
            for item in lost
        }

    return find


def test_offers_are_made_in_the_transaction_that_displaces_latest_first():
    book = Book(P=3, Q=2)
    for k, name in enumerate("abc"):
        book.do(Tick(), NOW + k)
        book.hold(name, driver=name)
    state, events = apply(book.state, SetCapacity("P", "L", 0), NOW + 9, Rules())
    state, more = make_offers(state, events, NOW + 9, Rules(), finder("Q"))
    assert [event.reservation_id for event in events[1:]] == ["c", "b", "a"]
    assert [event.offer_for for event in more] == ["c", "b"]
    assert state.reservations["a"].offer_id == ""
    again, nothing = make_offers(state, more, NOW + 9, Rules(), finder("Q"))
    assert (again, nothing) == (state, ())


def test_an_offer_that_is_displaced_itself_is_followed_by_another():
    book = Book(P=1, Q=1, R=1)
    displaced(book)
    offer(book, "new", "old")
    state, events = apply(book.state, SetCapacity("Q", "L", 0), NOW, Rules())
    state, more = make_offers(state, events, NOW, Rules(), finder("R"))
    assert [event.reservation_id for event in more] == ["new+"]
    assert state.reservations["new"].offer_id == "new+"


def test_no_second_offer_while_the_first_place_stands():
    book = Book(P=1, Q=1, R=1)
    book.hold("old")
    offer(book, "new", "old")
    state, events = apply(book.state, SetCapacity("Q", "L", 0), NOW, Rules())
    assert state.reservations["new"].state is ReservationState.DISPLACED
    assert make_offers(state, events, NOW, Rules(), finder("R")) == (state, ())


# Warnings before a hold expires


def test_a_driver_is_told_once_before_the_hold_expires():
    book = Book(P=1)
    book.hold("a")
    assert book.do(Tick(), NOW + 13 * MINUTE - 1) == ()
    (event,) = book.do(Tick(), NOW + 13 * MINUTE)
    assert type(event).__name__ == "Expiring"
    assert book.of("a").expiring
    assert book.is_in("a", ReservationState.HELD)
    assert book.do(Tick(), NOW + 14 * MINUTE) == ()
    book.do(Confirm("a"))
    assert book.do(Tick(), NOW + 15 * MINUTE) == ()


def test_who_has_confirmed_is_not_warned():
    book = Book(P=1)
    book.hold("a")
    book.do(Confirm("a"))
    assert book.do(Tick(), NOW + 14 * MINUTE) == ()


# Found by concurrent histories (tests/reliability/test_linearizability.py)


def test_an_offer_in_place_of_an_earlier_one_can_have_its_very_space():
    book = Book(P=1, Q=1)
    book.hold("old")
    offer(book, "first", "old")
    offer(book, "second", "old")
    assert book.of("first").reason == "replaced"
    assert book.is_in("second", ReservationState.HELD)


def test_who_has_moved_can_arrive():
    book = Book(P=1, Q=1)
    book.hold("old")
    offer(book, "new", "old")
    book.do(Confirm("new"))
    book.do(Arrive("new"))
    assert book.is_in("new", ReservationState.PARKED)
    assert book.is_in("old", ReservationState.MOVED)
