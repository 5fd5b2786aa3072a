"""A ledger's store of each kind."""

import pytest

from parking.store import MemoryStore, PostgresStore, SqliteStore


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request, tmp_path):
    if request.param == "memory":
        made = MemoryStore()
    elif request.param == "sqlite":
        made = SqliteStore(tmp_path / "ledger.db")
    else:
        made = PostgresStore(request.getfixturevalue("fresh_database")(), city="x")
    yield made
    made.close()
