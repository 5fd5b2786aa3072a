"""Writes the street plan as SUMO's plain XML and has ``netconvert`` make the network of it."""

import os
import re
import subprocess
from pathlib import Path
from xml.sax.saxutils import quoteattr

import sumo

from scenarios.dongying import junctions
from scenarios.dongying.junctions import SignalPlan
from scenarios.dongying.streets import PROJECTION, Segment, StreetPlan

TYPES = {"signal": "traffic_light", "junction": "priority", "bend": "priority"}


def write_network(plan: StreetPlan, signals: list[SignalPlan], work: Path, target: Path) -> None:
    """Write ``target`` (a ``.net.xml``); the plain files go to ``work``.

    Raises
    ------
    RuntimeError
        ``netconvert`` failed; its words are in the message.
    """
    work.mkdir(parents=True, exist_ok=True)
    (work / "plain.nod.xml").write_text(_nodes(plan), encoding="utf-8")
    (work / "plain.edg.xml").write_text(_edges(plan), encoding="utf-8")
    (work / "plain.con.xml").write_text(_connections(plan, signals), encoding="utf-8")
    (work / "plain.tll.xml").write_text(_programs(signals), encoding="utf-8")
    run_sumo_tool(
        "netconvert",
        *("--node-files", "plain.nod.xml", "--edge-files", "plain.edg.xml"),
        *("--connection-files", "plain.con.xml", "--tllogic-files", "plain.tll.xml"),
        *("--no-turnarounds.except-deadend", "true", "--offset.disable-normalization", "false"),
        *("--junctions.corner-detail", "0", "--no-internal-links", "false"),
        *("--output.street-names", "true", "--precision", "2", "--precision.geo", "7"),
        *("--write-metadata", "false", "--output-file", "network.net.xml"),
        cwd=work,
    )
    # SUMO heads its files with the date and the paths of this machine: not part of the city.
    text = (work / "network.net.xml").read_text(encoding="utf-8")
    head, _, rest = text.partition("<!--")
    body = head.rstrip() + "\n" + rest.partition("-->")[2].lstrip() if rest else text
    target.write_text(_with_minimum_greens(body, signals), encoding="utf-8")


def _with_minimum_greens(text: str, signals: list[SignalPlan]) -> str:
    """Put the minimum greens back in, which netconvert drops from fixed programs."""
    least = {s.id: iter([stage.min_green_s for stage in s.stages]) for s in signals}
    lines, current = [], ""
    for line in text.splitlines():
        found = re.search(r'<tlLogic id="([^"]+)"', line)
        if found:
            current = found[1]
        if "<phase " in line and "G" in line.partition('state="')[2]:
            line = line.replace('state="', f'minDur="{next(least[current])}" state="')
        lines.append(line)
    return "\n".join([*lines, ""])


