"""Snapshots: a start from one comes to what the whole log leads to, or the log is replayed."""

import asyncio
import dataclasses
from collections import Counter

import pytest

from parking.errors import UnavailableError
from parking.ledger import (
    Cancel,
    ChangeLot,
    Confirm,
    Count,
    Hold,
    LedgerState,
    LotRules,
    Passage,
    PoolTerms,
    RecordPassages,
    Rules,
    SetSigns,
    Tick,
    apply,
    replay,
)
from parking.ledger.state import KEPT_MS
from parking.store import Batch, SqliteStore
from parking.store.snapshot import digest_of, parts_of, state_in
from parking.store_writer import LedgerWriter, snapshots
from parking.store_writer.snapshots import begin, save

NOW = 1_795_390_000_000
HOUR = 3_600_000
BAYS = tuple(str(k) for k in range(300))
FIRST = (
    ChangeLot("L", "{}", (PoolTerms("P", 300, 300, bays=BAYS),), LotRules(hold_s=600)),
    ChangeLot("M", "{}", (PoolTerms("Q", 9, 5, 1, 3),), None, "file"),
    Count("M", "Q", 4, NOW),
    RecordPassages("M", (Passage("g", NOW + 1, True), Passage("g", NOW + 2, False))),
    SetSigns((("s", '{"lines":[]}'),)),
)


def written(store, count: int, state: LedgerState | None = None, now: int = NOW) -> LedgerState:
    """Have reservations made, every third confirmed, every fourth cancelled."""
    state = state or LedgerState()
    first = state.revision
    commands = list(FIRST if first == 0 else ())
    for n in range(first, first + count):
        name = f"r{n}"
        commands.append(Hold(name, f"d{n}", "L", "P", now, now + HOUR, 500, wish="{}"))
        if n % 3 == 0:
            commands.append(Confirm(name))
        elif n % 4 == 0:
            commands.append(Cancel(name))
    for command in commands:
        after, events = apply(state, command, now, Rules())
        store.append(Batch(state.revision, events, (), state, after)).result()
        state = after
    return state


class Reading:
    """A store that counts the events which are read from it."""

    def __init__(self, store) -> None:
        self._store = store
        self.read_events = 0

    def read(self, after_revision: int = 0):
        for event in self._store.read(after_revision):
            self.read_events += 1
            yield event

    def __getattr__(self, name):
        return getattr(self._store, name)


async def test_a_start_reads_the_snapshot_and_what_came_after_it(store):
    state = written(store, 40)
    await save(store, state)
    later = written(store, 3, state, NOW + 700_000)
    counting = Reading(store)
    found, revision = begin(counting, KEPT_MS)
    assert found == later == replay(store.read())
    assert revision == state.revision
    assert counting.read_events == later.revision - state.revision
    # What falls due is among what was written down: the clock alone settles it the same way.
    then = NOW + 5 * HOUR
    assert apply(found, Tick(), then, Rules()) == apply(later, Tick(), then, Rules())


async def test_the_last_whole_snapshot_counts(store):
    state = written(store, 30)
    assert store.snapshot() is None
    await save(store, state)
    first = store.snapshot()
    store.save_part("cut short", 0, b"x").result()
    assert store.snapshot() == first
    later = written(store, 5, state)
    await save(store, later)
    again = store.snapshot()
    assert (again.head.revision, state_in(again)) == (later.revision, later)
    # Another server's snapshot was finished meanwhile, and has dropped these parts.
    head = dataclasses.replace(again.head, key="cut short", parts=1, digest=b"")
    store.save_snapshot(head).result()
    assert store.snapshot() == again


@pytest.mark.parametrize("wrong", ["shape", "digest", "parts", "revision"])
async def test_what_is_wrong_with_a_snapshot_makes_the_log_count(store, wrong, caplog):
    state = written(store, 30)
    parts = list(parts_of(state))
    assert len(parts) == 1
    head = {"key": "k", "revision": state.revision, "parts": 1, "digest": digest_of(parts)}
    head["shape"] = snapshots.SHAPE
    if wrong == "parts":
        parts, head["digest"] = [b"no parts of ours"], digest_of([b"no parts of ours"])
    elif wrong == "revision":
        head["revision"] -= 1
    else:
        head[wrong] = {"shape": "of another program", "digest": b"another"}[wrong]
    store.save_part("k", 0, parts[0]).result()
    store.save_snapshot(snapshots.SnapshotHead(**head)).result()
    assert store.snapshot() is not None
    found, revision = begin(store, KEPT_MS)
    assert (found, revision) == (state, 0)
    assert "passed over" in caplog.text


async def test_a_state_that_keeps_reservations_longer_is_not_begun_from_a_shorter_one(store):
    await save(store, written(store, 10))
    found, revision = begin(store, KEPT_MS // 2)
    assert revision == 0
    assert found.kept_ms == KEPT_MS // 2


async def test_large_states_go_in_parts_and_come_back(store, monkeypatch):
    monkeypatch.setattr("parking.store.snapshot.PART_ROWS", 7)
    state = written(store, 60)
    assert len(list(parts_of(state))) > 10
    await save(store, state, between_s=0.0)
    assert begin(store, KEPT_MS) == (state, state.revision)


async def test_it_is_taken_by_itself_when_there_is_much_to_replay(store, monkeypatch):
    monkeypatch.setattr(snapshots, "LOOK_S", 0.01)
    monkeypatch.setattr(snapshots, "EVERY", 20)
    writer = LedgerWriter(store, Rules(), lambda: NOW)
    going = asyncio.create_task(writer.snapshots.run())
    for command in FIRST:
        await writer.carry_out(command)
    await asyncio.sleep(0.05)
    assert store.snapshot() is None
    for n in range(60):
        await writer.carry_out(Hold(f"r{n}", f"d{n}", "L", "P", NOW, NOW + HOUR, 500))
    for _ in range(500):
        await asyncio.sleep(0.01)
        if (found := store.snapshot()) is not None:
            break
    assert state_in(found) == replay(list(store.read())[: found.head.revision])
    going.cancel()


async def test_a_server_that_ends_leaves_little_to_replay(store, monkeypatch):
    monkeypatch.setattr(snapshots, "LEFT_MAX", 50)
    state = written(store, 20)
    writer = LedgerWriter(store, Rules(), lambda: NOW)
    await writer.snapshots.close()
    assert store.snapshot() is None
    state = written(store, 60, state)
    writer = LedgerWriter(store, Rules(), lambda: NOW)
    await writer.snapshots.close()
    assert store.snapshot().head.revision == state.revision


async def test_a_store_that_cannot_be_written_keeps_the_snapshot_before(tmp_path, caplog):
    store = SqliteStore(tmp_path / "ledger.db")
    state = written(store, 20)
    await save(store, state)
    taken, failing = Counter(), snapshots.Snapshots(store, lambda: state, -100_000)

    def full(*_):
        taken["parts"] += 1
        raise UnavailableError("no space", reason="read_only")

    store.save_part = full
    await failing.close()
    assert taken["parts"] == 1
    assert "no snapshot could be taken" in caplog.text
    assert begin(store, KEPT_MS) == (state, state.revision)
    store.close()
