"""One PostgreSQL database: lost connections, lost acknowledgements, clashes, schemas."""

import threading

import psycopg
import pytest

from greenlot.storage import Condition, Postgres, StorageError
from tests.reliability.postgres_server import running

SCHEMA = ("CREATE TABLE t (a integer PRIMARY KEY, b text)",)


@pytest.fixture
def url(fresh_database):
    return fresh_database()


def rows(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT a FROM t ORDER BY a")]


def insert(a: int):
    return lambda connection: connection.execute("INSERT INTO t VALUES (%s)", (a,)) and a


class Failing:
    """Ends the session, from outside, the first time that a write comes to a step."""

    def __init__(self, url: str, step: str) -> None:
        self._url = url
        self._step = step
        self.hits = 0

    def __call__(self, step: str, connection: psycopg.Connection) -> None:
        if step != self._step or self.hits:
            return
        self.hits += 1
        with psycopg.connect(self._url, autocommit=True) as other:
            # Waits until it is gone, at most 5 s.
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))
        if step == "committed":
            raise psycopg.OperationalError("the connection was lost")


@pytest.mark.parametrize("step", ["begin", "commit", "committed"])
def test_a_write_happens_once_wherever_the_connection_is_lost(url, step):
    failing = Failing(url, step)
    database = Postgres(url, component="t", migrations=SCHEMA, failpoint=failing)

    def landed(connection):
        row = connection.execute("SELECT 1 FROM t WHERE a = 7").fetchone()
        return None if row is None else ("found",)

    answer = database.write(insert(7), landed=landed).result()
    assert failing.hits == 1
    assert answer == ("found" if step == "committed" else 7)
    assert rows(url) == [7]
    assert database.write(insert(8)).result() == 8
    database.close()


def test_reading_survives_a_lost_connection(url):
    database = Postgres(url, component="t", migrations=SCHEMA)
    pid = database.read_now(lambda connection: connection.info.backend_pid)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    assert database.read(lambda connection: connection.execute("SELECT 5").fetchone()).result()
    database.close()


def test_what_raises_takes_itself_back_and_nothing_else(url):
    database = Postgres(url, component="t", migrations=SCHEMA)

    def half(connection):
        connection.execute("INSERT INTO t VALUES (1)")
        raise KeyError("no more")

    with pytest.raises(KeyError):
        database.write(half).result()
    database.write(insert(2)).result()
    with pytest.raises(StorageError, match="duplicate key"):
        database.write(insert(2)).result()
    database.write(insert(3)).result()
    assert rows(url) == [2, 3]
    assert database.condition is Condition.OK
    database.close()


def test_a_clash_is_done_again(url):
    database = Postgres(url, component="t", migrations=SCHEMA)
    database.write(insert(1)).result()
    tried = []

    def clashing(connection):
        connection.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        connection.execute("SELECT sum(a) FROM t").fetchone()
        if not tried:
            tried.append(1)
            with psycopg.connect(url) as other:
                other.execute("UPDATE t SET b = 'other'")
        connection.execute("UPDATE t SET b = 'mine'")

    database.write(clashing).result()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT b FROM t").fetchone() == ("mine",)
    assert tried
    database.close()


def test_a_listener_hears_now_after_each_word_and_after_a_lost_connection(url):
    database = Postgres(url, component="t", migrations=SCHEMA)
    heard = threading.Semaphore(0)
    pids = []

    def on_word(connection):
        pids.append(connection.info.backend_pid)
        heard.release()

    database.listen("words", on_word)
    assert heard.acquire(timeout=20), "at once"
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("NOTIFY words")
        assert heard.acquire(timeout=20), "after a word"
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pids[-1],))
        assert heard.acquire(timeout=20), "after the reconnection"
    assert pids[-1] != pids[0]
    database.close()


def test_a_restarted_database_is_waited_for_and_a_dead_one_is_not():
    with running() as server:
        database = Postgres(server.url, component="t", migrations=SCHEMA, patience_s=60)
        database.write(insert(1)).result()
        server.stop()
        waiting = database.write(insert(2))
        server.start()
        assert waiting.result() == 2
        database.close()
        database = Postgres(server.url, component="t", migrations=SCHEMA, patience_s=0.2)
        database.read_now(lambda connection: connection.execute("SELECT 1"))
        server.stop()
        with pytest.raises(StorageError, match="does not answer") as first:
            database.write(insert(3)).result()
        assert first.value.condition is Condition.UNREACHABLE
        assert not first.value.doubtful
        assert database.condition is Condition.UNREACHABLE
        with pytest.raises(StorageError, match="does not answer"):
            database.read_now(lambda connection: connection.execute("SELECT 1"))
        server.start()
        assert database.write(insert(4)).result() == 4
        assert database.condition is Condition.OK
        assert rows(server.url) == [1, 2, 4]
        database.close()


def test_a_server_that_may_not_be_written_is_read_only_until_it_may(url):
    database = Postgres(url, component="t", migrations=SCHEMA)
    with pytest.raises(StorageError, match="read-only") as refused:
        database.write(lambda c: c.execute("SET TRANSACTION READ ONLY") and insert(1)(c)).result()
    assert refused.value.full
    assert database.condition is Condition.READ_ONLY
    database.write(insert(1)).result()
    assert database.condition is Condition.OK
    database.close()


def test_migrations_are_applied_once_each_and_a_newer_schema_is_refused(url):
    more = (*SCHEMA, "ALTER TABLE t ADD COLUMN c text")
    for migrations in (SCHEMA, more, more):
        Postgres(url, component="t", migrations=migrations).close()
    Postgres(url, component="other", migrations=("CREATE TABLE u (a integer)",)).close()
    with pytest.raises(StorageError, match="schema version 2 of t is newer than this program's 1"):
        Postgres(url, component="t", migrations=SCHEMA)


def test_a_migration_that_fails_leaves_the_old_version(url):
    broken = (*SCHEMA, "CREATE TABLE u (a integer); nonsense")
    with pytest.raises(StorageError, match="cannot be opened"):
        Postgres(url, component="t", migrations=broken)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regclass('t'), to_regclass('u')").fetchone() == (
            None,
            None,
        )


def test_servers_that_start_together_make_one_schema(url):
    opened = []
    threads = [
        threading.Thread(
            target=lambda: opened.append(Postgres(url, component="t", migrations=SCHEMA))
        )
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 5
    for database in opened:
        database.close()


def test_no_password_is_told():
    with pytest.raises(StorageError) as refused:
        Postgres("postgresql://ann:secret@127.0.0.1:1/city", component="t", migrations=SCHEMA)
    assert "secret" not in str(refused.value)
    assert "postgresql://127.0.0.1:1/city" in str(refused.value)
    with pytest.raises(StorageError, match="not a PostgreSQL address"):
        Postgres("postgresql://a:b:c@@/x?nonsense=1", component="t", migrations=SCHEMA)


def test_after_closing_nothing_is_taken(url):
    database = Postgres(url, component="t", migrations=SCHEMA)
    written = [database.write(insert(a)) for a in range(20)]
    database.close()
    database.close()
    assert [future.result() for future in written] == list(range(20))
    with pytest.raises(StorageError, match="is closed"):
        database.write(insert(21))
