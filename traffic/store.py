"""Where the log of a city's plans is kept: an append-only table, with the answers callers got.

Embedded in SQLite, or in PostgreSQL where several servers share it: then a server is told when
another has written. What the first version kept (``plan_set``) is read as the log's beginning.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import apsw

from greenlot.storage import Condition, Database, Postgres, StorageError
from greenlot.storage.postgres import Connection
from traffic.errors import InvalidInputError
from traffic.io.street_log import decode, encode, first_version
from traffic.street.events import Event

__all__ = [
    "Kept",
    "LogEntry",
    "PlanStore",
    "PostgresPlanStore",
    "SqlitePlanStore",
    "StaleError",
    "StorageError",
]

APPLICATION_ID = 0x676C7430
"""Marks a file as greenlot's timing plans ("glt0")."""

PROBE_BYTES = 16 * 1024
FIRST_VERSION_GROUP = ""
"""The group of switches that the first version made: it had none."""

SQLITE_MIGRATIONS = (
    """
    CREATE TABLE plan_set (
      revision      INTEGER PRIMARY KEY,
      valid_from_ms INTEGER NOT NULL,
      made_ms       INTEGER NOT NULL,
      request_id    TEXT NOT NULL UNIQUE,
      fingerprint   BLOB NOT NULL,  -- the request as it was, to tell a repetition from a mistake
      result        BLOB NOT NULL   -- traffic.v1.OptimizeResult
    ) STRICT;
    CREATE TRIGGER plan_set_is_append_only_1 BEFORE UPDATE ON plan_set
      BEGIN SELECT RAISE(ABORT, 'plan sets are append-only'); END;
    CREATE TRIGGER plan_set_is_append_only_2 BEFORE DELETE ON plan_set
      BEGIN SELECT RAISE(ABORT, 'plan sets are append-only'); END;
    """,
    """
    CREATE TABLE street_log (
      revision    INTEGER PRIMARY KEY,
      at_ms       INTEGER NOT NULL,
      request_id  TEXT UNIQUE,      -- NULL: nobody asked
      fingerprint BLOB,
      reply       BLOB,             -- what the caller was told, serialised
      events      TEXT NOT NULL     -- JSON
    ) STRICT;
    CREATE TRIGGER street_log_is_append_only_1 BEFORE UPDATE ON street_log
      BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
    CREATE TRIGGER street_log_is_append_only_2 BEFORE DELETE ON street_log
      BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
    """,
    """
    CREATE TABLE log_identity (id TEXT NOT NULL) STRICT;
    INSERT INTO log_identity VALUES (lower(hex(randomblob(16))));
    """,
)
RENEW_SQLITE_IDENTITY = "UPDATE log_identity SET id = lower(hex(randomblob(16)))"
"""What a restored file is given: its log goes on otherwise than the one that it is a copy of."""

CHANNEL = "greenlot_plans"
POSTGRES_MIGRATIONS = (
    """
    CREATE TABLE plan_set (
      city          text NOT NULL,
      revision      bigint NOT NULL CHECK (revision >= 1),
      valid_from_ms bigint NOT NULL,
      made_ms       bigint NOT NULL,
      request_id    text NOT NULL,
      fingerprint   bytea NOT NULL,
      result        bytea NOT NULL,
      PRIMARY KEY (city, revision),
      UNIQUE (city, request_id)
    );
    CREATE FUNCTION plan_set_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
      $$BEGIN RAISE EXCEPTION 'plan sets are append-only'; END$$;
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON plan_set
      EXECUTE FUNCTION plan_set_is_append_only();
    """,
    """
    CREATE TABLE street_log (
      city        text NOT NULL,
      revision    bigint NOT NULL CHECK (revision >= 1),
      at_ms       bigint NOT NULL,
      request_id  text,
      fingerprint bytea,
      reply       bytea,
      events      text NOT NULL,
      PRIMARY KEY (city, revision),
      UNIQUE (city, request_id)
    );
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON street_log
      EXECUTE FUNCTION plan_set_is_append_only();
    """,
    "CREATE TABLE log_identity (city text PRIMARY KEY, id text NOT NULL);",
)

OLD_ROWS = "SELECT revision, valid_from_ms, made_ms, result FROM plan_set"