def run_sumo_tool(name: str, *arguments: str, cwd: Path) -> None:
    """Run a program of the ``eclipse-sumo`` wheel; RuntimeError with its words if it fails."""
    program = Path(sumo.SUMO_HOME) / "bin" / name
    done = subprocess.run(
        [str(program), *arguments],
        cwd=cwd,
        env={**os.environ, "SUMO_HOME": str(sumo.SUMO_HOME)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name}: {(done.stderr or done.stdout).strip()[-2000:]}")


def _nodes(plan: StreetPlan) -> str:
    xs = [node.x_m for node in plan.nodes.values()]
    ys = [node.y_m for node in plan.nodes.values()]
    box = f"{min(xs):.2f},{min(ys):.2f},{max(xs):.2f},{max(ys):.2f}"
    lines = [
        f'  <location netOffset="0.00,0.00" convBoundary="{box}" '
        f'origBoundary="{box}" projParameter="{PROJECTION}"/>'
    ]
    for node in plan.nodes.values():
        kind = TYPES.get(node.kind, "dead_end")
        tl = f' tl="{node.id}"' if node.kind == "signal" else ""
        lines.append(
            f'  <node id="{node.id}" x="{node.x_m:.2f}" y="{node.y_m:.2f}" type="{kind}"{tl}/>'
        )
    for segment in plan.segments.values():
        if junctions.has_left_lane(plan, segment):
            x_m, y_m = _split_point(plan, segment)
            lines.append(
                f'  <node id="{segment.id}.split" x="{x_m:.2f}" y="{y_m:.2f}" type="priority"/>'
            )
    return _document("nodes", lines)


def _split_point(plan: StreetPlan, segment: Segment) -> tuple[float, float]:
    a, b = plan.nodes[segment.from_node], plan.nodes[segment.to_node]
    share = junctions.approach_length_m(plan, segment) / plan.length_m(segment)
    return b.x_m + (a.x_m - b.x_m) * share, b.y_m + (a.y_m - b.y_m) * share


def _edges(plan: StreetPlan) -> str:
    lines: list[str] = []
    for segment in plan.segments.values():
        if junctions.has_left_lane(plan, segment):
            split = f"{segment.id}.split"
            lines += _edge(segment, segment.id, segment.from_node, split, segment.lanes)
            lines += _edge(segment, f"{segment.id}.in", split, segment.to_node, segment.lanes + 1)
        else:
            lines += _edge(segment, segment.id, segment.from_node, segment.to_node, segment.lanes)
    return _document("edges", lines)


def _edge(segment: Segment, edge_id: str, start: str, end: str, lanes: int) -> list[str]:
    params = {"ref": segment.ref, "label": segment.label}
    # netconvert refuses an empty name.
    name = f" name={quoteattr(segment.name)}" if segment.name else ""
    return [
        f'  <edge id="{edge_id}" from="{start}" to="{end}"{name} '
        f'numLanes="{lanes}" speed="{segment.speed_kmh / 3.6:.2f}" priority="{segment.lanes}">',
        *(
            f"    <param key={quoteattr(key)} value={quoteattr(value)}/>"
            for key, value in params.items()
            if value
        ),
        "  </edge>",
    ]


def _connections(plan: StreetPlan, signals: list[SignalPlan]) -> str:
    lines: list[str] = []
    for segment in plan.segments.values():
        if junctions.has_left_lane(plan, segment):
            n = segment.lanes
            for a, b in [*((lane, lane) for lane in range(n)), (n - 1, n)]:
                lines.append(_connection(segment.id, f"{segment.id}.in", a, b))
    for signal in signals:
        for turn in signal.turns:
            lines += [_connection(turn.from_edge, turn.to_edge, a, b) for a, b in turn.lanes]
    return _document("connections", lines)


def _connection(from_edge: str, to_edge: str, from_lane: int, to_lane: int, more: str = "") -> str:
    return (
        f'  <connection from="{from_edge}" to="{to_edge}" '
        f'fromLane="{from_lane}" toLane="{to_lane}"{more}/>'
    )


def _programs(signals: list[SignalPlan]) -> str:
    lines: list[str] = []
    for signal in signals:
        lines.append(f'  <tlLogic id="{signal.id}" type="static" programID="0" offset="0">')
        for duration_s, state, least_s in junctions.phases(
            signal, junctions.equal_greens_s(signal.stages)
        ):
            least = f' minDur="{least_s}"' if least_s is not None else ""
            lines.append(f'    <phase duration="{duration_s}" state="{state}"{least}/>')
        lines.append("  </tlLogic>")
        index = 0
        for turn in signal.turns:
            for a, b in turn.lanes:
                more = f' tl="{signal.id}" linkIndex="{index}"'
                lines.append(_connection(turn.from_edge, turn.to_edge, a, b, more))
                index += 1
    return _document("tlLogics", lines)


def _document(root: str, lines: list[str]) -> str:
    return "\n".join(
        ['<?xml version="1.0" encoding="UTF-8"?>', f"<{root}>", *lines, f"</{root}>", ""]
    )
