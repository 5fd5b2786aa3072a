"""The ledger's rules, case by case."""

from dataclasses import replace

import pytest

from parking.errors import InvalidInputError, NoSpaceError, NotFoundError, RuleError, StateError
from parking.ledger import (
    Arrive,
    Cancel,
    Confirm,
    Depart,
    Event,
    Extend,
    Hold,
    LedgerState,
    LotRules,
    ReservationState,
    Rules,
    SetCapacity,
    Tick,
    apply,
    faults,
    replay,
)
from parking.store.codec import decode, encode

MINUTE = 60_000
HOUR = 60 * MINUTE
NOW = 1_795_390_000_000
RULES = Rules()


class Book:
    """A ledger under test: applies, keeps the log, and checks every state."""

    def __init__(self, *, rules: Rules = RULES, **pools: int) -> None:
        self.rules = rules
        self.state = LedgerState()
        self.log: list[Event] = []
        self.now_ms = NOW
        for pool_id, capacity in pools.items():
            self.do(SetCapacity(pool_id, "L", capacity))

    def do(self, command, at_ms=None):
        self.now_ms = self.now_ms if at_ms is None else at_ms
        self.state, events = apply(self.state, command, self.now_ms, self.rules)
        self.log += events
        assert list(faults(self.state)) == []
        assert replay(self.log) == self.state
        assert [decode(*encode(event)) for event in events] == list(events)
        return events

    def hold(self, name, *, arrive=0, stay=HOUR, pool="P", driver=None, **extra):
        """Hold a space for ``arrive`` ms from now, for ``stay`` ms."""
        arrive_ms = self.now_ms + arrive
        fields = {"price_fen": 500, **extra}
        self.do(Hold(name, driver or f"d-{name}", "L", pool, arrive_ms, arrive_ms + stay, **fields))

    def of(self, name):
        return self.state.reservations[name]

    def is_in(self, name, state):
        return self.of(name).state is state


def test_a_reservations_whole_life():
    book = Book(P=1)
    book.hold("r", arrive=10 * MINUTE)
    assert book.is_in("r", ReservationState.HELD)
    assert book.of("r").hold_expires_ms == NOW + 15 * MINUTE
    book.do(Confirm("r"), NOW + MINUTE)
    assert book.is_in("r", ReservationState.CONFIRMED)
    book.do(Arrive("r"), NOW + 12 * MINUTE)
    assert book.is_in("r", ReservationState.PARKED)
    assert book.of("r").arrived_ms == NOW + 12 * MINUTE
    book.do(Depart("r"), NOW + 50 * MINUTE)
    assert book.is_in("r", ReservationState.COMPLETED)
    assert book.of("r").left_ms == NOW + 50 * MINUTE
    assert book.state.drivers["d-r"].open == ()
    assert book.of("r").price_fen == 500


def test_every_change_has_the_next_revision():
    book = Book(P=2)
    book.hold("a")
    book.hold("b")
    book.do(Confirm("a"))
    assert (book.of("a").revision, book.of("b").revision) == (4, 3)
    assert book.state.revision == len(book.log) == 4


def test_the_last_space_is_given_once():
    book = Book(P=1)
    book.hold("a")
    before = book.state
    with pytest.raises(NoSpaceError) as refused:
        book.hold("b")
    assert refused.value.reason == "full"
    assert book.state == before


def test_stays_that_only_touch_share_a_space():
    book = Book(P=1)
    book.hold("a", stay=HOUR)
    book.hold("b", arrive=HOUR)
    with pytest.raises(NoSpaceError):
        book.hold("c", arrive=HOUR - 1, stay=MINUTE)


@pytest.mark.parametrize(("late_ms", "state"), [(-1, "confirmed"), (0, None), (1, None)])
def test_a_hold_is_good_strictly_before_it_expires(late_ms, state):
    book = Book(P=1)
    book.hold("a")
    at_ms = book.of("a").hold_expires_ms + late_ms
    if state:
        book.do(Confirm("a"), at_ms)
        assert book.is_in("a", ReservationState.CONFIRMED)
    else:
        with pytest.raises(StateError) as refused:
            book.do(Confirm("a"), at_ms)
        assert refused.value.reason == "is_expired"


def test_an_expired_hold_frees_its_space_at_that_instant():
    book = Book(P=1)
    book.hold("a")
    book.now_ms = book.of("a").hold_expires_ms
    book.hold("b")
    assert book.is_in("a", ReservationState.EXPIRED)
    assert book.is_in("b", ReservationState.HELD)