class StaleError(Exception):
    """The log goes on behind the revision that events were decided on."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One commit: its revision and what happened."""

    revision: int
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Commit:
    """What is to be written, all or nothing.

    Parameters
    ----------
    base
        The log's last revision when this was decided.
    events
        What happened.
    at_ms
        When, UTC epoch milliseconds.
    request_id, fingerprint
        Who asked, and a digest of the request; empty = nobody.
    reply
        The caller's answer, from the commit's revision; None = there is none.
    """

    base: int
    events: tuple[Event, ...]
    at_ms: int
    request_id: str = ""
    fingerprint: bytes = b""
    reply: Callable[[int], bytes] | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What a commit came to; ``is_new`` False = the request was answered before."""

    revision: int
    reply: bytes
    is_new: bool


class PlanStore(Protocol):
    """Keeps the log of one city. All methods may raise StorageError."""

    is_shared: bool
    """Whether other servers may write it too."""
    log_id: str
    """Of this log: another one, such as from an older backup, has another id."""

    @property
    def condition(self) -> Condition:
        """Whether it can be written, as the last attempt showed."""

    def probe(self) -> "Future[None]":
        """Write next to nothing, to see whether writing works again."""

    def load(self, after_revision: int = 0) -> tuple[LogEntry, ...]:
        """Return the commits after a revision, in order."""

    def find(self, request_id: str, fingerprint: bytes) -> bytes | None:
        """Return the answer that a request was given, or None if it is new.

        Raises
        ------
        InvalidInputError
            The id was used with another request.
        """

    def append(self, commit: Commit) -> Kept:
        """Write a commit; it is durable when this returns. It may wait: never on an event loop.

        Raises
        ------
        StaleError
            The log's end is not the commit's base: read on and decide anew.
        InvalidInputError
            The request id was used with another request.
        """

    def watch(self, told: Callable[[], None]) -> None:
        """Have ``told`` called, from any thread, when others may have written."""

    def close(self) -> None:
        """Finish what was appended and let go of the storage."""


class SqlitePlanStore:
    """The log of one city in one SQLite file.

    Parameters
    ----------
    path
        The file; made if missing.

    Raises
    ------
    StorageError
        The file is in use, of another kind, or cannot be opened.
    """

    is_shared = False

    def __init__(self, path: Path) -> None:
        self._database = Database.open(path, SQLITE_MIGRATIONS, application_id=APPLICATION_ID)
        self.log_id: str = self._database.reader.execute("SELECT id FROM log_identity").get

    @property
    def condition(self) -> Condition:
        """Whether it can be written, as the last attempt showed."""
        return self._database.condition

    def probe(self) -> "Future[None]":
        """Write next to nothing, to see whether writing works again."""

        def work(connection: apsw.Connection) -> None:
            # Room in the file, as much as many commits need and taken back at once; then a page of
            # its own log.
            connection.execute("SAVEPOINT room")
            connection.execute(
                "INSERT INTO street_log VALUES (-1, 0, NULL, zeroblob(?), NULL, '')", (PROBE_BYTES,)
            )
            connection.execute("ROLLBACK TO room")
            connection.execute("RELEASE room")
            version = connection.execute("PRAGMA user_version").get
            connection.execute(f"PRAGMA user_version = {version}")

        return self._database.submit(work, proves=True)

    def load(self, after_revision: int = 0) -> tuple[LogEntry, ...]:
        """Return the commits after a revision, in order."""
        reader = self._database.reader
        old = reader.execute(f"{OLD_ROWS} WHERE revision > ? ORDER BY revision", (after_revision,))
        entries = [_old_entry(*row) for row in old]
        rows = reader.execute(
            "SELECT revision, events FROM street_log WHERE revision > ? ORDER BY revision",
            (after_revision,),
        )
        return (*entries, *(LogEntry(revision, decode(text)) for revision, text in rows))

    def find(self, request_id: str, fingerprint: bytes) -> bytes | None:
        """Return the answer that a request was given, or None if it is new."""
        kept = _find(self._database.reader, request_id, fingerprint)
        return None if kept is None else kept.reply

    def append(self, commit: Commit) -> Kept:
        """Write a commit; it is on the disk when this returns."""

        def write(connection: apsw.Connection) -> Kept:
            earlier = _find(connection, commit.request_id, commit.fingerprint)
            if earlier is not None:
                return earlier
            last = connection.execute(
                "SELECT max(coalesce((SELECT max(revision) FROM street_log), 0), "
                "coalesce((SELECT max(revision) FROM plan_set), 0))"
            ).get
            row = _row(commit, last)
            connection.execute("INSERT INTO street_log VALUES (?, ?, ?, ?, ?, ?)", row)
            return Kept(last + 1, row[4] or b"", True)

        return self._database.submit(write).result()

    def watch(self, told: Callable[[], None]) -> None:
        """Nobody else writes: there is never anything to tell."""

    def close(self) -> None:
        """Finish what was appended and let go of the file."""
        self._database.close()


class PostgresPlanStore:
    """The log of one city in a PostgreSQL database that several servers may share.

    Parameters
    ----------
    url
        ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``.
    city
        Whose plans they are; a database can hold several cities.

    Raises
    ------
    StorageError
        The database cannot be reached, or its schema is a newer program's.
    """

    is_shared = True

    def __init__(self, url: str, *, city: str) -> None:
        self._city = city
        self._database = Postgres(url, component="plans", migrations=POSTGRES_MIGRATIONS)
        self.log_id = self._database.write(self._identity).result()

    @property
    def condition(self) -> Condition:
        """Whether it can be written, as the last attempt showed."""
        return self._database.condition

    def probe(self) -> "Future[None]":
        """Write nothing, in a transaction that may write, to see whether that works again."""

        def work(connection: Connection) -> None:
            connection.execute("INSERT INTO street_log SELECT * FROM street_log WHERE false")

        return self._database.write(work)

    def _identity(self, connection: Connection) -> str:
        connection.execute(
            "INSERT INTO log_identity VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (self._city, uuid4().hex),
        )
        row = connection.execute(
            "SELECT id FROM log_identity WHERE city = %s", (self._city,)
        ).fetchone()
        assert row is not None
        return str(row[0])

    def load(self, after_revision: int = 0) -> tuple[LogEntry, ...]:
        """Return the commits after a revision, in order."""

        def read(connection: Connection) -> tuple[LogEntry, ...]:
            asked = (self._city, after_revision)
            old = connection.execute(
                f"{OLD_ROWS} WHERE city = %s AND revision > %s ORDER BY revision", asked
            )
            entries = [_old_entry(*row) for row in old]
            rows = connection.execute(
                "SELECT revision, events FROM street_log WHERE city = %s AND revision > %s "
                "ORDER BY revision",
                asked,
            )
            return (*entries, *(LogEntry(revision, decode(text)) for revision, text in rows))

        return self._database.read_now(read)

    def find(self, request_id: str, fingerprint: bytes) -> bytes | None:
        """Return the answer that a request was given, or None if it is new."""
        kept = self._database.read_now(
            lambda connection: self._kept(connection, request_id, fingerprint)
        )
        return None if kept is None else kept.reply

    def append(self, commit: Commit) -> Kept:
        """Write a commit; it is committed when this returns."""

        def write(connection: Connection) -> Kept:
            # Readers go on; whoever else writes waits, so that revisions come in order.
            connection.execute("LOCK TABLE street_log IN SHARE ROW EXCLUSIVE MODE")
            earlier = self._kept(connection, commit.request_id, commit.fingerprint)
            if earlier is not None:
                return earlier
            found = connection.execute(
                "SELECT greatest("
                "(SELECT coalesce(max(revision), 0) FROM street_log WHERE city = %(city)s), "
                "(SELECT coalesce(max(revision), 0) FROM plan_set WHERE city = %(city)s))",
                {"city": self._city},
            ).fetchone()
            assert found is not None
            row = _row(commit, found[0])
            connection.execute(
                "INSERT INTO street_log VALUES (%s, %s, %s, %s, %s, %s, %s)", (self._city, *row)
            )
            connection.execute(f"NOTIFY {CHANNEL}")
            return Kept(row[0], row[4] or b"", True)

        # Done twice after a lost acknowledgement, it finds what it kept the first time, or that
        # the log has gone on.
        return self._database.write(write).result()

    def watch(self, told: Callable[[], None]) -> None:
        """Have ``told`` called, from any thread, when others may have written."""
        self._database.listen(CHANNEL, lambda _: told())

    def close(self) -> None:
        """Finish what was appended and let go of the database."""
        self._database.close()

    def _kept(self, connection: Connection, request_id: str, fingerprint: bytes) -> Kept | None:
        if not request_id:
            return None
        row = connection.execute(
            "SELECT revision, fingerprint, reply FROM street_log "
            "WHERE city = %(city)s AND request_id = %(id)s "
            "UNION ALL SELECT revision, fingerprint, result FROM plan_set "
            "WHERE city = %(city)s AND request_id = %(id)s",
            {"city": self._city, "id": request_id},
        ).fetchone()
        if row is None:
            return None
        return _same(row[0], bytes(row[1]), bytes(row[2] or b""), fingerprint)


def _find(connection: apsw.Connection, request_id: str, fingerprint: bytes) -> Kept | None:
    if not request_id:
        return None
    row = connection.execute(
        "SELECT revision, fingerprint, reply FROM street_log WHERE request_id = ?1 "
        "UNION ALL SELECT revision, fingerprint, result FROM plan_set WHERE request_id = ?1",
        (request_id,),
    ).fetchone()
    return None if row is None else _same(row[0], row[1], row[2] or b"", fingerprint)


def _same(revision: int, first: bytes, reply: bytes, fingerprint: bytes) -> Kept:
    if first != fingerprint:
        raise InvalidInputError("used before with another request", where="request_id")
    return Kept(revision, reply, False)


Row = tuple[int, int, str | None, bytes | None, bytes | None, str]


def _row(commit: Commit, last: int) -> Row:
    if last != commit.base:
        raise StaleError(f"the log ends at revision {last}; expected {commit.base}")
    reply = None if commit.reply is None else commit.reply(last + 1)
    asked = commit.request_id or None
    fingerprint = commit.fingerprint if asked else None
    return last + 1, commit.at_ms, asked, fingerprint, reply, encode(commit.events)


def _old_entry(revision: int, valid_from_ms: int, made_ms: int, result: bytes) -> LogEntry:
    happened = first_version(revision, valid_from_ms, made_ms, bytes(result), FIRST_VERSION_GROUP)
    return LogEntry(revision, happened)
