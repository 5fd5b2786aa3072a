"""What a user would take instead of our plans: SUMO's own controls and tools."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from xml.etree import ElementTree as ET

import sumo

from scenarios.measures import rows
from scenarios.simulation import Inputs, simulate
from scenarios.sumo_process import run_child
from traffic.errors import InvalidInputError, TrafficError
from traffic.io.sumo_net import read_network
from traffic.network import RoadGraph
from traffic.safety import check_phases
from traffic.signals import GREEN, Phase, Program

ACTUATED_MIN_S, ACTUATED_MAX_S = 5, 50
DRIVEN_SEED = 23


class Peer(Enum):
    """A control that comes with the network or with SUMO; the value is its name in tables."""

    OWN = "own program"
    ACTUATED = "actuated"
    CYCLE_ADAPTATION = "tlsCycleAdaptation"
    COORDINATOR = "+ tlsCoordinator"

    @property
    def is_static(self) -> bool:
        """Whether it is a fixed-time plan."""
        return self is not Peer.ACTUATED


@dataclass(frozen=True, slots=True)
class PeerPlan:
    """A peer's programs for a network.

    Parameters
    ----------
    plan
        The additional file; None for the network's own programs, or where there is none.
    failed
        Why there is no plan; empty where there is one.
    broken
        Each rule of ``traffic.safety`` that it breaks and at how many signals, such as
        ``minimum-green at 2 signals``. The plan is shown as it is, never altered.
    unchecked
        How many of its signals cannot be checked: actuated, or without a program.
    seconds
        Time it took to make.
    """

    peer: Peer
    plan: Path | None
    failed: str = ""
    broken: tuple[str, ...] = ()
    unchecked: int = 0
    seconds: float = 0.0


def make_peers(inputs: Inputs, out: Path) -> tuple[PeerPlan, ...]:
    """Make all peers' plans; files go to ``out``, which must be there.

    SUMO's tools read no trips: where the demand has some, they are given the routes that one run
    of the network's own programs drove, with seed 23.
    """
    graph = read_network(inputs.net)
    made = [PeerPlan(Peer.OWN, None)]
    began = time.perf_counter()
    actuated = write_actuated(graph, out / "actuated.add.xml")
    made.append(PeerPlan(Peer.ACTUATED, actuated, seconds=time.perf_counter() - began))
    began = time.perf_counter()
    routes = inputs.routes
    if has_trips(routes):
        routes = (out / "driven.rou.xml",)
        simulate(inputs, seed=DRIVEN_SEED, driven_routes=routes[0])
    adapted = _cycle_adaptation(inputs, routes, out, began)
    made.append(adapted)
    made.append(_coordinator(inputs.net, routes, adapted, out, began))
    return tuple(_checked(graph, plan) for plan in made)


def write_actuated(graph: RoadGraph, path: Path) -> Path:
    """Write each signal's active program as SUMO's actuated control, greens of 5 to 50 s.

    Phases with yellow, or without any green, keep their durations.
    """
    root = ET.Element("additional")
    for signal in graph.signals.values():
        if signal.kind != "road" or not signal.programs:
            continue
        own = signal.program
        logic = ET.SubElement(
            root,
            "tlLogic",
            id=signal.id,
            type="actuated",
            programID="actuated",
            offset=f"{own.offset_s:g}",
        )
        for phase in own.phases:
            row = ET.SubElement(logic, "phase", duration=f"{phase.duration_s:g}", state=phase.state)
            if "y" not in phase.state and GREEN & set(phase.state):
                row.set("minDur", str(ACTUATED_MIN_S))
                row.set("maxDur", str(ACTUATED_MAX_S))
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path


def has_trips(routes: Sequence[Path]) -> bool:
    """Whether some demand has no route of its own: trips, and flows from place to place."""
    return any(
        "from" in row or "fromTaz" in row or "fromJunction" in row
        for path in routes
        for row in rows(path, {"trip", "flow"})
    )


def read_programs(path: Path) -> dict[str, Program]:
    """Read the programs of an additional file, the last one of each signal.

    Raises
    ------
    InvalidInputError
        The file is not one, or a phase is malformed.
    """
    programs = {}
    try:
        for logic in ET.parse(path).getroot().iter("tlLogic"):
            phases = tuple(
                Phase(float(row.attrib["duration"]), row.attrib["state"])
                for row in logic.iter("phase")
            )
            programs[logic.attrib["id"]] = Program(
                id=logic.attrib.get("programID", ""),
                phases=phases,
                offset_s=float(logic.attrib.get("offset", 0)),
                kind=logic.attrib.get("type", "static"),
            )
    except (OSError, ET.ParseError, KeyError, ValueError) as error:
        raise InvalidInputError(f"no programs: {error}", where=str(path)) from None
    return programs


def broken_rules(graph: RoadGraph, plan: Path | None) -> tuple[tuple[str, ...], int]:
    """Return which safety rules a plan breaks where, and how many signals cannot be checked.

    Signals that the plan leaves out keep their own programs, and are checked with those.
    """
    programs = {} if plan is None else read_programs(plan)
    places: dict[str, set[str]] = {}
    unchecked = 0
    for signal in graph.signals.values():
        if signal.kind != "road":
            continue
        program = programs.get(signal.id) or (signal.program if signal.programs else None)
        if program is None or program.kind != "static":
            unchecked += 1
            continue
        for violation in check_phases(signal, program.phases):
            places.setdefault(violation.rule, set()).add(signal.id)
    told = (
        f"{rule} at {len(ids)} signal{'s' if len(ids) > 1 else ''}"
        for rule, ids in sorted(places.items())
    )
    return tuple(told), unchecked


def _checked(graph: RoadGraph, made: PeerPlan) -> PeerPlan:
    if made.failed:
        return made
    try:
        broken, unchecked = broken_rules(graph, made.plan)
    except TrafficError as error:
        broken, unchecked = (f"cannot be checked: {error}",), len(graph.signals)
    return PeerPlan(made.peer, made.plan, made.failed, broken, unchecked, made.seconds)


def _cycle_adaptation(inputs: Inputs, routes: Sequence[Path], out: Path, began: float) -> PeerPlan:
    plan = out / "cycle-adaptation.add.xml"
    listed = ",".join(str(path.absolute()) for path in routes)
    # Left alone, it may look for its hour where the route file has no vehicles.
    options = ["--begin", str(inputs.begin_s)]
    failed = _tool("tlsCycleAdaptation.py", inputs.net, listed, plan, options)
    if not failed and not read_programs(plan):
        failed = "tlsCycleAdaptation.py times no signal"
    return _made(Peer.CYCLE_ADAPTATION, plan, failed, began)


def _coordinator(
    net: Path, routes: Sequence[Path], adapted: PeerPlan, out: Path, began: float
) -> PeerPlan:
    if adapted.plan is None:
        return PeerPlan(Peer.COORDINATOR, None, adapted.failed)
    offsets = out / "offsets.add.xml"
    listed = ",".join(str(path.absolute()) for path in routes)
    failed = _tool("tlsCoordinator.py", net, listed, offsets, ["-a", str(adapted.plan.absolute())])
    plan = out / "coordinator.add.xml"
    if not failed:
        _with_offsets(adapted.plan, offsets, plan)
    return _made(Peer.COORDINATOR, plan, failed, began)


def _made(peer: Peer, plan: Path, failed: str, began: float) -> PeerPlan:
    seconds = time.perf_counter() - began
    return PeerPlan(peer, None if failed else plan, failed, seconds=seconds)


def _with_offsets(programs: Path, offsets: Path, path: Path) -> None:
    """Set the coordinator's offsets, which come without phases, in the programs it was given."""
    tree = ET.parse(programs)
    found = {row.attrib["id"]: row.attrib["offset"] for row in ET.parse(offsets).iter("tlLogic")}
    for logic in tree.iter("tlLogic"):
        logic.set("offset", found.get(logic.attrib["id"], logic.attrib.get("offset", "0")))
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _tool(name: str, net: Path, routes: str, plan: Path, options: Sequence[str]) -> str:
    """Run one of SUMO's tools; return why it failed, or nothing."""
    plan.unlink(missing_ok=True)
    tool = Path(sumo.SUMO_HOME) / "tools" / name
    command = [sys.executable, str(tool), "-n", str(net.absolute()), "-r", routes]
    status, said = run_child([*command, "-o", str(plan.absolute()), *options], cwd=plan.parent)
    if status:
        lines = said.strip().splitlines() or ["no message"]
        return f"{name} fails: {lines[-1].strip()}"
    if not plan.is_file():
        return f"{name} writes no plan"
    return ""
