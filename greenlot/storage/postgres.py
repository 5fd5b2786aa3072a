"""One PostgreSQL database: a session that writes, one that reads, one that listens.

A transaction is done again when the server says that it clashed, and when the connection is lost
before its COMMIT was sent. When the connection is lost *at* the COMMIT nobody can say from here
whether it happened: then the caller's ``landed`` reads that from the database.
"""

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from greenlot.storage.errors import Condition, StorageError
from greenlot.storage.postgres_schema import bring_up_to_date

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]
Work = Callable[[Connection], T]

PATIENCE_S = 8.0
CONNECT_S = 5
LISTEN_POLL_S = 5.0
"""A listener that has heard nothing for so long looks for itself."""
SETTINGS = {
    "connect_timeout": str(CONNECT_S),
    # A peer that vanished without a word is noticed after about 15 s.
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "15000",
}
SESSION = (
    "SET synchronous_commit = on",
    # Whoever stops in the middle of a transaction must not keep its lock from the others.
    "SET idle_in_transaction_session_timeout = '10s'",
    "SET lock_timeout = '5s'",
)
REPEATED = ("40", "55P03")
"""SQLSTATEs (or their class) after which the same transaction may succeed: clashes, lock waits."""
NO_SPACE = ("53100", "25006")
"""Disk full; the server is read-only."""

log = logging.getLogger(__name__)


