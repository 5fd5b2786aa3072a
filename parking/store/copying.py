"""A city's ledger from one store to another, whole: the embedded store's file is the one form.

A copy is made in one transaction on each side: it is the ledger of one moment, or nothing.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import apsw
import psycopg

from greenlot.storage import Postgres, StorageError
from greenlot.storage.postgres import Connection
from parking.ledger import Event, LedgerState, replay
from parking.store import postgres_schema as sql
from parking.store.codec import decode
from parking.store.embedded import (
    APPLICATION_ID,
    INSERT_ANSWER,
    INSERT_EVENT,
    MIGRATIONS,
    SELECT_EVENTS,
    snapshot_in,
)
from parking.store.occupancy import everything
from parking.store.server import count_occupancy
from parking.store.snapshot import state_in

CHUNK_ROWS = 5000
READABLE_SINCE, SNAPSHOTS_SINCE = 2, 3
"""Versions of a file's schema: later ones are read as they are."""
COPIED = {
    "log": "revision, at_ms, kind, version, subject, body",
    "answer": "request_id, digest, at_ms, reply, refusal",
    "driver": "digest, key, seen_ms",
}
INSERTS = {
    "log": INSERT_EVENT,
    "answer": INSERT_ANSWER,
    "driver": "INSERT INTO driver (digest, key, seen_ms) VALUES (?, ?, ?)",
}


def read_file(path: Path) -> Iterator[Event]:
    """Yield the events of an embedded store's file that nobody has open, in order.

    Raises
    ------
    StorageError
        It is no such file, or of another version of the program.
    ParkingError
        An entry is broken.
    """
    connection = _opened(path)
    try:
        rows = connection.execute(SELECT_EVENTS + "ORDER BY revision")
        for revision, kind, version, body in rows:
            yield decode(kind, version, body, where=f"{path}: revision {revision}")
    except apsw.Error as error:
        raise StorageError(f"is damaged: {error}", where=path) from error
    finally:
        connection.close()


def read_snapshot(path: Path) -> LedgerState | None:
    """Return the state that the snapshot in a file holds.

    None = there is none, or none that this program begins from.

    Raises
    ------
    StorageError
        It is no such file, or of another version of the program.
    """
    connection = _opened(path)
    try:
        version = connection.execute("PRAGMA user_version").get
        found = snapshot_in(connection) if version >= SNAPSHOTS_SINCE else None
        return None if found is None else state_in(found)
    except apsw.Error as error:
        raise StorageError(f"is damaged: {error}", where=path) from error
    except ValueError:
        return None
    finally:
        connection.close()


def from_postgres(url: str, city: str, target: Path) -> None:
    """Copy a city's ledger out of a database that is in use into a new file.

    Raises
    ------
    StorageError
        If the database does not answer or holds no such city, or the target exists.
    """
    if target.exists():
        raise StorageError("exists already, expected a new file", where=target)
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    database = Postgres(url, component="parking", migrations=sql.MIGRATIONS)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = apsw.Connection(str(part))
        try:
            file.execute("PRAGMA synchronous=FULL")
            database.read_now(lambda connection: _copy_out(connection, city, file, database.where))
        finally:
            file.close()
        part.rename(target)
    except (apsw.Error, psycopg.Error, OSError) as error:
        raise StorageError(f"cannot be written: {error}", where=target) from error
    finally:
        part.unlink(missing_ok=True)
        database.close()


def to_postgres(source: Path, url: str, city: str) -> None:
    """Copy a file into a database that does not know the city yet.

    Raises
    ------
    StorageError
        If the file or the database cannot be read, or there is such a city already.
    """
    state = replay(read_file(source))
    file = _opened(source)
    database = Postgres(url, component="parking", migrations=sql.MIGRATIONS)
    try:
        database.write(lambda connection: _copy_in(connection, city, file, state)).result()
    finally:
        file.close()
        database.close()


def _copy_out(connection: Connection, city: str, file: apsw.Connection, where: str) -> None:
    file.execute("BEGIN")
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        known = connection.execute("SELECT 1 FROM parking_head WHERE city = %s", (city,))
        if known.fetchone() is None:
            raise StorageError(f"holds no city {city!r}", where=where)
        for script in MIGRATIONS:
            file.execute(script)
        for table, columns in COPIED.items():
            order = "ORDER BY revision" if table == "log" else ""
            shown = columns.replace("body", "body::text")
            with connection.cursor(f"copy_{table}") as cursor:
                cursor.execute(
                    f"SELECT {shown} FROM parking_{table} WHERE city = %s {order}", (city,)
                )
                file.executemany(INSERTS[table], cursor)
    file.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
    file.execute(f"PRAGMA application_id={APPLICATION_ID}")
    file.execute("COMMIT")


def _copy_in(connection: Connection, city: str, file: apsw.Connection, state: LedgerState) -> None:
    connection.execute("INSERT INTO parking_head VALUES (%s, 0) ON CONFLICT DO NOTHING", (city,))
    row = connection.execute(
        "SELECT revision FROM parking_head WHERE city = %s FOR UPDATE", (city,)
    ).fetchone()
    if row is None or row[0] != 0:
        raise StorageError(f"holds a ledger of {city!r} already", where="the database")
    with connection.cursor() as cursor:
        for table, columns in COPIED.items():
            places = ", ".join(["%s"] * (1 + len(columns.split(", "))))
            statement = f"INSERT INTO parking_{table} (city, {columns}) VALUES ({places})"
            rows = iter(file.execute(f"SELECT {columns} FROM {table}"))
            while chunk := [(city, *values) for values in islice(rows, CHUNK_ROWS)]:
                cursor.executemany(statement, chunk)
    connection.execute(sql.MOVE_HEAD, (state.revision, city))
    count_occupancy(connection, city, everything(state))


def _opened(path: Path) -> apsw.Connection:
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        kind = connection.execute("PRAGMA application_id").get
        version = connection.execute("PRAGMA user_version").get
    except apsw.Error as error:
        raise StorageError(f"cannot be opened: {error}", where=path) from error
    if kind != APPLICATION_ID or not READABLE_SINCE <= version <= len(MIGRATIONS):
        connection.close()
        raise StorageError(
            f"expected a parking ledger of schema version {READABLE_SINCE} to {len(MIGRATIONS)}, "
            f"got application id {kind}, version {version}",
            where=path,
        )
    return connection
