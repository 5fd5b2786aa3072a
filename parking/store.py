"""Where the ledger's log is kept: a small port, and its stores in memory and in SQLite.

A store keeps two things, written together in one transaction: the append-only log of events, and
the answers that callers were given, so that a repeated request gets its first answer.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import apsw

from greenlot.storage import Database, StorageError
from parking import errors
from parking.errors import ParkingError, UnavailableError
from parking.ledger import Event, decode, encode

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
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller was told, kept so that a repetition is told the same.

    Parameters
    ----------
    request_id
        The caller's id of the request.
    digest
        A digest of the call and its body: another one under the same id is a mistake.
    at_ms
        When it was answered, UTC epoch milliseconds.
    reply
        The serialised reply; empty when refused.
    refusal
        Why it was refused; None = it was not.
    """

    request_id: str
    digest: bytes
    at_ms: int
    reply: bytes = b""
    refusal: ParkingError | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit writes, all or nothing: events that follow a revision, and answers."""

    base_revision: int
    events: Sequence[Event]
    answers: Sequence[Answer] = ()


class ReservationStore(Protocol):
    """Keeps the log and the answers of one city's ledger."""

    def read(self, after_revision: int = 0) -> Iterator[Event]:
        """Yield the log's events after a revision, in order."""

    def append(self, batch: Batch) -> "Future[None]":
        """Write a batch; the future is done when it is durable.

        It fails with UnavailableError if the store cannot write, or if the log's end is not the
        batch's base revision; then nothing was written.
        """

    def answer(self, request_id: str) -> Answer | None:
        """Return the answer given to a request, if it is known."""

    def forget_answers(self, before_ms: int) -> "Future[None]":
        """Drop the answers given before a time."""

    def close(self) -> None:
        """Finish what was appended and let go of the storage."""


class MemoryStore:
    """A store that forgets everything with the process: for tests and trials."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._answers: dict[str, Answer] = {}

    def read(self, after_revision: int = 0) -> Iterator[Event]:
        """Yield the log's events after a revision, in order."""
        yield from self._events[after_revision:]

    def append(self, batch: Batch) -> "Future[None]":
        """Write a batch."""
        done: Future[None] = Future()
        if batch.base_revision != len(self._events):
            done.set_exception(_stale(batch.base_revision, len(self._events)))
            return done
        self._events += batch.events
        self._answers.update((answer.request_id, answer) for answer in batch.answers)
        done.set_result(None)
        return done

    def answer(self, request_id: str) -> Answer | None:
        """Return the answer given to a request, if it is known."""
        return self._answers.get(request_id)

    def forget_answers(self, before_ms: int) -> "Future[None]":
        """Drop the answers given before a time."""
        self._answers = {
            request_id: answer
            for request_id, answer in self._answers.items()
            if answer.at_ms >= before_ms
        }
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def close(self) -> None:
        """Nothing to let go of."""


class SqliteStore:
    """The embedded store: one SQLite file, written by this process alone.

    Parameters
    ----------
    path
        The file; made if it does not exist.

    Raises
    ------
    UnavailableError
        If the file is in use, of another kind, or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._database = Database.open(path, MIGRATIONS, application_id=APPLICATION_ID)
        except StorageError as error:
            raise UnavailableError(str(error), reason="store") from error

    def read(self, after_revision: int = 0) -> Iterator[Event]:
        """Yield the log's events after a revision, in order."""
        rows = self._database.reader.execute(
            "SELECT revision, kind, body FROM log WHERE revision > ? ORDER BY revision",
            (after_revision,),
        )
        for revision, kind, body in rows:
            yield decode(kind, body, where=f"{self._database.path}: revision {revision}")

    def append(self, batch: Batch) -> "Future[None]":
        """Write a batch; done when it is on the disk, together with others in one fsync."""

        def work(connection: apsw.Connection) -> None:
            _write(connection, batch)

        return self._submit(work)

    def answer(self, request_id: str) -> Answer | None:
        """Return the answer given to a request, if it is known."""
        row = self._database.reader.execute(
            "SELECT digest, at_ms, reply, refusal FROM answer WHERE request_id = ?", (request_id,)
        ).fetchone()
        if row is None:
            return None
        digest, at_ms, reply, refusal = row
        return Answer(request_id, digest, at_ms, reply, _decode_refusal(refusal))

    def forget_answers(self, before_ms: int) -> "Future[None]":
        """Drop the answers given before a time, oldest first, at most 10,000 a call."""

        def work(connection: apsw.Connection) -> None:
            connection.execute(
                "DELETE FROM answer WHERE request_id IN (SELECT request_id FROM answer "
                "WHERE at_ms < ? ORDER BY at_ms LIMIT 10000)",
                (before_ms,),
            )

        return self._submit(work)

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
            raise UnavailableError(str(error), reason="store") from error

    def close(self) -> None:
        """Finish what was appended and close the file."""
        self._database.close()

    def _submit(self, work: Callable[[apsw.Connection], None]) -> "Future[None]":
        try:
            return _translated(self._database.submit(work))
        except StorageError as error:
            raise UnavailableError(str(error), reason="store") from error


def _write(connection: apsw.Connection, batch: Batch) -> None:
    last = connection.execute("SELECT coalesce(max(revision), 0) FROM log").get
    if last != batch.base_revision:
        raise _stale(batch.base_revision, last)
    connection.executemany(
        "INSERT INTO log (revision, at_ms, kind, subject, body) VALUES (?, ?, ?, ?, ?)",
        (
            (revision, event.at_ms, kind, _subject(event), body)
            for revision, event in enumerate(batch.events, batch.base_revision + 1)
            for kind, body in (encode(event),)
        ),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO answer (request_id, digest, at_ms, reply, refusal) "
        "VALUES (?, ?, ?, ?, ?)",
        (
            (
                answer.request_id,
                answer.digest,
                answer.at_ms,
                answer.reply,
                _encode_refusal(answer.refusal),
            )
            for answer in batch.answers
        ),
    )


def _subject(event: Event) -> str:
    subject: str = getattr(event, "reservation_id", "") or getattr(event, "pool_id", "")
    return subject


def _stale(base_revision: int, last: int) -> UnavailableError:
    return UnavailableError(
        f"the log ends at revision {last}, expected {base_revision}", reason="stale"
    )


def _translated(future: "Future[None]") -> "Future[None]":
    """Return a future that fails with an UnavailableError where the other has a StorageError."""
    answer: Future[None] = Future()

    def settle(done: "Future[None]") -> None:
        wrong = done.exception()
        if wrong is None:
            answer.set_result(None)
        elif isinstance(wrong, StorageError):
            reason = "read_only" if wrong.full else "store"
            answer.set_exception(UnavailableError(str(wrong), reason=reason))
        else:
            answer.set_exception(wrong)

    answer.set_running_or_notify_cancel()
    future.add_done_callback(settle)
    return answer


def _encode_refusal(refusal: ParkingError | None) -> str | None:
    if refusal is None:
        return None
    words = [type(refusal).__name__, refusal.message, refusal.where, refusal.reason]
    return json.dumps(words, ensure_ascii=False)


def _decode_refusal(text: str | None) -> ParkingError | None:
    if text is None:
        return None
    kind, message, where, reason = json.loads(text)
    error: ParkingError = getattr(errors, kind)(message, where=where, reason=reason)
    return error
