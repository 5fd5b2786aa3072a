"""Writes the days of signals as a SUMO additional file: programs, and a WAUT that switches them.

SUMO can stretch programs by itself at a switch of a WAUT (its procedures ``GSP`` and ``Stretch``),
but not with minimum greens, nor between other stages. So each transition is a program of its own,
which begins with its first phase at the switch and is left when it is over; the WAUT switches at
once. SUMO's seconds stand for those after one local midnight.
"""

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

from traffic.errors import InvalidInputError
from traffic.io.sumo_additional import PROGRAM_ID, write_whole
from traffic.schedule import DAY_S, Timetable
from traffic.signals import Phase


def write_timetables(
    days: Iterable[Timetable], path: Path, *, begin_s: int = 0, end_s: int = DAY_S
) -> None:
    """Write what signals show in ``[begin_s, end_s)``; the file appears whole or not at all.

    Parameters
    ----------
    begin_s, end_s
        The simulation's begin and end, within one day: 0 to 86400.

    Raises
    ------
    InvalidInputError
        The window is empty or not within a day.
    """
    if not 0 <= begin_s < end_s <= DAY_S:
        raise InvalidInputError(
            f"{begin_s} to {end_s} s; expected a window within 0 to {DAY_S}", where="begin_s"
        )
    root = ET.Element("additional")
    for day in days:
        _write_day(root, day, begin_s, end_s)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    write_whole(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n')


def _write_day(root: ET.Element, day: Timetable, begin_s: int, end_s: int) -> None:
    # When which program begins to run.
    runs: list[tuple[int, str]] = []
    written: set[str] = set()
    plans = list(dict.fromkeys(part.plan for part in day.parts))
    ends_s = [*(part.begin_s for part in day.parts[1:]), DAY_S]
    for part, until_s in zip(day.parts, ends_s, strict=True):
        if until_s <= begin_s or part.begin_s >= end_s:
            continue
        if part.in_step_s > max(part.begin_s, begin_s):
            name = f"{PROGRAM_ID}-to-{part.begin_s}"
            runs.append((max(begin_s, part.begin_s), name))
            phases = part.transition.phases
            _program(root, day.signal_id, name, phases, part.begin_s)
        if part.in_step_s < min(until_s, end_s):
            name = f"{PROGRAM_ID}-{plans.index(part.plan) + 1}"
            runs.append((max(begin_s, part.in_step_s), name))
            if name not in written:
                _program(root, day.signal_id, name, part.plan.phases(), part.plan.program_start_s)
                written.add(name)
    waut_id = f"{PROGRAM_ID}-{day.signal_id}"
    waut = ET.SubElement(root, "WAUT", id=waut_id, refTime="0", startProg=runs[0][1])
    for at_s, name in runs[1:]:
        ET.SubElement(waut, "wautSwitch", time=str(at_s), to=name)
    ET.SubElement(root, "wautJunction", wautID=waut_id, junctionID=day.signal_id)


def _program(
    root: ET.Element, signal_id: str, name: str, phases: Iterable[Phase], start_s: int
) -> None:
    rows = tuple(phases)
    cycle_s = sum(int(phase.duration_s) for phase in rows)
    offset = str(start_s % cycle_s)
    logic = ET.SubElement(
        root, "tlLogic", id=signal_id, type="static", programID=name, offset=offset
    )
    for phase in rows:
        ET.SubElement(logic, "phase", duration=f"{phase.duration_s:g}", state=phase.state)
