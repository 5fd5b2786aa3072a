"""The stores behind the port, and what only those on a disk can show."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from parking.errors import NoSpaceError, ParkingError, UnavailableError
from parking.ledger import (
    Arrive,
    Confirm,
    Hold,
    LedgerState,
    Rules,
    SetCapacity,
    apply,
    faults,
    replay,
)
from parking.store import Answer, Batch, SqliteStore
from parking.store.codec import encode
from parking.store.embedded import APPLICATION_ID, MIGRATIONS
from parking.store.seen import Seen

NOW = 1_795_390_000_000


def life(*commands):
    """Return the state and the events that commands lead to."""
    state, log = LedgerState(), []
    for command in commands:
        state, events = apply(state, command, NOW, Rules())
        log += events
    return state, log


COMMANDS = (
    SetCapacity("P", "L", 2),
    Hold("r1", "d1", "L", "P", NOW, NOW + 3_600_000, 500, 60, 120, 700),
    Hold("r2", "d2", "L", "P", NOW, NOW + 7_200_000, 900),
    Confirm("r1"),
    Arrive("r1"),
)


def test_the_log_read_back_is_the_log_written(store):
    state, log = life(*COMMANDS)
    store.append(Batch(0, log[:2])).result()
    store.append(Batch(2, log[2:])).result()
    assert list(store.read()) == log
    assert list(store.read(after_revision=3)) == log[3:]
    assert replay(store.read()) == state


def test_a_batch_that_follows_another_revision_is_refused_whole(store):
    _, log = life(*COMMANDS)
    store.append(Batch(0, log[:2])).result()
    for base_revision in (0, 1, 3):
        future = store.append(Batch(base_revision, log[2:], [Answer("q", b"d", NOW)]))
        assert isinstance(future.exception(), UnavailableError)
        assert future.exception().reason == "stale"
    assert list(store.read()) == log[:2]
    assert store.answer("q") is None


def test_answers_are_kept_with_their_effect(store):
    _, log = life(*COMMANDS)
    refusal = NoSpaceError("满了", where="destination", reason="full")
    answers = [Answer("q1", b"\x01", NOW, b"reply"), Answer("q2", b"\x02", NOW, refusal=refusal)]
    store.append(Batch(0, log, answers)).result()
    assert store.answer("q1") == answers[0]
    kept = store.answer("q2").refusal
    assert type(kept) is NoSpaceError
    assert (kept.message, kept.where, kept.reason) == ("满了", "destination", "full")
    assert store.answer("q3") is None


def test_old_answers_are_forgotten(store):
    store.append(Batch(0, [], [Answer("old", b"", NOW), Answer("new", b"", NOW + 1)])).result()
    store.forget_answers(NOW + 1).result()
    assert store.answer("old") is None
    assert store.answer("new") is not None


def test_many_answers_are_found_at_once(store):
    store.append(Batch(0, [], [Answer(f"q{n}", b"", NOW, b"%d" % n) for n in range(5)])).result()
    found = store.answers(["q3", "q1", "q9"]).result()
    assert {request_id: answer.reply for request_id, answer in found.items()} == {
        "q1": b"1",
        "q3": b"3",
    }


def test_the_history_of_one_reservation(store):
    _, log = life(*COMMANDS)
    store.append(Batch(0, log)).result()
    about = [(n, event) for n, event in enumerate(log, 1) if "r1" in repr(event)]
    assert list(store.history("r1").result()) == about
    assert store.history("nobody").result() == ()


def test_probing_an_open_store_writes_nothing_that_counts(store):
    store.probe().result()
    assert list(store.read()) == []
    assert store.condition == "ok"


def test_the_log_cannot_be_changed(tmp_path):
    store = SqliteStore(tmp_path / "ledger.db")
    store.append(Batch(0, life(*COMMANDS)[1])).result()
    store.close()
    connection = apsw.Connection(str(tmp_path / "ledger.db"))
    for statement in ("UPDATE log SET at_ms = 0", "DELETE FROM log"):
        with pytest.raises(apsw.ConstraintError, match="append-only"):
            connection.execute(statement)
    connection.close()


def test_a_log_of_a_later_program_is_refused_with_its_place(tmp_path):
    path = tmp_path / "ledger.db"
    SqliteStore(path).close()
    connection = apsw.Connection(str(path))
    connection.execute("INSERT INTO log VALUES (1, 0, 'Teleported', 'r', '{}', 1)")
    connection.close()
    store = SqliteStore(path)
    with pytest.raises(ParkingError, match="revision 1: not an event of this version"):
        list(store.read())
    store.close()


def test_a_second_process_cannot_open_it(tmp_path):
    store = SqliteStore(tmp_path / "ledger.db")
    with pytest.raises(UnavailableError, match="in use by another process"):
        SqliteStore(tmp_path / "ledger.db")
    store.close()
    with pytest.raises(UnavailableError):
        store.append(Batch(0, []))


def test_a_backup_opens_as_a_store(tmp_path):
    store = SqliteStore(tmp_path / "ledger.db")
    state, log = life(*COMMANDS)
    store.append(Batch(0, log)).result()
    store.backup(tmp_path / "copy.db")
    store.close()
    copy = SqliteStore(tmp_path / "copy.db")
    assert replay(copy.read()) == state
    copy.close()


WRITER = """
import sys
from pathlib import Path
from parking.ledger import Cancel, Hold, Rules, SetCapacity, apply, replay
from parking.store import Answer, Batch, SqliteStore

