"""The port: what the ledger's writer asks of whatever keeps the log."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from greenlot.storage import Condition
from parking.errors import ParkingError, UnavailableError
from parking.ledger import Event, LedgerState
from parking.privacy import DriverMap
from parking.store.snapshot import Snapshot, SnapshotHead


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller was told, kept so that a repetition is told the same.

    Parameters
    ----------
    request_id
        The caller's id of the request: one key for the store, whatever it is made of.
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
    """What one commit writes, all or nothing: events that follow a revision, and answers.

    ``before`` and ``after`` are the states around the events, for a store that keeps checks of
    its own; None = there is nothing to check.
    """

    base_revision: int
    events: Sequence[Event]
    answers: Sequence[Answer] = ()
    before: LedgerState | None = None
    after: LedgerState | None = None


Rebase = Callable[[Sequence[Event], Mapping[str, Answer]], Batch]
"""Makes a batch anew, on top of others' events that came in between and beside the answers that
some of its requests were given elsewhere. It may be called more than once, from any thread."""


class ReservationStore(Protocol):
    """Keeps the log, the answers and the drivers' keys of one city.

    A store may be shared with other processes; then its log grows by their doing too.
    """

    @property
    def condition(self) -> Condition:
        """Whether it can be written, as the last attempt showed."""

    @property
    def shared(self) -> bool:
        """Whether others may write it too."""

    @property
    def drivers(self) -> DriverMap:
        """The one table that knows whose a driver key is."""

    def read(self, after_revision: int = 0) -> Iterator[Event]:
        """Yield the log's events after a revision, in order."""

    def history(self, subject: str) -> "Future[tuple[tuple[int, Event], ...]]":
        """Return the events about one reservation, pool or lot, with their revisions."""

    def append(self, batch: Batch, rebase: Rebase | None = None) -> "Future[None]":
        """Write a batch; the future is done when it is durable.

        If the log's end is not the batch's base revision, or one of the requests was answered
        before, the store asks ``rebase`` for another batch while nobody else can write, and
        writes that one; without ``rebase`` it fails with reason ``stale``.

        It fails with UnavailableError if the store cannot write. Then nothing was written, or,
        with reason ``doubtful``, that is not known: the next ``append`` tells.
        """

    def answer(self, request_id: str) -> Answer | None:
        """Return the answer given to a request, if it is known. May wait for the database."""

    def is_new(self, request_id: str) -> bool:
        """Whether a request need not be looked up; False = ask ``answers``. At once.

        True of one that was answered all the same costs a decision in vain: ``append`` finds out.
        """

    def answers(self, request_ids: Sequence[str]) -> "Future[Mapping[str, Answer]]":
        """Return the answers that are known of these requests."""

    def forget_answers(self, before_ms: int) -> "Future[None]":
        """Drop the answers given before a time, oldest first, at most 10,000 a call."""

    def snapshot(self) -> Snapshot | None:
        """Return the last snapshot that is whole; None = there is none. May wait."""

    def save_part(self, key: str, number: int, body: bytes) -> "Future[None]":
        """Keep a part of a snapshot, numbered from 0, that ``save_snapshot`` will make whole."""

    def save_snapshot(self, head: SnapshotHead) -> "Future[None]":
        """Let a snapshot whose parts are all kept be the last one; earlier ones are dropped.

        If parts are missing, which another server's snapshot has dropped, nothing happens.
        """

    def probe(self) -> "Future[None]":
        """Write next to nothing, to see whether writing works again."""

    def watch_head(self, told: Callable[[int], None]) -> None:
        """Have ``told`` called, from any thread, with the log's last revision when others write."""

    def close(self) -> None:
        """Finish what was appended and let go of the storage."""


FORGET_MAX = 10_000
"""The most answers that are forgotten in one go: nobody waits long behind it."""


def stale(base_revision: int, last: int) -> UnavailableError:
    """Return the error of a batch that does not follow the log's end."""
    return UnavailableError(
        f"the log ends at revision {last}, expected {base_revision}", reason="stale"
    )


def subject_of(event: Event) -> str:
    """Return the reservation, pool, lot or else that an event is about."""
    for name in ("reservation_id", "pool_id", "lot_id", "sign_id", "subject"):
        subject: str = getattr(event, name, "")
        if subject:
            return subject
    return ""
