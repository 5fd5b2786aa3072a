"""Plans, day plans and schedules as XML in the style of GA/T 1049.2.

Element names and fields as seen in public code (PlanParam, DayPlanParam, ScheduleParam,
StageParam), not checked against the text of the standard. What the standard has no field for, the
state of every link, and of plan sets when they may be in force and what was proved, stands in
elements of a namespace of ours, which others pass over.

Conventions: ``CoordStageNo`` and ``StageNo`` count from 1. ``Offset`` is ours: seconds from the
master clock's cycle start (local midnight) to the beginning of the coordinated stage's green.
``Yellow`` is the intergreen's part with a yellow link, ``AllRed`` the rest of it. ``WeekDay`` is 1
(Monday) to 7, ``Type`` 1 a date, 3 a weekday. ``CtrlMode`` 31 is line coordination, 21 fixed.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from traffic.errors import InvalidInputError, TrafficError
from traffic.io.sumo_additional import write_whole
from traffic.plan import Stage, TimingPlan
from traffic.signals import Phase
from traffic.street.exchange import Exchange, SetFacts, require_same
from traffic.street.records import DayPlan, Origin, Period, Schedule

OURS = "urn:greenlot:states:1"
LINE_COORDINATED, FIXED = "31", "21"
MOST_STAGES = 16
NOBODY = Origin("", "import", 0)

ET.register_namespace("g", OURS)


def write_gat1049(exchange: Exchange, path: Path) -> None:
    """Write a schedule with its plans, and read the file back before it appears.

    Raises
    ------
    InvalidInputError
        A plan has more than 16 stages, or the file does not say the same as was given.
    """
    root = ET.Element("SignalParams", {"Style": "GA/T 1049.2"})
    numbers = {set_id: k + 1 for k, set_id in enumerate(exchange.plan_sets)}
    for set_id, number in numbers.items():
        named = {"PlanNo": str(number), "Id": set_id, **exchange.facts_of(set_id).texts()}
        ET.SubElement(root, f"{{{OURS}}}PlanSet", named)
    for signal_id in exchange.signals:
        for set_id, number in numbers.items():
            plan = exchange.plan_sets[set_id].get(signal_id)
            if plan is not None:
                _write_plan(root, plan, number)
        _write_days(root, signal_id, exchange, numbers)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    document = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'
    require_same(exchange, _read(ET.fromstring(text), str(path)), str(path))
    write_whole(path, document)


def _field(parent: ET.Element, name: str, value: object) -> ET.Element:
    element = ET.SubElement(parent, name)
    element.text = str(value)
    return element


def _write_plan(root: ET.Element, plan: TimingPlan, number: int) -> None:
    if len(plan.stages) > MOST_STAGES:
        raise InvalidInputError(
            f"{len(plan.stages)} stages; expected at most {MOST_STAGES}",
            where=f"signal {plan.signal_id}",
        )
    row = ET.SubElement(root, "PlanParam")
    _field(row, "CrossID", plan.signal_id)
    _field(row, "PlanNo", number)
    _field(row, "CycleLen", plan.cycle_s)
    _field(row, "CoordStageNo", plan.coordinated_stage + 1)
    _field(row, "Offset", plan.offset_s)
    timings = ET.SubElement(row, "StageTimingList")
    for k, stage in enumerate(plan.stages):
        timing = ET.SubElement(timings, "StageTiming")
        yellow_s = sum(int(p.duration_s) for p in stage.intergreen if "y" in p.state)
        _field(timing, "StageNo", k + 1)
        _field(timing, "Green", stage.green_s)
        _field(timing, "Yellow", yellow_s)
        _field(timing, "AllRed", stage.intergreen_s - yellow_s)
        _field(timing, "MaxGreen", stage.green_s)
        _field(timing, "MinGreen", stage.min_green_s)
        states = ET.SubElement(timing, f"{{{OURS}}}States")
        states.set("Name", stage.name)
        states.set("Green", stage.green_state)
        for phase in stage.intergreen:
            between = ET.SubElement(states, f"{{{OURS}}}Intergreen")
            between.set("Duration", str(int(phase.duration_s)))
            between.set("State", phase.state)


def _write_days(
    root: ET.Element, signal_id: str, exchange: Exchange, numbers: Mapping[str, int]
) -> None:
    schedule = exchange.schedule
    own = {day.name: k + 1 for k, day in enumerate(schedule.day_plans)}
    for day in schedule.day_plans:
        row = ET.SubElement(root, "DayPlanParam")
        _field(row, "CrossID", signal_id)
        number = _field(row, "DayPlanNo", own[day.name])
        number.set(f"{{{OURS}}}Name", day.name)
        periods = ET.SubElement(row, "PeriodList")
        for period in day.periods:
            item = ET.SubElement(periods, "Period")
            _field(item, "StartTime", _clock(period.begin_s))
            _field(item, "PlanNo", numbers[period.plan_set])
            left_out = signal_id in schedule.without
            _field(item, "CtrlMode", FIXED if left_out else LINE_COORDINATED)
    rows = [("3", "", "", str(k + 1), own[name]) for k, name in enumerate(schedule.weekdays)]
    rows += [("1", day, day, "", own[name]) for day, name in schedule.exceptions]
    for k, (kind, start, end, weekday, day_no) in enumerate(rows):
        row = ET.SubElement(root, "ScheduleParam")
        _field(row, "CrossID", signal_id)
        _field(row, "ScheduleNo", k + 1)
        _field(row, "Type", kind)
        _field(row, "StartDay", start)
        _field(row, "EndDay", end)
        _field(row, "WeekDay", weekday)
        _field(row, "DayPlanNo", day_no)


def _clock(begin_s: int) -> str:
    minutes, seconds = divmod(begin_s, 60)
    text = f"{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{seconds:02}" if seconds else text


def read_gat1049(path: Path, own_stages: Mapping[str, Sequence[Stage]] | None = None) -> Exchange:
    """Read a schedule with its plans.

    Parameters
    ----------
    own_stages
        For each signal its stages by ``StageNo``, for files that do not have the links' states;
        their times are taken from the file. None = only files of ours.

    Raises
    ------
    InvalidInputError
        The file is not of this kind, or its signals do not all have the same schedule.
    """
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise InvalidInputError(f"cannot be read: {error}", where=str(path)) from None
    return _read(root, str(path), own_stages or {})


def _read(
    root: ET.Element, where: str, own_stages: Mapping[str, Sequence[Stage]] | None = None
) -> Exchange:
    try:
        names = {row.attrib["PlanNo"]: row.attrib["Id"] for row in root.iter(f"{{{OURS}}}PlanSet")}
        plan_sets: dict[str, dict[str, TimingPlan]] = {name: {} for name in names.values()}
        for row in root.iter("PlanParam"):
            number = _text(row, "PlanNo")
            plan = _plan(row, own_stages or {})
            plan_sets.setdefault(names.get(number, number), {})[plan.signal_id] = plan
        facts = {
            row.attrib["Id"]: SetFacts.of_texts(row.attrib)
            for row in root.iter(f"{{{OURS}}}PlanSet")
        }
        return Exchange(_schedule(root, names), plan_sets, facts)
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidInputError(f"not of this kind: {error}", where=where) from None
    except TrafficError as error:
        raise InvalidInputError(str(error), where=where) from error


def _text(row: ET.Element, name: str) -> str:
    element = row.find(name)
    if element is None or element.text is None:
        raise ValueError(f"{row.tag} without {name}")
    return element.text


def _plan(row: ET.Element, own_stages: Mapping[str, Sequence[Stage]]) -> TimingPlan:
    signal_id = _text(row, "CrossID")
    timings = list(row.iter("StageTiming"))
    return TimingPlan(
        signal_id=signal_id,
        cycle_s=int(_text(row, "CycleLen")),
        offset_s=int(_text(row, "Offset")),
        stages=tuple(_stage(timing, own_stages.get(signal_id, ())) for timing in timings),
        coordinated_stage=int(_text(row, "CoordStageNo")) - 1,
    )


def _stage(row: ET.Element, own: Sequence[Stage]) -> Stage:
    green_s, least_s = int(_text(row, "Green")), int(_text(row, "MinGreen"))
    states = row.find(f"{{{OURS}}}States")
    number = int(_text(row, "StageNo"))
    if states is not None:
        between = tuple(
            Phase(int(phase.attrib["Duration"]), phase.attrib["State"]) for phase in states
        )
        stage = Stage(states.attrib["Name"], states.attrib["Green"], green_s, least_s, between)
    elif 1 <= number <= len(own):
        known = own[number - 1]
        stage = Stage(known.name, known.green_state, green_s, least_s, known.intergreen)
    else:
        raise ValueError(f"stage {number} is not known of this signal")
    said_s = int(_text(row, "Yellow")) + int(_text(row, "AllRed"))
    if said_s != stage.intergreen_s:
        raise ValueError(f"stage {number}: {said_s} s of intergreen; expected {stage.intergreen_s}")
    return stage


def _schedule(root: ET.Element, names: Mapping[str, str]) -> Schedule:
    days: dict[str, tuple[DayPlan, ...]] = {}
    without: list[str] = []
    labels: dict[str, str] = {}
    for row in root.iter("DayPlanParam"):
        signal_id = _text(row, "CrossID")
        number = row.find("DayPlanNo")
        assert number is not None
        labels[_text(row, "DayPlanNo")] = number.get(f"{{{OURS}}}Name", _text(row, "DayPlanNo"))
        periods = tuple(_period(period, names) for period in row.iter("Period"))
        day = DayPlan(labels[_text(row, "DayPlanNo")], periods)
        days[signal_id] = (*days.get(signal_id, ()), day)
        modes = {_text(period, "CtrlMode") for period in row.iter("Period")}
        if modes == {FIXED} and signal_id not in without:
            without.append(signal_id)
    rows: dict[str, list[tuple[str, str, str, str]]] = {}
    for row in root.iter("ScheduleParam"):
        cells = tuple(
            (row.findtext(name) or "") for name in ("Type", "StartDay", "WeekDay", "DayPlanNo")
        )
        rows.setdefault(_text(row, "CrossID"), []).append(cells)  # type: ignore[arg-type]
    _require_one(days.values(), "day plans")
    _require_one(rows.values(), "schedules")
    own = next(iter(rows.values()))
    weekdays = {weekday: labels[day] for kind, _, weekday, day in own if kind == "3"}
    return Schedule(
        id="0",
        day_plans=next(iter(days.values())),
        weekdays=tuple(weekdays[str(k + 1)] for k in range(7)),
        origin=NOBODY,
        exceptions=tuple((start, labels[day]) for kind, start, _, day in own if kind == "1"),
        without=tuple(without),
    )


def _require_one(found: Iterable[object], what: str) -> None:
    kinds = list(found)
    if not kinds:
        raise ValueError(f"no {what}")
    if any(kind != kinds[0] for kind in kinds):
        raise ValueError(f"{what} that differ from signal to signal")


def _period(row: ET.Element, names: Mapping[str, str]) -> Period:
    parts = [int(part) for part in _text(row, "StartTime").split(":")]
    hours, minutes, seconds = (*parts, 0)[:3] if len(parts) < 3 else parts
    number = _text(row, "PlanNo")
    return Period(3600 * hours + 60 * minutes + seconds, names.get(number, number))
