"""Where the ledger's log is kept: a small port, and its stores.

A store keeps what was written together in one transaction: the append-only log of events, and the
answers that callers were given, so that a repeated request gets its first answer. Beside them, in
one table, whose a driver's key is.

- ``MemoryStore``: for tests and trials.
- ``SqliteStore``: embedded, one process.
- ``PostgresStore``: several servers on one database.
"""

from parking.store.embedded import SqliteStore
from parking.store.memory import MemoryStore
from parking.store.port import Answer, Batch, Rebase, ReservationStore
from parking.store.server import PostgresStore
from parking.store.snapshot import Snapshot, SnapshotHead

__all__ = [
    "Answer",
    "Batch",
    "MemoryStore",
    "PostgresStore",
    "Rebase",
    "ReservationStore",
    "Snapshot",
    "SnapshotHead",
    "SqliteStore",
]
