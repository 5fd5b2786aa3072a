"""Concurrent histories: each could have happened one call after the other.

Per lot: calls that name their lot, holds and what follows. Per city of three lots: requests that
leave the lot to the server, offers and moves, and what a driver may have open.
"""

import asyncio
import itertools
import random

import pytest

from parking.errors import NoSpaceError, OutdatedError, ParkingError, RuleError
from parking.ledger import Arrive, Cancel, Confirm, Depart, Hold, Rules, booking_refusal
from parking.store import MemoryStore, PostgresStore, SqliteStore
from parking.store_writer import LedgerWriter
from tests.parking.capacities import set_capacities
from tests.reliability.city_model import CityModel
from tests.reliability.linearizability import Operation, Recorder, is_linearizable

NOW = 1_795_390_000_000
HOUR = 3_600_000
STEPS = {"confirm": Confirm, "arrive": Arrive, "depart": Depart, "cancel": Cancel}


def test_the_checker_knows_a_history_that_cannot_be():
    model = CityModel({"L": 1}, open_max=2)
    one = Operation(("hold", "ann", "r1", "L"), "held", 0, 10)
    overlapping = Operation(("hold", "bob", "r2", "L"), "held", 5, 15)
    left = [Operation(("cancel", "r1"), "cancelled", 11, 12)]
    later = Operation(("hold", "bob", "r2", "L"), "held", 20, 25)
    early_full = Operation(("hold", "cui", "r3", "L"), "full", 1, 2)
    late_full = Operation(("hold", "cui", "r3", "L"), "full", 13, 14)
    step = model.step
    assert not is_linearizable([one, overlapping], frozenset(), step)
    assert is_linearizable([one, *left, later], frozenset(), step)
    assert is_linearizable([one, early_full], frozenset(), step)
    assert not is_linearizable([one, *left, late_full], frozenset(), step)
    # A call whose answer was lost may have happened, or not.
    lost = Operation(("hold", "ann", "r1", "L"), None, 0, None)
    full = Operation(("hold", "bob", "r2", "L"), "full", 5, 6)
    assert is_linearizable([lost, full], frozenset(), step)
    assert is_linearizable([lost, Operation(full.call, "held", 5, 6)], frozenset(), step)


def test_the_checker_knows_a_limit_that_was_passed_and_a_move_that_kept_both_places():
    step = CityModel({"L": 3, "M": 3}, open_max=1).step
    first = Operation(("request", "ann"), ("held", "r1", "L"), 0, 9)
    assert not is_linearizable(
        [first, Operation(("request", "ann"), ("held", "r2", "M"), 5, 9)], frozenset(), step
    )
    moved = [
        first,
        Operation(("offer", "r1", "r2", "M"), "held", 10, 11),
        Operation(("confirm", "r2"), "confirmed", 12, 13),
    ]
    gone = Operation(("arrive", "r1"), "refused", 14, 15)
    assert is_linearizable([*moved, gone], frozenset(), step)
    assert not is_linearizable([*moved, Operation(gone.call, "parked", 14, 15)], frozenset(), step)