class Postgres:
    """A database that other processes write too.

    Parameters
    ----------
    url
        ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``, or what else libpq understands.
    component, migrations
        Whose schema it is, and the SQL scripts that make it; the table ``greenlot_schema`` counts
        those that it has had. Never change one that has been released: add one.
    patience_s
        How long a write waits for a database that does not answer, s; after that, writes fail at
        once until it answers again.
    failpoint
        Called with the name of each step of a write; tests let it fail there.

    Raises
    ------
    StorageError
        If the database cannot be reached or its schema is a newer program's.
    """

    def __init__(
        self,
        url: str,
        *,
        component: str,
        migrations: Sequence[str],
        patience_s: float = PATIENCE_S,
        failpoint: Callable[[str, Connection], None] | None = None,
    ) -> None:
        try:
            given = conninfo_to_dict(url)
            self.where = _where(given)
            self._conninfo = make_conninfo("", **{**SETTINGS, **given})
        except psycopg.Error as error:
            raise StorageError(f"not a PostgreSQL address: {error}", where="--store") from error
        self._patience_s = patience_s
        self._failpoint = failpoint
        self._condition = Condition.OK
        self._writing: Connection | None = None
        self._reading: Connection | None = None
        self._read_gate = threading.Lock()
        self._closing = threading.Event()
        self._listener: threading.Thread | None = None
        self._listening: Connection | None = None
        try:
            self._writing = self._connect()
            bring_up_to_date(self._writing, component, migrations, where=self.where)
        except StorageError:
            _close(self._writing)
            raise
        except psycopg.Error as error:
            _close(self._writing)
            raise StorageError(
                f"cannot be opened: {_first_line(error)}", where=self.where
            ) from error
        self._writer = ThreadPoolExecutor(1, "postgres-writer")
        self._reader = ThreadPoolExecutor(1, "postgres-reader")

    @property
    def condition(self) -> Condition:
        """Whether it can be written, as the last attempt showed."""
        return self._condition

    def write(self, work: Work[T], *, landed: Work[tuple[T] | None] | None = None) -> "Future[T]":
        """Have ``work`` done in a transaction, in the order of the calls.

        Parameters
        ----------
        work
            Does it; may be called again if the transaction has to be done again.
        landed
            Tells, after a lost COMMIT, whether the transaction is there: what ``work`` returned
            then, in a tuple; None = it is not. None = ``work`` may be done twice.

        Returns
        -------
        Future
            Done after the COMMIT; or fails with what ``work`` raised, or with StorageError.
        """
        return self._submit(self._writer, lambda: self._write(work, landed))

    def read(self, work: Work[T]) -> "Future[T]":
        """Have ``work`` done on a session for reading, aside of the writes."""
        return self._submit(self._reader, lambda: self.read_now(work))

    def read_now(self, work: Work[T]) -> T:
        """Do ``work`` on the session for reading, in this thread.

        Raises
        ------
        StorageError
            If the database does not answer.
        """
        with self._read_gate:
            if self._closing.is_set():
                raise StorageError("is closed", where=self.where)
            for last in (False, True):
                try:
                    if self._reading is None or self._reading.closed:
                        self._reading = self._connect()
                    return work(self._reading)
                except psycopg.OperationalError as error:
                    _close(self._reading)
                    self._reading = None
                    if last:
                        raise StorageError(
                            f"does not answer: {_first_line(error)}",
                            where=self.where,
                            condition=Condition.UNREACHABLE,
                        ) from error
        raise AssertionError("the second attempt returned or raised")

    def listen(self, channel: str, heard: Callable[[Connection], None]) -> None:
        """Have ``heard`` called, in a thread of its own, whenever there may be something new.

        That is: after a NOTIFY on the channel, after every (re)connection, since what was said
        meanwhile was not heard, and every 5 s in any case.
        """

        def run() -> None:
            while not self._closing.is_set():
                connection: Connection | None = None
                try:
                    connection = self._listening = self._connect()
                    connection.execute(f"LISTEN {channel}")
                    while not self._closing.is_set():
                        heard(connection)
                        # Several words that came together are one occasion.
                        for _ in connection.notifies(timeout=LISTEN_POLL_S, stop_after=1):
                            pass
                except psycopg.Error:
                    self._closing.wait(0.2)
                finally:
                    self._listening = None
                    _close(connection)

        self._listener = threading.Thread(target=run, name=f"listen {channel}", daemon=True)
        self._listener.start()

    def close(self) -> None:
        """Finish what was submitted, then close. A second call does nothing."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._writer.shutdown()
        self._reader.shutdown()
        self._end_listener()
        _close(self._writing)
        with self._read_gate:
            _close(self._reading)

    def _end_listener(self) -> None:
        if self._listener is None:
            return
        listening = self._listening
        if listening is not None:
            # It waits for words: what wakes it from outside is the end of its connection.
            with contextlib.suppress(OSError, psycopg.Error):
                line = socket.socket(fileno=os.dup(listening.fileno()))
                try:
                    line.shutdown(socket.SHUT_RDWR)
                finally:
                    line.close()
        self._listener.join(LISTEN_POLL_S + CONNECT_S)

    def step(self, name: str, connection: Connection) -> None:
        """Pass a point at which a test may let the write fail."""
        if self._failpoint is not None:
            self._failpoint(name, connection)

    def _submit(self, executor: ThreadPoolExecutor, work: Callable[[], T]) -> "Future[T]":
        try:
            return executor.submit(work)
        except RuntimeError as error:
            raise StorageError("is closed", where=self.where) from error

    def _connect(self) -> Connection:
        connection = psycopg.connect(self._conninfo, autocommit=True)
        try:
            # Together: each would be a journey of its own.
            connection.execute("; ".join(SESSION))
        except BaseException:
            connection.close()
            raise
        return connection

    def _write(self, work: Work[T], landed: Work[tuple[T] | None] | None) -> T:
        patience_s = self._patience_s if self._condition is Condition.OK else 0.0
        until = time.monotonic() + patience_s
        in_doubt = False
        while True:
            try:
                if in_doubt and landed is not None:
                    there = self._transaction(landed, "resolve")
                    in_doubt = False
                    if there is not None:
                        self._condition = Condition.OK
                        return there[0]
                done = self._transaction(work, "commit")
                self._condition = Condition.OK
                return done
            except _CommitLostError as error:
                in_doubt = landed is not None
                cause: psycopg.Error = error.cause
            except psycopg.Error as error:
                cause = error
                self._give_up_if_final(error, in_doubt=in_doubt)
            if time.monotonic() >= until:
                self._condition = Condition.UNREACHABLE
                raise StorageError(
                    f"does not answer: {_first_line(cause)}",
                    where=self.where,
                    condition=Condition.UNREACHABLE,
                    doubtful=in_doubt,
                ) from cause
            time.sleep(0.05)

    def _transaction(self, work: Work[T], last_step: str) -> T:
        """Do one transaction; psycopg.Error = it did not happen."""
        if self._writing is None or self._writing.closed:
            self._writing = self._connect()
        connection = self._writing
        try:
            self.step("begin", connection)
            # Statements whose answers nobody waits for travel with the next one.
            with connection.pipeline():
                connection.execute("BEGIN")
                done = work(connection)
            self.step(last_step, connection)
        except BaseException as error:
            self._roll_back(connection, error)
            raise
        try:
            connection.execute("COMMIT")
            self.step("committed", connection)
        except psycopg.OperationalError as error:
            if connection.closed or (last_step == "commit" and _is_lost(error)):
                self._drop_writer()
                raise _CommitLostError(error) from error
            raise
        return done

    def _roll_back(self, connection: Connection, error: BaseException) -> None:
        if isinstance(error, psycopg.OperationalError) and _is_lost(error):
            self._drop_writer()
            return
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            self._drop_writer()

    def _drop_writer(self) -> None:
        _close(self._writing)
        self._writing = None

    def _give_up_if_final(self, error: psycopg.Error, *, in_doubt: bool) -> None:
        """Raise StorageError unless the transaction is worth another attempt."""
        state = error.sqlstate or ""
        if state in NO_SPACE:
            self._condition = Condition.READ_ONLY
            raise StorageError(
                f"cannot be written: {_first_line(error)}",
                where=self.where,
                condition=Condition.READ_ONLY,
                doubtful=in_doubt,
            ) from error
        if state.startswith(REPEATED) or (
            isinstance(error, psycopg.OperationalError) and _is_lost(error)
        ):
            return
        log.error("a write was refused by the database: %s", _first_line(error))
        raise StorageError(
            f"the write was refused: {_first_line(error)}", where=self.where, doubtful=in_doubt
        ) from error


class _CommitLostError(Exception):
    """The connection was lost at the COMMIT."""

    def __init__(self, cause: psycopg.Error) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _is_lost(error: psycopg.Error) -> bool:
    """Whether an error says that the connection, not the statement, is at fault."""
    state = error.sqlstate or ""
    # 08: connection exceptions; 57P: the server was shut down or ends this session.
    return state == "" or state.startswith(("08", "57P", "25P03"))


def _close(connection: Connection | None) -> None:
    if connection is not None:
        connection.close()


def _where(given: dict[str, Any]) -> str:
    """Return the address without its password."""
    host, port = given.get("host") or "localhost", given.get("port") or 5432
    return f"postgresql://{host}:{port}/{given.get('dbname') or given.get('user') or ''}"


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
