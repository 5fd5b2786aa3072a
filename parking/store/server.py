"""The server store: PostgreSQL, shared by several servers of one city.

A batch is one transaction: lock the city's head row; read what others wrote since; let the batch
be decided anew on that, if there is any; insert events, answers and occupancy; move the head and
tell the others. The lock makes the writers of a city take turns; the keys and CHECKs of the tables
would catch them if they did not.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

from greenlot.storage import Condition, Postgres, StorageError
from greenlot.storage.postgres import PATIENCE_S, Connection
from parking.errors import UnavailableError
from parking.ledger import Event
from parking.store import postgres_schema as sql
from parking.store.codec import decode
from parking.store.embedded import answer_rows, event_rows
from parking.store.occupancy import Changes, changes, is_parked
from parking.store.port import FORGET_MAX, Answer, Batch, Rebase, stale
from parking.store.refusals import decode_refusal, translated, unavailable
from parking.store.seen import Seen
from parking.store.snapshot import Snapshot, SnapshotHead

T = TypeVar("T")

READ_ROWS = 5000
OUTBOX_KEPT = "1 day"


class PostgresStore:
    """The log, the answers and the drivers' keys of one city in a PostgreSQL database.

    Parameters
    ----------
    url
        ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``.
    city
        Whose log it is; a database can hold several.
    patience_s
        How long a write waits for a database that does not answer, s.
    failpoint
        Called with the name of each step of a write; tests let it fail there.

    Raises
    ------
    UnavailableError
        If the database cannot be reached, or its schema is a newer program's.
    """

    def __init__(
        self,
        url: str,
        *,
        city: str,
        patience_s: float = PATIENCE_S,
        failpoint: Callable[[str, Connection], None] | None = None,
    ) -> None:
        self._city = city
        self._seen = Seen()
        try:
            self._database = Postgres(
                url,
                component="parking",
                migrations=sql.MIGRATIONS,
                patience_s=patience_s,
                failpoint=failpoint,
            )
            self._database.write(self._make_head).result()
        except StorageError as error:
            raise unavailable(error, opening=True) from error
        self.drivers = _Drivers(self._database, city)

    @property
    def condition(self) -> Condition:
        """Whether it can be written, as the last attempt showed."""
        return self._database.condition

    @property
    def shared(self) -> bool:
        """Whether others may write it too."""
        return True

    def read(self, after_revision: int = 0) -> Iterator[Event]:
        """Yield the log's events after a revision, in order."""
        found: list[Event] | None = None
        while found is None or len(found) == READ_ROWS:
            reach = (after_revision, after_revision + READ_ROWS)
            found = self._read_now(partial(self._events, reach=reach))
            yield from found
            after_revision += len(found)

    def history(self, subject: str) -> "Future[tuple[tuple[int, Event], ...]]":
        """Return the events about one reservation, pool or lot, with their revisions."""

        def work(connection: Connection) -> tuple[tuple[int, Event], ...]:
            rows = connection.execute(
                "SELECT revision, kind, version, body::text FROM parking_log "
                "WHERE city = %s AND subject = %s ORDER BY revision",
                (self._city, subject),
            )
            return tuple((row[0], self._decode(*row)) for row in rows)

        return translated(self._database.read(work))

    def append(self, batch: Batch, rebase: Rebase | None = None) -> "Future[None]":
        """Write a batch; done when the database has committed it."""
        batch_id = uuid4()
        for answer in batch.answers:
            self._seen.add(answer.request_id)

        def work(connection: Connection) -> None:
            head, known = self._lock(connection, batch.answers)
            self._database.step("locked", connection)
            written = batch
            if head != batch.base_revision or known:
                if rebase is None or head < batch.base_revision:
                    raise stale(batch.base_revision, head)
                news = self._events(connection, (batch.base_revision, head))
                written = rebase(news, known)
                if not written.events and not written.answers:
                    return
            self._insert(connection, written, batch_id)
            self._database.step("written", connection)

        return self._write(work, lambda connection: self._landed(connection, batch_id))

    def answer(self, request_id: str) -> Answer | None:
        """Return the answer given to a request, if it is known."""
        return self._read_now(lambda connection: self._answers(connection, [request_id])).get(
            request_id
        )

    def is_new(self, request_id: str) -> bool:
        """Whether a request need not be looked up: this server has not answered it.

        Another may have. That is found when it is to be written, under the lock; and then it is
        given the first answer, too.
        """
        return not self._seen.may_hold(request_id)

    def answers(self, request_ids: Sequence[str]) -> "Future[Mapping[str, Answer]]":
        """Return the answers that are known of these requests."""
        wanted = list(request_ids)
        return translated(self._database.read(lambda connection: self._answers(connection, wanted)))

    def forget_answers(self, before_ms: int) -> "Future[None]":
        """Drop the answers given before a time, oldest first, at most 10,000 a call."""

        def work(connection: Connection) -> None:
            connection.execute(
                "DELETE FROM parking_answer WHERE city = %s AND request_id IN (SELECT request_id "
                "FROM parking_answer WHERE city = %s AND at_ms < %s ORDER BY at_ms LIMIT %s)",
                (self._city, self._city, before_ms, FORGET_MAX),
            )
            connection.execute(
                "DELETE FROM parking_outbox WHERE city = %s AND written_at < now() - %s::interval",
                (self._city, OUTBOX_KEPT),
            )

        return self._write(work)

    def snapshot(self) -> Snapshot | None:
        """Return the last snapshot that is whole; None = there is none."""

        def work(connection: Connection) -> Snapshot | None:
            with connection.transaction():
                # Both of one moment: another server may drop it in between.
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                row = connection.execute(sql.SELECT_SNAPSHOT, (self._city,)).fetchone()
                if row is None:
                    return None
                key, revision, shape, parts, digest = row
                rows = connection.execute(sql.SELECT_PARTS, (self._city, key))
                return Snapshot(
                    SnapshotHead(key, revision, shape, parts, bytes(digest)),
                    tuple(bytes(body) for (body,) in rows),
                )

        return self._read_now(work)

    def save_part(self, key: str, number: int, body: bytes) -> "Future[None]":
        """Keep a part of a snapshot."""

        def work(connection: Connection) -> None:
            connection.execute(sql.INSERT_PART, (self._city, key, number, body))

        return self._write(work)

    def save_snapshot(self, head: SnapshotHead) -> "Future[None]":
        """Let a snapshot whose parts are all kept be the last one; earlier ones are dropped."""

        def work(connection: Connection) -> None:
            # One after the other: two servers may come to the end of theirs at once.
            connection.execute(
                "SELECT 1 FROM parking_head WHERE city = %s FOR UPDATE", (self._city,)
            )
            kept = connection.execute(sql.COUNT_PARTS, (self._city, head.key)).fetchone()
            if kept is None or kept[0] != head.parts:
                return
            connection.execute(
                sql.UPSERT_SNAPSHOT,
                (self._city, head.key, head.revision, head.shape, head.parts, head.digest),
            )
            connection.execute(sql.DELETE_PARTS, (self._city, head.key))

        return self._write(work)

    def probe(self) -> "Future[None]":
        """Write next to nothing, to see whether writing works again."""

        def work(connection: Connection) -> None:
            connection.execute(
                "UPDATE parking_head SET revision = revision WHERE city = %s", (self._city,)
            )

        return self._write(work)

    def watch_head(self, told: Callable[[int], None]) -> None:
        """Have ``told`` called, from any thread, with the log's last revision when others write."""

        def heard(connection: Connection) -> None:
            row = connection.execute(
                "SELECT revision FROM parking_head WHERE city = %s", (self._city,)
            ).fetchone()
            if row is not None:
                told(row[0])

        self._database.listen(sql.CHANNEL, heard)

    def close(self) -> None:
        """Finish what was appended and let go of the database."""
        self._database.close()

    def _make_head(self, connection: Connection) -> None:
        connection.execute(
            "INSERT INTO parking_head VALUES (%s, 0) ON CONFLICT (city) DO NOTHING", (self._city,)
        )

    def _lock(
        self, connection: Connection, answers: Sequence[Answer]
    ) -> tuple[int, Mapping[str, Answer]]:
        """Take the city's lock; return the log's end and which requests have answers already."""
        wanted = [answer.request_id for answer in answers]
        with connection.pipeline():
            head = connection.execute(
                "SELECT revision FROM parking_head WHERE city = %s FOR UPDATE", (self._city,)
            )
            known = connection.execute(sql.SELECT_ANSWERS, (self._city, wanted)) if wanted else None
        row = head.fetchone()
        if row is None:
            raise UnavailableError(f"the database holds no city {self._city!r}", reason="store")
        return row[0], {} if known is None else _answers(known.fetchall())

    def _insert(self, connection: Connection, batch: Batch, batch_id: UUID) -> None:
        last = batch.base_revision + len(batch.events)
        city = self._city
        with connection.pipeline():
            if batch.events:
                columns = [list(column) for column in zip(*event_rows(batch), strict=True)]
                connection.execute(sql.INSERT_EVENTS, (city, *columns))
                connection.execute(sql.MOVE_HEAD, (last, city))
                connection.execute(sql.NOTIFY, (f"{city} {last}",))
            if batch.answers:
                columns = [list(item) for item in zip(*answer_rows(batch.answers), strict=True)]
                connection.execute(sql.INSERT_ANSWERS, (city, *columns))
            if batch.before is not None and batch.after is not None and batch.events:
                found = changes(batch.before, batch.after, batch.events)
                count_occupancy(connection, city, found)
            connection.execute(sql.INSERT_OUTBOX, (city, batch_id, last))

    def _landed(self, connection: Connection, batch_id: UUID) -> tuple[None] | None:
        """Tell whether a batch is in the database; who still writes it is waited for."""
        self._lock(connection, ())
        row = connection.execute(
            "SELECT 1 FROM parking_outbox WHERE city = %s AND batch = %s", (self._city, batch_id)
        ).fetchone()
        return None if row is None else (None,)

    def _events(self, connection: Connection, reach: tuple[int, int]) -> list[Event]:
        rows = connection.execute(
            sql.SELECT_EVENTS, {"city": self._city, "after": reach[0], "last": reach[1]}
        )
        return [self._decode(*row) for row in rows]

    def _decode(self, revision: int, kind: str, version: int, body: str) -> Event:
        place = f"{self._database.where}: {self._city} revision {revision}"
        event: Event = decode(kind, version, body, where=place)
        return event

    def _answers(self, connection: Connection, wanted: list[str]) -> Mapping[str, Answer]:
        return _answers(connection.execute(sql.SELECT_ANSWERS, (self._city, wanted)).fetchall())

    def _write(
        self,
        work: Callable[[Connection], None],
        landed: Callable[[Connection], tuple[None] | None] | None = None,
    ) -> "Future[None]":
        try:
            return translated(self._database.write(work, landed=landed))
        except StorageError as error:
            raise unavailable(error) from error

    def _read_now(self, work: Callable[[Connection], T]) -> T:
        try:
            return self._database.read_now(work)
        except StorageError as error:
            raise unavailable(error) from error


