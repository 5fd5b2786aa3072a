"""Very many seeded operations through a writer and a store, against the naive model.

Sixteen calls come together, as a busy server has them; the model plays them in the same order.
After every sixteen the states of the reservations must agree; at ever longer distances a snapshot
is taken and the server is stopped and started: what it comes to from the snapshot and the log
behind it must be its state, and in the end so must the replay of the whole log.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable

from parking.errors import OutdatedError, ParkingError
from parking.ledger import (
    Arrive,
    Cancel,
    Command,
    Confirm,
    Depart,
    Extend,
    Hold,
    SetCapacity,
    faults,
    replay,
)
from parking.store import ReservationStore
from parking.store_writer import LedgerWriter
from parking.store_writer.snapshots import save
from tests.parking.test_ledger_machine import MINUTE, OPEN, RULES, START, Model

TOGETHER = 16
POOLS = {f"P{k}": f"L{k % 4}" for k in range(10)}
DRIVERS = [f"d{k}" for k in range(60)]
KEPT = 50
"""So many reservations that are over stay in the model, to be asked about."""


class LongRun:
    """Plays operations; raises AssertionError at the first that is wrong."""

    def __init__(self, opened: Callable[[], ReservationStore], seed: int) -> None:
        self._opened = opened
        self._random = random.Random(seed)
        self._model = Model()
        self._now = START
        self._number = 0
        self._over: list[str] = []
        self.done: Counter[str] = Counter()
        self.restarts = 0

    async def play(self, operations: int) -> LedgerWriter:
        """Play so many operations; return the last writer, its store still open."""
        self._store = self._opened()
        writer = self._writer()
        for pool in POOLS:
            await self._together(writer, [self._capacity(pool)])
        # Each start begins from a snapshot that lies some way back.
        next_restart, next_snapshot = 500, 350
        while self.done.total() < operations:
            self._now += self._random.choice([0, 0, 1_000, 20_000, 2 * MINUTE])
            if self._random.random() < 0.002:
                self._now += 90 * MINUTE
            await writer.tick()
            self._model.pass_time(self._now)
            commands = [self._command() for _ in range(TOGETHER)]
            await self._together(writer, commands)
            self._agree(writer)
            if self.done.total() >= next_restart:
                next_restart *= 2
                writer = self._restarted(writer)
            elif self.done.total() >= next_snapshot:
                next_snapshot *= 2
                await save(self._store, writer.durable)
        assert replay(self._store.read()) == writer.state
        assert list(faults(writer.state)) == []
        return writer

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _writer(self) -> LedgerWriter:
        return LedgerWriter(self._store, RULES, lambda: self._now)

    def _restarted(self, writer: LedgerWriter) -> LedgerWriter:
        self.restarts += 1
        before = writer.state
        self._store.close()
        self._store = self._opened()
        again = self._writer()
        assert again.state == before, "the replay of the log is not the state"
        assert list(faults(before)) == []
        return again

    async def _together(self, writer: LedgerWriter, commands: list[Command]) -> None:
        request_ids = []
        for _ in commands:
            self._number += 1
            request_ids.append(f"q{self._number}")
            # Before the others: a look-up takes a moment, and the order of the calls must stay.
            assert await writer.answered(request_ids[-1], b"") is None
        outcomes = await asyncio.gather(
            *(self._ask(writer, *call) for call in zip(request_ids, commands, strict=True))
        )
        for command, outcome in zip(commands, outcomes, strict=True):
            refused = isinstance(outcome, ParkingError)
            told = self._model.refuses(command)
            assert told == refused, f"{command}: {outcome}"
            self.done[f"{type(command).__name__}{' refused' if refused else ''}"] += 1
        for name, stay in list(self._model.stays.items()):
            if stay.state not in OPEN and name not in self._over:
                self._over.append(name)
        for name in self._over[:-KEPT]:
            del self._model.stays[name]
        del self._over[:-KEPT]
        assert all(count == 1 for count in self._model.resolved.values()), "resolved twice"
        self._model.resolved.clear()

    async def _ask(self, writer: LedgerWriter, request_id: str, command: Command) -> object:
        writer.begin(request_id, b"")
        try:
            return await writer.command(request_id, b"", command, lambda _: b"done")
        except OutdatedError as error:
            writer.abandon(request_id, error)
            return error
        except ParkingError as refusal:
            return refusal

    def _command(self) -> Command:
        choice = self._random
        deed = choice.random()
        if deed < 0.4:
            pool = choice.choice(list(POOLS))
            arrive = self._now + choice.randint(-5, 60) * MINUTE
            leave = arrive + choice.randint(1, 60) * MINUTE
            name = f"r{self._number}-{choice.getrandbits(32):08x}"
            return Hold(name, choice.choice(DRIVERS), POOLS[pool], pool, arrive, leave, 500)
        if deed < 0.41:
            return self._capacity(choice.choice(list(POOLS)))
        names = list(self._model.stays)
        name = choice.choice(names) if names else "nobody"
        if deed < 0.5:
            leave = self._model.stays[name].leave if names else self._now
            return Extend(name, leave + choice.randint(-5, 40) * MINUTE, 700)
        step = choice.choice([Confirm, Confirm, Arrive, Arrive, Depart, Depart, Cancel])
        return step(name)

    def _capacity(self, pool: str) -> SetCapacity:
        return SetCapacity(pool, POOLS[pool], self._random.choice([1, 3, 5, 8]))

    def _agree(self, writer: LedgerWriter) -> None:
        state = writer.state
        for name, stay in self._model.stays.items():
            ours = state.reservations[name]
            assert (ours.state, ours.from_ms, ours.until_ms) == (stay.state, stay.begin, stay.end)
        open_ones = sum(len(book.open) for book in state.pools.values())
        assert open_ones == sum(stay.state in OPEN for stay in self._model.stays.values())
