"""The log of plans in a file and in a database that several servers share."""

import threading
from pathlib import Path

import pytest

from greenlot.storage import Condition, Database
from tests.traffic.small_plans import plan
from traffic.errors import InvalidInputError
from traffic.io.protobuf import plan_to_proto
from traffic.store import (
    APPLICATION_ID,
    SQLITE_MIGRATIONS,
    Commit,
    LogEntry,
    PostgresPlanStore,
    SqlitePlanStore,
    StaleError,
    StorageError,
)
from traffic.street.events import (
    AlarmCleared,
    AlarmRaised,
    Answered,
    Approved,
    AutoApplied,
    AutoApplySet,
    Enrolled,
    Event,
    PlanSetMade,
    Retired,
    ScheduleMade,
    Settled,
    SwitchDecided,
    SwitchMade,
)
from traffic.street.health import Alarm, AlarmKind
from traffic.street.records import DayPlan, Origin, Period, PlanSet, Schedule, all_week
from traffic.street.state import Street
from traffic.street.switching import Switch, SwitchState
from traffic.v1 import signal_timing_pb2 as pb

ORIGIN = Origin("王工", "import", 3, "早高峰", "", {"status": 1, "value": 0.5})
SCHEDULE = Schedule(
    "2",
    (DayPlan("day", (Period(0, "1"), Period(25200, "1"))),),
    ("day",) * 7,
    ORIGIN,
    exceptions=(("2026-10-01", "day"),),
    without=("b",),
)
SWITCH = Switch("3", "a", ("a", "b"), SCHEDULE, 60_000, 60_000, "王工", 5, refused={"a": "no"})
EVERYTHING: tuple[Event, ...] = (
    PlanSetMade(PlanSet("1", (plan("a", 7), plan("b")), ORIGIN, 5, None)),
    Approved("plan-set", "1", "王工", 4),
    ScheduleMade(SCHEDULE),
    Retired("schedule", "2", "王工", 9),
    SwitchMade(SWITCH),
    Answered("3", ("a",), (("b", "yellow: stage 1: 2 s"),)),
    SwitchDecided("3", SwitchState.PROPOSED, 90_000, ("b",)),
    Settled("3", (("a", 41), ("b", 0))),
    Enrolled(("a", "b"), 4),
    AlarmRaised(Alarm("a", AlarmKind.CLOCK, 5, "clock wrong by +3.0 s")),
    AlarmCleared("a", AlarmKind.CLOCK, 6),
    AlarmRaised(Alarm("", AlarmKind.EXPIRED, 7, "plan set 1 is in force", "1")),
    AutoApplySet(True, "王工", 7),
    AutoApplied("2", 8),
)


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request, tmp_path):
    """Opens the same store again and again; a file only once at a time."""
    if request.param == "sqlite":
        return lambda: SqlitePlanStore(tmp_path / "plans.sqlite")
    url = request.getfixturevalue("fresh_database")()
    return lambda: PostgresPlanStore(url, city="x")


def keep(store, base: int, events=EVERYTHING, **changes):
    commit = {"at_ms": 3, "reply": lambda revision: b"r%d" % revision} | changes
    return store.append(Commit(base, events, **commit))


def test_every_event_is_read_back_as_it_was_written(opened):
    store = opened()
    assert keep(store, 0).revision == 1
    for n, event in enumerate(EVERYTHING):
        keep(store, n + 1, (event,))
    expected = (LogEntry(1, EVERYTHING), *(LogEntry(n + 2, (e,)) for n, e in enumerate(EVERYTHING)))
    assert store.load() == expected
    assert store.load(3) == expected[3:]
    log_id = store.log_id
    store.close()
    store = opened()
    assert store.log_id == log_id != ""
    assert store.load() == expected
    store.close()


def test_what_was_decided_on_an_old_state_is_not_written(opened):
    store = opened()
    keep(store, 0)
    with pytest.raises(StaleError, match="ends at revision 1; expected 0"):
        keep(store, 0)
    assert len(store.load()) == 1
    store.close()