def test_a_no_show_frees_its_space_and_a_late_car_is_a_walk_in():
    book = Book(P=1)
    book.hold("a", stay=2 * HOUR)
    book.do(Confirm("a"))
    book.do(Tick(), NOW + 30 * MINUTE - 1)
    assert book.is_in("a", ReservationState.CONFIRMED)
    book.hold("b", arrive=HOUR * 2)
    book.do(Tick(), NOW + 30 * MINUTE)
    assert book.is_in("a", ReservationState.NO_SHOW)
    with pytest.raises(StateError) as refused:
        book.do(Arrive("a"))
    assert refused.value.reason == "is_no_show"
    book.hold("c", stay=MINUTE)


def test_a_short_stay_is_a_no_show_when_it_would_have_ended():
    book = Book(P=1)
    book.hold("a", stay=5 * MINUTE)
    book.do(Confirm("a"))
    book.do(Tick(), NOW + 5 * MINUTE)
    assert book.is_in("a", ReservationState.NO_SHOW)


def test_who_may_still_confirm_may_still_come():
    book = Book(rules=Rules(lot=LotRules(hold_s=900, no_show_s=60)), P=1)
    book.hold("a")
    book.do(Confirm("a"), NOW + 14 * MINUTE)
    book.do(Arrive("a"), NOW + 15 * MINUTE - 1)
    assert book.is_in("a", ReservationState.PARKED)


def test_arrival_while_held_is_confirmation_and_arrival():
    book = Book(P=1)
    book.hold("a", arrive=MINUTE)
    book.do(Arrive("a"), NOW + MINUTE)
    assert book.is_in("a", ReservationState.PARKED)
    book.do(Tick(), NOW + 20 * MINUTE)
    assert book.is_in("a", ReservationState.PARKED)


def test_early_arrival_with_room_commits_from_then_on():
    book = Book(P=1)
    book.hold("a", arrive=30 * MINUTE)
    book.do(Arrive("a"), NOW + 10 * MINUTE)
    assert book.of("a").from_ms == NOW + 10 * MINUTE
    assert book.of("a").arrive_ms == NOW + 30 * MINUTE
    with pytest.raises(NoSpaceError):
        book.hold("b", stay=5 * MINUTE)


def test_early_arrival_without_room_is_refused_and_changes_nothing():
    book = Book(P=1)
    book.hold("a", stay=20 * MINUTE)
    book.hold("b", arrive=20 * MINUTE)
    with pytest.raises(NoSpaceError) as refused:
        book.do(Arrive("b"), NOW + 5 * MINUTE)
    assert refused.value.reason == "early"
    assert book.is_in("b", ReservationState.HELD)


def test_late_arrival_still_ends_when_booked():
    book = Book(P=1)
    book.hold("a")
    book.do(Confirm("a"))
    book.do(Arrive("a"), NOW + 29 * MINUTE)
    assert book.of("a").leave_ms == NOW + HOUR


def test_leaving_early_gives_the_rest_back():
    book = Book(P=1)
    book.hold("a", stay=3 * HOUR)
    book.do(Arrive("a"))
    book.do(Depart("a"), NOW + HOUR)
    book.hold("b")


@pytest.mark.parametrize(("ahead_ms", "reason"), [(30 * MINUTE, ""), (30 * MINUTE - 1, "late")])
def test_cancelling_late_is_noted(ahead_ms, reason):
    book = Book(P=1)
    book.hold("a", arrive=HOUR)
    book.do(Confirm("a"))
    book.do(Cancel("a"), NOW + HOUR - ahead_ms)
    assert book.is_in("a", ReservationState.CANCELLED)
    assert book.of("a").reason == reason
    book.hold("b", arrive=0)


def test_giving_up_a_hold_is_never_late():
    book = Book(P=1)
    book.hold("a")
    book.do(Cancel("a"))
    assert book.of("a").reason == ""


@pytest.mark.parametrize("step", [Confirm, Cancel, Arrive, Depart])
@pytest.mark.parametrize("ending", ["completed", "expired", "cancelled", "no_show"])
def test_what_is_over_stays_over(step, ending):
    book = Book(P=1)
    book.hold("a")
    if ending == "completed":
        book.do(Arrive("a"))
        book.do(Depart("a"), NOW + MINUTE)
    elif ending == "expired":
        book.do(Tick(), NOW + HOUR)
    elif ending == "cancelled":
        book.do(Cancel("a"))
    else:
        book.do(Confirm("a"))
        book.do(Tick(), NOW + HOUR)
    with pytest.raises(StateError) as refused:
        book.do(step("a"))
    assert refused.value.reason == f"is_{ending}"
    assert book.is_in("a", ReservationState(ending))


@pytest.mark.parametrize("step", [Confirm, Cancel, Arrive, Depart])
def test_an_unknown_reservation_is_not_found(step):
    with pytest.raises(NotFoundError):
        Book(P=1).do(step("nobody"))


def test_a_parked_car_can_neither_confirm_nor_cancel_nor_arrive():
    book = Book(P=1)
    book.hold("a")
    book.do(Arrive("a"))
    for step in (Confirm, Cancel, Arrive):
        with pytest.raises(StateError):
            book.do(step("a"))


