"""One file, one writer, many jobs to one commit."""

import sqlite3
import threading
from concurrent.futures import Future, wait
from pathlib import Path

import apsw
import pytest

from greenlot.storage import Database, StorageError

SCHEMA = ("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL) STRICT",)
KIND = 77


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "t.db"


def insert(a: int, b: str = "x"):
    return lambda connection: connection.execute("INSERT INTO t VALUES (?, ?)", (a, b)).get


def count(database: Database) -> int:
    return database.reader.execute("SELECT count(*) FROM t").get


def test_a_committed_job_is_there_after_reopening(path):
    database = Database.open(path, SCHEMA, application_id=KIND)
    database.submit(insert(1)).result()
    assert count(database) == 1
    database.close()
    database = Database.open(path, SCHEMA, application_id=KIND)
    assert count(database) == 1
    database.close()


def test_the_settings_that_keep_promises(path):
    database = Database.open(path, SCHEMA, application_id=KIND)
    pragma = lambda name: database.submit(lambda c: c.execute(f"PRAGMA {name}").get).result()  # noqa: E731
    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2
    assert pragma("user_version") == 1
    database.close()


def test_a_job_that_raises_takes_only_itself_back(path):
    database = Database.open(path, SCHEMA, application_id=KIND)
    go = threading.Event()
    blocker = database.submit(lambda _: go.wait(10))

    def half(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (2, 'half')")
        raise KeyError("no more")

    futures: list[Future] = [database.submit(job) for job in (insert(1), half, insert(3))]
    go.set()
    wait([blocker, *futures])
    assert isinstance(futures[1].exception(), KeyError)
    rows = database.reader.execute("SELECT a FROM t ORDER BY a").fetchall()
    assert rows == [(1,), (3,)]
    database.close()


def test_jobs_that_come_together_share_a_commit(path):
    database = Database.open(path, SCHEMA, application_id=KIND)
    go = threading.Event()
    commits = []
    database.submit(
        lambda connection: connection.set_commit_hook(lambda: bool(commits.append(1)))
    ).result()
    blocker = database.submit(lambda _: go.wait(10))
    futures = [database.submit(insert(a)) for a in range(100)]
    go.set()
    wait([blocker, *futures])
    assert count(database) == 100
    # The hook's own commit, the blocker's, and at most a few for the hundred.
    assert len(commits) <= 5
    database.close()


def test_a_cancelled_job_is_not_done(path):
    database = Database.open(path, SCHEMA, application_id=KIND)
    go = threading.Event()
    blocker = database.submit(lambda _: go.wait(10))
    # The writer may have taken the blocker alone or not yet: only the cancelled one must not run.
    doomed = database.submit(insert(1))
    if doomed.cancel():
        go.set()
        wait([blocker, database.submit(insert(2))])
        assert database.reader.execute("SELECT a FROM t").fetchall() == [(2,)]
    go.set()
    database.close()


def test_closing_finishes_what_was_submitted(path):
    database = Database.open(path, SCHEMA, application_id=KIND)
    futures = [database.submit(insert(a)) for a in range(50)]
    database.close()
    database.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(StorageError, match="is closed"):
        database.submit(insert(51))


def test_one_process_at_a_time(path):
    database = Database.open(path, SCHEMA, application_id=KIND)
    with pytest.raises(StorageError, match="in use by another process"):
        Database.open(path, SCHEMA, application_id=KIND)
    database.close()
    Database.open(path, SCHEMA, application_id=KIND).close()


def test_migrations_are_applied_once_each(path):
    Database.open(path, SCHEMA, application_id=KIND).close()
    more = (*SCHEMA, "ALTER TABLE t ADD COLUMN c TEXT")
    for _ in range(2):
        database = Database.open(path, more, application_id=KIND)
        assert database.reader.execute("PRAGMA user_version").get == 2
        database.close()


def test_a_migration_that_fails_leaves_the_old_version(path):
    Database.open(path, SCHEMA, application_id=KIND).close()
    with pytest.raises(StorageError, match="cannot be opened"):
        Database.open(path, (*SCHEMA, "CREATE TABLE u (a); nonsense"), application_id=KIND)
    database = Database.open(path, SCHEMA, application_id=KIND)
    assert database.reader.execute("SELECT count(*) FROM sqlite_schema WHERE name='u'").get == 0
    database.close()


def test_a_file_of_a_newer_version_is_refused(path):
    Database.open(path, (*SCHEMA, "CREATE TABLE u (a)"), application_id=KIND).close()
    with pytest.raises(StorageError, match="newer than this program"):
        Database.open(path, SCHEMA, application_id=KIND)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (a)")
    other.close()
    with pytest.raises(StorageError, match="application id"):
        Database.open(path, SCHEMA, application_id=KIND)


def test_what_is_no_database_is_refused(tmp_path):
    path = tmp_path / "text.db"
    path.write_text("not a database at all\n" * 100)
    with pytest.raises(StorageError, match="cannot be opened"):
        Database.open(path, SCHEMA, application_id=KIND)


def test_a_full_disk_changes_nothing_and_can_be_recovered_from(path):
    database = Database.open(path, SCHEMA, application_id=KIND)
    database.submit(insert(1)).result()
    pages = database.reader.execute("PRAGMA page_count").get
    database.submit(lambda c: c.execute(f"PRAGMA max_page_count={pages}").get).result()
    with pytest.raises(StorageError) as failure:
        database.submit(insert(2, "x" * 100_000)).result()
    assert failure.value.full
    assert count(database) == 1
    database.submit(lambda c: c.execute("PRAGMA max_page_count=100000").get).result()
    database.submit(insert(3)).result()
    assert count(database) == 2
    database.close()


def test_a_backup_is_whole_while_writing_goes_on(path, tmp_path):
    database = Database.open(path, SCHEMA, application_id=KIND)
    futures = [database.submit(insert(a)) for a in range(200)]
    futures[50].result()
    copy = tmp_path / "copy.db"
    database.backup(copy)
    wait(futures)
    with pytest.raises(StorageError, match="exists already"):
        database.backup(copy)
    database.close()
    restored = Database.open(copy, SCHEMA, application_id=KIND)
    assert 51 <= count(restored) <= 200
    assert restored.reader.execute("PRAGMA integrity_check").get == "ok"
    restored.close()
