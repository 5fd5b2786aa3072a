"""The ways to a signal: which edges lead to its stop lines, and how far queues reach back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from traffic.network import RoadGraph

# A queue that long fills its edge: what is left behind it is not worth a vehicle's gap.
FULL_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Approach:
    """An edge that ends at signals, with the edges behind it.

    Parameters
    ----------
    line
        The edge with the stop line.
    signal_ids
        The signals that control it: nearly always one.
    node
        The junction that it leads to.
    behind
        For the line and each edge that leads straight into one of these, or nowhere else, without
        a signal between: the edges of this kind that lead into it. The line comes first.
    """

    line: str
    signal_ids: frozenset[str]
    node: str
    behind: Mapping[str, tuple[str, ...]]

    def queue_m(self, queued_m: Mapping[str, float], length_m: Mapping[str, float]) -> float:
        """Length of the queue from the stop line back, over edges that it fills.

        ``queued_m`` and ``length_m`` are by edge; an edge without a queue may be missing.
        """
        reach_m, edge = 0.0, self.line
        while True:
            own_m = queued_m.get(edge, 0.0)
            reach_m += own_m
            into = self.behind[edge]
            if not into or own_m < FULL_SHARE * length_m[edge]:
                return reach_m
            edge = max(into, key=lambda e: (queued_m.get(e, 0.0), e))


def approaches_of(graph: RoadGraph) -> tuple[Approach, ...]:
    """Return the approaches of all signals; an edge belongs to one at most."""
    into: dict[str, list[str]] = {}
    signals: dict[str, set[str]] = {}
    for edge in graph.edges:
        turns = [m for m in graph.movements_from(edge) if m.direction != "t"]
        own = {m.signal_id for m in graph.movements_from(edge) if m.signal_id is not None}
        if own:
            signals[edge] = own
            continue
        ahead = {m.to_edge for m in turns if m.direction == "s"} or {m.to_edge for m in turns}
        if len(ahead) == 1:
            into.setdefault(ahead.pop(), []).append(edge)
    approaches = []
    for line, own in signals.items():
        # Every edge behind leads into one edge only: this is a tree, and it ends.
        behind: dict[str, tuple[str, ...]] = {}
        left = [line]
        while left:
            edge = left.pop()
            behind[edge] = tuple(into.get(edge, ()))
            left += behind[edge]
        approaches.append(Approach(line, frozenset(own), graph.edges[line].to_junction, behind))
    return tuple(approaches)


def longest_queues_m(
    approaches: tuple[Approach, ...], graph: RoadGraph, path: Path
) -> dict[str, float]:
    """Return the longest queue of each approach, by its stop line, from a ``--queue-output``."""
    length_m = {key: edge.length_m for key, edge in graph.edges.items()}
    longest_m = dict.fromkeys((approach.line for approach in approaches), 0.0)
    for queued_m in _queues(path):
        for approach in approaches:
            if approach.line in queued_m:
                own_m = approach.queue_m(queued_m, length_m)
                longest_m[approach.line] = max(longest_m[approach.line], own_m)
    return longest_m


def _queues(path: Path) -> Iterator[dict[str, float]]:
    """Yield the longest lane's queue of each edge, instant by instant.

    SUMO's aggregated queue output is shorter to read, but stops counting within a long queue.
    """
    queued_m: dict[str, float] = {}
    root = None
    for event, row in ET.iterparse(path, events=("start", "end")):
        if root is None:
            root = row
        if event == "start":
            continue
        if row.tag == "lane":
            edge = row.attrib["id"].rpartition("_")[0]
            queued_m[edge] = max(queued_m.get(edge, 0.0), float(row.attrib["queueing_length"]))
        elif row.tag == "data":
            yield queued_m
            queued_m = {}
            root.clear()
