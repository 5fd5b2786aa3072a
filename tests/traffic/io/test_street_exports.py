"""Schedules with their plans go out in three forms, and come back the same."""

from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from traffic.controller.controller import fixed_plan
from traffic.errors import InvalidInputError
from traffic.io.gat1049 import OURS, read_gat1049, write_gat1049
from traffic.io.street_csv import read_street_csv, write_street_csv
from traffic.io.street_sumo import write_street_sumo
from traffic.io.sumo_net import read_network
from traffic.network import RoadGraph
from traffic.plan import TimingPlan
from traffic.stages import stages_of
from traffic.street.exchange import Exchange, SetFacts
from traffic.street.records import DayPlan, Origin, Period, Schedule

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
    assert {row.get("id") for row in root.iter("tlLogic")} == set(graph.signals) - {"B1"}
    times = {row.get("time") for row in root.iter("wautSwitch")}
    assert {"25200", "32445"} <= times
