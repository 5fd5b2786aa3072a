"""The demand behind turn counts: trips start and end where turns onto and off an edge differ."""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from traffic.demand import Demand, Floats
from traffic.errors import InvalidInputError
from traffic.network import RoadGraph
from traffic.splits import TurnFlows


def demand_of_turns(
    flows: TurnFlows,
    graph: RoadGraph,
    begin_s: float,
    end_s: float,
    *,
    slice_s: float = 300.0,
    source: str = "turn counts",
) -> Demand:
    """Return the demand of constant turn flows over a window.

    On every edge, vehicles depart at the rate at which more turn off it than turn onto it, and
    arrive at the rate at which fewer do. Counts that don't agree with each other along a link thus
    become departures and arrivals on it.

    Raises
    ------
    InvalidInputError
        A turn is none of the network's, or all flows are 0.
    """
    slices = max(0, math.ceil((end_s - begin_s) / slice_s - 1e-9)) if slice_s > 0 else 0
    starts_s = begin_s + np.arange(slices) * slice_s
    hours = (np.minimum(starts_s + slice_s, end_s) - starts_s) / 3600
    counts = {turn: flow_vph * hours for turn, flow_vph in flows.flows_vph.items() if flow_vph > 0}
    return demand_of_counts(counts, graph, begin_s, end_s, slice_s=slice_s, source=source)


def demand_of_counts(
    counts: Mapping[tuple[str, str], Floats],
    graph: RoadGraph,
    begin_s: float,
    end_s: float,
    *,
    slice_s: float,
    source: str,
) -> Demand:
    """Return the demand behind counts of turns by slices: (slices,) vehicles each.

    As ``demand_of_turns``, slice by slice.

    Raises
    ------
    InvalidInputError
        A turn is none of the network's, or nobody was counted.
    """
    known = {(m.from_edge, m.to_edge) for m in graph.movements}
    for a, b in counts:
        if (a, b) not in known:
            missing = next((f"no edge {edge!r}" for edge in (a, b) if edge not in graph.edges), "")
            raise InvalidInputError(
                missing or "the network has no such turn", where=f"turn {a} -> {b}"
            )
    turns = {turn: sums for turn, sums in counts.items() if sums.any()}
    if not turns:
        raise InvalidInputError("nobody turns in the window", where=source)
    out = _sums((a, sums) for (a, _), sums in turns.items())
    into = _sums((b, sums) for (_, b), sums in turns.items())
    none = np.zeros(next(iter(turns.values())).shape)
    departures, arrivals = {}, {}
    for edge in dict.fromkeys([*out, *into]):
        more = out.get(edge, none) - into.get(edge, none)
        if (more > 0).any():
            departures[edge] = np.maximum(more, 0.0)
        if (more < 0).any():
            arrivals[edge] = np.maximum(-more, 0.0)
    return Demand(
        begin_s=begin_s,
        end_s=end_s,
        slice_s=slice_s,
        departures=departures,
        turns=turns,
        arrivals=arrivals,
        vehicles=math.fsum(float(sums.sum()) for sums in departures.values()),
        source=source,
    )


def _sums(parts: Iterable[tuple[str, Floats]]) -> dict[str, Floats]:
    sums: dict[str, Floats] = {}
    for edge, counts in parts:
        sums[edge] = sums[edge] + counts if edge in sums else counts
    return sums
