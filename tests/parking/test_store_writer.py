"""The writer: batches, repetitions, callers who go away, others who write too, stores that fail."""

import asyncio
import gc
from concurrent.futures import Future

import pytest

from parking.errors import (
    InvalidInputError,
    NotFoundError,
    OutdatedError,
    RuleError,
    StateError,
    UnavailableError,
)
from parking.ledger import Cancel, Confirm, Hold, Rules, SetCapacity, faults, replay
from parking.ledger.events import Displaced
from parking.store import MemoryStore, PostgresStore
from parking.store_writer import LedgerWriter
from parking.store_writer.job import Job
from parking.store_writer.requests import Requests
from tests.parking.capacities import set_capacities

NOW = 1_795_390_000_000
HOUR = 3_600_000


def hold(name: str, driver: str = "", pool: str = "P") -> Hold:
    return Hold(name, driver or f"driver of {name}", "L", pool, NOW, NOW + HOUR, 500)


def state_of(name: str):
    """The reply that a test reads: the reservation's state."""
    return lambda state: state.reservations[name].state.encode()


async def ask(writer: LedgerWriter, request_id: str, command, body: bytes = b"") -> bytes:
    """What the service does with a call."""
    earlier = await writer.answered(request_id, body)
    if earlier is not None:
        return earlier
    writer.begin(request_id, body)
    try:
        return await writer.command(request_id, body, command, state_of(command.reservation_id))
    except BaseException as error:
        writer.abandon(request_id, error)
        raise