def test_a_repeated_request_keeps_its_first_answer_and_another_under_its_id_is_refused(opened):
    store = opened()
    first = keep(store, 0, request_id="q1", fingerprint=b"7")
    assert (first.reply, first.is_new) == (b"r1", True)
    keep(store, 1)
    again = keep(store, 0, request_id="q1", fingerprint=b"7")
    assert (again.revision, again.reply, again.is_new) == (1, b"r1", False)
    assert store.find("q1", b"7") == b"r1"
    assert store.find("q2", b"7") is None
    for call in (
        lambda: keep(store, 2, request_id="q1", fingerprint=b"8"),
        lambda: store.find("q1", b"8"),
    ):
        with pytest.raises(InvalidInputError, match="used before"):
            call()
    assert len(store.load()) == 2
    store.close()


def test_two_servers_write_one_log_and_hear_of_each_other(fresh_database):
    url = fresh_database()
    stores = [PostgresPlanStore(url, city="x") for _ in range(2)]
    heard = threading.Semaphore(0)
    stores[1].watch(heard.release)
    assert heard.acquire(timeout=20), "at once: something may have been missed"

    def write(store) -> None:
        written = 0
        while written < 10:
            base = max((entry.revision for entry in store.load()), default=0)
            try:
                keep(store, base)
                written += 1
            except StaleError:
                continue

    threads = [threading.Thread(target=write, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.revision for entry in stores[0].load()] == list(range(1, 21))
    assert heard.acquire(timeout=20)
    other_city = PostgresPlanStore(url, city="y")
    assert other_city.load() == ()
    other_city.close()
    for store in stores:
        store.close()


def test_what_is_kept_cannot_be_changed(fresh_database):
    store = PostgresPlanStore(fresh_database(), city="x")
    keep(store, 0)
    for table in ("plan_set", "street_log"):
        with pytest.raises(StorageError, match="append-only"):
            store._database.write(
                lambda connection, table=table: connection.execute(f"TRUNCATE {table}")
            ).result()
    store.close()


def test_a_file_of_the_first_version_is_the_beginning_of_the_log(tmp_path: Path):
    path = tmp_path / "plans.sqlite"
    old = Database.open(path, SQLITE_MIGRATIONS[:1], application_id=APPLICATION_ID)
    for revision, offset_s, valid_from_ms in ((1, 7, 5_000), (2, 9, 90_000)):
        result = pb.OptimizeResult(
            revision=revision, cycle_s=60, plans=[plan_to_proto(plan("a", offset_s), "x")]
        )
        row = (revision, valid_from_ms, 4, f"q{revision}", b"%d" % offset_s)
        old.submit(
            lambda c, row=row, result=result: c.execute(
                "INSERT INTO plan_set VALUES (?, ?, ?, ?, ?, ?)", (*row, result.SerializeToString())
            )
        ).result()
    old.close()
    store = SqlitePlanStore(path)
    street = Street()
    for entry in store.load():
        street.apply(entry.events, entry.revision)
    assert street.in_force("a", 5_000).plan == plan("a", 7)
    assert street.in_force("a", 89_999).until_ms == 90_000
    assert street.in_force("a", 90_000).switch.revision == 2
    assert pb.OptimizeResult.FromString(store.find("q1", b"7")).revision == 1
    made = PlanSet(next(street.next_ids()), (plan("a"),), ORIGIN)
    assert made.id not in street.plan_sets
    kept = store.append(Commit(2, (PlanSetMade(made), ScheduleMade(all_week("9", "1", ORIGIN))), 3))
    assert kept.revision == 3
    store.close()


def test_a_probe_shows_whether_writing_works_again(fresh_database):
    store = PostgresPlanStore(fresh_database(), city="x")
    as_now = "SET SESSION CHARACTERISTICS AS TRANSACTION READ"
    store._database.write(lambda c: c.execute(f"{as_now} ONLY")).result()
    with pytest.raises(StorageError, match="read-only"):
        store.probe().result()
    assert store.condition is Condition.READ_ONLY
    store._database.write(lambda c: c.execute(f"{as_now} WRITE")).result()
    store.probe().result()
    assert (store.condition, store.load()) == (Condition.OK, ())
    store.close()
