"""Random histories over the ledger and its stores, against a model written the slow and plain way.

The model keeps a list of stays and counts instants; it shares nothing with the ledger but the
commands. Checked after every step: same states, same refusals, the invariant, each hold resolved
once, replay = state, same request same answer; across crashes, lost replies and clock jumps.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from parking.errors import ParkingError
from parking.ledger import (
    Arrive,
    Cancel,
    Confirm,
    Depart,
    Extend,
    Hold,
    LedgerState,
    LotRules,
    Rules,
    SetCapacity,
    Tick,
    apply,
    faults,
    replay,
)
from parking.store import Answer, Batch, MemoryStore, SqliteStore

MINUTE = 60_000
START = 1_795_390_000_000
POOLS = {"P": "L", "Q": "L", "R": "M"}
DRIVERS = ("ann", "bob", "cui", "dan", "eve", "fan")
LOT_RULES = LotRules(hold_s=600, no_show_s=900, look_ahead_s=5400, overstay_s=300)
RULES = Rules(open_max=2, no_shows_max=2, no_show_window_s=5 * 3600, lot=LOT_RULES)
OPEN = ("held", "confirmed", "parked")


@dataclass
class Stay:
    """A reservation of the model."""

    name: str
    driver: str
    pool: str
    arrive: int
    leave: int
    begin: int
    end: int
    held: int
    expires: int
    no_show: int
    state: str = "held"

    def due(self) -> int | None:
        return {"held": self.expires, "confirmed": self.no_show, "parked": self.end}.get(self.state)


@dataclass
class Model:
    """The ledger as one would do it by hand."""

    now: int = START
    capacity: dict[str, int] = field(default_factory=dict)
    stays: dict[str, Stay] = field(default_factory=dict)
    no_shows: list[tuple[str, int]] = field(default_factory=list)
    resolved: dict[str, int] = field(default_factory=dict)

    def peak(self, pool: str, begin: int, end: int) -> int:
        there = [s for s in self.stays.values() if s.pool == pool and s.state in OPEN]
        instants = [begin, *(s.begin for s in there if begin < s.begin < end)]
        if begin >= end:
            return 0
        return max(sum(s.begin <= at < s.end for s in there) for at in instants)

    def finish(self, stay: Stay, state: str) -> None:
        stay.state = state
        self.resolved[stay.name] = self.resolved.get(stay.name, 0) + 1

    def displace(self, pool: str, at: int) -> None:
        waiting = [
            s for s in self.stays.values() if s.pool == pool and s.state in ("held", "confirmed")
        ]
        for stay in sorted(waiting, key=lambda s: (s.held, s.name), reverse=True):
            if self.peak(pool, max(stay.begin, at), stay.end) > self.capacity[pool]:
                self.finish(stay, "displaced")

    def pass_time(self, now: int) -> None:
        now = max(now, self.now)
        while True:
            due = [(s.due(), s.name) for s in self.stays.values() if s.due() is not None]
            if not due or min(due)[0] > now:
                break
            at, name = min(due)
            at = max(at, self.now)
            stay = self.stays[name]
            self.now = at
            if stay.state == "held":
                self.finish(stay, "expired")
            elif stay.state == "confirmed":
                self.finish(stay, "no_show")
                self.no_shows.append((stay.driver, at))
            else:
                stay.end = max(at, now) + LOT_RULES.overstay_s * 1000
                self.displace(stay.pool, at)
        self.now = now

    def refuses(self, command) -> bool:
        """Tell whether a command is refused; if not, do it."""
        now = self.now
        if isinstance(command, SetCapacity):
            self.capacity[command.pool_id] = command.capacity
            self.displace(command.pool_id, now)
            return False
        if isinstance(command, Tick):
            return False
        if isinstance(command, Hold):
            return self._refuses_hold(command)
        stay = self.stays.get(command.reservation_id)
        if stay is None:
            return True
        match command:
            case Confirm() if stay.state == "held":
                stay.state = "confirmed"
            case Cancel() if stay.state in ("held", "confirmed"):
                self.finish(stay, "cancelled")
            case Arrive() if stay.state in ("held", "confirmed"):
                if now < stay.begin:
                    if self.peak(stay.pool, now, stay.begin) >= self.capacity[stay.pool]:
                        return True
                    stay.begin = now
                stay.state = "parked"
            case Depart() if stay.state == "parked":
                self.finish(stay, "completed")
            case Extend() if stay.state in ("confirmed", "parked"):
                if not max(now, stay.leave) < command.leave_ms <= stay.arrive + 14 * 86_400_000:
                    return True
                full = self.peak(stay.pool, stay.end, command.leave_ms) >= self.capacity[stay.pool]
                if full and stay.end < command.leave_ms:
                    return True
                stay.leave = stay.end = command.leave_ms
                by_rule = min(stay.arrive + LOT_RULES.no_show_s * 1000, stay.leave)
                stay.no_show = max(stay.no_show, by_rule)
            case _:
                return True
        return False

    def _refuses_hold(self, command: Hold) -> bool:
        now = self.now
        mine = [s for s in self.stays.values() if s.driver == command.driver_id and s.state in OPEN]
        missed = [at for who, at in self.no_shows if who == command.driver_id]
        begin = max(command.arrive_ms, now)
        if (
            command.pool_id not in self.capacity
            or command.reservation_id in self.stays
            or len(mine) >= RULES.open_max
            or sum(at > now - RULES.no_show_window_s * 1000 for at in missed) >= 2
            or command.leave_ms <= now
            or begin - now > LOT_RULES.look_ahead_s * 1000
            or self.peak(command.pool_id, begin, command.leave_ms) >= self.capacity[command.pool_id]
        ):
            return True
        expires = min(now + LOT_RULES.hold_s * 1000, command.leave_ms)
        self.stays[command.reservation_id] = Stay(
            name=command.reservation_id,
            driver=command.driver_id,
            pool=command.pool_id,
            arrive=begin,
            leave=command.leave_ms,
            begin=begin,
            end=command.leave_ms,
            held=now,
            expires=expires,
            no_show=min(max(begin + LOT_RULES.no_show_s * 1000, expires), command.leave_ms),
        )
        return False


class LedgerMachine(RuleBasedStateMachine):
    """Plays commands through the ledger and a store, and through the model."""

    on_disk = False

    @initialize(capacities=st.lists(st.sampled_from([0, 1, 1, 2, 3]), min_size=3, max_size=3))
    def open(self, capacities):
        self.folder = tempfile.TemporaryDirectory() if self.on_disk else None
        self.store = self.opened()
        self.state = LedgerState()
        self.model = Model()
        self.now = START
        self.number = 0
        self.told: dict[str, Answer] = {}
        for (pool, lot), capacity in zip(POOLS.items(), capacities, strict=True):
            self.play(SetCapacity(pool, lot, capacity))

    def opened(self):
        return SqliteStore(Path(self.folder.name) / "l.db") if self.on_disk else MemoryStore()

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
        if getattr(self, "folder", None):
            self.folder.cleanup()

    def play(self, command):
        """One call: decide, commit with its answer; and the same in the model."""
        self.number += 1
        request_id = f"q{self.number}"
        self.model.pass_time(self.now)
        before = self.state
        now = max(self.now, before.now_ms)
        state, events = apply(before, Tick(), now, RULES)
        try:
            state, more = apply(state, command, now, RULES)
        except ParkingError as error:
            more, answer = (), Answer(request_id, b"", now, refusal=error)
        else:
            answer = Answer(request_id, b"", now, reply=str(state.revision).encode())
        assert self.model.refuses(command) == (answer.refusal is not None), answer.refusal
        self.store.append(Batch(before.revision, [*events, *more], [answer])).result()
        self.state = state
        self.told[request_id] = answer

    @rule(
        driver=st.sampled_from(DRIVERS),
        pool=st.sampled_from([*POOLS, "nowhere"]),
        ahead=st.integers(-5, 100),
        stay=st.integers(1, 90),
        then=st.sampled_from([(), (Confirm,), (Confirm,), (Arrive,)]),
    )
    def hold(self, driver, pool, ahead, stay, then):
        name = f"r{len(self.model.stays)}"
        arrive = self.now + ahead * MINUTE
        leave = arrive + stay * MINUTE
        self.play(Hold(name, driver, POOLS.get(pool, "L"), pool, arrive, leave, 500))
        for step in then:
            self.play(step(name))

    @rule(
        driver=st.sampled_from(DRIVERS), pool=st.sampled_from(list(POOLS)), stay=st.integers(1, 9)
    )
    def park_at_once(self, driver, pool, stay):
        name = f"r{len(self.model.stays)}"
        leave = self.now + stay * 10 * MINUTE
        self.play(Hold(name, driver, POOLS[pool], pool, self.now, leave, 500))
        self.play(Arrive(name))

    @rule(data=st.data(), driver=st.sampled_from(DRIVERS), gap=st.integers(0, 6))
    def book_right_behind(self, data, driver, gap):
        name = f"r{len(self.model.stays)}"
        before = self.model.stays.get(self.some(data))
        if before is not None:
            arrive, pool = before.end + gap * MINUTE, before.pool
            leave = arrive + 30 * MINUTE
            self.play(Hold(name, driver, POOLS[pool], pool, arrive, leave, 500))
            self.play(Confirm(name))

    @rule(data=st.data(), step=st.sampled_from([Confirm, Confirm, Arrive, Arrive, Depart, Cancel]))
    def step(self, data, step):
        self.play(step(self.some(data)))

    @rule(data=st.data(), by=st.integers(-10, 60))
    def extend(self, data, by):
        name = self.some(data)
        leave = self.model.stays[name].leave if name in self.model.stays else self.now
        self.play(Extend(name, leave + by * MINUTE, 700))

    def some(self, data):
        """Return mostly an open reservation, else one that is over or never was."""
        names = [s.name for s in self.model.stays.values() if s.state in OPEN]
        over = [s.name for s in self.model.stays.values() if s.state not in OPEN]
        return data.draw(st.sampled_from([*names, *over[-2:], "nobody"]))

    @rule(pool=st.sampled_from(list(POOLS)), capacity=st.integers(0, 3))
    def set_capacity(self, pool, capacity):
        self.play(SetCapacity(pool, POOLS[pool], capacity))

    @rule(minutes=st.one_of(st.integers(0, 20), st.integers(0, 20), st.integers(-30, 300)))
    def let_time_pass(self, minutes):
        self.now += minutes * MINUTE
        self.play(Tick())
        self.now = self.model.now

    @rule()
    def crash_and_restart(self):
        if self.on_disk:
            self.store.close()
            self.store = self.opened()
        state = replay(self.store.read())
        assert state == self.state
        self.state = state

    @rule(driver=st.sampled_from(DRIVERS))
    def a_commit_that_fails_changes_nothing(self, driver):
        now = max(self.now, self.state.now_ms)
        state, events = apply(self.state, SetCapacity("P", "L", 1), now, RULES)
        answer = Answer("lost", b"", now)
        future = self.store.append(Batch(self.state.revision + 1, events, [answer]))
        assert isinstance(future.exception(), ParkingError)
        assert state != self.state
        assert self.store.answer("lost") is None
        assert replay(self.store.read()) == self.state

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def a_repeated_request_gets_its_first_answer(self, data):
        told = self.told[data.draw(st.sampled_from(sorted(self.told)))]
        again = self.store.answer(told.request_id)
        assert (again.reply, str(again.refusal)) == (told.reply, str(told.refusal))
        assert type(again.refusal) is type(told.refusal)

    @invariant()
    def the_ledger_is_sound_and_agrees_with_the_model(self):
        if not hasattr(self, "state"):
            return
        self.model.pass_time(self.now)
        state, _ = apply(self.state, Tick(), max(self.now, self.state.now_ms), RULES)
        assert list(faults(state)) == []
        ours = {
            name: (r.state, r.from_ms, r.until_ms, r.leave_ms)
            for name, r in state.reservations.items()
        }
        plain = {
            name: (s.state, s.begin, s.end, s.leave)
            for name, s in self.model.stays.items()
            # What has been over for a day is let go of.
            if name in ours or s.state in OPEN
        }
        assert ours == plain
        assert all(count == 1 for count in self.model.resolved.values())
        for pool, book in state.pools.items():
            parked = sum(s.state == "parked" for s in self.model.stays.values() if s.pool == pool)
            level = self.model.peak(pool, self.model.now, 1 << 62)
            assert level <= max(book.capacity, parked)


class OnDisk(LedgerMachine):
    """The same over the embedded store."""

    on_disk = True


@pytest.mark.parametrize(
    ("machine", "examples", "steps"), [(LedgerMachine, 150, 80), (OnDisk, 12, 40)]
)
def test_random_histories(machine, examples, steps):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
