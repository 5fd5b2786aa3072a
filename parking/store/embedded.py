"""The embedded store: one SQLite file, written by one process.

"Durable" means in the file and fsynced: a process that is killed loses nothing of it. Against a
loss of power it is as good as the disk's word that what was flushed is written.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol, TypeVar

import apsw

from greenlot.storage import Condition, Database, StorageError
from parking.ledger import Event
from parking.store.codec import decode, encode
from parking.store.port import FORGET_MAX, Answer, Batch, Rebase, stale, subject_of
from parking.store.refusals import decode_refusal, encode_refusal, translated, unavailable
from parking.store.seen import Seen
from parking.store.snapshot import Snapshot, SnapshotHead

T = TypeVar("T")

APPLICATION_ID = 0x676C7031
"""Marks a file as a greenlot parking ledger ("glp1")."""

MIGRATIONS = (
    """
    CREATE TABLE log (
      revision INTEGER PRIMARY KEY,
      at_ms    INTEGER NOT NULL,
      kind     TEXT NOT NULL,
      subject  TEXT NOT NULL,  -- the reservation or pool
      body     TEXT NOT NULL   -- JSON
    ) STRICT;
    CREATE INDEX log_subject ON log (subject);
    CREATE TRIGGER log_is_append_only_1 BEFORE UPDATE ON log
      BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
    CREATE TRIGGER log_is_append_only_2 BEFORE DELETE ON log
      BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
    CREATE TABLE answer (
      request_id TEXT PRIMARY KEY,
      digest     BLOB NOT NULL,
      at_ms      INTEGER NOT NULL,
      reply      BLOB NOT NULL,
      refusal    TEXT            -- JSON; NULL = not refused
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX answer_at ON answer (at_ms);
    """,
    """
    ALTER TABLE log ADD COLUMN version INTEGER NOT NULL DEFAULT 1;  -- of the kind
    CREATE TABLE driver (
      digest  BLOB PRIMARY KEY,  -- keyed HMAC of a plate or a phone number
      key     TEXT NOT NULL,     -- what the log knows the driver by
      seen_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX driver_key ON driver (key);
    CREATE INDEX driver_seen ON driver (seen_ms);
    CREATE TABLE probe (body BLOB NOT NULL) STRICT;
    INSERT INTO probe VALUES (x'');
    """,
    """
    CREATE TABLE snapshot (
      key      TEXT PRIMARY KEY,
      revision INTEGER NOT NULL,  -- of the log whose beginning it stands for
      shape    TEXT NOT NULL,     -- of the states of the program that wrote it
      parts    INTEGER NOT NULL,
      digest   BLOB NOT NULL      -- of all parts
    ) STRICT;
    CREATE TABLE snapshot_part (
      key    TEXT NOT NULL,
      number INTEGER NOT NULL,
      body   BLOB NOT NULL,
      UNIQUE (key, number)
    ) STRICT;
    """,
)

INSERT_EVENT = (
    "INSERT INTO log (revision, at_ms, kind, version, subject, body) VALUES (?, ?, ?, ?, ?, ?)"
)
INSERT_ANSWER = (
    "INSERT INTO answer (request_id, digest, at_ms, reply, refusal) VALUES (?, ?, ?, ?, ?)"
)
INSERT_EVENTS = (
    "INSERT INTO log (revision, at_ms, kind, version, subject, body) SELECT value->>0, value->>1, "
    "value->>2, value->>3, value->>4, value->>5 FROM json_each(?)"
)
INSERT_ANSWERS = (
    "INSERT INTO answer (request_id, digest, at_ms, reply, refusal) SELECT value->>0, "
    "unhex(value->>1), value->>2, unhex(value->>3), value->>4 FROM json_each(?)"
)
"""All rows in one statement: between two of them the interpreter's lock is let go and has to be
waited for again, which for some dozen rows takes longer than the commit."""
SELECT_EVENTS = "SELECT revision, kind, version, body FROM log "
PROBE_BYTES = 16_384
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class SqliteStore:
    """The log, the answers and the drivers' keys in one SQLite file.

    Parameters
    ----------
    path
        The file; made if it does not exist.
    failpoint
        Called with the name of each step of a commit; tests let it fail there.

    Raises
    ------
    UnavailableError
        If the file is in use, of another kind, or cannot be opened.
    """

    def __init__(self, path: Path, *, failpoint: Callable[[str], None] | None = None) -> None:
        try:
            self._database = Database.open(
                path, MIGRATIONS, application_id=APPLICATION_ID, failpoint=failpoint
            )
        except StorageError as error:
            raise unavailable(error, opening=True) from error
        self.drivers = _Drivers(self._database, self._submit)
        rows = self._database.reader.execute("SELECT request_id FROM answer")
        self._seen = Seen(request_id for (request_id,) in rows)

    @property
    def condition(self) -> Condition:
        """Whether it can be written, as the last attempt showed."""
        return self._database.condition

    @property
    def shared(self) -> bool:
        """Whether others may write it too: never."""
        return False

    def read(self, after_revision: int = 0) -> Iterator[Event]:
        """Yield the log's events after a revision, in order."""
        for _, event in self._events("WHERE revision > ? ORDER BY revision", after_revision):
            yield event

    def history(self, subject: str) -> "Future[tuple[tuple[int, Event], ...]]":
        """Return the events about one reservation, pool or lot, with their revisions."""
        return _done(tuple(self._events("WHERE subject = ? ORDER BY revision", subject)))

    def append(self, batch: Batch, rebase: Rebase | None = None) -> "Future[None]":
        """Write a batch; done when it is on the disk, together with others in one fsync."""
        for answer in batch.answers:
            self._seen.add(answer.request_id)
        # Made here: whoever waits for the writer's thread would only wait longer.
        events = _encode(list(event_rows(batch))) if batch.events else ""
        answers = _encode([_in_hex(row) for row in answer_rows(batch.answers)])

        def work(connection: apsw.Connection) -> None:
            last = connection.execute("SELECT coalesce(max(revision), 0) FROM log").get
            if last != batch.base_revision:
                # No other process can have written: the caller's state is not this file's.
                raise stale(batch.base_revision, last)
            if events:
                connection.execute(INSERT_EVENTS, (events,))
            if batch.answers:
                connection.execute(INSERT_ANSWERS, (answers,))

        return self._submit(work)

    def answer(self, request_id: str) -> Answer | None:
        """Return the answer given to a request, if it is known."""
        row = self._database.reader.execute(
            "SELECT digest, at_ms, reply, refusal FROM answer WHERE request_id = ?", (request_id,)
        ).fetchone()
        if row is None:
            return None
        digest, at_ms, reply, refusal = row
        return Answer(request_id, digest, at_ms, reply, decode_refusal(refusal))

    def is_new(self, request_id: str) -> bool:
        """Whether a request was surely never answered."""
        return not self._seen.may_hold(request_id)

    def answers(self, request_ids: Sequence[str]) -> "Future[Mapping[str, Answer]]":
        """Return the answers that are known of these requests."""
        found = ((request_id, self.answer(request_id)) for request_id in request_ids)
        return _done({request_id: answer for request_id, answer in found if answer is not None})

    def forget_answers(self, before_ms: int) -> "Future[None]":
        """Drop the answers given before a time, oldest first, at most 10,000 a call."""

        def work(connection: apsw.Connection) -> None:
            connection.execute(
                "DELETE FROM answer WHERE request_id IN (SELECT request_id FROM answer "
                f"WHERE at_ms < ? ORDER BY at_ms LIMIT {FORGET_MAX})",
                (before_ms,),
            )

        return self._submit(work)

    def snapshot(self) -> Snapshot | None:
        """Return the last snapshot that is whole; None = there is none."""
        return snapshot_in(self._database.reader)

    def save_part(self, key: str, number: int, body: bytes) -> "Future[None]":
        """Keep a part of a snapshot."""

        def work(connection: apsw.Connection) -> None:
            connection.execute("INSERT INTO snapshot_part VALUES (?, ?, ?)", (key, number, body))

        return self._submit(work)

    def save_snapshot(self, head: SnapshotHead) -> "Future[None]":
        """Let a snapshot whose parts are all kept be the last one; earlier ones are dropped."""

        def work(connection: apsw.Connection) -> None:
            kept = connection.execute(
                "SELECT count(*) FROM snapshot_part WHERE key = ?", (head.key,)
            ).get
            if kept != head.parts:
                return
            connection.execute("DELETE FROM snapshot")
            connection.execute("DELETE FROM snapshot_part WHERE key <> ?", (head.key,))
            connection.execute(
                "INSERT INTO snapshot VALUES (?, ?, ?, ?, ?)",
                (head.key, head.revision, head.shape, head.parts, head.digest),
            )

        return self._submit(work)

    def probe(self) -> "Future[None]":
        """Write next to nothing, to see whether writing works again."""

        def work(connection: apsw.Connection) -> None:
            # Room in the file, as much as many calls need and taken back at once; then in its log.
            connection.execute("SAVEPOINT room")
            connection.execute("INSERT INTO probe VALUES (zeroblob(?))", (4 * PROBE_BYTES,))
            connection.execute("ROLLBACK TO room")
            connection.execute("RELEASE room")
            connection.execute("UPDATE probe SET body = randomblob(?)", (PROBE_BYTES,))

        return self._submit(work, proves=True)

    def watch_head(self, told: Callable[[int], None]) -> None:
        """Nobody else writes: there is never anything to tell."""

    def backup(self, target: Path) -> None:
        """Copy the store into a new file, while in use.

        Raises
        ------
        UnavailableError
            If the target exists or cannot be written.
        """
        try:
            self._database.backup(target)
        except StorageError as error:
            raise unavailable(error, opening=True) from error

    def close(self) -> None:
        """Finish what was appended and close the file."""
        self._database.close()

    def _events(self, where: str, value: int | str) -> Iterator[tuple[int, Event]]:
        for revision, kind, version, body in self._database.reader.execute(
            SELECT_EVENTS + where, (value,)
        ):
            place = f"{self._database.path}: revision {revision}"
            yield revision, decode(kind, version, body, where=place)

    def _submit(self, work: Callable[[apsw.Connection], T], *, proves: bool = False) -> "Future[T]":
        try:
            return translated(self._database.submit(work, proves=proves))
        except StorageError as error:
            raise unavailable(error) from error


def snapshot_in(connection: apsw.Connection) -> Snapshot | None:
    """Return the snapshot that a file holds."""
    row = connection.execute(
        "SELECT key, revision, shape, parts, digest FROM snapshot ORDER BY revision DESC"
    ).fetchone()
    if row is None:
        return None
    head = SnapshotHead(*row)
    parts = connection.execute(
        "SELECT body FROM snapshot_part WHERE key = ? ORDER BY number", (head.key,)
    )
    return Snapshot(head, tuple(body for (body,) in parts))


class _Drivers:
    """The one table that maps digests of plates and phone numbers to driver keys."""

    def __init__(self, database: Database, submit: "_Submit") -> None:
        self._reader = database.reader
        self._submit = submit

    def find(self, groups: Sequence[Sequence[bytes]]) -> "Future[tuple[str | None, ...]]":
        """Return for each group the key of its first digest that is known; None = none is."""
        return _done(tuple(_first_key(self._reader, group) for group in groups))

    def digests(self, key: str) -> "Future[tuple[bytes, ...]]":
        """Return all digests of a key."""
        rows = self._reader.execute("SELECT digest FROM driver WHERE key = ?", (key,))
        return _done(tuple(digest for (digest,) in rows))

    def claim(
        self, key: str, known: Sequence[bytes], current: Sequence[bytes], seen_ms: int
    ) -> "Future[str]":
        """Let digests belong to one driver, and return his key."""

        def work(connection: apsw.Connection) -> str:
            owner = _first_key(connection, known) or key
            connection.executemany(
                "INSERT OR REPLACE INTO driver (digest, key, seen_ms) VALUES (?, ?, ?)",
                [(digest, owner, seen_ms) for digest in current],
            )
            return owner

        return self._submit(work)

    def erase(self, key: str) -> "Future[None]":
        """Forget all digests of a key, on the disk too."""
        return self._submit(lambda connection: _erase(connection, "key = ?", key))

    def forget(self, before_ms: int) -> "Future[None]":
        """Forget the digests that were last seen before a time."""
        return self._submit(lambda connection: _erase(connection, "seen_ms < ?", before_ms))


class _Submit(Protocol):
    def __call__(
        self, work: Callable[[apsw.Connection], T], *, proves: bool = False
    ) -> "Future[T]": ...


def _first_key(connection: apsw.Connection, digests: Sequence[bytes]) -> str | None:
    for digest in digests:
        row = connection.execute("SELECT key FROM driver WHERE digest = ?", (digest,))
        key: str | None = row.get
        if key is not None:
            return key
    return None


def _erase(connection: apsw.Connection, where: str, value: object) -> None:
    # Overwrite the bytes in the page, which SQLite else leaves for the next to overwrite.
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute(f"DELETE FROM driver WHERE {where}", (value,))
    connection.execute("PRAGMA secure_delete=OFF")


def event_rows(batch: Batch) -> Iterator[tuple[int, int, str, int, str, str]]:
    """Yield a batch's events as rows: revision, time, kind, version, subject, body."""
    for revision, event in enumerate(batch.events, batch.base_revision + 1):
        kind, version, body = encode(event)
        yield revision, event.at_ms, kind, version, subject_of(event), body


def answer_rows(answers: Sequence[Answer]) -> Iterator[tuple[str, bytes, int, bytes, str | None]]:
    """Yield answers as rows: request id, digest, time, reply, refusal."""
    for answer in answers:
        refusal = encode_refusal(answer.refusal)
        yield answer.request_id, answer.digest, answer.at_ms, answer.reply, refusal


def _in_hex(row: tuple[str, bytes, int, bytes, str | None]) -> tuple[str | int | None, ...]:
    request_id, digest, at_ms, reply, refusal = row
    return request_id, digest.hex(), at_ms, reply.hex(), refusal


def _done(value: T) -> "Future[T]":
    done: Future[T] = Future()
    done.set_result(value)
    return done
