"""Where plan sets are kept: an append-only table, with the answers that callers got.

Embedded in SQLite, or in PostgreSQL where several servers share it: then a server is told when
another has kept a set.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import apsw

from greenlot.storage import Database, Postgres, StorageError
from greenlot.storage.postgres import Connection
from traffic.errors import InvalidInputError
from traffic.io.protobuf import plan_from_proto
from traffic.plan import TimingPlan
from traffic.planbook import PlanSet
from traffic.v1 import signal_timing_pb2 as pb

__all__ = ["PlanStore", "PostgresPlanStore", "SqlitePlanStore", "StorageError"]

APPLICATION_ID = 0x676C7430
"""Marks a file as greenlot's timing plans ("glt0")."""

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
)

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
)


class PlanStore(Protocol):
    """Keeps the plan sets of one city. All methods may raise StorageError."""

    def load(self, after_revision: int = 0) -> tuple[PlanSet, ...]:
        """Return the plan sets after a revision, in order."""

    def find(self, request_id: str, fingerprint: bytes) -> pb.OptimizeResult | None:
        """Return the answer that a request was given, or None if it is new.

        Raises
        ------
        InvalidInputError
            The id was used with another request.
        """

    def append(
        self,
        plans: Sequence[TimingPlan],
        result: pb.OptimizeResult,
        *,
        valid_from_ms: int,
        request_id: str,
        fingerprint: bytes,
        now_ms: int,
    ) -> PlanSet:
        """Keep a set under the next revision; it is durable when this returns.

        A request that was answered meanwhile keeps its first set, which is returned.

        Raises
        ------
        InvalidInputError
            The request id was used with another request.
        """

    def watch(self, told: Callable[[], None]) -> None:
        """Have ``told`` called, from any thread, when others may have kept a set."""

    def close(self) -> None:
        """Finish what was appended and let go of the storage."""


