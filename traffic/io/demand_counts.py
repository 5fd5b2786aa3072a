"""Reads demand from counts of turns: CSV tables of flows and SUMO's ``<edgeRelation>`` files."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from traffic.demand import Demand, Floats
from traffic.errors import InvalidInputError
from traffic.io.city_tables import read_turn_counts
from traffic.io.demand_files import Attributes, walk
from traffic.network import RoadGraph
from traffic.turn_demand import demand_of_counts, demand_of_turns


def read_table_demand(
    path: Path,
    period: str,
    graph: RoadGraph,
    begin_s: float,
    end_s: float,
    *,
    slice_s: float = 300.0,
) -> Demand:
    """Read one period of a table ``period,from_edge,to_edge,flow_vph`` as constant flows.

    Raises
    ------
    InvalidInputError
        The table is unusable (see ``read_turn_counts``), lacks the period or has no flows in it.
    """
    periods = read_turn_counts(path, graph)
    if period not in periods:
        listed = ", ".join(periods) or "none"
        raise InvalidInputError(f"no period {period!r}; it has {listed}", where=str(path))
    return demand_of_turns(
        periods[period], graph, begin_s, end_s, slice_s=slice_s, source=f"{path} {period}"
    )


def read_edge_relations(
    path: Path, graph: RoadGraph, begin_s: float, end_s: float, *, slice_s: float = 300.0
) -> Demand:
    """Read ``<interval begin end><edgeRelation from to count/>``, SUMO's counts of turns.

    An interval's counts are spread evenly over it; what lies outside the window is left out.
    Relations that go on through ``via`` edges are refused: they are no turns.

    Raises
    ------
    InvalidInputError
        The file is broken, counts edges only, names a turn that the network does not have, or
        counts nobody in the window; ``where`` is FILE or FILE:LINE.
    """
    known = {(m.from_edge, m.to_edge) for m in graph.movements}
    slices = math.ceil((end_s - begin_s) / slice_s - 1e-9)
    edges_s = np.minimum(begin_s + np.arange(slices + 1) * slice_s, end_s)
    counts: dict[tuple[str, str], Floats] = {}
    interval: list[tuple[float, float]] = []
    edge_counts = False

    def start(tag: str, attributes: Attributes, line: int) -> None:
        nonlocal edge_counts
        where = f"{path}:{line}"
        if tag == "interval":
            from_s, to_s = (_number(attributes, key, where) for key in ("begin", "end"))
            if not from_s < to_s:
                raise InvalidInputError("the interval ends before it begins", where=where)
            interval[:] = [(from_s, to_s)]
        elif tag == "edge":
            edge_counts = True
        elif tag == "edgeRelation":
            if not interval:
                raise InvalidInputError("an edgeRelation outside an interval", where=where)
            turn = (attributes.get("from", ""), attributes.get("to", ""))
            if turn not in known or "via" in attributes:
                raise InvalidInputError(
                    f"the network has no turn {turn[0]!r} -> {turn[1]!r}", where=where
                )
            count = _number(attributes, "count", where)
            if count < 0:
                raise InvalidInputError(f"count {count:g}; expected 0 or more", where=where)
            (from_s, to_s) = interval[0]
            inside = np.minimum(edges_s[1:], to_s) - np.maximum(edges_s[:-1], from_s)
            sums = counts.setdefault(turn, np.zeros(slices))
            sums += count * np.maximum(inside, 0.0) / (to_s - from_s)

    walk(path, start, lambda tag: None)
    if edge_counts and not counts:
        raise InvalidInputError(
            "counts of edges do not say who turns where; expected edgeRelation elements",
            where=str(path),
        )
    return demand_of_counts(counts, graph, begin_s, end_s, slice_s=slice_s, source=str(path))


def _number(attributes: Mapping[str, str], name: str, where: str) -> float:
    try:
        value = float(attributes.get(name, ""))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidInputError(
            f"{name}={attributes.get(name, '')!r}; expected a number", where=where
        )
    return value
