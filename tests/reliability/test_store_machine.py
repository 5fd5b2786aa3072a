"""Random histories through the writer and its stores, with crashes, against the naive model.

The model is that of ``tests/parking/test_ledger_machine.py``: a list of stays, counted by hand.
Here the same commands go through real writers, one or two on a store, which crash or lose their
database at the n-th step of a commit, are started again, and are asked the same thing twice.
Checked after every step: same states and refusals as the model's, each hold resolved once, the
same request gets the same answer, and the state is the replay of what the store holds.
"""

import asyncio
import itertools
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import psycopg
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

from parking.errors import OutdatedError, ParkingError, UnavailableError
from parking.ledger import (
    Arrive,
    Cancel,
    Confirm,
    Depart,
    Extend,
    Hold,
    SetCapacity,
    Tick,
    apply,
    faults,
    replay,
)
from parking.store import MemoryStore, PostgresStore, SqliteStore
from parking.store_writer import LedgerWriter
from parking.store_writer.snapshots import begin, save
from tests.parking.test_ledger_machine import DRIVERS, MINUTE, OPEN, POOLS, RULES, START, Model


class Crash:
    """Strikes once, at the n-th step that commits come to from now on; 0 = never."""

    def __init__(self) -> None:
        self.left = 0
        self.url = ""

    def __call__(self, step: str, connection: psycopg.Connection | None = None) -> None:
        if self.left == 0:
            return
        self.left -= 1
        if self.left:
            return
        if connection is None:
            raise apsw.IOError(f"the machine stopped at {step}")
        if step == "committed":
            raise psycopg.OperationalError("the acknowledgement was lost")
        with psycopg.connect(self.url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))


