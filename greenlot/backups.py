"""Backups of a city's stores: SQLite files, whatever store they come from or go to.

A ledger's backup is an embedded store's own file, so that ``serve --store sqlite:FILE`` opens it as
it is. The signal plans lie beside it (``plans_beside``): those of a database always, those of an
embedded store where its directory is named.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from greenlot.errors import StartError
from greenlot.plan_backups import plans_beside, plans_from_postgres, plans_to_postgres, renew_log
from greenlot.storage import StorageError
from greenlot.storage.sqlite import copy_file
from greenlot.stores import is_postgres, plans_file, sqlite_path
from parking.errors import ParkingError
from parking.ledger import LedgerState, evolve, faults
from parking.store.copying import from_postgres, read_file, read_snapshot, to_postgres


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
    plans
        The file of the signal plans beside it; None = there are none.
    """

    file: Path
    revision: int
    open_reservations: int
    file_bytes: int
    plans: Path | None = None


def back_up(store: str, target: Path, *, city_id: str, data: Path | None = None) -> BackupReport:
    """Copy a ledger, in use or not, as it is at one moment, into a new file, and check it.

    The signal plans go into a file beside it. ``data``: the directory where a server with an
    embedded store keeps them; None = leave them out.

    Raises
    ------
    StartError
        The store cannot be read, the target exists, or what was copied is not sound; then there
        is no target.
    """
    beside = plans_beside(target)
    made = [path for path in (target, beside) if not path.exists()]
    try:
        plans = _plans_out(store, city_id, beside, data)
        if is_postgres(store):
            from_postgres(store, city_id, target)
        else:
            copy_file(_existing(sqlite_path(store), "--store"), target)
        return replace(check(target), plans=plans)
    except (StorageError, ParkingError, StartError) as error:
        for path in made:
            path.unlink(missing_ok=True)
        if isinstance(error, StartError):
            raise
        raise StartError(f"backup: {error}") from error


def _plans_out(store: str, city_id: str, target: Path, data: Path | None) -> Path | None:
    if is_postgres(store):
        return target if plans_from_postgres(store, city_id, target) else None
    if data is None:
        return None
    copy_file(_existing(plans_file(data, city_id), "--data"), target)
    return target


def _existing(path: Path, option: str) -> Path:
    if not path.is_file():
        raise StartError(f"{option}: {path}: no such file")
    return path


def restore(source: Path, store: str, *, city_id: str, data: Path | None = None) -> BackupReport:
    """Put a checked backup where there is no ledger yet, and the plans beside it likewise.

    ``data``: the directory for the plans of an embedded store; None = leave them out.

    Raises
    ------
    StartError
        The backup is not sound, or there is a ledger already.
    """
    report, plans = check(source), plans_beside(source)
    into = None
    try:
        if is_postgres(store):
            to_postgres(source, store, city_id)
            if plans.is_file():
                plans_to_postgres(plans, store, city_id)
                into = plans
        else:
            copy_file(source, sqlite_path(store))
            if plans.is_file() and data is not None:
                copy_file(plans, plans_file(data, city_id))
                renew_log(plans_file(data, city_id))
                into = plans
    except (StorageError, ParkingError) as error:
        raise StartError(f"restore: {error}") from error
    return replace(report, plans=into)


def check(file: Path) -> BackupReport:
    """Replay a backup's log and recompute what must hold of it, and of its snapshot.

    Raises
    ------
    StartError
        It is no backup, or not sound.
    """
    if not file.is_file():
        raise StartError(f"{file}: no such file")
    try:
        snapshot = read_snapshot(file)
        state = LedgerState() if snapshot is None else LedgerState(kept_ms=snapshot.kept_ms)
        for event in read_file(file):
            state = evolve(state, event)
            if snapshot is not None and state.revision == snapshot.revision != 0:
                if state != snapshot:
                    raise StartError(
                        f"{file}: not sound: its snapshot of revision {state.revision} is not "
                        "what its log leads to"
                    )
                snapshot = None
    except (StorageError, ParkingError) as error:
        raise StartError(f"backup: {error}") from error
    if snapshot is not None and snapshot.revision > state.revision:
        raise StartError(f"{file}: not sound: its log ends before its snapshot")
    for fault in faults(state):
        raise StartError(f"{file}: not sound at revision {state.revision}: {fault}")
    open_reservations = sum(len(book.open) for book in state.pools.values())
    return BackupReport(file, state.revision, open_reservations, file.stat().st_size)
