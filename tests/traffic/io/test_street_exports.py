"""Schedules with their plans go out in three forms, and come back the same."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from traffic.controller.controller import Controller, fixed_plan
from traffic.controller.held import HeldSwitch, Program
from traffic.errors import InvalidInputError
from traffic.io.gat1049 import OURS, read_gat1049, write_gat1049
from traffic.io.street_csv import read_street_csv, write_street_csv
from traffic.io.street_sumo import street_days, write_street_sumo
from traffic.io.sumo_net import read_network
from traffic.network import RoadGraph
from traffic.plan import TimingPlan
from traffic.stages import stages_of
from traffic.street.calendar import midnight_ms
from traffic.street.exchange import Exchange, SetFacts
from traffic.street.records import DayPlan, Origin, Period, Schedule
from traffic.street.switching import SwitchState

WORK = DayPlan("工作日", (Period(0, "3"), Period(25_200, "8"), Period(32_445, "3")))
REST = DayPlan("rest", (Period(0, "3"),))


@pytest.fixture(scope="module")
def graph(small_city: Path) -> RoadGraph:
    return read_network(small_city / "network.net.xml")


@pytest.fixture
def exchange(graph: RoadGraph) -> Exchange:
    def longer(plan: TimingPlan) -> TimingPlan:
        first = plan.stages[0]
        stage = type(first)(
            first.name, first.green_state, first.green_s + 7, first.min_green_s, first.intergreen
        )
        stages = (stage, *plan.stages[1:])
        return TimingPlan(plan.signal_id, plan.cycle_s + 7, 11, stages, 1)

    plans = {key: fixed_plan(signal) for key, signal in graph.signals.items()}
    others = {key: longer(plan) for key, plan in plans.items() if key != "A0"}
    schedule = Schedule(
        "5",
        (WORK, REST),
        ("工作日",) * 5 + ("rest",) * 2,
        Origin("王工", "import", 7),
        exceptions=(("2026-10-01", "rest"), ("2026-10-10", "工作日")),
        without=("B1",),
    )
    facts = SetFacts(1_795_017_600_123, None, {"status": 1, "value": 0.5, "seed": 7})
    return Exchange(schedule, {"3": plans, "8": others}, {"8": facts})


def test_gat1049_comes_back_the_same(exchange: Exchange, tmp_path: Path) -> None:
    path = tmp_path / "signals.xml"
    write_gat1049(exchange, path)
    assert list(exchange.differences(read_gat1049(path))) == []
    root = ET.parse(path).getroot()
    plan = next(p for p in root.iter("PlanParam") if p.findtext("CrossID") == "C2")
    assert plan.findtext("CycleLen") == str(exchange.plan_sets["3"]["C2"].cycle_s)
    fields = [element.tag for element in next(plan.iter("StageTiming"))]
    assert fields[:6] == ["StageNo", "Green", "Yellow", "AllRed", "MaxGreen", "MinGreen"]
    starts = [p.findtext("StartTime") for p in next(root.iter("DayPlanParam")).iter("Period")]
    assert starts == ["00:00", "07:00", "09:00:45"]


def test_gat1049_of_others_takes_the_states_from_the_network(
    exchange: Exchange, graph: RoadGraph, tmp_path: Path
) -> None:
    path = tmp_path / "signals.xml"
    write_gat1049(exchange, path)
    root = ET.parse(path).getroot()
    for timing in root.iter("StageTiming"):
        timing.remove(timing.find(f"{{{OURS}}}States"))
    ET.ElementTree(root).write(path, encoding="utf-8")
    own = {key: stages_of(signal) for key, signal in graph.signals.items()}
    assert list(exchange.differences(read_gat1049(path, own))) == []
    with pytest.raises(InvalidInputError, match=r"signals.xml: .*stage 1 is not known"):
        read_gat1049(path)


def test_tables_come_back_the_same(exchange: Exchange, tmp_path: Path) -> None:
    write_street_csv(exchange, tmp_path / "out")
    assert list(exchange.differences(read_street_csv(tmp_path / "out"))) == []
    plans = tmp_path / "out" / "plans.csv"
    plans.write_text(plans.read_text().replace(",3:", ",x:", 1))
    with pytest.raises(InvalidInputError, match=r"plans.csv:2: "):
        read_street_csv(tmp_path / "out")


def test_validity_and_certificate_come_back(exchange: Exchange, tmp_path: Path) -> None:
    write_gat1049(exchange, tmp_path / "x.xml")
    write_street_csv(exchange, tmp_path)
    for read in (read_gat1049(tmp_path / "x.xml"), read_street_csv(tmp_path)):
        assert read.facts_of("8") == exchange.facts["8"]
        assert read.facts_of("3") == SetFacts()
    table = tmp_path / "plan_sets.csv"
    text = table.read_text()
    assert "2026-11-19T00:00:00.123+08:00" in text
    table.write_text(text.replace("2026-11-19T", "soon"))
    with pytest.raises(InvalidInputError, match=r"plan_sets.csv:3: "):
        read_street_csv(tmp_path)
    table.unlink()
    assert read_street_csv(tmp_path).facts == {}
    assert list(exchange.differences(read_street_csv(tmp_path))) == [
        "plan set 8: validity or certificate"
    ]


def test_differences_are_found(exchange: Exchange) -> None:
    plans = dict(exchange.plan_sets["8"])
    plans["C1"] = plans["C1"].with_offset(12)
    other = Exchange(exchange.schedule, dict(exchange.plan_sets) | {"8": plans}, exchange.facts)
    assert list(exchange.differences(other)) == ["plan set 8: signal C1"]


def test_a_date_as_a_sumo_file_shows_the_same_every_second(
    exchange: Exchange, graph: RoadGraph, tmp_path: Path
) -> None:
    path = tmp_path / "day.add.xml"
    write_street_sumo(exchange, graph, date(2026, 11, 24), path)
    root = ET.parse(path).getroot()
    assert {row.get("id") for row in root.iter("tlLogic")} == set(graph.signals)
    times = {row.get("time") for row in root.iter("wautSwitch")}
    assert {"25200", "32445"} <= times


def test_a_date_that_begins_out_of_step_with_the_evening_before_is_written(
    exchange: Exchange, graph: RoadGraph, tmp_path: Path
) -> None:
    """As OptimizePlans makes them: a cycle that does not divide the day."""
    always = DayPlan("always", (Period(0, "8"),))
    schedule = replace(
        exchange.schedule, day_plans=(always,), weekdays=("always",) * 7, exceptions=()
    )
    # At midnight C1 has 2 s of a green left: seen as a cycle, what leads into step breaks rules.
    plans = {key: plan.with_offset(40) for key, plan in exchange.plan_sets["8"].items()}
    assert 86_400 % plans["C1"].cycle_s
    one = Exchange(schedule, {"8": plans}, {"8": exchange.facts["8"]})
    path = tmp_path / "day.add.xml"
    write_street_sumo(one, graph, date(2026, 11, 24), path)
    root = ET.parse(path).getroot()
    first = {row.get("id"): row.get("startProg") for row in root.iter("WAUT")}
    assert first["greenlot-C1"] == "greenlot-to-0"


@pytest.mark.parametrize("key", ["A0", "B1", "C1"])
@pytest.mark.parametrize("begin_s", [0, 25_200, 32_445])
def test_a_date_is_what_controllers_show(
    exchange: Exchange, graph: RoadGraph, key: str, begin_s: int
) -> None:
    """A0 is left out of a plan set, B1 of the schedule; the evening before ran another set."""
    late = DayPlan("rest", (Period(0, "3"), Period(80_000, "8")))
    schedule = replace(exchange.schedule, day_plans=(WORK, late))
    street = replace(exchange, schedule=schedule)
    monday = date(2026, 11, 23)
    (day,) = (found for found in street_days(street, graph, monday) if found.signal_id == key)
    plans = {set_id: rows[key] for set_id, rows in street.plan_sets.items() if key in rows}
    program = Program(schedule, {} if key in schedule.without else plans)
    signal = graph.signals[key]
    controller = Controller(signal)
    midnight_s = midnight_ms(monday) // 1000
    controller.told(HeldSwitch("1", SwitchState.COMMITTED, 1, 0, program), 1000 * midnight_s)
    in_step_s = next((p.in_step_s for p in day.parts if p.begin_s == begin_s), begin_s)
    compared = 0
    for second in range(begin_s - 1200, begin_s + 1200):
        shown = controller.step(1000 * (midnight_s + second))
        # Getting into step, each may go its own way: three cycles.
        settles_s = begin_s + 3 * max(
            plan.cycle_s for plan in (*plans.values(), fixed_plan(signal))
        )
        if begin_s - 300 <= second < begin_s and second >= 0:
            assert shown.state == day.state_at(second), second
        elif second >= max(settles_s, in_step_s):
            assert shown.state == day.state_at(second), second
            compared += 1
    assert compared > 600


def test_the_day_begins_with_what_the_day_before_has_ended_with(
    exchange: Exchange, graph: RoadGraph
) -> None:
    late = DayPlan("rest", (Period(0, "3"), Period(80_000, "8")))
    street = replace(exchange, schedule=replace(exchange.schedule, day_plans=(WORK, late)))
    monday, tuesday = (
        next(d for d in street_days(street, graph, date(2026, 11, k)) if d.signal_id == "C1")
        for k in (23, 24)
    )
    # From Sunday's plans into those of the week, but not from Monday into Tuesday.
    assert monday.parts[0].in_step_s > 0
    assert tuesday.parts[0].in_step_s == 0 or 86_400 % tuesday.parts[0].plan.cycle_s
    at = exchange.plan_sets["8"]["C1"].state_at(86_400)
    assert monday.state_at(0) == at
