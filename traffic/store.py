"""Where plan sets are kept: an append-only table in SQLite, with the answers that callers got."""

from collections.abc import Sequence
from pathlib import Path

import apsw

from greenlot.storage import Database
from traffic.errors import InvalidInputError
from traffic.io.protobuf import plan_from_proto
from traffic.plan import TimingPlan
from traffic.planbook import PlanSet
from traffic.v1 import signal_timing_pb2 as pb

APPLICATION_ID = 0x676C7430
"""Marks a file as greenlot's timing plans ("glt0")."""

MIGRATIONS = (
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


class PlanStore:
    """The plan sets of one city in one SQLite file.

    Parameters
    ----------
    path
        The file; made if missing.

    Raises
    ------
    greenlot.storage.StorageError
        The file is in use, of another kind, or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database.open(path, MIGRATIONS, application_id=APPLICATION_ID)

    def load(self) -> tuple[PlanSet, ...]:
        """Return every plan set in the order of their revisions."""
        rows = self._database.reader.execute(
            "SELECT revision, valid_from_ms, result FROM plan_set ORDER BY revision"
        )
        return tuple(
            PlanSet(revision, valid_from_ms, _plans(pb.OptimizeResult.FromString(result)))
            for revision, valid_from_ms, result in rows
        )

    def find(self, request_id: str, fingerprint: bytes) -> pb.OptimizeResult | None:
        """Return the answer that a request was given, or None if it is new.

        Raises
        ------
        InvalidInputError
            The id was used with another request.
        """
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
    ) -> tuple[PlanSet, bool]:
        """Keep a set under the next revision; it is on the disk when this returns.

        Returns
        -------
        tuple
            The set, and whether it is new: False when the same request was answered meanwhile.

        Raises
        ------
        InvalidInputError
            The request id was used with another request.
        greenlot.storage.StorageError
            The disk is full or failing; nothing was kept.
        """

        def write(connection: apsw.Connection) -> tuple[PlanSet, bool]:
            earlier = _find(connection, request_id, fingerprint)
            if earlier is not None:
                kept = connection.execute(
                    "SELECT valid_from_ms FROM plan_set WHERE revision = ?", (earlier.revision,)
                ).get
                return PlanSet(earlier.revision, kept, _plans(earlier)), False
            last = connection.execute("SELECT coalesce(max(revision), 0) FROM plan_set").get
            numbered = pb.OptimizeResult()
            numbered.CopyFrom(result)
            numbered.revision = last + 1
            connection.execute(
                "INSERT INTO plan_set VALUES (?, ?, ?, ?, ?, ?)",
                (
                    last + 1,
                    valid_from_ms,
                    now_ms,
                    request_id,
                    fingerprint,
                    numbered.SerializeToString(deterministic=True),
                ),
            )
            return PlanSet(last + 1, valid_from_ms, tuple(plans)), True

        return self._database.submit(write).result()

    def close(self) -> None:
        """Finish what was appended and let go of the file."""
        self._database.close()


def _find(
    connection: apsw.Connection, request_id: str, fingerprint: bytes
) -> pb.OptimizeResult | None:
    row = connection.execute(
        "SELECT fingerprint, result FROM plan_set WHERE request_id = ?", (request_id,)
    ).fetchone()
    if row is None:
        return None
    if row[0] != fingerprint:
        raise InvalidInputError("used before with another request", where="request_id")
    return pb.OptimizeResult.FromString(row[1])


def _plans(result: pb.OptimizeResult) -> tuple[TimingPlan, ...]:
    return tuple(plan_from_proto(plan) for plan in result.plans)
