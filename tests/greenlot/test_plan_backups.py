"""Backups of signal plans, beside those of the ledger: from either store into either store."""

import pytest

from greenlot.backups import back_up, restore
from greenlot.errors import StartError
from greenlot.plan_backups import plans_beside
from greenlot.stores import plans_file
from parking.store import PostgresStore, SqliteStore
from tests.greenlot.test_backups import fill
from tests.traffic.test_store import EVERYTHING, keep
from traffic.store import PostgresPlanStore, SqlitePlanStore


class Stores:
    """Both stores of a city: in a database, or in files."""

    def __init__(self, directory, url=None):
        self.data = None if url else directory
        self.address = url or f"sqlite:{directory / 'ledger.sqlite'}"

    def plans(self):
        if self.data is None:
            return PostgresPlanStore(self.address, city="x")
        return SqlitePlanStore(plans_file(self.data, "x"))

    def ledger(self):
        if self.data is None:
            return PostgresStore(self.address, city="x")
        return SqliteStore(self.data / "ledger.sqlite")


@pytest.fixture
def stores(tmp_path, fresh_database):
    def made(kind, name):
        (tmp_path / name).mkdir()
        return Stores(tmp_path / name, fresh_database() if kind == "postgres" else None)

    return made


def written(stores):
    """Write a few plans and reservations; return the plans' log."""
    ledger, plans = stores.ledger(), stores.plans()
    fill(ledger, 5)
    keep(plans, 0, request_id="q1", fingerprint=b"7")
    keep(plans, 1, EVERYTHING[:2])
    log = plans.load()
    ledger.close()
    plans.close()
    return log


@pytest.mark.parametrize("other", ["sqlite", "postgres"])
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_plans_come_along(kind, other, stores, tmp_path):
    source, target = stores(kind, "source"), stores(other, "target")
    log = written(source)
    first = source.plans()
    log_id = first.log_id
    first.close()
    copy = tmp_path / "copy.sqlite"
    report = back_up(source.address, copy, city_id="x", data=source.data)
    assert report.plans == plans_beside(copy) == tmp_path / "copy-plans.sqlite"
    assert restore(copy, target.address, city_id="x", data=target.data).plans is not None
    plans = target.plans()
    assert plans.load() == log
    assert plans.find("q1", b"7") == b"r1"
    # What came after the backup is not known here: who holds it has to see that.
    assert plans.log_id not in ("", log_id)
    assert keep(plans, 2).revision == 3
    plans.close()
    with pytest.raises(StartError, match=r"exists already|holds a ledger"):
        restore(copy, target.address, city_id="x", data=target.data)
    with pytest.raises(StartError, match="exists already"):
        back_up(source.address, copy, city_id="x", data=source.data)
    assert plans_beside(copy).is_file(), "what was there before stays"


def test_without_plans_there_is_no_file_of_them(stores, tmp_path):
    source, files = stores("postgres", "source"), stores("sqlite", "files")
    for where in (source, files):
        store = where.ledger()
        fill(store, 3)
        store.close()
        copy = tmp_path / f"{where.data is None}.sqlite"
        assert back_up(where.address, copy, city_id="x").plans is None
        assert not plans_beside(copy).exists()
    with pytest.raises(StartError, match="no such file"):
        back_up(files.address, tmp_path / "c", city_id="x", data=tmp_path / "nowhere")
    assert not (tmp_path / "c").exists()
