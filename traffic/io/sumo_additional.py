"""Writes plans as a SUMO additional file, reads them back, and checks any such file.

SUMO's ``offset`` delays the start of a program's first phase against t = 0, which stands for
local midnight: it is ``(offset_s - start of the coordinated green inside the program) mod cycle``.
A program that is loaded from an additional file becomes the active one.
"""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

from traffic.errors import InvalidInputError
from traffic.io.sumo_switches import (
    read_switches,
    require_programs,
    stretches,
    whole_programs,
)
from traffic.network import RoadGraph
from traffic.plan import Stage, TimingPlan, Violation
from traffic.safety import DEFAULT_RULES, Rules, check_phases
from traffic.signals import Phase, Program

PROGRAM_ID = "greenlot"


def write_plans(plans: Iterable[TimingPlan], path: Path, *, program_id: str = PROGRAM_ID) -> None:
    """Write plans; the file appears whole or not at all.

    Stage names and the coordinated stage go along as ``name`` of the phases and as parameters,
    which SUMO passes over.
    """
    root = ET.Element("additional")
    for plan in plans:
        logic = ET.SubElement(
            root,
            "tlLogic",
            id=plan.signal_id,
            type="static",
            programID=program_id,
            offset=str(plan.program_start_s),
        )
        for k, stage in enumerate(plan.stages):
            name = f"{stage.name} (coordinated)" if k == plan.coordinated_stage else stage.name
            ET.SubElement(
                logic,
                "phase",
                duration=str(stage.green_s),
                state=stage.green_state,
                minDur=str(stage.min_green_s),
                name=name,
            )
            for phase in stage.intergreen:
                ET.SubElement(logic, "phase", duration=f"{phase.duration_s:g}", state=phase.state)
        ET.SubElement(logic, "param", key="coordinated_stage", value=str(plan.coordinated_stage))
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode", xml_declaration=False)
    write_whole(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n')


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that a reader sees all of it or nothing."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        # A temporary file is readable by its owner only; the result is an ordinary file.
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_programs(path: Path) -> tuple[tuple[str, Program], ...]:
    """Read the programs of any additional file, each with its signal's id, in their order.

    Raises
    ------
    InvalidInputError
        The file is no additional file, or a program lacks something or jumps between phases.
    """
    return _programs(path, _root(path))


def _root(path: Path) -> ET.Element:
    try:
        return ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise InvalidInputError(f"cannot be read: {error}", where=str(path)) from None


def _programs(path: Path, root: ET.Element) -> tuple[tuple[str, Program], ...]:
    return tuple(_program(path, logic) for logic in root.iter("tlLogic"))


def _program(path: Path, logic: ET.Element) -> tuple[str, Program]:
    where = f"{path}: tlLogic {logic.get('id', '')!r}"
    try:
        phases = []
        for row in logic.iter("phase"):
            if row.get("next"):
                raise InvalidInputError("a phase jumps (next); expected one after the other")
            least = row.get("minDur")
            phases.append(
                Phase(
                    float(row.attrib["duration"]),
                    row.attrib["state"],
                    None if least is None else float(least),
                )
            )
        offset = logic.get("offset", "0")
        program = Program(
            id=logic.attrib["programID"],
            phases=tuple(phases),
            offset_s=0.0 if offset == "begin" else float(offset),
            kind=logic.get("type", "static"),
        )
        return logic.attrib["id"], program
    except KeyError as error:
        raise InvalidInputError(f"no {error.args[0]}", where=where) from None
    except ValueError as error:
        raise InvalidInputError(str(error), where=where) from None
    except InvalidInputError as error:
        raise InvalidInputError(str(error), where=where) from None


def check_file(
    graph: RoadGraph, path: Path, rules: Rules = DEFAULT_RULES
) -> dict[str, tuple[Violation, ...]]:
    """Check what a file makes the signals of a network show, whoever wrote it.

    The file is read phase by phase; nothing of what made it is used. See ``check_phases`` for the
    rules. Of an actuated program the durations as written are what is checked. Where a WAUT
    switches programs, what is shown around each switch is checked too, and programs that only
    lead from one to another are checked as a part of it.

    Returns
    -------
    dict
        For each signal of the file, in order, the rules that any of its programs breaks; empty
        tuples where all is well.

    Raises
    ------
    InvalidInputError
        The file is unusable, or names a signal that the network does not have.
    """
    root = _root(path)
    programs: dict[str, dict[str, Program]] = {}
    for signal_id, program in _programs(path, root):
        if signal_id not in graph.signals:
            raise InvalidInputError(f"no signal {signal_id!r} in the network", where=str(path))
        programs.setdefault(signal_id, {})[program.id] = program
    switches = read_switches(root, path)
    found: dict[str, tuple[Violation, ...]] = {}
    for signal_id, own in programs.items():
        signal = graph.signals[signal_id]
        changes = switches.get(signal_id, ())
        require_programs(signal_id, own, changes, str(path))
        switched = {name for _, name in changes}
        whole = [name for name in own if name not in switched]
        whole += whole_programs(own, changes)
        found[signal_id] = (
            *(v for name in whole for v in check_phases(signal, own[name].phases, rules)),
            *(
                v
                for rows in stretches(own, changes)
                for v in check_phases(signal, rows, rules, goes_round=False)
            ),
        )
    return found


def read_plans(path: Path) -> tuple[TimingPlan, ...]:
    """Read plans that ``write_plans`` wrote.

    Raises
    ------
    InvalidInputError
        The file is not such a file.
    UnsafePlanError
        A plan breaks a rule of ``TimingPlan``.
    """
    root = _root(path)
    try:
        return tuple(_plan(logic) for logic in root.iter("tlLogic"))
    except (KeyError, ValueError) as error:
        raise InvalidInputError(f"not a plan of ours: {error}", where=str(path)) from None


def _plan(logic: ET.Element) -> TimingPlan:
    stages: list[Stage] = []
    for row in logic.iter("phase"):
        duration_s = int(row.attrib["duration"])
        if "minDur" in row.attrib:
            name = row.attrib["name"].removesuffix(" (coordinated)")
            stages.append(Stage(name, row.attrib["state"], duration_s, int(row.attrib["minDur"])))
        else:
            last = stages[-1]
            phase = Phase(duration_s, row.attrib["state"])
            stages[-1] = Stage(
                last.name,
                last.green_state,
                last.green_s,
                last.min_green_s,
                (*last.intergreen, phase),
            )
    params = {row.attrib["key"]: row.attrib["value"] for row in logic.iter("param")}
    coordinated = int(params["coordinated_stage"])
    cycle_s = sum(stage.duration_s for stage in stages)
    before_s = sum(stage.duration_s for stage in stages[:coordinated])
    return TimingPlan(
        signal_id=logic.attrib["id"],
        cycle_s=cycle_s,
        offset_s=(int(logic.attrib["offset"]) + before_s) % cycle_s,
        stages=tuple(stages),
        coordinated_stage=coordinated,
    )
