"""Plans on the street over the wire: records, switches, controllers, advice; and a restart."""

import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from greenlot.city import City, load_city
from greenlot.clock import SimulatedClock
from greenlot.server import ServerThread
from tests.greenlot.test_cli_signals import greenlot
from tests.greenlot.test_server import CITY, Clients, refusal
from traffic.controller.controller import fixed_plan
from traffic.io.protobuf import plan_from_proto, plan_to_proto, timestamp_from_ms
from traffic.plan import TimingPlan
from traffic.service import SignalTimingService
from traffic.street.calendar import civil_date, midnight_ms
from traffic.v1 import signal_timing_pb2 as st

LISTED = st.ListSwitchesRequest(parent=CITY)
NOW_MS = midnight_ms(civil_date(1_795_000_000_000)) + 8 * 3_600_000
SIGNALS = tuple(f"{a}{b}" for a in "ABC" for b in "012")


@pytest.fixture(scope="module")
def city(small_city: Path, tmp_path_factory: pytest.TempPathFactory) -> City:
    return load_city(small_city, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def clients(city: City, tmp_path: Path) -> Iterator[Clients]:
    clock = SimulatedClock(NOW_MS)
    with ServerThread(city, data=tmp_path / "data", clock=clock) as server:
        found = Clients(server.address, clock)
        yield found
        found.channel.close()


def rid() -> str:
    return str(uuid.uuid4())


def plans(city: City, offset_s: int = 0, signals: tuple[str, ...] = SIGNALS) -> list[TimingPlan]:
    return [fixed_plan(city.graph.signals[key]).with_offset(offset_s) for key in signals]


def create(clients: Clients, rows: list[TimingPlan], **fields: Any) -> st.PlanSet:
    request = st.CreatePlanSetRequest(
        parent=CITY,
        request_id=rid(),
        plans=[plan_to_proto(plan, "smallville") for plan in rows],
        **({"title": "早高峰", "author": "王工", "source": "import"} | fields),
    )
    return clients.signals.CreatePlanSet(request, timeout=60)


def approved(clients: Clients, rows: list[TimingPlan]) -> st.PlanSet:
    made = create(clients, rows)
    request = st.ApprovePlanSetRequest(name=made.name, request_id=rid(), author="李工")
    return clients.signals.ApprovePlanSet(request, timeout=20)


def activate(clients: Clients, **target: Any) -> list[st.Switch]:
    request = st.ActivateRequest(parent=CITY, request_id=rid(), author="李工", **target)
    return list(clients.signals.Activate(request, timeout=60).switches)


def until(found: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait for what the server does by itself; its ticks are real seconds."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def get(clients: Clients, signal: str, time_ms: int | None = None) -> st.TimingPlan:
    request = st.GetPlanRequest(name=f"{CITY}/signals/{signal}")
    if time_ms is not None:
        request.time.CopyFrom(timestamp_from_ms(time_ms))
    return clients.signals.GetPlan(request, timeout=5)


def test_a_record_lives_from_draft_to_retired_and_says_who_made_it(
    clients: Clients, city: City
) -> None:
    certificate = st.Certificate(status=st.Certificate.STATUS_OPTIMAL, value=0.5, bound=0.5)
    first = create(clients, plans(city), certificate=certificate, note="试")
    assert (first.state, first.author, first.source, first.plan_count) == (
        st.RECORD_STATE_DRAFT,
        "王工",
        "import",
        9,
    )
    assert first.create_time.ToMilliseconds() == NOW_MS
    _, info, _ = refusal(
        clients.signals.Activate,
        st.ActivateRequest(parent=CITY, request_id=rid(), plan_set=first.name),
    )
    assert info.reason == "STATE"
    request = st.ApprovePlanSetRequest(name=first.name, request_id=rid(), author="李工")
    assert clients.signals.ApprovePlanSet(request, timeout=5).approved_by == "李工"
    activate(clients, plan_set=first.name)
    whole = clients.signals.GetPlanSet(st.GetPlanSetRequest(name=first.name), timeout=5)
    assert whole.state == st.RECORD_STATE_IN_FORCE
    assert [plan_from_proto(plan) for plan in whole.plans] == plans(city)
    assert (whole.certificate, len(whole.schedules)) == (certificate, 1)
    second = approved(clients, plans(city, 10))
    activate(clients, plan_set=second.name)
    clients.clock.advance_to(NOW_MS + 400_000)
    states = {
        row.name: row.state
        for row in clients.signals.ListPlanSets(
            st.ListPlanSetsRequest(parent=CITY), timeout=5
        ).plan_sets
    }
    assert states == {
        first.name: st.RECORD_STATE_APPROVED,
        second.name: st.RECORD_STATE_IN_FORCE,
    }
    retire = st.RetirePlanSetRequest(name=second.name, request_id=rid())
    assert refusal(clients.signals.RetirePlanSet, retire)[1].reason == "STATE"
    retire = st.RetirePlanSetRequest(name=first.name, request_id=rid())
    assert clients.signals.RetirePlanSet(retire, timeout=5).state == st.RECORD_STATE_RETIRED


def test_an_unsafe_plan_is_refused_by_rule_signal_stage_and_value(
    clients: Clients, city: City
) -> None:
    row = plan_to_proto(fixed_plan(city.graph.signals["B1"]), "smallville")
    row.stages[0].intergreen[0].duration_s -= 1
    row.cycle_s -= 1
    request = st.CreatePlanSetRequest(parent=CITY, request_id=rid(), plans=[row])
    code, info, _ = refusal(clients.signals.CreatePlanSet, request)
    assert (code, info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "UNSAFE_PLAN")
    assert (info.metadata["signal"], info.metadata["rule"]) == ("B1", "yellow")
    assert info.metadata["stage"] == "1"
    assert re.fullmatch(r"link \d+: 2 s; expected 3", info.metadata["value"])
    listed = clients.signals.ListPlanSets(st.ListPlanSetsRequest(parent=CITY), timeout=5)
    assert list(listed.plan_sets) == []


def test_every_refusal_of_every_plan_is_listed_with_its_place(clients: Clients, city: City) -> None:
    good, late, trap = (
        plan_to_proto(fixed_plan(city.graph.signals["B1"]), "smallville") for _ in "abc"
    )
    late.offset_s = late.cycle_s
    late.stages[0].min_green_s = late.stages[0].green_s + 1
    trap.stages[0].intergreen[0].duration_s -= 1
    trap.cycle_s -= 1
    request = st.CreatePlanSetRequest(parent=CITY, request_id=rid(), plans=[good, late, trap])
    with pytest.raises(grpc.RpcError) as caught:
        clients.signals.CreatePlanSet(request, timeout=5)
    status = rpc_status.from_call(caught.value)
    info, found = error_details_pb2.ErrorInfo(), error_details_pb2.PreconditionFailure()
    status.details[0].Unpack(info)
    status.details[1].Unpack(found)
    assert dict(info.metadata) == {
        "signal": "B1",
        "rule": "offset",
        "stage": "",
        "value": f"{late.cycle_s} s; expected 0 to {late.cycle_s - 1}",
        "where": "plans[1]",
    }
    assert [(v.type, v.subject) for v in found.violations][:2] == [
        ("offset", "plans[1], B1"),
        ("minimum-green", "plans[1], B1, 1"),
    ]
    assert ("yellow", "plans[2], B1, 1") in {(v.type, v.subject) for v in found.violations[2:]}
    assert all(v.subject.startswith("plans[2], B1") for v in found.violations[2:])
    malformed = plan_to_proto(fixed_plan(city.graph.signals["B1"]), "smallville")
    malformed.stages[0].intergreen[0].state = "?"
    request = st.CreatePlanSetRequest(parent=CITY, request_id=rid(), plans=[good, malformed])
    assert refusal(clients.signals.CreatePlanSet, request)[1].metadata["where"] == "plans[1].state"


def test_the_same_request_gives_the_same_record_and_another_under_its_id_is_refused(
    clients: Clients, city: City
) -> None:
    request = st.CreatePlanSetRequest(
        parent=CITY, request_id=rid(), plans=[plan_to_proto(plans(city)[0], "smallville")]
    )
    first = clients.signals.CreatePlanSet(request, timeout=20)
    assert clients.signals.CreatePlanSet(request, timeout=20) == first
    request.title = "another"
    code, _, field = refusal(clients.signals.CreatePlanSet, request)
    assert (code, field) == (grpc.StatusCode.INVALID_ARGUMENT, "request_id")


def test_a_group_goes_over_when_its_controllers_have_acknowledged(
    clients: Clients, city: City
) -> None:
    activate(clients, plan_set=approved(clients, plans(city)).name)
    corridor = [f"{CITY}/signals/{key}" for key in ("A1", "B0", "B1", "B2", "C1")]
    watch = clients.signals.WatchPlans(
        st.WatchPlansRequest(parent=CITY, signals=corridor, programs=True), timeout=60
    )
    first = next(watch)
    assert {row.state for row in first.switches} == {st.SWITCH_STATE_COMMITTED}
    # From now on they are known, and waited for.
    until(
        lambda: (
            len(
                clients.signals.ListSignalStatus(
                    st.ListSignalStatusRequest(parent=CITY), timeout=5
                ).statuses
            )
            == 9
        )
    )
    time.sleep(1.5)
    (switch,) = activate(clients, plan_set=approved(clients, plans(city, 20)).name, groups=["A1"])
    assert list(switch.silent) == corridor
    assert switch.activate_at.ToMilliseconds() == NOW_MS + 2 * 1000 * plans(city)[0].cycle_s
    told = next(watch)
    assert {row.state for row in told.switches} == {st.SWITCH_STATE_PROPOSED}
    assert [row.signal for row in told.switches] == corridor
    for k, name in enumerate(corridor):
        refused = "conflict" if k == 0 else ""
        clients.signals.AcknowledgeSwitch(
            st.AcknowledgeSwitchRequest(signal=name, switch=switch.name, refusal=refused), timeout=5
        )
    asked = st.GetSwitchRequest(name=switch.name)
    until(lambda: len(clients.signals.GetSwitch(asked, timeout=5).acknowledged) == 4)
    now = clients.signals.GetSwitch(asked, timeout=5)
    assert (now.state, list(now.silent)) == (st.SWITCH_STATE_PROPOSED, corridor[:1])
    assert now.refusals[0].reason == "conflict"
    clients.signals.AcknowledgeSwitch(
        st.AcknowledgeSwitchRequest(signal=corridor[0], switch=switch.name), timeout=5
    )
    told = next(watch)
    while not told.switches:
        told = next(watch)
    assert {row.state for row in told.switches} == {st.SWITCH_STATE_COMMITTED}
    at_ms = switch.activate_at.ToMilliseconds()
    assert get(clients, "A1", at_ms - 1).valid_until.ToMilliseconds() == at_ms
    assert get(clients, "A1", at_ms).offset_s == 20
    assert get(clients, "A0", at_ms).offset_s == 0, "another group"
    # Who comes back with the last revision is told nothing twice.
    again = clients.signals.WatchPlans(
        st.WatchPlansRequest(parent=CITY, signals=corridor, programs=True, revision=told.revision),
        timeout=20,
    )
    assert not next(again).switches
    again.cancel()
    watch.cancel()


def test_below_the_share_a_switch_is_postponed_and_the_silent_are_listed(
    clients: Clients, city: City
) -> None:
    activate(clients, plan_set=approved(clients, plans(city)).name)
    for key in ("A1", "B1"):
        clients.signals.ReportStatus(report(key), timeout=5)
    time.sleep(1.5)
    (switch,) = activate(clients, plan_set=approved(clients, plans(city, 20)).name, groups=["A1"])
    clients.signals.AcknowledgeSwitch(
        st.AcknowledgeSwitchRequest(signal=f"{CITY}/signals/A1", switch=switch.name), timeout=5
    )
    at_ms = switch.activate_at.ToMilliseconds()
    clients.clock.advance_to(at_ms - 10_000)
    asked = st.GetSwitchRequest(name=switch.name)
    until(lambda: clients.signals.GetSwitch(asked, timeout=5).postponements == 1)
    now = clients.signals.GetSwitch(asked, timeout=5)
    assert (now.state, list(now.silent)) == (
        st.SWITCH_STATE_PROPOSED,
        [f"{CITY}/signals/B1"],
    )
    assert now.activate_at.ToMilliseconds() > at_ms
    assert get(clients, "A1", at_ms).offset_s == 0
    back = clients.signals.RollBack(
        st.RollBackRequest(parent=CITY, request_id=rid(), groups=["A1"]), timeout=5
    )
    assert [row.state for row in back.switches] == [st.SWITCH_STATE_CANCELLED]


def test_a_committed_switch_far_ahead_is_called_off_and_all_who_watch_are_told(
    clients: Clients, city: City
) -> None:
    activate(clients, plan_set=approved(clients, plans(city)).name)
    watches = [
        clients.signals.WatchPlans(
            st.WatchPlansRequest(
                parent=CITY, signals=[f"{CITY}/signals/A1"], programs=programs, revision=revision
            ),
            timeout=60,
        )
        for programs, revision in ((True, 0), (False, 0))
    ]
    for watch in watches:
        next(watch)
    at_ms = NOW_MS + 3 * 86_400_000
    (switch,) = activate(
        clients,
        plan_set=approved(clients, plans(city, 20)).name,
        groups=["A1"],
        activate_at=timestamp_from_ms(at_ms),
    )
    clients.signals.AcknowledgeSwitch(
        st.AcknowledgeSwitchRequest(signal=f"{CITY}/signals/A1", switch=switch.name), timeout=5
    )
    asked = st.GetSwitchRequest(name=switch.name)
    until(lambda: clients.signals.GetSwitch(asked, timeout=5).state == st.SWITCH_STATE_COMMITTED)
    off = clients.signals.CancelSwitch(
        st.CancelSwitchRequest(name=switch.name, request_id=rid()), timeout=5
    )
    assert off.state == st.SWITCH_STATE_CANCELLED
    told: list[st.SignalSwitch] = []
    while not told or told[-1].state != st.SWITCH_STATE_CANCELLED:
        told += next(watches[0]).switches
    assert not told[-1].HasField("program")
    seen: list[st.TimingPlan] = []
    while not seen or seen[-1].offset_s:
        seen += next(watches[1]).plans
    # The one to come, then what runs instead, for good.
    assert [row.offset_s for row in seen] == [20, 0]
    assert not seen[-1].HasField("valid_until")
    for watch in watches:
        watch.cancel()


def test_a_plan_that_outlives_its_validity_goes_on_and_watchers_are_told(
    clients: Clients, city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SignalTimingService, "heartbeat_s", 0.1)
    end_ms = NOW_MS + 3_600_000
    made = create(clients, plans(city, 7), valid_until=timestamp_from_ms(end_ms))
    clients.signals.ApprovePlanSet(
        st.ApprovePlanSetRequest(name=made.name, request_id=rid()), timeout=5
    )
    activate(clients, plan_set=made.name)
    assert get(clients, "A0").valid_until.ToMilliseconds() == end_ms
    watch = clients.signals.WatchPlans(
        st.WatchPlansRequest(parent=CITY, signals=[f"{CITY}/signals/A0"]), timeout=60
    )
    assert next(watch).plans[0].valid_until.ToMilliseconds() == end_ms
    clients.clock.advance_to(end_ms)
    assert get(clients, "A0").offset_s == 7
    assert not get(clients, "A0").HasField("valid_until")
    told = next(row for message in watch for row in message.plans)
    assert (told.offset_s, told.HasField("valid_until")) == (7, False)
    alarms = st.ListAlarmsRequest(parent=CITY)
    until(lambda: len(clients.signals.ListAlarms(alarms, timeout=5).alarms) == 1)
    (alarm,) = clients.signals.ListAlarms(alarms, timeout=5).alarms
    assert (alarm.kind, alarm.plan_set, alarm.signal) == (
        st.ALARM_KIND_EXPIRED,
        made.name,
        "",
    )
    watch.cancel()


def report(key: str, error_ms: int = 0, **fields: Any) -> st.ReportStatusRequest:
    return st.ReportStatusRequest(
        signal=f"{CITY}/signals/{key}",
        time=timestamp_from_ms(NOW_MS + error_ms),
        **({"mode": st.CONTROLLER_MODE_PLAN, "in_step": True} | fields),
    )


def test_a_wrong_clock_becomes_an_alarm_and_a_draft_and_a_silent_one_an_alarm_only(
    clients: Clients, city: City
) -> None:
    activate(clients, plan_set=approved(clients, plans(city)).name)
    for _ in range(3):
        answer = clients.signals.ReportStatus(report("B1", 2_600), timeout=5)
    assert answer.clock_error_s == pytest.approx(2.6)
    schedules = st.ListSchedulesRequest(parent=CITY)
    until(lambda: len(clients.signals.ListSchedules(schedules, timeout=5).schedules) == 2)
    draft = clients.signals.ListSchedules(schedules, timeout=5).schedules[-1]
    assert (draft.state, draft.author, list(draft.without)) == (
        st.RECORD_STATE_DRAFT,
        "greenlot",
        [f"{CITY}/signals/B1"],
    )
    alarms = st.ListAlarmsRequest(parent=CITY)
    (alarm,) = clients.signals.ListAlarms(alarms, timeout=5).alarms
    assert (alarm.kind, alarm.signal) == (st.ALARM_KIND_CLOCK, f"{CITY}/signals/B1")
    clients.clock.advance_to(NOW_MS + 90_000)
    until(lambda: len(clients.signals.ListAlarms(alarms, timeout=5).alarms) == 2)
    assert get(clients, "B1", NOW_MS + 90_000).offset_s == 0


def test_a_wrong_clock_of_the_server_is_one_alarm_and_no_draft(
    clients: Clients, city: City
) -> None:
    activate(clients, plan_set=approved(clients, plans(city)).name)
    for _ in range(3):
        for key in SIGNALS:
            clients.signals.ReportStatus(report(key, -3_000), timeout=5)

    def found() -> Sequence[st.Alarm]:
        return clients.signals.ListAlarms(st.ListAlarmsRequest(parent=CITY), timeout=5).alarms

    until(lambda: len(found()) > 0)
    (alarm,) = found()
    assert (alarm.kind, alarm.signal) == (st.ALARM_KIND_SERVER_CLOCK, "")
    for key in SIGNALS:
        time.sleep(0.3)
        clients.signals.ReportStatus(report(key), timeout=5)
    until(lambda: not found())
    listed = st.ListSchedulesRequest(parent=CITY)
    assert len(clients.signals.ListSchedules(listed, timeout=5).schedules) == 1


def test_schedules_run_by_day_and_by_date_and_a_plain_watcher_is_told(
    clients: Clients, city: City
) -> None:
    sets = [approved(clients, plans(city, offset_s)).name for offset_s in (0, 30)]
    day = [st.Period(begin_s=0, plan_set=sets[0]), st.Period(begin_s=32_400, plan_set=sets[1])]
    schedule = st.Schedule(
        day_plans=[
            st.DayPlan(name="work", periods=day),
            st.DayPlan(name="feast", periods=day[:1]),
        ],
        weekdays=["work"] * 7,
        exceptions=[st.DateException(date="2026-11-20", day_plan="feast")],
    )
    made = clients.signals.CreateSchedule(
        st.CreateScheduleRequest(parent=CITY, request_id=rid(), schedule=schedule), timeout=60
    )
    clients.signals.ApproveSchedule(
        st.ApproveScheduleRequest(name=made.name, request_id=rid()), timeout=5
    )
    activate(clients, schedule=made.name)
    hour_ms, day_ms = 3_600_000, 86_400_000
    now = get(clients, "A0")
    assert (now.offset_s, now.plan_set) == (0, sets[0])
    assert now.offset_reference.ToMilliseconds() == NOW_MS - 8 * hour_ms
    assert now.valid_until.ToMilliseconds() == NOW_MS + hour_ms
    assert get(clients, "A0", NOW_MS + hour_ms).offset_s == 30
    feast_ms = midnight_ms(civil_date(NOW_MS)) + hour_ms * 12
    days = (2026, 11, 20)
    while civil_date(feast_ms).timetuple()[:3] != days:
        feast_ms += day_ms
    assert get(clients, "A0", feast_ms).offset_s == 0
    watch = clients.signals.WatchPlans(
        st.WatchPlansRequest(parent=CITY, signals=[f"{CITY}/signals/A0"]), timeout=60
    )
    assert [plan.offset_s for plan in next(watch).plans] == [0]
    clients.clock.advance_to(NOW_MS + hour_ms)
    switched = approved(clients, plans(city, 40))
    activate(clients, plan_set=switched.name, groups=["A0"])
    assert [plan.offset_s for plan in next(watch).plans] == [30, 40]
    watch.cancel()


def heard(clients: Clients) -> dict[str, int]:
    """When each controller was last heard of, of those that were."""
    asked = st.ListSignalStatusRequest(parent=CITY)
    return {
        row.signal.rpartition("/")[2]: row.heard_time.ToMilliseconds()
        for row in clients.signals.ListSignalStatus(asked, timeout=5).statuses
        if row.HasField("heard_time")
    }


def test_a_watch_is_heard_of_as_it_begins_and_its_heartbeats_keep_nobody_alive(
    clients: Clients, city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SignalTimingService, "heartbeat_s", 0.1)
    watch = clients.signals.WatchPlans(
        st.WatchPlansRequest(parent=CITY, signals=[f"{CITY}/signals/A1"], programs=True), timeout=60
    )
    next(watch)
    everybody = clients.signals.WatchPlans(
        st.WatchPlansRequest(parent=CITY, programs=True), timeout=60
    )
    next(everybody)
    assert heard(clients) == {"A1": NOW_MS}
    clients.clock.advance_to(NOW_MS + 90_000)
    for _ in range(4):
        next(watch)
    assert heard(clients) == {"A1": NOW_MS}
    alarms = st.ListAlarmsRequest(parent=CITY)
    until(lambda: len(clients.signals.ListAlarms(alarms, timeout=5).alarms) == 1, 30)
    watch.cancel()
    everybody.cancel()


def test_detector_counts_are_streamed_and_listed(clients: Clients) -> None:
    def rows() -> Iterator[st.ReportDetectorCountsRequest]:
        for k in range(3):
            count = st.DetectorCount(
                lane="A1B1_0",
                begin=timestamp_from_ms(NOW_MS + 60_000 * k),
                duration_s=60,
                volume=10 + k,
                occupancy=0.2,
                speed_mps=9.5,
            )
            yield st.ReportDetectorCountsRequest(signal=f"{CITY}/signals/B1", counts=[count])

    assert clients.signals.ReportDetectorCounts(rows(), timeout=5).accepted == 3
    kept = clients.signals.ListDetectorCounts(
        st.ListDetectorCountsRequest(signal=f"{CITY}/signals/B1"), timeout=5
    )
    assert [count.volume for count in kept.counts] == [12]
    # A gateway that counts is no controller: nobody is waited for, nobody seems to be there.
    assert not heard(clients)
    bad = st.DetectorCount(lane="x", duration_s=60, volume=601)
    bad.begin.FromMilliseconds(NOW_MS)
    request = st.ReportDetectorCountsRequest(signal=f"{CITY}/signals/B1", counts=[bad])
    with pytest.raises(grpc.RpcError) as caught:
        clients.signals.ReportDetectorCounts(iter([request]), timeout=5)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_everything_is_there_again_after_a_restart(city: City, tmp_path: Path) -> None:
    clock = SimulatedClock(NOW_MS)
    with ServerThread(city, data=tmp_path / "data", clock=clock) as server:
        clients = Clients(server.address, clock)
        first = approved(clients, plans(city))
        activate(clients, plan_set=first.name)
        clients.signals.ReportStatus(report("A1"), timeout=5)
        time.sleep(1.5)
        (switch,) = activate(
            clients, plan_set=approved(clients, plans(city, 20)).name, groups=["A1"]
        )
        before = clients.signals.GetPlanSet(st.GetPlanSetRequest(name=first.name), timeout=5)
        clients.channel.close()
    with ServerThread(city, data=tmp_path / "data", clock=clock) as server:
        clients = Clients(server.address, clock)
        after = clients.signals.GetPlanSet(st.GetPlanSetRequest(name=first.name), timeout=5)
        assert after == before
        asked = st.GetSwitchRequest(name=switch.name)
        assert clients.signals.GetSwitch(asked, timeout=5) == switch
        # Who was known and does not come back is missed.
        clock.advance_to(NOW_MS + 90_000)
        alarms = st.ListAlarmsRequest(parent=CITY)
        until(lambda: len(clients.signals.ListAlarms(alarms, timeout=5).alarms) == 1, 30)
        status = st.ListSignalStatusRequest(parent=CITY)
        rows = clients.signals.ListSignalStatus(status, timeout=5).statuses
        assert not any(row.HasField("heard_time") for row in rows)
        clients.signals.AcknowledgeSwitch(
            st.AcknowledgeSwitchRequest(signal=f"{CITY}/signals/A1", switch=switch.name), timeout=5
        )
        until(
            lambda: clients.signals.GetSwitch(asked, timeout=5).state == st.SWITCH_STATE_COMMITTED
        )
        clients.channel.close()


def test_the_reference_controller_follows_the_server_and_goes_on_without_it(
    small_city: Path, city: City, tmp_path: Path
) -> None:
    words = [
        *(str(Path(sys.executable).with_name("greenlot")), "controller", "B1", "--json"),
        *("--city", str(small_city), "--data", str(tmp_path / "held")),
    ]
    with ServerThread(city, data=tmp_path / "data") as server:
        clients = Clients(server.address, SimulatedClock(0))
        activate(clients, plan_set=approved(clients, plans(city, 7)).name)
        process = subprocess.Popen(
            [*words, "--server", server.address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        lines = (json.loads(line) for line in process.stdout)
        try:
            found = next(row for row in lines if row["switch"] and row["link"])
            assert found["mode"] in {"start-up", "plan"}
            clients.channel.close()
            process.stdin.write("hold\n")
            process.stdin.flush()
            assert next(row for row in lines if row["mode"] == "manual-hold")
        finally:
            process.kill()
            process.communicate()
    # No server any more: what it held is on its disk.
    alone = subprocess.run(
        [*words, "--server", "127.0.0.1:1", "--seconds", "3"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    rows = [json.loads(line) for line in alone.stdout.splitlines()]
    assert rows[-1]["switch"] == found["switch"]
    assert not rows[-1]["link"]


def test_a_schedule_goes_out_as_files_and_comes_back_in(
    clients: Clients, city: City, small_city: Path, tmp_path: Path
) -> None:
    first = approved(clients, plans(city, 7))
    activate(clients, plan_set=first.name)
    (schedule,) = clients.signals.ListSchedules(
        st.ListSchedulesRequest(parent=CITY), timeout=5
    ).schedules
    server = ("--server", clients.address)
    for form, out in (("gat1049", "a.xml"), ("csv", "tables"), ("sumo", "a.add.xml")):
        words = ["--format", form, "-o", str(tmp_path / out), *server, "--date", "2026-11-24"]
        done = greenlot("signals", "export", schedule.name, *words, "--city", str(small_city))
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("1 plan sets, 9 plans -> ")
    for name in ("a.xml", "tables"):
        words = ["signals", "submit", str(tmp_path / name), "--author", "王工", *server]
        done = greenlot(*words, "--city", str(small_city))
        assert done.returncode == 0, done.stderr
        made = clients.signals.GetPlanSet(
            st.GetPlanSetRequest(name=done.stdout.split()[0]), timeout=5
        )
        assert [plan_from_proto(plan) for plan in made.plans] == plans(city, 7)
        assert (made.state, made.author) == (st.RECORD_STATE_DRAFT, "王工")
    done = greenlot("signals", "export", f"{CITY}/schedules/99", "-o", str(tmp_path / "x"), *server)
    assert done.returncode == 2
    assert "NOT_FOUND: name: no schedule '99'" in done.stderr
    assert not (tmp_path / "x").exists()


def test_two_servers_over_one_database_decide_one_switch(
    city: City, tmp_path: Path, fresh_database: Callable[[], str]
) -> None:
    clock, url = SimulatedClock(NOW_MS), fresh_database()
    with (
        ServerThread(city, data=tmp_path / "a", store=url, clock=clock) as one,
        ServerThread(city, data=tmp_path / "b", store=url, clock=clock) as two,
    ):
        first, second = Clients(one.address, clock), Clients(two.address, clock)
        made = approved(first, plans(city))
        activate(first, plan_set=made.name)
        until(lambda: len(second.signals.ListSwitches(LISTED, timeout=5).switches) > 0)
        for clients, key in ((first, "A1"), (second, "B1")):
            clients.signals.ReportStatus(report(key), timeout=5)
        time.sleep(2.5)
        (switch,) = activate(second, plan_set=approved(second, plans(city, 20)).name, groups=["A1"])
        names = [f"{CITY}/signals/{key}" for key in ("A1", "B1")]
        assert list(switch.silent) == names
        asked = st.GetSwitchRequest(name=switch.name)
        until(
            lambda: (
                switch.name
                in {row.name for row in first.signals.ListSwitches(LISTED, timeout=5).switches}
            )
        )
        # Each hears of its own controller only; together they are enough.
        for clients, name in zip((first, second), names, strict=True):
            request = st.AcknowledgeSwitchRequest(signal=name, switch=switch.name)
            clients.signals.AcknowledgeSwitch(request, timeout=5)
        for clients in (first, second):
            until(
                lambda clients=clients: (
                    clients.signals.GetSwitch(asked, timeout=5).state == st.SWITCH_STATE_COMMITTED
                )
            )
        clock.advance_to(switch.activate_at.ToMilliseconds() + 60_000)
        said = report("A1", clock() - NOW_MS, switch=switch.name, out_of_step_s=17)
        first.signals.ReportStatus(said, timeout=5)
        for clients in (first, second):
            # Whoever reports to the other server is not out of step for that.
            until(lambda clients=clients: len(clients.signals.GetSwitch(asked).settled) == 1)
            now = clients.signals.GetSwitch(asked, timeout=5)
            assert now.settled[0] == st.OutOfStep(signal=names[0], out_of_step_s=17)
            assert (list(now.out_of_step), list(now.unheard)) == ([], names[1:])
            listed = clients.signals.ListSwitches(LISTED, timeout=5).switches
            assert not any(row.settled for row in listed), "lists are short"
            clients.channel.close()
