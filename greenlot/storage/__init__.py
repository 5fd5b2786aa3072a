"""The database machinery that both engines' stores use. It imports nothing of ours.

Embedded: SQLite through ``apsw``, whose own recent SQLite is used; WAL, ``synchronous=FULL``, one
writer for the file, group commit.
"""

from greenlot.storage.sqlite import Database, StorageError

__all__ = ["Database", "StorageError"]
