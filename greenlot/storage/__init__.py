"""The database machinery that both engines' stores use. It imports nothing of ours.

Embedded: SQLite through ``apsw``, whose own recent SQLite is used; WAL, ``synchronous=FULL``, one
writer for the file, group commit. Server: PostgreSQL through ``psycopg``, one writing session a
process, whose transactions are repeated or resolved when the connection is lost.
"""

from greenlot.storage.errors import Condition, StorageError
from greenlot.storage.postgres import Postgres
from greenlot.storage.sqlite import Database

__all__ = ["Condition", "Database", "Postgres", "StorageError"]