class StoreMachine(RuleBasedStateMachine):
    """Plays commands through writers and through the model."""

    kind = "memory"
    url = ""
    cities = itertools.count(1)

    @initialize(capacities=st.lists(st.sampled_from([0, 1, 1, 2, 3]), min_size=3, max_size=3))
    def open(self, capacities):
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory() if self.kind == "sqlite" else None
        self.city = f"city-{next(self.cities)}"
        self.crash = Crash()
        self.crash.url = self.url
        self.memory = MemoryStore()
        self.now = START
        self.number = 0
        self.told: dict[str, object] = {}
        self.model = Model()
        self.stores, self.writers = [], []
        self.start()
        for (pool, lot), capacity in zip(POOLS.items(), capacities, strict=True):
            self.play(SetCapacity(pool, lot, capacity))

    def start(self):
        """Start one server, or two where the store can be shared."""
        count = 1 if self.kind == "sqlite" else 2
        with ThreadPoolExecutor(count) as threads:
            self.stores = list(threads.map(lambda _: self.opened(), range(count)))
        self.writers = [self.run(self.writer_over(store)) for store in self.stores]

    def opened(self):
        if self.kind == "memory":
            return self.memory
        if self.kind == "sqlite":
            return SqliteStore(Path(self.folder.name) / "l.db", failpoint=self.crash)
        return PostgresStore(self.url, city=self.city, patience_s=0, failpoint=self.crash)

    async def writer_over(self, store):
        return LedgerWriter(store, RULES, lambda: self.now)

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def stop(self):
        """Stop all servers as a crash does: nothing that is under way is finished."""
        self.crash.left = 0
        if self.stores:
            with ThreadPoolExecutor(len(self.stores)) as threads:
                list(threads.map(lambda store: store.close(), self.stores))
        self.run(self.end_tasks())
        self.stores, self.writers = [], []

    async def end_tasks(self):
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def teardown(self):
        if hasattr(self, "stores"):
            self.stop()
            self.loop.close()
        if getattr(self, "folder", None):
            self.folder.cleanup()

    async def ask(self, writer, request_id, command):
        """One call, as the service makes it: what it was told, a reply or a refusal."""
        try:
            earlier = await writer.answered(request_id, b"")
            if earlier is not None:
                return earlier
            writer.begin(request_id, b"")
            try:
                return await writer.command(
                    request_id, b"", command, lambda state: b"%d" % state.revision
                )
            except BaseException as error:
                writer.abandon(request_id, error)
                raise
        except UnavailableError as error:
            if isinstance(error, OutdatedError):
                return error
            raise
        except ParkingError as refusal:
            return refusal

    def play(self, command, server=0):
        self.number += 1
        request_id = f"q{self.number}"
        writer = self.writers[server % len(self.writers)]
        self.run(writer.tick())
        self.model.pass_time(self.now)
        self.note(request_id, command, self.run(self.ask(writer, request_id, command)))

    def note(self, request_id, command, outcome):
        """Take note of what a caller was told; the model must say the same."""
        refused = isinstance(outcome, ParkingError)
        assert self.model.refuses(command) == refused, outcome
        if not isinstance(outcome, OutdatedError):
            self.told[request_id] = outcome

    def some(self, data):
        """Return mostly an open reservation, else one that is over or never was."""
        names = [s.name for s in self.model.stays.values() if s.state in OPEN]
        over = [s.name for s in self.model.stays.values() if s.state not in OPEN]
        return data.draw(st.sampled_from([*names, *over[-2:], "nobody"]))

    def drawn(self, data):
        """Draw any command."""
        kind = data.draw(st.sampled_from(["hold", "hold", "step", "step", "extend", "capacity"]))
        if kind == "hold":
            pool = data.draw(st.sampled_from(list(POOLS)))
            arrive = self.now + data.draw(st.integers(-5, 80)) * MINUTE
            leave = arrive + data.draw(st.integers(1, 90)) * MINUTE
            driver = data.draw(st.sampled_from(DRIVERS))
            return Hold(f"r{self.number}", driver, POOLS[pool], pool, arrive, leave, 500)
        if kind == "step":
            step = data.draw(st.sampled_from([Confirm, Confirm, Arrive, Arrive, Depart, Cancel]))
            return step(self.some(data))
        if kind == "extend":
            name = self.some(data)
            leave = self.model.stays[name].leave if name in self.model.stays else self.now
            return Extend(name, leave + data.draw(st.integers(-10, 60)) * MINUTE, 700)
        pool = data.draw(st.sampled_from(list(POOLS)))
        return SetCapacity(pool, POOLS[pool], data.draw(st.integers(0, 3)))

    @rule(data=st.data(), server=st.integers(0, 1))
    def command(self, data, server):
        self.play(self.drawn(data), server)

    @rule(data=st.data(), server=st.integers(0, 1))
    def two_in_a_row_at_both(self, data, server):
        self.play(self.drawn(data), server)
        self.play(self.drawn(data), server + 1)

    @rule(minutes=st.one_of(st.integers(0, 20), st.integers(-30, 300)), server=st.integers(0, 1))
    def let_time_pass(self, minutes, server):
        self.now += minutes * MINUTE
        self.play(Tick(), server)
        self.now = self.model.now

    @precondition(lambda self: self.kind != "memory")
    @rule(data=st.data(), step=st.integers(1, 6), minutes=st.sampled_from([0, 0, 7, 40]))
    def crash_at_the_nth_step_and_restart(self, data, step, minutes):
        """Whether the command happened is what the store says; then so says its repetition."""
        self.now += minutes * MINUTE
        command = self.drawn(data)
        self.number += 1
        request_id = f"q{self.number}"
        writer = self.writers[0]
        outcome = None
        self.crash.left = step
        try:
            self.run(writer.tick())
            outcome = self.run(self.ask(writer, request_id, command))
        except UnavailableError:
            pass
        self.stop()
        self.start()
        self.run(self.writers[0].tick())
        self.model.pass_time(self.now)
        self.now = self.model.now
        if isinstance(outcome, OutdatedError):
            assert self.model.refuses(command)
            return
        kept = self.stores[0].answer(request_id)
        if outcome is not None:
            assert kept is not None, "acknowledged and lost"
        if kept is not None:
            told = kept.reply if kept.refusal is None else kept.refusal
            self.note(request_id, command, told)
            again = self.run(self.ask(self.writers[-1], request_id, command))
            assert str(again) == str(told)

    @precondition(lambda self: self.kind == "postgres")
    @rule(data=st.data(), step=st.integers(1, 12))
    def lose_the_database_and_go_on(self, data, step):
        """A writer that goes on after a lost connection or acknowledgement knows what is there."""
        command = self.drawn(data)
        self.number += 1
        request_id, writer = f"q{self.number}", self.writers[0]
        self.run(writer.tick())
        self.model.pass_time(self.now)
        self.crash.left = step
        try:
            outcome = self.run(self.ask(writer, request_id, command))
        except UnavailableError:
            self.crash.left = 0
            outcome = self.run(self.ask(writer, request_id, command))
        self.crash.left = 0
        self.note(request_id, command, outcome)

    @rule()
    def stop_and_start(self):
        self.stop()
        self.start()

    @precondition(lambda self: self.told)
    @rule(data=st.data(), server=st.integers(0, 1))
    def a_repeated_request_gets_its_first_answer(self, data, server):
        request_id = data.draw(st.sampled_from(sorted(self.told)))
        writer = self.writers[server % len(self.writers)]
        again = self.run(self.ask(writer, request_id, Cancel("nobody")))
        first = self.told[request_id]
        assert (type(again), str(again)) == (type(first), str(first))

    @rule(server=st.integers(0, 1), step=st.sampled_from([0, 0, 2, 4, 7]))
    def take_a_snapshot(self, server, step):
        """A start comes to the same from it, or from the one before if it is cut short."""
        store, durable = self.stores[server % len(self.stores)], self.writers[0].durable
        self.crash.left = step
        try:
            self.run(save(store, durable))
        except UnavailableError:
            self.stop()
            self.start()
        self.crash.left = 0
        assert begin(self.stores[0], durable.kept_ms)[0] == durable

    @invariant()
    def all_agree(self):
        if not getattr(self, "writers", None):
            return
        log = replay(self.stores[0].read())
        for writer in self.writers:
            self.run(writer.refresh())
            assert writer.state == writer.durable == log
        self.model.pass_time(self.now)
        state, _ = apply(log, Tick(), max(self.now, log.now_ms), RULES)
        assert list(faults(state)) == []
        ours = {
            name: (r.state, r.from_ms, r.until_ms, r.leave_ms)
            for name, r in state.reservations.items()
        }
        # What is over is let go of after a day.
        plain = {
            name: (s.state, s.begin, s.end, s.leave)
            for name, s in self.model.stays.items()
            if name in ours or s.state in OPEN
        }
        assert ours == plain
        assert all(count == 1 for count in self.model.resolved.values())


@pytest.mark.parametrize(
    ("kind", "examples", "steps"), [("memory", 40, 60), ("sqlite", 20, 40), ("postgres", 12, 30)]
)
def test_random_histories_with_crashes(kind, examples, steps, request):
    found = {"kind": kind}
    if kind == "postgres":
        found["url"] = request.getfixturevalue("fresh_database")()
    run_state_machine_as_test(
        type("Machine", (StoreMachine,), found),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