class SqlitePlanStore:
    """The plan sets of one city in one SQLite file.

    Parameters
    ----------
    path
        The file; made if missing.

    Raises
    ------
    StorageError
        The file is in use, of another kind, or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database.open(path, SQLITE_MIGRATIONS, application_id=APPLICATION_ID)

    def load(self, after_revision: int = 0) -> tuple[PlanSet, ...]:
        """Return the plan sets after a revision, in order."""
        rows = self._database.reader.execute(
            "SELECT revision, valid_from_ms, result FROM plan_set WHERE revision > ? "
            "ORDER BY revision",
            (after_revision,),
        )
        return tuple(_plan_set(*row) for row in rows)

    def find(self, request_id: str, fingerprint: bytes) -> pb.OptimizeResult | None:
        """Return the answer that a request was given, or None if it is new."""
        return _find(self._database.reader, request_id, fingerprint)

    def append(
        self,
        plans: Sequence[TimingPlan],
        result: pb.OptimizeResult,
        *,
        valid_from_ms: int,
        request_id: str,
        fingerprint: bytes,
        now_ms: int,
    ) -> PlanSet:
        """Keep a set under the next revision; it is on the disk when this returns."""

        def write(connection: apsw.Connection) -> PlanSet:
            earlier = _find(connection, request_id, fingerprint)
            if earlier is not None:
                kept = connection.execute(
                    "SELECT valid_from_ms FROM plan_set WHERE revision = ?", (earlier.revision,)
                ).get
                return PlanSet(earlier.revision, kept, _plans(earlier))
            last = connection.execute("SELECT coalesce(max(revision), 0) FROM plan_set").get
            connection.execute(
                "INSERT INTO plan_set VALUES (?, ?, ?, ?, ?, ?)",
                (
                    *(last + 1, valid_from_ms, now_ms, request_id, fingerprint),
                    _numbered(result, last + 1),
                ),
            )
            return PlanSet(last + 1, valid_from_ms, tuple(plans))

        return self._database.submit(write).result()

    def watch(self, told: Callable[[], None]) -> None:
        """Nobody else writes: there is never anything to tell."""

    def close(self) -> None:
        """Finish what was appended and let go of the file."""
        self._database.close()


class PostgresPlanStore:
    """The plan sets of one city in a PostgreSQL database that several servers may share.

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

    def __init__(self, url: str, *, city: str) -> None:
        self._city = city
        self._database = Postgres(url, component="plans", migrations=POSTGRES_MIGRATIONS)

    def load(self, after_revision: int = 0) -> tuple[PlanSet, ...]:
        """Return the plan sets after a revision, in order."""

        def read(connection: Connection) -> tuple[PlanSet, ...]:
            rows = connection.execute(
                "SELECT revision, valid_from_ms, result FROM plan_set "
                "WHERE city = %s AND revision > %s ORDER BY revision",
                (self._city, after_revision),
            )
            return tuple(_plan_set(*row) for row in rows)

        return self._database.read_now(read)

    def find(self, request_id: str, fingerprint: bytes) -> pb.OptimizeResult | None:
        """Return the answer that a request was given, or None if it is new."""
        kept = self._database.read_now(lambda connection: self._kept(connection, request_id))
        if kept is None:
            return None
        _same(kept[0], fingerprint)
        return pb.OptimizeResult.FromString(kept[2])

    def append(
        self,
        plans: Sequence[TimingPlan],
        result: pb.OptimizeResult,
        *,
        valid_from_ms: int,
        request_id: str,
        fingerprint: bytes,
        now_ms: int,
    ) -> PlanSet:
        """Keep a set under the next revision; it is committed when this returns."""

        def write(connection: Connection) -> PlanSet:
            # Readers go on; whoever else writes plans waits, so that revisions come in order.
            connection.execute("LOCK TABLE plan_set IN SHARE ROW EXCLUSIVE MODE")
            kept = self._kept(connection, request_id)
            if kept is not None:
                _same(kept[0], fingerprint)
                earlier = pb.OptimizeResult.FromString(kept[2])
                return PlanSet(earlier.revision, kept[1], _plans(earlier))
            row = connection.execute(
                "SELECT coalesce(max(revision), 0) + 1 FROM plan_set WHERE city = %s", (self._city,)
            ).fetchone()
            assert row is not None
            connection.execute(
                "INSERT INTO plan_set VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (
                    *(self._city, row[0], valid_from_ms, now_ms, request_id, fingerprint),
                    _numbered(result, row[0]),
                ),
            )
            connection.execute(f"NOTIFY {CHANNEL}")
            return PlanSet(row[0], valid_from_ms, tuple(plans))

        # Done twice after a lost acknowledgement, it finds what it kept the first time.
        return self._database.write(write).result()

    def watch(self, told: Callable[[], None]) -> None:
        """Have ``told`` called, from any thread, when others may have kept a set."""
        self._database.listen(CHANNEL, lambda _: told())

    def close(self) -> None:
        """Finish what was appended and let go of the database."""
        self._database.close()

    def _kept(self, connection: Connection, request_id: str) -> tuple[bytes, int, bytes] | None:
        row = connection.execute(
            "SELECT fingerprint, valid_from_ms, result FROM plan_set "
            "WHERE city = %s AND request_id = %s",
            (self._city, request_id),
        ).fetchone()
        return None if row is None else (bytes(row[0]), row[1], bytes(row[2]))


def _find(
    connection: apsw.Connection, request_id: str, fingerprint: bytes
) -> pb.OptimizeResult | None:
    row = connection.execute(
        "SELECT fingerprint, result FROM plan_set WHERE request_id = ?", (request_id,)
    ).fetchone()
    if row is None:
        return None
    _same(row[0], fingerprint)
    return pb.OptimizeResult.FromString(row[1])


def _same(first: bytes, fingerprint: bytes) -> None:
    if first != fingerprint:
        raise InvalidInputError("used before with another request", where="request_id")


def _numbered(result: pb.OptimizeResult, revision: int) -> bytes:
    numbered = pb.OptimizeResult()
    numbered.CopyFrom(result)
    numbered.revision = revision
    return numbered.SerializeToString(deterministic=True)


def _plan_set(revision: int, valid_from_ms: int, result: bytes) -> PlanSet:
    return PlanSet(revision, valid_from_ms, _plans(pb.OptimizeResult.FromString(bytes(result))))


def _plans(result: pb.OptimizeResult) -> tuple[TimingPlan, ...]:
    return tuple(plan_from_proto(plan) for plan in result.plans)