def test_a_held_car_cannot_depart():
    book = Book(P=1)
    book.hold("a")
    with pytest.raises(StateError):
        book.do(Depart("a"))


# Overstay and displacement


def test_an_overstayer_goes_on_to_count():
    book = Book(P=1)
    book.hold("a")
    book.do(Arrive("a"))
    book.do(Tick(), NOW + HOUR)
    assert book.of("a").overstay
    assert book.of("a").until_ms == NOW + HOUR + 15 * MINUTE
    with pytest.raises(NoSpaceError):
        book.hold("b", stay=MINUTE)
    book.hold("c", arrive=15 * MINUTE)
    book.do(Depart("a"), NOW + HOUR + MINUTE)
    book.hold("d", stay=5 * MINUTE)


def test_an_overstayer_displaces_the_latest_held_first():
    book = Book(P=2)
    book.hold("stays", stay=HOUR)
    book.do(Arrive("stays"))
    book.hold("first", arrive=HOUR)
    book.do(Confirm("first"))
    book.do(Tick(), NOW + MINUTE)
    book.hold("second", arrive=HOUR)
    book.do(Confirm("second"))
    book.do(Tick(), NOW + HOUR)
    assert book.is_in("second", ReservationState.DISPLACED)
    assert book.of("second").reason == "overstay"
    assert book.is_in("first", ReservationState.CONFIRMED)
    assert book.of("stays").overstay


def test_a_clock_that_jumps_makes_one_overstay_entry():
    book = Book(P=1)
    book.hold("a")
    book.do(Arrive("a"))
    events = book.do(Tick(), NOW + 100 * HOUR)
    assert len(events) == 1
    assert book.of("a").until_ms > NOW + 100 * HOUR


def test_a_lowered_capacity_displaces_and_leaves_parked_cars():
    book = Book(P=3)
    book.hold("parked")
    book.do(Arrive("parked"))
    book.hold("held")
    book.hold("later", arrive=90 * MINUTE)
    book.do(SetCapacity("P", "L", 0))
    assert book.is_in("parked", ReservationState.PARKED)
    assert book.is_in("held", ReservationState.DISPLACED)
    assert book.is_in("later", ReservationState.DISPLACED)
    assert book.of("held").reason == "capacity"


def test_a_lowered_capacity_spares_whom_it_does_not_touch():
    book = Book(P=2)
    book.hold("a", arrive=0, stay=HOUR)
    book.hold("b", arrive=0, stay=HOUR)
    book.hold("c", arrive=HOUR, stay=HOUR)
    book.do(SetCapacity("P", "L", 1))
    assert [book.of(name).state for name in "abc"] == ["held", "displaced", "held"]


# Extension


def test_an_extension_without_clash():
    book = Book(P=1)
    book.hold("a")
    book.do(Arrive("a"))
    book.do(Extend("a", NOW + 2 * HOUR, 900))
    assert (book.of("a").leave_ms, book.of("a").price_fen) == (NOW + 2 * HOUR, 900)
    book.do(Tick(), NOW + HOUR)
    assert not book.of("a").overstay


def test_an_extension_that_clashes_changes_nothing():
    book = Book(P=1)
    book.hold("a")
    book.do(Arrive("a"))
    book.hold("b", arrive=HOUR)
    with pytest.raises(NoSpaceError) as refused:
        book.do(Extend("a", NOW + HOUR + MINUTE, 900))
    assert refused.value.reason == "full"
    assert book.of("a").leave_ms == NOW + HOUR


def test_an_overstayer_can_extend_and_is_then_in_order():
    book = Book(P=1)
    book.hold("a")
    book.do(Arrive("a"))
    book.do(Tick(), NOW + HOUR + MINUTE)
    book.do(Extend("a", NOW + HOUR + 5 * MINUTE, 600))
    assert not book.of("a").overstay
    assert book.of("a").until_ms == NOW + HOUR + 5 * MINUTE
    book.do(Tick(), NOW + HOUR + 5 * MINUTE)
    assert book.of("a").overstay


@pytest.mark.parametrize("leave", [NOW, NOW + HOUR, NOW + 15 * 24 * HOUR])
def test_an_extension_must_end_later_and_within_the_limit(leave):
    book = Book(P=1)
    book.hold("a")
    book.do(Confirm("a"))
    with pytest.raises(RuleError):
        book.do(Extend("a", leave, 900))


# Booking rules


def test_a_driver_has_at_most_so_many_open_reservations():
    book = Book(P=9)
    book.hold("a", driver="d")
    book.hold("b", driver="d")
    with pytest.raises(RuleError) as refused:
        book.hold("c", driver="d")
    assert refused.value.reason == "open_max"
    book.do(Cancel("a"))
    book.hold("c", driver="d")


