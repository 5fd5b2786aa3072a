"""The store that forgets everything with the process: for tests and trials.

It can be shared by several writers of one process, as a database is by several servers.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import TypeVar

from greenlot.storage import Condition
from parking.ledger import Event
from parking.privacy import MemoryDriverMap
from parking.store.port import Answer, Batch, Rebase, stale, subject_of
from parking.store.snapshot import Snapshot, SnapshotHead

T = TypeVar("T")


class MemoryStore:
    """Keeps the log and the answers in lists."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._answers: dict[str, Answer] = {}
        self._told: list[Callable[[int], None]] = []
        self._gate = threading.RLock()
        self._parts: dict[tuple[str, int], bytes] = {}
        self._snapshot: Snapshot | None = None
        self.condition = Condition.OK
        self.drivers = MemoryDriverMap()

    @property
    def shared(self) -> bool:
        """Whether others may write it too: more than one listens."""
        return len(self._told) > 1

    def read(self, after_revision: int = 0) -> Iterator[Event]:
        """Yield the log's events after a revision, in order."""
        yield from self._events[after_revision:]

    def history(self, subject: str) -> "Future[tuple[tuple[int, Event], ...]]":
        """Return the events about one reservation, pool or lot, with their revisions."""
        return _done(
            tuple(
                (revision, event)
                for revision, event in enumerate(self._events, 1)
                if subject_of(event) == subject
            )
        )

    def append(self, batch: Batch, rebase: Rebase | None = None) -> "Future[None]":
        """Write a batch."""
        with self._gate:
            last = len(self._events)
            known = self._known([answer.request_id for answer in batch.answers])
            if batch.base_revision != last or known:
                if rebase is None or batch.base_revision > last:
                    return _failed(stale(batch.base_revision, last))
                try:
                    batch = rebase(self._events[batch.base_revision :], known)
                except Exception as error:
                    return _failed(error)
            self._events += batch.events
            self._answers.update((answer.request_id, answer) for answer in batch.answers)
            last, told = len(self._events), tuple(self._told)
        for tell in told if batch.events else ():
            tell(last)
        return _done(None)

    def answer(self, request_id: str) -> Answer | None:
        """Return the answer given to a request, if it is known."""
        return self._answers.get(request_id)

    def is_new(self, request_id: str) -> bool:
        """Whether a request was surely never answered."""
        return request_id not in self._answers

    def answers(self, request_ids: Sequence[str]) -> "Future[Mapping[str, Answer]]":
        """Return the answers that are known of these requests."""
        return _done(self._known(request_ids))

    def forget_answers(self, before_ms: int) -> "Future[None]":
        """Drop the answers given before a time."""
        with self._gate:
            self._answers = {
                request_id: answer
                for request_id, answer in self._answers.items()
                if answer.at_ms >= before_ms
            }
        return _done(None)

    def snapshot(self) -> Snapshot | None:
        """Return the last snapshot that is whole; None = there is none."""
        return self._snapshot

    def save_part(self, key: str, number: int, body: bytes) -> "Future[None]":
        """Keep a part of a snapshot."""
        with self._gate:
            self._parts[key, number] = body
        return _done(None)

    def save_snapshot(self, head: SnapshotHead) -> "Future[None]":
        """Let a snapshot whose parts are all kept be the last one; earlier ones are dropped."""
        with self._gate:
            parts = [self._parts.get((head.key, number)) for number in range(head.parts)]
            whole = tuple(part for part in parts if part is not None)
            if len(whole) == head.parts:
                self._snapshot = Snapshot(head, whole)
                self._parts.clear()
        return _done(None)

    def probe(self) -> "Future[None]":
        """Writing always works."""
        return _done(None)

    def watch_head(self, told: Callable[[int], None]) -> None:
        """Have ``told`` called with the log's last revision when somebody writes."""
        with self._gate:
            self._told.append(told)

    def close(self) -> None:
        """Tell nobody any more; what was written stays."""
        with self._gate:
            self._told.clear()

    def _known(self, request_ids: Sequence[str]) -> Mapping[str, Answer]:
        return {item: self._answers[item] for item in request_ids if item in self._answers}


def _done(value: T) -> "Future[T]":
    done: Future[T] = Future()
    done.set_result(value)
    return done


def _failed(error: Exception) -> "Future[None]":
    failed: Future[None] = Future()
    failed.set_exception(error)
    return failed
