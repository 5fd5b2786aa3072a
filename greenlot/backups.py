"""Backups of a city's ledger: one SQLite file, whatever store it comes from or goes to.

A backup is an embedded store's own file, so that ``serve --store sqlite:FILE`` opens it as it is.
"""

from dataclasses import dataclass
from pathlib import Path

from greenlot.errors import StartError
from greenlot.storage import StorageError
from greenlot.storage.sqlite import copy_file
from greenlot.stores import is_postgres, sqlite_path
from parking.errors import ParkingError
from parking.ledger import faults, replay
from parking.store.copying import from_postgres, read_file, to_postgres


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a checked backup holds.

    Parameters
    ----------
    file
        The backup.
    revision
        The last revision of its log.
    open_reservations
        How many are held, confirmed or parked at that revision.
    file_bytes
        Its size.
    """

    file: Path
    revision: int
    open_reservations: int
    file_bytes: int


def back_up(store: str, target: Path, *, city_id: str) -> BackupReport:
    """Copy a ledger, in use or not, as it is at one moment, into a new file, and check it.

    Raises
    ------
    StartError
        The store cannot be read, the target exists, or what was copied is not sound; then there
        is no target.
    """
    try:
        if is_postgres(store):
            from_postgres(store, city_id, target)
        else:
            source = sqlite_path(store)
            if not source.is_file():
                raise StartError(f"--store: {source}: no such file")
            copy_file(source, target)
    except (StorageError, ParkingError) as error:
        raise StartError(f"backup: {error}") from error
    try:
        return check(target)
    except StartError:
        target.unlink(missing_ok=True)
        raise


def restore(source: Path, store: str, *, city_id: str) -> BackupReport:
    """Put a checked backup where there is no ledger yet.

    Raises
    ------
    StartError
        The backup is not sound, or there is a ledger already.
    """
    report = check(source)
    try:
        if is_postgres(store):
            to_postgres(source, store, city_id)
        else:
            copy_file(source, sqlite_path(store))
    except (StorageError, ParkingError) as error:
        raise StartError(f"restore: {error}") from error
    return report


def check(file: Path) -> BackupReport:
    """Replay a backup's log and recompute what must hold of it.

    Raises
    ------
    StartError
        It is no backup, or not sound.
    """
    if not file.is_file():
        raise StartError(f"{file}: no such file")
    try:
        state = replay(read_file(file))
    except (StorageError, ParkingError) as error:
        raise StartError(f"backup: {error}") from error
    for fault in faults(state):
        raise StartError(f"{file}: not sound at revision {state.revision}: {fault}")
    open_reservations = sum(len(book.open) for book in state.pools.values())
    return BackupReport(file, state.revision, open_reservations, file.stat().st_size)
