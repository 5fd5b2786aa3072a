"""One date of a schedule as a SUMO additional file: what every signal shows, second by second."""

import tempfile
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

from traffic.controller.controller import fixed_plan
from traffic.errors import InvalidInputError, NotFoundError, UnsafePlanError
from traffic.io.sumo_additional import check_file, read_programs
from traffic.io.sumo_schedule import write_timetables
from traffic.io.sumo_switches import read_switches
from traffic.network import RoadGraph
from traffic.schedule import DAY_S, Timetable, timetable
from traffic.signals import Phase, Program
from traffic.street.exchange import Exchange


def write_street_sumo(exchange: Exchange, graph: RoadGraph, day: date, path: Path) -> None:
    """Write what the signals show on a date, transitions included.

    The file is read back before it appears: it is safe, and shows the same every second.

    Raises
    ------
    UnsafePlanError
        No safe way leads from one plan to the next.
    InvalidInputError
        The file would not show the same.
    """
    days = street_days(exchange, graph, day)
    with tempfile.TemporaryDirectory(prefix="street.") as folder:
        draft = Path(folder) / "street.add.xml"
        write_timetables(days, draft)
        for signal_id, broken in check_file(graph, draft).items():
            # People on foot are the door's: it counts their clearance in.
            listed = [str(v) for v in broken if v.rule != "pedestrian"]
            if listed:
                raise UnsafePlanError("; ".join(listed), where=f"signal {signal_id}")
        require_same_day(days, draft)
    write_timetables(days, path)


def street_days(exchange: Exchange, graph: RoadGraph, day: date) -> tuple[Timetable, ...]:
    """Return what the signals of a schedule show on a date, as their controllers do.

    A signal that a plan set leaves out runs its own fixed plan in that time, and one that the
    schedule leaves out all day. The day begins with what the day before has ended with.

    Raises
    ------
    UnsafePlanError
        No safe way leads from one plan to the next.
    InvalidInputError
        A change comes before the one before it has led into step.
    NotFoundError
        A plan is for a signal that does not exist.
    """
    schedule = exchange.schedule
    evening = schedule.day_plan(day - timedelta(days=1)).periods[-1].plan_set
    found: list[Timetable] = []
    for signal_id in sorted({*exchange.signals, *schedule.without}):
        if signal_id not in graph.signals:
            raise NotFoundError(f"no signal {signal_id!r}", where="signals")
        signal = graph.signals[signal_id]
        own = fixed_plan(signal)
        sets = {} if signal_id in schedule.without else exchange.plan_sets
        plans = {set_id: rows[signal_id] for set_id, rows in sets.items() if signal_id in rows}
        periods = schedule.day_plan(day).periods
        switches = [(period.begin_s, plans.get(period.plan_set, own)) for period in periods]
        found.append(timetable(signal, switches, before=plans.get(evening, own)))
    return tuple(found)


def require_same_day(days: Iterable[Timetable], path: Path) -> None:
    """Raise InvalidInputError if a file does not show what timetables say, at any second."""
    own: dict[str, dict[str, Program]] = {}
    for signal_id, program in read_programs(path):
        own.setdefault(signal_id, {})[program.id] = program
    switches = read_switches(ET.parse(path).getroot(), path)
    for day in days:
        changes = switches[day.signal_id]
        wanted = _seconds(day.phases())
        for at_s, state in enumerate(_seconds(_shown(own[day.signal_id], changes))):
            if state != next(wanted):
                raise InvalidInputError(
                    f"signal {day.signal_id} shows {state} at {at_s} s", where=str(path)
                )


def _seconds(phases: Iterable[Phase]) -> Iterator[str]:
    for phase in phases:
        for _ in range(int(phase.duration_s)):
            yield phase.state


def _shown(programs: dict[str, Program], changes: Iterable[tuple[float, str]]) -> Iterator[Phase]:
    """What SUMO shows all day: each program from its switch on, in time with its offset."""
    rows = list(changes)
    for k, (begin, name) in enumerate(rows):
        begin_s = max(0, int(begin)) if k else 0
        end_s = int(rows[k + 1][0]) if k + 1 < len(rows) else DAY_S
        program = programs[name]
        at_s = begin_s - (begin_s - int(program.offset_s)) % int(program.cycle_s)
        while at_s < end_s:
            for phase in program.phases:
                inside_s = min(at_s + int(phase.duration_s), end_s) - max(at_s, begin_s)
                if inside_s > 0:
                    yield Phase(inside_s, phase.state)
                at_s += int(phase.duration_s)
