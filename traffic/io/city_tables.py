"""Reads a city's tables: corridors, turn counts, what it demands of signals (CSV, UTF-8)."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from traffic.corridors import Corridor, along_signals
from traffic.demanded import DemandKind, SafetyDemand, mistakes, with_demands
from traffic.errors import InvalidInputError, TrafficError
from traffic.network import RoadGraph
from traffic.signals import Signal
from traffic.splits import TurnFlows


def read_corridors(path: Path, graph: RoadGraph) -> dict[str, Corridor]:
    """Read ``id,road,direction,signals`` (signals in outbound order, joined by ``;``).

    Raises
    ------
    InvalidInputError
        A column is missing, an id stands twice, or signals do not follow each other; ``where`` is
        FILE:ROW.
    """
    corridors: dict[str, Corridor] = {}
    for row, values in _rows(path, ("id", "road", "signals")):
        where = f"{path}:{row}"
        if not values["id"] or values["id"] in corridors:
            raise InvalidInputError(f"id {values['id']!r} is empty or stands twice", where=where)
        on_road = {edge.id for edge in graph.road(values["road"])}
        try:
            corridors[values["id"]] = along_signals(
                graph,
                values["signals"].split(";"),
                corridor_id=values["id"],
                name=values["road"],
                prefer=on_road,
            )
        except TrafficError as error:
            raise InvalidInputError(str(error), where=where) from None
    return corridors


def read_turn_counts(path: Path, graph: RoadGraph | None = None) -> dict[str, TurnFlows]:
    """Read ``period,from_edge,to_edge,flow_vph``; edges are checked where a graph is given.

    Raises
    ------
    InvalidInputError
        A column is missing, a flow is no number of 0 or more, a turn stands twice in a period, or
        an edge is unknown; ``where`` is FILE:ROW:COLUMN.
    """
    flows: dict[str, dict[tuple[str, str], float]] = {}
    for row, values in _rows(path, ("period", "from_edge", "to_edge", "flow_vph")):
        where = f"{path}:{row}"
        try:
            flow_vph = float(values["flow_vph"])
        except ValueError:
            flow_vph = -1.0
        if not 0 <= flow_vph < float("inf"):
            raise InvalidInputError(
                f"{values['flow_vph']!r}; expected a number of 0 or more", where=f"{where}:flow_vph"
            )
        for column in ("from_edge", "to_edge"):
            if graph is not None and values[column] not in graph.edges:
                raise InvalidInputError(f"no edge {values[column]!r}", where=f"{where}:{column}")
        turn = (values["from_edge"], values["to_edge"])
        period = flows.setdefault(values["period"], {})
        if turn in period:
            raise InvalidInputError(f"turn {turn[0]} -> {turn[1]} stands twice", where=where)
        period[turn] = flow_vph
    return {period: TurnFlows(turns) for period, turns in flows.items()}


def read_safety(path: Path, graph: RoadGraph) -> dict[str, Signal]:
    """Read ``signal,kind,link,other,value``: what the city demands of its signals.

    ``other`` and ``value`` are empty where a kind has none; see ``SafetyDemand``.

    Returns
    -------
    dict
        Of the signals that the file names, each with its demands.

    Raises
    ------
    InvalidInputError
        A column is missing, a signal or link is unknown, a value out of range, or demands
        contradict each other; ``where`` is FILE:ROW.
    """
    found: dict[str, list[tuple[int, SafetyDemand]]] = {}
    for row, values in _rows(path, ("signal", "kind", "link", "other", "value")):
        where = f"{path}:{row}"
        signal_id = values["signal"]
        if signal_id not in graph.signals:
            raise InvalidInputError(f"no signal {signal_id!r}", where=f"{where}:signal")
        try:
            demand = SafetyDemand(
                signal_id,
                cast(DemandKind, values["kind"]),
                int(values["link"]),
                int(values["other"]) if values["other"] else None,
                float(values["value"] or 0),
            )
        except (ValueError, TrafficError) as error:
            raise InvalidInputError(str(error), where=where) from None
        found.setdefault(signal_id, []).append((row, demand))
    return {
        signal_id: _demanding(path, graph.signals[signal_id], rows)
        for signal_id, rows in found.items()
    }


def _demanding(path: Path, signal: Signal, rows: Sequence[tuple[int, SafetyDemand]]) -> Signal:
    demands = [demand for _, demand in rows]
    for k, why in mistakes(signal, demands):
        raise InvalidInputError(f"signal {signal.id}: {why}", where=f"{path}:{rows[k][0]}")
    return with_demands(signal, demands)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [c for c in columns if c not in (reader.fieldnames or ())]
            if missing:
                raise InvalidInputError(f"no column {missing[0]!r}", where=f"{path}:1")
            for values in reader:
                if any(values.get(column) is None for column in columns):
                    raise InvalidInputError("too few columns", where=f"{path}:{reader.line_num}")
                yield reader.line_num, {column: values[column].strip() for column in columns}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(f"cannot be read: {error}", where=str(path)) from None
