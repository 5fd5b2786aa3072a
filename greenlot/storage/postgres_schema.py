"""Schema migrations in PostgreSQL: each component's scripts, once each, in order."""

from collections.abc import Sequence
from typing import Any

import psycopg

from greenlot.storage.errors import StorageError

LOCK = 0x676C
"""The advisory lock under which schemas change: servers that start together take turns."""


def bring_up_to_date(
    connection: psycopg.Connection[tuple[Any, ...]],
    component: str,
    migrations: Sequence[str],
    *,
    where: str,
) -> None:
    """Apply the scripts that a component's schema has not had, all of them or none.

    Raises
    ------
    StorageError
        If the schema is of a newer version than the program.
    psycopg.Error
        If a script fails.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS greenlot_schema "
            "(component text PRIMARY KEY, version integer NOT NULL)"
        )
        row = connection.execute(
            "SELECT version FROM greenlot_schema WHERE component = %s", (component,)
        ).fetchone()
        version = row[0] if row is not None else 0
        if version > len(migrations):
            raise StorageError(
                f"schema version {version} of {component} is newer than this program's "
                f"{len(migrations)}",
                where=where,
            )
        for script in migrations[version:]:
            connection.execute(script)
        connection.execute(
            "INSERT INTO greenlot_schema VALUES (%s, %s) "
            "ON CONFLICT (component) DO UPDATE SET version = excluded.version",
            (component, len(migrations)),
        )