def test_no_shows_pause_booking_until_they_are_old():
    book = Book(rules=Rules(no_show_window_s=30 * 86_400), P=9)
    for name in "abc":
        book.hold(name, driver="d")
        book.do(Confirm(name))
        book.do(Tick(), book.now_ms + HOUR)
        assert book.is_in(name, ReservationState.NO_SHOW)
    with pytest.raises(RuleError) as refused:
        book.hold("x", driver="d")
    assert refused.value.reason == "no_shows"
    book.do(Tick(), book.now_ms + 30 * 24 * HOUR)
    book.hold("x", driver="d")


@pytest.mark.parametrize(
    ("charging", "ahead_ms", "fits"),
    [
        (False, 2 * HOUR, True),
        (False, 2 * HOUR + 1, False),
        (True, HOUR, True),
        (True, 2 * HOUR, False),
    ],
)
def test_the_look_ahead_limit(charging, ahead_ms, fits):
    book = Book(P=1)
    if fits:
        book.hold("a", arrive=ahead_ms, charging=charging)
    else:
        with pytest.raises(RuleError) as refused:
            book.hold("a", arrive=ahead_ms, charging=charging)
        assert refused.value.reason == "look_ahead"


def test_a_lot_may_have_rules_of_its_own():
    book = Book(rules=Rules(lots={"L": LotRules(hold_s=60)}), P=1)
    book.hold("a")
    assert book.of("a").hold_expires_ms == NOW + MINUTE


def test_an_arrival_just_past_counts_as_now():
    book = Book(P=1)
    book.hold("a", arrive=-MINUTE)
    assert book.of("a").arrive_ms == NOW
    assert book.of("a").leave_ms == NOW + 59 * MINUTE
    with pytest.raises(RuleError):
        book.hold("b", arrive=-2 * HOUR)


# Time


def test_time_never_goes_back():
    book = Book(P=1)
    book.hold("a")
    book.do(Confirm("a"), NOW + MINUTE)
    book.do(Arrive("a"), NOW - HOUR)
    assert book.of("a").arrived_ms == NOW + MINUTE


def test_what_falls_due_together_is_settled_by_time_then_id():
    book = Book(P=9)
    for name in ("c", "a", "b"):
        book.hold(name)
    events = book.do(Tick(), NOW + 24 * HOUR)
    assert [event.reservation_id for event in events] == ["a", "b", "c"] * 2


def test_one_jump_and_many_steps_end_alike():
    def play(step_ms: int) -> dict[str, str]:
        book = Book(P=2)
        book.hold("held")
        book.hold("confirmed", arrive=5 * MINUTE)
        book.do(Confirm("confirmed"))
        for at_ms in range(NOW, NOW + 2 * HOUR + 1, step_ms):
            book.do(Tick(), at_ms)
        return {name: book.of(name).state for name in ("held", "confirmed")}

    assert play(MINUTE) == play(2 * HOUR) == {"held": "expired", "confirmed": "no_show"}


def test_a_refused_command_leaves_the_old_state_valid():
    book = Book(P=1)
    book.hold("a")
    with pytest.raises(StateError):
        apply(book.state, Depart("a"), NOW, RULES)
    book.do(Confirm("a"))


# Bad input, and the check itself


@pytest.mark.parametrize(
    ("stay", "price"), [(59_999, 0), (-HOUR, 0), (14 * 24 * HOUR + 1, 0), (HOUR, -1)]
)
def test_a_hold_must_make_sense(stay, price):
    with pytest.raises(InvalidInputError):
        Hold("a", "d", "L", "P", NOW, NOW + stay, price)


def test_an_unknown_pool_is_not_found():
    with pytest.raises(NotFoundError):
        Book(P=1).hold("a", pool="Q")


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: LotRules(hold_s=9), "hold_s"),
        (lambda: LotRules(overstay_s=0), "overstay_s"),
        (lambda: Rules(open_max=0), "open_max"),
        (lambda: Rules(no_shows_max=33), "no_shows_max"),
        (lambda: SetCapacity("P", "L", -1), "capacity"),
    ],
)
def test_limits_out_of_range(make, name):
    with pytest.raises(InvalidInputError) as refused:
        make()
    assert refused.value.where == name


def test_faults_sees_a_space_given_twice():
    book = Book(P=2)
    book.hold("a")
    book.hold("b")
    pool = replace(book.state.pools["P"], capacity=1)
    broken = replace(book.state, pools=book.state.pools.set("P", pool))
    assert any("2 of 1 spaces" in fault for fault in faults(broken))


def test_faults_sees_a_wrong_index():
    book = Book(P=2)
    book.hold("a")
    broken = replace(book.state, drivers=book.state.drivers.delete("d-a"))
    assert list(faults(broken)) == ["driver d-a: the index of open reservations is wrong"]
