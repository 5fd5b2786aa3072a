"""Backups: made while the ledger is written, checked, and put back into either store."""

import dataclasses
import json
import threading

import apsw
import pytest

from greenlot.backups import back_up, check, restore
from greenlot.errors import StartError
from parking.errors import UnavailableError
from parking.ledger import Arrive, Cancel, Hold, LedgerState, Rules, SetCapacity, apply, replay
from parking.store import Answer, Batch, PostgresStore, SqliteStore
from parking.store_writer.snapshots import save
from tests.greenlot.test_cli_signals import greenlot

NOW = 1_795_390_000_000


def fill(store, count: int, state: LedgerState | None = None) -> LedgerState:
    """Let ``count`` reservations be made, every third cancelled, every fifth parked."""
    state = state or LedgerState()
    first = len(state.reservations)
    commands = [] if state.pools else [SetCapacity("P", "L", 500)]
    for n in range(first, first + count):
        commands.append(Hold(f"r{n}", f"d{n}", "L", "P", NOW, NOW + 3_600_000, 500))
        if n % 3 == 0:
            commands.append(Cancel(f"r{n}"))
        elif n % 5 == 0:
            commands.append(Arrive(f"r{n}"))
    for command in commands:
        after, events = apply(state, command, NOW, Rules())
        answer = Answer(f"q{after.revision}", b"d", NOW, b"reply")
        store.append(Batch(state.revision, events, [answer], state, after)).result()
        state = after
    return state


@pytest.fixture
def addresses(tmp_path, fresh_database):
    """An address of each kind, and what opens it."""
    url, path = fresh_database(), tmp_path / "ledger.sqlite"
    return {
        "sqlite": (f"sqlite:{path}", lambda: SqliteStore(path)),
        "postgres": (url, lambda: PostgresStore(url, city="x")),
    }


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.parametrize("other", ["sqlite", "postgres"])
def test_a_ledger_is_the_same_after_a_backup_and_a_restore(
    kind, other, addresses, tmp_path, fresh_database
):
    address, opened = addresses[kind]
    store = opened()
    state = fill(store, 30)
    store.drivers.claim("key", [], [b"\x00digest"], NOW).result()
    report = back_up(address, tmp_path / "copy.sqlite", city_id="x")
    store.close()
    assert report.revision == state.revision
    assert report.open_reservations == len(state.pools["P"].open)
    url = f"sqlite:{tmp_path / 'new.sqlite'}" if other == "sqlite" else fresh_database()
    assert restore(tmp_path / "copy.sqlite", url, city_id="x").revision == state.revision
    again = (
        SqliteStore(tmp_path / "new.sqlite") if other == "sqlite" else PostgresStore(url, city="x")
    )
    assert replay(again.read()) == state
    assert again.answer("q3").reply == b"reply"
    assert again.drivers.find([[b"\x00digest"]]).result() == ("key",)
    after = fill(again, 5, state)
    assert replay(again.read()) == after
    again.close()
    with pytest.raises(StartError, match=r"exists already|holds a ledger"):
        restore(tmp_path / "copy.sqlite", url, city_id="x")


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_backup_is_of_one_moment_while_writing_goes_on(kind, addresses, tmp_path):
    address, opened = addresses[kind]
    store = opened()
    state = fill(store, 20)
    writing = threading.Thread(target=lambda: fill(store, 60, state))
    writing.start()
    reports = [back_up(address, tmp_path / f"copy{n}.sqlite", city_id="x") for n in range(3)]
    writing.join()
    store.close()
    revisions = [report.revision for report in reports]
    assert revisions == sorted(revisions)
    assert revisions[0] >= state.revision


