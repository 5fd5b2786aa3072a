"""Random histories of a lot whose cars are seen: counts, gates, closing, offers, reconciliation.

The model keeps true cars and plain lists; it shares nothing with the ledger but the commands. What
must hold after every step: the ledger is sound, nobody is promised a space that a walk-in has, an
offer and its occasion are one reservation, each ends once, and the log replays to the state.
"""

import json
from collections import Counter
from uuid import UUID, uuid5

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run

from parking.errors import ParkingError
from parking.ledger import (
    OPEN,
    WAITING,
    Arrive,
    Cancel,
    ChangeLot,
    CloseLot,
    Confirm,
    Count,
    Depart,
    Hold,
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
    make_offers,
    replay,
    rows_of,
    state_of,
)
from parking.ledger.events import Held

MINUTE = 60_000
START = 1_795_390_000_000
LOTS = {"A": "A1", "B": "B1"}
RULES = Rules(open_max=3, lot=LotRules(hold_s=600, no_show_s=900, overstay_s=300, warn_s=60))
NAMES = UUID(int=7)


class LotsMachine(RuleBasedStateMachine):
    """Two lots of two to four spaces, one of them with numbered bays."""

    @initialize(spaces=st.integers(2, 4), quota=st.integers(1, 2), buffer=st.integers(0, 1))
    def open(self, spaces, quota, buffer):
        self.state = LedgerState(kept_ms=90 * MINUTE)
        self.log = []
        self.now = START
        self.ends = Counter()
        self.terms = {
            "A": PoolTerms("A1", spaces, quota, buffer),
            "B": PoolTerms("B1", 3, 3, 0, bays=("1", "2", "3")),
        }
        for lot_id, terms in self.terms.items():
            self.play(ChangeLot(lot_id, "{}", (terms,)))

    def play(self, command):
        before = self.state
        try:
            state, events = apply(before, command, self.now, RULES)
        except ParkingError:
            assert self.state is before
            return False
        state, more = make_offers(state, events, self.now, RULES, self.find)
        self.state = state
        for event in (*events, *more):
            self.log.append(event)
            reservation = getattr(event, "reservation_id", "")
            kind = type(event).__name__
            if kind in {
                *("Expired", "Cancelled", "NotShown", "Departed", "Displaced", "Moved"),
            }:
                self.ends[reservation] += 1
        return True

    def find(self, state, lost, now_ms):
        """Offer a space of the other lot."""
        found = {}
        for item in lost:
            lot_id = "B" if item.lot_id == "A" else "A"
            arrive = max(item.arrive_ms, now_ms)
            if item.leave_ms - arrive >= MINUTE:
                found[item.reservation_id] = Hold(
                    uuid5(NAMES, item.reservation_id).hex,
                    item.driver_id,
                    lot_id,
                    LOTS[lot_id],
                    arrive,
                    item.leave_ms,
                    item.price_fen,
                    offer_for=item.reservation_id,
                )
        return found

    def some(self, data, states=OPEN):
        names = sorted(
            name for name, item in self.state.reservations.items() if item.state in states
        )
        return data.draw(st.sampled_from([*names, "nobody"]))

    @rule(
        lot=st.sampled_from("AB"),
        driver=st.sampled_from(["ann", "bob", "cui", "dan"]),
        ahead=st.integers(0, 60),
        stay=st.integers(2, 60),
        confirm=st.booleans(),
    )
    def hold(self, lot, driver, ahead, stay, confirm):
        name = uuid5(NAMES, str(len(self.log))).hex
        arrive = self.now + ahead * MINUTE
        command = Hold(name, driver, lot, LOTS[lot], arrive, arrive + stay * MINUTE, 500)
        if self.play(command) and confirm:
            assert self.play(Confirm(name))

    @rule(lot=st.sampled_from("AB"), number=st.integers(0, 99), stay=st.integers(5, 40))
    def come_at_once(self, lot, number, stay):
        """A driver of many, so that no limit is in the way, at a lot without walk-ins."""
        self.play(OpenLot(lot))
        self.play(Count(lot, LOTS[lot], self.state.pools[LOTS[lot]].parked, self.now))
        name = uuid5(NAMES, f"now {len(self.log)}").hex
        leave = self.now + stay * MINUTE
        if self.play(Hold(name, f"d{number}", lot, LOTS[lot], self.now, leave, 500)):
            assert self.play(Arrive(name))

    @rule(data=st.data(), step=st.sampled_from([Confirm, Cancel, Arrive, Arrive, Depart]))
    def step(self, data, step):
        self.play(step(self.some(data)))

    @rule(data=st.data(), lot=st.sampled_from("AB"), take=st.sampled_from([None, Confirm, Arrive]))
    def offer(self, data, lot, take):
        name = self.some(data, WAITING | {ReservationState.DISPLACED})
        old = self.state.reservations.get(name)
        if old is not None and max(old.arrive_ms, self.now) + MINUTE <= old.leave_ms:
            new = uuid5(NAMES, f"offer {len(self.log)}").hex
            start = max(old.arrive_ms, self.now)
            made = self.play(
                Hold(new, old.driver_id, lot, LOTS[lot], start, old.leave_ms, 400, offer_for=name)
            )
            if made and take is not None and self.play(take(new)):
                assert self.state.reservations[name].state not in WAITING

    @rule(
        data=st.data(),
        lot=st.sampled_from("AB"),
        ago=st.integers(0, 30),
        inward=st.sampled_from([True, False, False]),
        known=st.booleans(),
    )
    def gate(self, data, lot, ago, inward, known):
        name = self.some(data) if known else ""
        report = Passage("g", self.now - ago * 1000, inward, "", name)
        if self.play(RecordPassages(lot, (report,))):
            before = self.state
            assert self.play(RecordPassages(lot, (report,)))
            assert self.state.revision == before.revision, "a report is taken once"

    @rule(
        lot=st.sampled_from("AB"), cars=st.sampled_from([0, 0, 1, 1, 2, 4]), ago=st.integers(0, 20)
    )
    def count(self, lot, cars, ago):
        self.play(Count(lot, LOTS[lot], cars, self.now - ago * MINUTE))

    @rule(data=st.data(), lot=st.sampled_from("AB"))
    def reconcile(self, data, lot):
        here = sorted(
            name
            for name, item in self.state.reservations.items()
            if item.lot_id == lot and item.state in OPEN
        )
        present = data.draw(st.frozensets(st.sampled_from(here))) if here else frozenset()
        cars = data.draw(st.integers(len(present), max(4, len(present))))
        if self.play(Reconcile(lot, self.now, ((LOTS[lot], cars),), present)):
            parked = {
                name
                for name, item in self.state.reservations.items()
                if item.lot_id == lot and item.state is ReservationState.PARKED
            }
            assert parked <= present, "who was not found has left"

    @rule(lot=st.sampled_from("AB"), close=st.sampled_from([False, False, True]))
    def close_or_open(self, lot, close):
        assert self.play(CloseLot(lot) if close else OpenLot(lot))
        if close:
            for item in self.state.reservations.values():
                assert item.lot_id != lot or item.state not in WAITING

    @rule(spaces=st.sampled_from([0, 2, 3, 4]))
    def change_spaces(self, spaces):
        self.terms["A"] = PoolTerms("A1", spaces, spaces)
        assert self.play(ChangeLot("A", f"{spaces}", (self.terms["A"],)))

    @rule(minutes=st.integers(0, 25))
    def let_time_pass(self, minutes):
        self.now += minutes * MINUTE
        assert self.play(Tick())

    @rule()
    def write_it_down_and_go_on_from_there(self):
        again = state_of(json.loads(json.dumps(list(rows_of(self.state)))))
        assert again == self.state
        self.state = again

    @invariant()
    def it_is_sound(self):
        if not hasattr(self, "state"):
            return
        state = self.state
        assert list(faults(state)) == []
        assert set(self.ends.values()) <= {1}
        for lot_id, pool_id in LOTS.items():
            book, terms = state.pools[pool_id], self.terms[lot_id]
            others = max(0, book.sight.cars - book.parked)
            expected = max(0, min(terms.quota, terms.spaces - others))
            assert book.capacity == (0 if state.lots[lot_id].closed else expected)
        for item in state.reservations.values():
            if item.offer_id:
                offer = state.reservations.get(item.offer_id)
                assert offer is None or offer.offer_for == item.reservation_id
            if item.state is ReservationState.MOVED:
                assert item.moved_to
            source = state.reservations.get(item.offer_for) if item.offer_for else None
            if source is not None and item.state is ReservationState.CONFIRMED:
                assert source.state not in WAITING, "no driver keeps both places"
            if source is not None and item.state is ReservationState.HELD:
                assert source.offer_id == item.reservation_id

    def teardown(self):
        if hasattr(self, "state"):
            assert replay(self.log, LedgerState(kept_ms=90 * MINUTE)) == self.state
            held = {event.reservation_id for event in self.log if isinstance(event, Held)}
            still = {n for n, item in self.state.reservations.items() if item.state in OPEN}
            assert held == still | set(self.ends), "every hold is open or has ended"


def test_random_histories_of_lots():
    run(
        LotsMachine,
        settings=settings(
            max_examples=200,
            stateful_step_count=60,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
