"""Plan sets in a file and in a database that several servers share."""

import threading

import pytest

from tests.traffic.test_planbook import plan
from traffic.errors import InvalidInputError
from traffic.io.protobuf import plan_to_proto
from traffic.store import PostgresPlanStore, SqlitePlanStore, StorageError
from traffic.v1 import signal_timing_pb2 as pb


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request, tmp_path):
    """Opens the same store again and again; a file only once at a time."""
    if request.param == "sqlite":
        return lambda: SqlitePlanStore(tmp_path / "plans.sqlite")
    url = request.getfixturevalue("fresh_database")()
    return lambda: PostgresPlanStore(url, city="x")


def keep(store, request_id: str, offset_s: int = 0, valid_from_ms: int = 5):
    plans = (plan("a", offset_s), plan("b", offset_s))
    result = pb.OptimizeResult(plans=[plan_to_proto(item, "x") for item in plans])
    return store.append(
        plans,
        result,
        valid_from_ms=valid_from_ms,
        request_id=request_id,
        fingerprint=b"%d" % offset_s,
        now_ms=3,
    )


def test_sets_are_numbered_and_read_back_in_order(opened):
    store = opened()
    first, second = keep(store, "q1", 7), keep(store, "q2", 9)
    assert (first.revision, second.revision) == (1, 2)
    assert store.load() == (first, second)
    assert store.load(1) == (second,)
    store.close()
    store = opened()
    assert store.load() == (first, second)
    store.close()


def test_a_repeated_request_keeps_its_first_set_and_another_under_its_id_is_refused(opened):
    store = opened()
    first = keep(store, "q1", 7)
    assert keep(store, "q1", 7, valid_from_ms=99) == first
    assert store.find("q1", b"7").revision == 1
    assert store.find("q2", b"7") is None
    for call in (lambda: keep(store, "q1", 8), lambda: store.find("q1", b"8")):
        with pytest.raises(InvalidInputError, match="used before"):
            call()
    assert store.load() == (first,)
    store.close()


def test_two_servers_number_their_sets_in_one_order_and_hear_of_each_other(fresh_database):
    url = fresh_database()
    stores = [PostgresPlanStore(url, city="x") for _ in range(2)]
    heard = threading.Semaphore(0)
    stores[1].watch(heard.release)
    assert heard.acquire(timeout=20), "at once: something may have been missed"
    threads = [
        threading.Thread(target=lambda s=s, k=k: [keep(s, f"{k}-{n}") for n in range(10)])
        for k, s in enumerate(stores)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [item.revision for item in stores[0].load()] == list(range(1, 21))
    assert heard.acquire(timeout=20)
    other_city = PostgresPlanStore(url, city="y")
    assert other_city.load() == ()
    other_city.close()
    for store in stores:
        store.close()


def test_what_is_kept_cannot_be_changed(fresh_database):
    store = PostgresPlanStore(fresh_database(), city="x")
    keep(store, "q1")
    with pytest.raises(StorageError, match="append-only"):
        store._database.write(
            lambda connection: connection.execute("DELETE FROM plan_set")
        ).result()
    store.close()