def count_occupancy(connection: Connection, city: str, found: Changes) -> None:
    """Have the database count the committed spaces for itself, and refuse what is too much."""
    if found.capacities:
        pools, capacities = list(found.capacities), list(found.capacities.values())
        connection.execute(sql.UPSERT_POOLS, (city, pools, capacities))
    if found.over:
        connection.execute(sql.DELETE_STAYS, (city, list(found.over)))
    if found.stays:
        rows = [
            (stay.reservation_id, stay.pool_id, is_parked(stay), stay.from_ms, stay.until_ms)
            for stay in found.stays
        ]
        columns = [list(column) for column in zip(*rows, strict=True)]
        connection.execute(sql.UPSERT_STAYS, (city, *columns))
    if found.pools:
        connection.execute(sql.COUNT_COMMITTED, (city, list(found.pools)))


class _Drivers:
    """The one table that maps digests of plates and phone numbers to driver keys."""

    def __init__(self, database: Postgres, city: str) -> None:
        self._database = database
        self._city = city

    def find(self, groups: Sequence[Sequence[bytes]]) -> "Future[tuple[str | None, ...]]":
        """Return for each group the key of its first digest that is known; None = none is."""

        def work(connection: Connection) -> tuple[str | None, ...]:
            keys = self._keys(connection, [digest for group in groups for digest in group])
            return tuple(_first_key(keys, group) for group in groups)

        return translated(self._database.read(work))

    def digests(self, key: str) -> "Future[tuple[bytes, ...]]":
        """Return all digests of a key."""

        def work(connection: Connection) -> tuple[bytes, ...]:
            rows = connection.execute(
                "SELECT digest FROM parking_driver WHERE city = %s AND key = %s", (self._city, key)
            )
            return tuple(bytes(digest) for (digest,) in rows)

        return translated(self._database.read(work))

    def claim(
        self, key: str, known: Sequence[bytes], current: Sequence[bytes], seen_ms: int
    ) -> "Future[str]":
        """Let digests belong to one driver, and return his key; done twice, it is the same."""

        def work(connection: Connection) -> str:
            # The city's lock: else two servers could both find nobody.
            connection.execute(
                "SELECT 1 FROM parking_head WHERE city = %s FOR UPDATE", (self._city,)
            )
            owner = _first_key(self._keys(connection, known), known) or key
            connection.execute(
                "INSERT INTO parking_driver (city, digest, key, seen_ms) "
                "SELECT %s, digest, %s, %s FROM unnest(%s::bytea[]) AS given (digest) "
                "ON CONFLICT (city, digest) DO UPDATE SET key = excluded.key, "
                "seen_ms = excluded.seen_ms",
                (self._city, owner, seen_ms, list(dict.fromkeys(current))),
            )
            return owner

        return translated(self._database.write(work))

    def erase(self, key: str) -> "Future[None]":
        """Forget all digests of a key."""
        return self._write(
            "DELETE FROM parking_driver WHERE city = %s AND key = %s", (self._city, key)
        )

    def forget(self, before_ms: int) -> "Future[None]":
        """Forget the digests that were last seen before a time."""
        return self._write(
            "DELETE FROM parking_driver WHERE city = %s AND seen_ms < %s", (self._city, before_ms)
        )

    def _keys(self, connection: Connection, digests: Sequence[bytes]) -> Mapping[bytes, str]:
        rows = connection.execute(
            "SELECT digest, key FROM parking_driver WHERE city = %s AND digest = ANY(%s)",
            (self._city, list(digests)),
        )
        return {bytes(digest): key for digest, key in rows}

    def _write(self, statement: str, values: tuple[object, ...]) -> "Future[None]":
        def work(connection: Connection) -> None:
            connection.execute(statement, values)

        return translated(self._database.write(work))


def _first_key(keys: Mapping[bytes, str], digests: Sequence[bytes]) -> str | None:
    return next((keys[digest] for digest in digests if digest in keys), None)


def _answers(rows: Sequence[tuple[Any, ...]]) -> Mapping[str, Answer]:
    return {
        str(request_id): Answer(
            str(request_id), bytes(digest), at_ms, bytes(reply), decode_refusal(refusal)
        )
        for request_id, digest, at_ms, reply, refusal in rows
    }