class WriterClients:
    """Clients of one or two writers on one store, whose lots are made for each history."""

    def __init__(self, writers, rng: random.Random, history: int, lots: dict[str, int]) -> None:
        self._writers = writers
        self._rng = rng
        self._lots = lots
        self._prefix = f"h{history}"
        self._numbers = itertools.count()
        self.recorder = Recorder()
        self.names: list[str] = []

    async def told(self, command, name: str) -> str:
        """One call with a request id, now and then made twice, perhaps at the other server."""
        request_id = f"{self._prefix}-q{next(self._numbers)}"
        times = 2 if self._rng.random() < 0.15 else 1
        answers = await asyncio.gather(
            *(self._answer(request_id, command, name) for _ in range(times))
        )
        assert len(set(answers)) == 1, "the same request, another answer"
        return answers[0]

    async def _answer(self, request_id: str, command, name: str) -> str:
        """What a call is answered: the reservation's state, or why it was refused."""
        try:
            return await self._try(request_id, command, name)
        except NoSpaceError:
            return "full"
        except RuleError as refusal:
            return refusal.reason
        except ParkingError:
            return "refused"

    async def _try(self, request_id: str, command, name: str) -> str:
        writer = self._rng.choice(self._writers)
        await asyncio.sleep(0)
        earlier = await writer.answered(request_id, b"")
        if earlier is not None:
            return earlier.decode()
        writer.begin(request_id, b"")
        while True:
            try:
                given = await writer.command(
                    request_id, b"", command, lambda s: s.reservations[name].state.encode()
                )
                return given.decode()
            except OutdatedError:
                try:
                    await writer.refuse(request_id, b"", NoSpaceError("full", reason="full"))
                except OutdatedError:
                    continue

    def _hold(self, driver: str, lot: str, source: str = "") -> Hold:
        name = f"{self._prefix}-r{next(self._numbers)}"
        return Hold(name, driver, lot, f"{lot}-pool", NOW, NOW + HOUR, 5, offer_for=source)

    async def hold(self, driver: str) -> None:
        lot = self._rng.choice(list(self._lots))
        hold = self._hold(driver, lot)
        self.names.append(hold.reservation_id)
        call = ("hold", driver, hold.reservation_id, lot)
        await self.recorder.note(call, self.told(hold, hold.reservation_id))

    async def offer(self) -> None:
        if not self.names:
            return
        source, lot = self._rng.choice(self.names), self._rng.choice(list(self._lots))
        driver = self._writers[0].state.reservations.get(source)
        if driver is None:
            return
        hold = self._hold(driver.driver_id, lot, source)
        self.names.append(hold.reservation_id)
        call = ("offer", source, hold.reservation_id, lot)
        await self.recorder.note(call, self.told(hold, hold.reservation_id))

    async def go_on(self, kinds=tuple(STEPS)) -> None:
        if not self.names:
            return
        kind, name = self._rng.choice(kinds), self._rng.choice(self.names[-4:])
        await self.recorder.note((kind, name), self.told(STEPS[kind](name), name))

    async def request(self, driver: str) -> None:
        """Leave the lot to the server, as the service does it: choose, hold, choose again."""
        await self.recorder.note(("request", driver), self._request(driver))

    async def _request(self, driver: str) -> object:
        request_id = f"{self._prefix}-q{next(self._numbers)}"
        writer = self._rng.choice(self._writers)
        writer.begin(request_id, b"")
        while True:
            state = writer.state
            refusal = booking_refusal(state, driver, NOW, Rules())
            free = [x for x in self._lots if state.pools[f"{x}-pool"].free(NOW, NOW + HOUR) > 0]
            try:
                if refusal is not None or not free:
                    full = NoSpaceError("full", reason="full")
                    await writer.refuse(request_id, b"", refusal or full)
                hold = self._hold(driver, self._rng.choice(free))
                name = hold.reservation_id
                await writer.command(request_id, b"", hold, lambda _: b"held")
            except OutdatedError:
                continue
            except (NoSpaceError, RuleError) as told:
                return told.reason
            self.names.append(name)
            return ("held", name, hold.lot_id)


async def writer_histories(stores, count: int, seed: int, *, city: bool) -> int:
    """Check ``count`` histories over writers on these stores; return how many calls they had."""
    rng = random.Random(seed)
    writers = [LedgerWriter(store, Rules(), lambda: NOW) for store in stores]
    calls = 0
    for history in range(count):
        names = [f"h{history}-{k}" for k in range(3 if city else 1)]
        lots = {name: rng.choice([1, 1, 2]) for name in names}
        pools = {f"{name}-pool": (name, spaces) for name, spaces in lots.items()}
        await set_capacities(writers[0], pools)
        for writer in writers[1:]:
            await writer.refresh()
        clients = WriterClients(writers, rng, history, lots)
        drivers = [f"h{history}-{name}" for name in ("ann", "bob", "cui")]

        async def client(clients=clients, drivers=drivers) -> None:
            for _ in range(4):
                deed = rng.random()
                if deed < 0.45 or not clients.names:
                    driver = rng.choice(drivers)
                    await (clients.request(driver) if city else clients.hold(driver))
                elif deed < 0.6 and city:
                    await clients.offer()
                else:
                    await clients.go_on()

        await asyncio.gather(*(client() for _ in range(3)))
        operations = clients.recorder.operations
        calls += len(operations)
        model = CityModel(lots, open_max=2)
        assert is_linearizable(operations, frozenset(), model.step), clients.recorder.told()
    for writer in writers:
        await writer.close()
    return calls


@pytest.mark.parametrize("city", [False, True], ids=["lot", "city"])
@pytest.mark.parametrize(("kind", "count"), [("memory", 700), ("sqlite", 300), ("postgres", 150)])
async def test_histories_of_writers(kind, count, city, request, tmp_path):
    """One writer on a file, two on what can be shared."""
    if kind == "memory":
        store = MemoryStore()
        stores = [store, store]
    elif kind == "sqlite":
        stores = [SqliteStore(tmp_path / "ledger.db")]
    else:
        url = request.getfixturevalue("fresh_database")()
        stores = [PostgresStore(url, city="x") for _ in range(2)]
    try:
        calls = await writer_histories(stores, count, seed=count, city=city)
    finally:
        for store in stores:
            store.close()
    assert calls > 8 * count
