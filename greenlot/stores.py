"""Which stores a server keeps its plans and its ledger in, from one address."""

from dataclasses import dataclass
from pathlib import Path

from greenlot.errors import StartError
from greenlot.storage import StorageError
from parking.errors import UnavailableError
from parking.store import PostgresStore, ReservationStore, SqliteStore
from traffic.store import PlanStore, PostgresPlanStore, SqlitePlanStore

EXPECTED = "expected sqlite:PATH or postgresql://USER@HOST/DATABASE"


@dataclass(frozen=True, slots=True)
class Stores:
    """The open stores of one city."""

    plans: PlanStore
    reservations: ReservationStore

    def close(self) -> None:
        """Finish what was written and let go of both."""
        self.reservations.close()
        self.plans.close()


def open_stores(address: str | None, *, data: Path, city_id: str) -> Stores:
    """Open both stores of a city.

    Parameters
    ----------
    address
        ``sqlite:PATH``: the ledger is that file, the plans are kept in ``data``.
        ``postgresql://...``: both are in that database, which several servers may share.
        None: both are files in ``data``.
    data
        Directory of the files; made if missing.
    city_id
        Whose stores they are.

    Raises
    ------
    StartError
        One of them cannot be opened; then neither is.
    """
    if address is not None and is_postgres(address):
        try:
            plans: PlanStore = PostgresPlanStore(address, city=city_id)
        except StorageError as error:
            raise StartError(f"--store: {error}") from error
        try:
            return Stores(plans, PostgresStore(address, city=city_id))
        except UnavailableError as error:
            plans.close()
            raise StartError(f"--store: {error}") from error
    ledger = data / f"{city_id}-parking.sqlite" if address is None else sqlite_path(address)
    try:
        data.mkdir(parents=True, exist_ok=True)
        plans = SqlitePlanStore(plans_file(data, city_id))
    except (OSError, StorageError) as error:
        raise StartError(f"--data {data}: {error}") from error
    try:
        return Stores(plans, SqliteStore(ledger))
    except UnavailableError as error:
        plans.close()
        raise StartError(f"{'--store' if address else '--data'}: {error}") from error


def plans_file(data: Path, city_id: str) -> Path:
    """Return the file of an embedded store's signal plans."""
    return data / f"{city_id}-plans.sqlite"


def is_postgres(address: str) -> bool:
    """Whether an address names a PostgreSQL database."""
    return address.startswith(("postgresql://", "postgres://"))


def sqlite_path(address: str) -> Path:
    """Return the file of a ``sqlite:PATH`` address, or raise StartError."""
    kind, colon, path = address.partition(":")
    if kind != "sqlite" or not colon or not path or path.startswith("//"):
        # What it was may hold a password.
        raise StartError(f"--store {kind}:...: {EXPECTED}")
    return Path(path)