store = SqliteStore(Path(sys.argv[1]))
state = replay(store.read())
now_ms = 1_795_390_000_000
number = state.revision

def put(command):
    global state
    state, events = apply(state, command, now_ms, Rules())
    answer = Answer(f"q{state.revision}", b"d", now_ms, b"reply")
    store.append(Batch(state.revision - len(events), events, [answer])).result()
    print(state.revision, flush=True)

if not state.pools:
    put(SetCapacity("P", "L", 50))
while True:
    number += 1
    put(Hold(f"r{number}", f"d{number}", "L", "P", now_ms, now_ms + 3_600_000, 500))
    if number % 2:
        put(Cancel(f"r{number}"))
    for old in sorted(state.pools["P"].open)[:5] if len(state.pools["P"].open) > 45 else ():
        put(Cancel(old))
"""


def test_sigkill_loses_nothing_that_was_acknowledged(tmp_path: Path):
    """A real process, killed at random moments: a process crash, not a power loss."""
    path = tmp_path / "ledger.db"
    rng = random.Random(20261123)
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        ) as process:
            acknowledged = [process.stdout.readline() for _ in range(rng.randint(1, 120))]
            process.send_signal(signal.SIGKILL)
            acknowledged += process.stdout.readlines()
        revision = max(int(line) for line in acknowledged if line.endswith("\n"))
        store = SqliteStore(path)
        state = replay(store.read())
        # One commit more may have been made than its line came through.
        assert revision <= state.revision <= revision + 1
        assert list(faults(state)) == []
        assert store.answer(f"q{revision}") is not None
        store.close()


def test_a_file_of_the_first_version_is_read_on(tmp_path):
    path = tmp_path / "ledger.db"
    connection = apsw.Connection(str(path))
    connection.execute(MIGRATIONS[0])
    connection.execute(f"PRAGMA user_version=1; PRAGMA application_id={APPLICATION_ID}")
    state, log = life(*COMMANDS)
    for revision, event in enumerate(log, 1):
        kind, _, body = encode(event)
        connection.execute(
            "INSERT INTO log (revision, at_ms, kind, subject, body) VALUES (?, ?, ?, 's', ?)",
            (revision, event.at_ms, kind, body),
        )
    connection.execute("INSERT INTO answer VALUES ('q', x'01', 5, x'02', NULL)")
    connection.close()
    store = SqliteStore(path)
    assert replay(store.read()) == state
    assert not store.is_new("q")
    assert store.answer("q").reply == b"\x02"
    store.close()


def test_what_was_answered_is_never_taken_for_new(store):
    ids = [f"q{n}" for n in range(2000)]
    store.append(Batch(0, [], [Answer(request_id, b"", NOW) for request_id in ids])).result()
    assert not any(store.is_new(request_id) for request_id in ids)
    assert len(store.answers([*ids, "other"]).result()) == 2000


def test_new_ids_are_mostly_known_to_be_new():
    seen = Seen(f"q{n}" for n in range(100_000))
    assert all(seen.may_hold(f"q{n}") for n in range(0, 100_000, 97))
    assert sum(seen.may_hold(f"r{n}") for n in range(20_000)) < 20