class SlowStore(MemoryStore):
    """A store whose appends are done when the test says so, or fail."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[object, object, Future[None]]] = []
        self.slow = False

    def append(self, batch, rebase=None):
        if not self.slow:
            return super().append(batch, rebase)
        future: Future[None] = Future()
        self.asked.append((batch, rebase, future))
        return future

    def let_happen(self) -> None:
        batch, rebase, future = self.asked.pop(0)
        super().append(batch, rebase).result()
        future.set_result(None)

    def fail(self, reason: str = "read_only") -> None:
        _, _, future = self.asked.pop(0)
        future.set_exception(UnavailableError("no space", reason=reason))


@pytest.fixture(params=["memory", "postgres"])
def shared(request):
    """Two stores on the same log, as two servers have them."""
    if request.param == "memory":
        one = MemoryStore()
        yield one, one
        return
    url = request.getfixturevalue("fresh_database")()
    one, other = PostgresStore(url, city="x"), PostgresStore(url, city="x")
    yield one, other
    one.close()
    other.close()


def writer_over(store) -> LedgerWriter:
    return LedgerWriter(store, Rules(), lambda: NOW)


async def test_commands_that_come_together_are_all_there_afterwards(store):
    writer = writer_over(store)
    await set_capacities(writer, {"P": ("L", 30)})
    replies = await asyncio.gather(*(ask(writer, f"q{n}", hold(f"r{n}")) for n in range(40)),
                                   return_exceptions=True)  # fmt: skip
    assert replies[:30] == [b"held"] * 30
    assert all(isinstance(item, OutdatedError) for item in replies[30:])
    assert writer.state == writer.durable == replay(store.read())
    assert store.answer("q3").reply == b"held"
    assert store.answer("q35") is None, "a place that is gone is chosen anew, not refused for good"


async def test_a_repeated_request_gets_its_first_answer_also_a_refusal(store):
    writer = writer_over(store)
    await set_capacities(writer, {"P": ("L", 3)})
    first = await asyncio.gather(*(ask(writer, "q", hold("r1")) for _ in range(5)))
    assert first == [b"held"] * 5
    assert await ask(writer, "q", hold("r2")) == b"held"
    with pytest.raises(StateError) as refused:
        await ask(writer, "c", Cancel("r1")) and await ask(writer, "d", Confirm("r1"))
    await ask(writer, "q3", hold("r3"))
    with pytest.raises(StateError, match=str(refused.value)):
        await ask(writer, "d", Confirm("r1"))
    with pytest.raises(InvalidInputError, match="used before"):
        await ask(writer, "q", hold("r1"), b"another body")
    assert len(writer.state.reservations) == 2


async def test_a_refusal_by_the_caller_is_kept(store):
    writer = writer_over(store)
    writer.begin("q", b"")
    with pytest.raises(RuleError, match="not today"):
        await writer.refuse("q", b"", RuleError("not today", reason="open_max"))
    with pytest.raises(RuleError, match="not today"):
        await writer.answered("q", b"")


async def test_a_command_without_a_caller_is_refused_without_a_trace():
    store = MemoryStore()
    with pytest.raises(NotFoundError):
        await writer_over(store).carry_out(Cancel("nobody"))
    assert list(store.read()) == []


async def test_a_failure_that_nobody_waits_for_any_more_is_no_exception_in_the_log():
    """A call past its deadline is cancelled, perhaps between its failure and its waking up."""
    loop, heard = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: heard.append(context))
    requests = Requests(MemoryStore())
    requests.begin("q", b"")
    waiting = asyncio.create_task(requests.answered("q", b""))
    await asyncio.sleep(0)
    waiting.cancel()
    requests.end("q", error=StateError("no"))
    Job("q", b"", None, None, None, loop.create_future()).end(error=StateError("no"))
    await asyncio.gather(waiting, return_exceptions=True)
    gc.collect()
    await asyncio.sleep(0)
    assert heard == []


async def test_a_caller_who_goes_away_does_not_take_back_what_is_on_its_way():
    store = SlowStore()
    writer = writer_over(store)
    await set_capacities(writer, {"P": ("L", 3)})
    store.slow = True
    gone = asyncio.create_task(ask(writer, "q", hold("r1")))
    await asyncio.sleep(0.01)
    gone.cancel()
    await asyncio.sleep(0.01)
    again = asyncio.create_task(ask(writer, "q", hold("r2")))
    await asyncio.sleep(0.01)
    store.let_happen()
    assert await again == b"held"
    assert set(writer.durable.reservations) == {"r1"}


async def test_what_cannot_be_written_did_not_happen_and_what_was_built_on_it_is_decided_anew():
    store = SlowStore()
    writer = writer_over(store)
    await set_capacities(writer, {"P": ("L", 1)})
    store.slow = True
    first = asyncio.create_task(ask(writer, "q1", hold("r1")))
    await asyncio.sleep(0.01)
    on_top = asyncio.create_task(ask(writer, "q2", Confirm("r1")))
    beside = asyncio.create_task(ask(writer, "q3", hold("r3")))
    await asyncio.sleep(0.01)
    assert isinstance(beside.exception(), OutdatedError), "the place was taken when it asked"
    store.fail()
    with pytest.raises(UnavailableError, match="no space"):
        await first
    await asyncio.sleep(0.01)
    store.let_happen()
    with pytest.raises(NotFoundError):
        await on_top
    store.slow = False
    assert await ask(writer, "q1", hold("r1")) == b"held"
    assert writer.state == writer.durable == replay(store.read())


async def test_listeners_hear_of_what_is_on_the_disk_once_and_in_order():
    store = SlowStore()
    writer, heard = writer_over(store), []
    await set_capacities(writer, {"P": ("L", 5)})
    writer.listen(heard.extend)
    store.slow = True
    calls = [asyncio.create_task(ask(writer, f"q{n}", hold(f"r{n}"))) for n in range(3)]
    await asyncio.sleep(0.01)
    assert not heard
    store.let_happen()
    await asyncio.gather(*calls)
    assert heard == list(store.read(1))


async def test_two_servers_never_give_the_last_space_twice(shared):
    one, other = writer_over(shared[0]), writer_over(shared[1])
    await set_capacities(one, {"P": ("L", 25)})
    await other.refresh()
    calls = [
        ask(writer, f"{name}{n}", hold(f"{name}{n}"))
        for n in range(20)
        for name, writer in (("a", one), ("b", other))
    ]
    replies = await asyncio.gather(*calls, return_exceptions=True)
    assert replies.count(b"held") == 25
    assert all(reply == b"held" or isinstance(reply, OutdatedError) for reply in replies)
    await asyncio.gather(one.refresh(), other.refresh())
    assert one.state == other.state == one.durable == replay(shared[0].read())
    assert list(faults(one.state)) == []


async def test_the_same_request_at_two_servers_is_done_once(shared):
    one, other = writer_over(shared[0]), writer_over(shared[1])
    await set_capacities(one, {"P": ("L", 25)})
    for n in range(10):
        replies = await asyncio.gather(
            ask(one, f"q{n}", hold(f"one{n}")), ask(other, f"q{n}", hold(f"other{n}"))
        )
        assert replies == [b"held", b"held"]
    await asyncio.gather(one.refresh(), other.refresh())
    assert one.state == other.state
    assert len(one.state.reservations) == 10
    with pytest.raises(InvalidInputError, match="used before"):
        await ask(other, "q1", hold("x"), b"another body")


async def test_a_servers_decision_is_made_on_what_the_other_wrote(shared):
    one, other = writer_over(shared[0]), writer_over(shared[1])
    await set_capacities(one, {"P": ("L", 2)})
    await other.refresh()
    await ask(one, "q1", hold("r1"))
    # The other may not have heard of r1 yet: its decision must know it all the same.
    assert await ask(other, "q2", Confirm("r1")) == b"confirmed"
    assert await ask(one, "q3", Cancel("r1")) == b"cancelled"
    with pytest.raises(StateError):
        await ask(other, "q4", Confirm("r1"))


async def test_a_server_hears_of_what_the_other_wrote(shared):
    one, other = writer_over(shared[0]), writer_over(shared[1])
    heard = asyncio.Event()
    other.listen(lambda events: heard.set() if any(isinstance(e, Displaced) for e in events) else 0)
    await set_capacities(one, {"P": ("L", 1)})
    await ask(one, "q1", hold("r1"))
    await one.carry_out(SetCapacity("P", "L", 0))
    await asyncio.wait_for(heard.wait(), timeout=20)
    assert other.reservation("r1").state == "displaced"


async def test_a_refusal_on_a_state_that_others_have_changed_is_not_kept(shared):
    one, other = writer_over(shared[0]), writer_over(shared[1])
    await set_capacities(one, {"P": ("L", 1)})
    other.begin("q", b"")
    outcome = asyncio.create_task(other.refuse("q", b"", RuleError("full", reason="open_max")))
    try:
        await outcome
    except OutdatedError:
        assert shared[0].answer("q") is None
    except RuleError:
        # It had heard in time.
        assert shared[0].answer("q") is not None
