"""Copies of a city's signal plans, beside those of its ledger: one SQLite file, for either store.

The file is the embedded plan store's own form. A copy is made in one transaction on each side.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import apsw
import psycopg

from greenlot.storage import Postgres, StorageError
from greenlot.storage.postgres import Connection
from traffic.store import (
    APPLICATION_ID,
    POSTGRES_MIGRATIONS,
    RENEW_SQLITE_IDENTITY,
    SQLITE_MIGRATIONS,
)

CHUNK_ROWS = 5000
OLDEST_VERSION = 2
"""Of a file's schema, from which on it has the tables that are copied."""
TABLES = {
    "plan_set": "revision, valid_from_ms, made_ms, request_id, fingerprint, result",
    "street_log": "revision, at_ms, request_id, fingerprint, reply, events",
}


def plans_beside(ledger: Path) -> Path:
    """Return the file of the plans that belong to a ledger's backup."""
    return ledger.with_name(f"{ledger.stem}-plans{ledger.suffix}")


def plans_from_postgres(url: str, city: str, target: Path) -> int:
    """Copy a city's plans out of a database that is in use into a new file.

    Returns
    -------
    int
        How many commits there were. With none there is no file.

    Raises
    ------
    StorageError
        The database does not answer, or the target exists or cannot be written.
    """
    if target.exists():
        raise StorageError("exists already, expected a new file", where=target)
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    database = Postgres(url, component="plans", migrations=POSTGRES_MIGRATIONS)
    try:
        file = apsw.Connection(str(part))
        try:
            file.execute("PRAGMA synchronous=FULL")
            copied = database.read_now(lambda connection: _copy_out(connection, city, file))
        finally:
            file.close()
        if copied:
            part.rename(target)
        return copied
    except (apsw.Error, psycopg.Error, OSError) as error:
        raise StorageError(f"cannot be written: {error}", where=target) from error
    finally:
        part.unlink(missing_ok=True)
        database.close()


def plans_to_postgres(source: Path, url: str, city: str) -> int:
    """Copy a file of plans into a database that has none of the city yet.

    Returns
    -------
    int
        How many commits there were.

    Raises
    ------
    StorageError
        The file or the database cannot be read, or there are such plans already.
    """
    file = _opened(source)
    database = Postgres(url, component="plans", migrations=POSTGRES_MIGRATIONS)
    try:
        return database.write(lambda connection: _copy_in(connection, city, file)).result()
    finally:
        file.close()
        database.close()


def renew_log(file: Path) -> None:
    """Give the log in a file that was copied from a backup another id than the first one had.

    Raises
    ------
    StorageError
        It cannot be written.
    """
    try:
        connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            # One of an older schema is given an id when it is opened.
            if connection.execute("PRAGMA user_version").get > OLDEST_VERSION:
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute(RENEW_SQLITE_IDENTITY)
        finally:
            connection.close()
    except apsw.Error as error:
        raise StorageError(f"cannot be written: {error}", where=file) from error


def _copy_out(connection: Connection, city: str, file: apsw.Connection) -> int:
    file.execute("BEGIN")
    for script in SQLITE_MIGRATIONS:
        file.execute(script)
    copied = 0
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for table, columns in TABLES.items():
            with connection.cursor(f"copy_{table}") as cursor:
                cursor.execute(
                    f"SELECT {columns} FROM {table} WHERE city = %s ORDER BY revision", (city,)
                )
                file.executemany(_insert(table, columns, "?"), cursor)
            copied += file.execute(f"SELECT count(*) FROM {table}").get
    file.execute(f"PRAGMA user_version={len(SQLITE_MIGRATIONS)}")
    file.execute(f"PRAGMA application_id={APPLICATION_ID}")
    file.execute("COMMIT")
    return copied


def _copy_in(connection: Connection, city: str, file: apsw.Connection) -> int:
    connection.execute("LOCK TABLE street_log IN SHARE ROW EXCLUSIVE MODE")
    # Whoever holds what came after the backup is to forget it: see PlanStore.log_id.
    connection.execute("DELETE FROM log_identity WHERE city = %s", (city,))
    copied = 0
    for table, columns in TABLES.items():
        known = connection.execute(f"SELECT 1 FROM {table} WHERE city = %s LIMIT 1", (city,))
        if known.fetchone() is not None:
            raise StorageError(f"holds plans of {city!r} already", where="the database")
        rows: Iterator[tuple[object, ...]] = iter(file.execute(f"SELECT {columns} FROM {table}"))
        with connection.cursor() as cursor:
            while chunk := [(city, *row) for row in islice(rows, CHUNK_ROWS)]:
                cursor.executemany(_insert(table, f"city, {columns}", "%s"), chunk)
                copied += len(chunk)
    return copied


def _insert(table: str, columns: str, place: str) -> str:
    places = ", ".join([place] * len(columns.split(", ")))
    return f"INSERT INTO {table} ({columns}) VALUES ({places})"


def _opened(path: Path) -> apsw.Connection:
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        kind = connection.execute("PRAGMA application_id").get
        version = connection.execute("PRAGMA user_version").get
    except apsw.Error as error:
        raise StorageError(f"cannot be opened: {error}", where=path) from error
    newest = len(SQLITE_MIGRATIONS)
    if kind != APPLICATION_ID or not OLDEST_VERSION <= version <= newest:
        connection.close()
        raise StorageError(
            f"expected signal plans of schema version {OLDEST_VERSION} to {newest}, got "
            f"application id {kind}, version {version}",
            where=path,
        )
    return connection
