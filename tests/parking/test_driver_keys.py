"""The table of the drivers' keys, in every store: one driver, one key, also for two at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from parking.store import MemoryStore, PostgresStore, SqliteStore

NOW = 1_795_390_000_000
AT_ONCE = 6


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def stores(request, tmp_path):
    """One store, or two on one database."""
    if request.param == "memory":
        made = [MemoryStore()]
    elif request.param == "sqlite":
        made = [SqliteStore(tmp_path / "ledger.db")]
    else:
        url = request.getfixturevalue("fresh_database")()
        made = [PostgresStore(url, city="x") for _ in range(2)]
    yield made
    for store in made:
        store.close()


def claim(drivers, key, *digests, seen_ms=NOW):
    return drivers.claim(key, digests, digests, seen_ms).result()


def find(drivers, *digests):
    (key,) = drivers.find([digests]).result()
    return key


def test_keys_are_found_moved_forgotten_and_erased(stores):
    drivers = stores[0].drivers
    assert claim(drivers, "k1", b"plate-new", b"phone-new") == "k1"
    assert claim(drivers, "k2", b"other", seen_ms=NOW + 5) == "k2"
    groups = [[b"unknown", b"phone-new"], [b"unknown"], [], [b"other"]]
    assert drivers.find(groups).result() == ("k1", None, None, "k2")
    assert set(drivers.digests("k1").result()) == {b"plate-new", b"phone-new"}
    assert claim(drivers, "k3", b"other", b"phone-new", seen_ms=NOW + 5) == "k2", "first decides"
    assert set(drivers.digests("k2").result()) == {b"other", b"phone-new"}
    assert drivers.claim("k4", [b"old", b"other"], [b"new"], NOW + 5).result() == "k2"
    assert find(drivers, b"old") is None, "only the current ones are noted"
    drivers.forget(NOW + 1).result()
    assert find(drivers, b"plate-new") is None
    drivers.erase("k2").result()
    assert drivers.digests("k2").result() == ()
    assert drivers.find([[b"other"], [b"phone-new"], [b"new"]]).result() == (None, None, None)


def test_who_register_at_once_are_given_one_key(stores):
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for attempt in range(40):
            start = Barrier(AT_ONCE)
            plate, phone = b"plate %d" % attempt, b"phone %d" % attempt

            def register(k, start=start, plate=plate, phone=phone):
                start.wait()
                drivers = stores[k % len(stores)].drivers
                return claim(drivers, f"key {k}", *((plate, phone) if k % 2 else (phone, plate)))

            keys = set(threads.map(register, range(AT_ONCE)))
            assert len(keys) == 1, f"attempt {attempt}"
            assert {find(store.drivers, plate) for store in stores} == keys