def test_a_backup_that_is_not_sound_is_not_left_there(tmp_path):
    path = tmp_path / "ledger.sqlite"
    store = SqliteStore(path)
    state = fill(store, 3)
    store.close()
    connection = apsw.Connection(str(path))
    body = '{"at_ms":1,"pool_id":"P","lot_id":"L","capacity":1}'
    connection.execute(
        "INSERT INTO log VALUES (?, 1, 'CapacitySet', 'P', ?, 1)", (state.revision + 1, body)
    )
    connection.close()
    with pytest.raises(StartError, match="not sound at revision"):
        back_up(f"sqlite:{path}", tmp_path / "copy.sqlite", city_id="x")
    assert sorted(item.name for item in tmp_path.iterdir() if "copy" in item.name) == []


@pytest.mark.parametrize("is_right", [True, False])
async def test_a_snapshot_is_held_against_the_log(tmp_path, is_right):
    store = SqliteStore(tmp_path / "ledger.sqlite")
    state = fill(store, 9)
    lying = dataclasses.replace(state, signs=state.signs.set("s", "a sign that nobody made"))
    await save(store, state if is_right else lying)
    fill(store, 5, state)
    address, copy = f"sqlite:{tmp_path / 'ledger.sqlite'}", tmp_path / "copy.sqlite"
    if is_right:
        back_up(address, copy, city_id="x")
    else:
        with pytest.raises(StartError, match="is not what its log leads to"):
            back_up(address, copy, city_id="x")
    assert copy.exists() is is_right
    store.close()


def test_what_is_no_backup_is_refused(tmp_path):
    text = tmp_path / "text"
    text.write_text("no database\n" * 50)
    with pytest.raises(StartError, match=r"cannot be opened|is damaged|file is not a database"):
        check(text)
    with pytest.raises(StartError, match="no such file"):
        check(tmp_path / "nothing")
    with pytest.raises(StartError, match=r"holds no city|no such file"):
        back_up(f"sqlite:{tmp_path / 'nothing'}", tmp_path / "copy", city_id="x")


def test_the_database_keeps_count_after_a_restore(tmp_path, fresh_database):
    store = SqliteStore(tmp_path / "ledger.sqlite")
    state = fill(store, 9)
    store.close()
    url = fresh_database()
    restore(tmp_path / "ledger.sqlite", url, city_id="x")
    store = PostgresStore(url, city="x")
    # A writer that went mad: the ledger's own state says there is room, the database says no.
    after, events = apply(state, SetCapacity("P", "L", 500), NOW, Rules())
    events += apply(after, Hold("mad", "d", "L", "P", NOW, NOW + 3_600_000, 1), NOW, Rules())[1]
    shrunk = apply(state, SetCapacity("P", "L", 0), NOW, Rules())[0]
    lying = apply(after, Hold("mad", "d", "L", "P", NOW, NOW + 3_600_000, 1), NOW, Rules())[0]
    lying = type(lying)(
        revision=lying.revision,
        now_ms=lying.now_ms,
        reservations=lying.reservations,
        pools=lying.pools.set("P", shrunk.pools["P"]),
        drivers=lying.drivers,
    )
    with pytest.raises(UnavailableError, match="refused the write") as refused:
        store.append(Batch(state.revision, events, (), state, lying)).result()
    assert "never_two_cars_for_one_space" in str(refused.value.__cause__)
    assert replay(store.read()) == state
    store.close()


def test_the_command_line(tmp_path):
    store = SqliteStore(tmp_path / "ledger.sqlite")
    state = fill(store, 4)
    address, copy = f"sqlite:{tmp_path / 'ledger.sqlite'}", tmp_path / "copy.sqlite"
    done = greenlot("backup", "--store", address, "--to", copy, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["revision"] == state.revision
    again = greenlot("backup", "--store", address, "--to", copy)
    assert (again.returncode, again.stdout) == (2, "")
    assert "exists already" in again.stderr
    store.close()
    done = greenlot("restore", copy, "--store", f"sqlite:{tmp_path / 'new.sqlite'}")
    assert done.returncode == 0, done.stderr
    assert "replayed and sound" in done.stdout
    wrong = greenlot("backup", "--store", "mysql://root:secret@h/x", "--to", tmp_path / "c")
    assert wrong.returncode == 2
    assert "expected sqlite:PATH or postgresql://" in wrong.stderr
    assert "secret" not in wrong.stderr
