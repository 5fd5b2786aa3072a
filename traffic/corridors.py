"""Corridors: signals in order along a road, and the ways between and through them."""

import difflib
import heapq
import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from traffic.errors import InvalidInputError, NotFoundError
from traffic.network import Movement, RoadEdge, RoadGraph

# What a turn, or leaving the road's name, costs in the search for the corridor's way, in metres:
# enough that straight on is taken wherever there is one, not so much that a bend is walked round.
TURN_PENALTY_M = 1000.0
OFF_ROAD_PENALTY_M = 200.0


@dataclass(frozen=True, slots=True)
class Crossing:
    """A corridor's way through one of its signals.

    Parameters
    ----------
    signal_id
        The signal.
    through_out, through_in
        Link indices of the way through, outbound and inbound; empty where that direction does
        not exist.
    left_out, left_in
        Link indices of the left turns out of the corridor from the same approaches.
    approach_out, approach_in
        Edges on which the corridor reaches the signal; empty strings where there is none.
    """

    signal_id: str
    through_out: tuple[int, ...]
    through_in: tuple[int, ...]
    left_out: tuple[int, ...]
    left_in: tuple[int, ...]
    approach_out: str
    approach_in: str


@dataclass(frozen=True, slots=True)
class Link:
    """The ways between two neighbouring signals; empty edges where a direction does not exist.

    Lengths in m, times at the speed limit in s.
    """

    edges_out: tuple[str, ...]
    edges_in: tuple[str, ...]
    length_out_m: float
    length_in_m: float
    free_flow_out_s: float
    free_flow_in_s: float

    @property
    def length_m(self) -> float:
        """The longer of both directions."""
        return max(self.length_out_m, self.length_in_m)


@dataclass(frozen=True, slots=True)
class Corridor:
    """Signals in outbound order along a road.

    ``links[k]`` lies between ``crossings[k]`` and ``crossings[k + 1]``.
    """

    id: str
    name: str
    crossings: tuple[Crossing, ...]
    links: tuple[Link, ...]

    @property
    def signal_ids(self) -> tuple[str, ...]:
        """The signals in outbound order."""
        return tuple(crossing.signal_id for crossing in self.crossings)

    @property
    def positions_m(self) -> tuple[float, ...]:
        """Metres from the first signal, outbound."""
        lengths = (link.length_out_m or link.length_in_m for link in self.links)
        return tuple(itertools.accumulate(lengths, initial=0.0))

    def parts(self, max_link_m: float) -> tuple[tuple[int, int], ...]:
        """Part the corridor at links longer than ``max_link_m``, as no platoon survives them.

        Returns
        -------
        tuple of (first, last)
            Indices of the signals of each part, both inclusive.
        """
        breaks = [k + 1 for k, link in enumerate(self.links) if link.length_m > max_link_m]
        starts = [0, *breaks]
        return tuple(
            (start, stop - 1)
            for start, stop in zip(starts, [*breaks, len(self.crossings)], strict=True)
        )


def find_corridor(graph: RoadGraph, text: str, *, corridor_id: str = "") -> Corridor:
    """Find a corridor by road name, by route number, or by its signals in order.

    Parameters
    ----------
    graph
        The road network.
    text
        ``黄河路``, ``G220`` or ``signal,signal,...``. Of a road, the longest run of signals that
        follow each other is taken, outbound = eastwards or northwards.
    corridor_id
        Its id; empty = ``text``.

    Raises
    ------
    NotFoundError
        No such road or signal; near names are told.
    InvalidInputError
        Fewer than two signals, or no way between two that were listed.
    """
    name = corridor_id or text
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > 1:
        return along_signals(graph, parts, corridor_id=name, name=text)
    edges = graph.road(text)
    if not edges:
        known = [*graph.road_names(), *graph.signals]
        near = difflib.get_close_matches(text, known, n=3)
        hint = f"; near: {', '.join(near)}" if near else ""
        raise NotFoundError(f"no road or list of signals {text!r}{hint}", where="corridor")
    signals = _signals_along(graph, edges)
    if len(signals) < 2:
        raise InvalidInputError(
            f"{text!r} has {len(signals)} signal in a row; expected two or more", where="corridor"
        )
    on_road = {edge.id for edge in edges}
    return along_signals(graph, signals, corridor_id=name, name=text, prefer=on_road)


def along_signals(
    graph: RoadGraph,
    signal_ids: Sequence[str],
    *,
    corridor_id: str,
    name: str,
    prefer: Collection[str] = (),
) -> Corridor:
    """Lay a corridor through listed signals, along ``prefer`` edges where possible.

    Raises
    ------
    NotFoundError
        A signal is not in the network.
    InvalidInputError
        Fewer than two signals, one twice, or no way from one to the next in either direction.
    """
    for k, signal_id in enumerate(signal_ids):
        if signal_id not in graph.signals:
            near = difflib.get_close_matches(signal_id, list(graph.signals), n=3)
            hint = f"; near: {', '.join(near)}" if near else ""
            raise NotFoundError(
                f"no signal {signal_id!r}{hint}", where=f"corridor {corridor_id}: signal {k + 1}"
            )
    if len(signal_ids) < 2 or len(set(signal_ids)) != len(signal_ids):
        raise InvalidInputError(
            "expected two or more signals, each once", where=f"corridor {corridor_id}"
        )
    out = _way(graph, signal_ids, prefer)
    back = _way(graph, signal_ids[::-1], prefer)
    if out is None and back is None:
        a, b = _first_gap(graph, signal_ids, prefer)
        raise InvalidInputError(
            f"no way from signal {a!r} to {b!r} that passes no other signal",
            where=f"corridor {corridor_id}",
        )
    return _assemble(graph, signal_ids, out, back, corridor_id=corridor_id, name=name)


@dataclass(frozen=True, slots=True)
class _Way:
    """The movement through each signal, and the edges between each and the next."""

    through: tuple[Movement, ...]
    between: tuple[tuple[str, ...], ...]


def _way(graph: RoadGraph, signal_ids: Sequence[str], prefer: Collection[str]) -> _Way | None:
    """Shortest way through the signals in order, straight on wherever there is a straight on.

    A state is (edge, signals passed); other signals block.
    """
    tie = itertools.count()
    queue: list[tuple[float, int, str, int]] = []
    best: dict[tuple[str, int], float] = {}
    came: dict[tuple[str, int], tuple[tuple[str, int], Movement]] = {}
    for edge_id in dict.fromkeys(m.from_edge for m in graph.movements_at(signal_ids[0])):
        cost = 0.0 if not prefer or edge_id in prefer else OFF_ROAD_PENALTY_M
        best[edge_id, 0] = cost
        heapq.heappush(queue, (cost, next(tie), edge_id, 0))
    while queue:
        cost, _, edge_id, passed = heapq.heappop(queue)
        if cost > best[edge_id, passed]:
            continue
        if passed == len(signal_ids):
            return _trace((edge_id, passed), came, signal_ids)
        for movement in graph.movements_from(edge_id):
            after = _passed_after(movement, signal_ids, passed)
            if after is None:
                continue
            state = (movement.to_edge, after)
            total = cost + _step_cost(graph, movement, prefer)
            if total < best.get(state, float("inf")):
                best[state] = total
                came[state] = ((edge_id, passed), movement)
                heapq.heappush(queue, (total, next(tie), *state))
    return None


def _passed_after(movement: Movement, signal_ids: Sequence[str], passed: int) -> int | None:
    """How many signals are passed after a movement; None where it may not be taken."""
    if movement.signal_id is None:
        # Before the first signal there is nothing to look for.
        return passed if passed else None
    if movement.signal_id == signal_ids[passed]:
        return passed + 1
    if passed and movement.signal_id == signal_ids[passed - 1]:
        return passed  # a second node of a joined signal
    return None


def _step_cost(graph: RoadGraph, movement: Movement, prefer: Collection[str]) -> float:
    before, after = graph.edges[movement.from_edge], graph.edges[movement.to_edge]
    if prefer:
        off_road = after.id not in prefer
    else:
        off_road = bool(before.name and after.name and before.name != after.name)
    return (
        after.length_m
        + (TURN_PENALTY_M if movement.direction != "s" else 0.0)
        + (OFF_ROAD_PENALTY_M if off_road else 0.0)
    )


def _trace(
    state: tuple[str, int],
    came: dict[tuple[str, int], tuple[tuple[str, int], Movement]],
    signal_ids: Sequence[str],
) -> _Way:
    steps: list[tuple[tuple[str, int], Movement, tuple[str, int]]] = []
    while state in came:
        before, movement = came[state]
        steps.append((before, movement, state))
        state = before
    through: list[Movement] = []
    between: list[list[str]] = []
    for before, movement, after in reversed(steps):
        if after[1] > before[1]:
            through.append(movement)
            between.append([])
        between[-1].append(movement.to_edge)
    # What lies behind the last signal is no link.
    return _Way(tuple(through), tuple(tuple(edges) for edges in between[:-1]))


def _first_gap(
    graph: RoadGraph, signal_ids: Sequence[str], prefer: Collection[str]
) -> tuple[str, str]:
    for n in range(2, len(signal_ids) + 1):
        head = signal_ids[:n]
        if _way(graph, head, prefer) is None and _way(graph, head[::-1], prefer) is None:
            return head[-2], head[-1]
    return signal_ids[0], signal_ids[-1]


def _assemble(
    graph: RoadGraph,
    signal_ids: Sequence[str],
    out: _Way | None,
    back: _Way | None,
    *,
    corridor_id: str,
    name: str,
) -> Corridor:
    n = len(signal_ids)
    through_out = list(out.through) if out else [None] * n
    through_in = list(back.through[::-1]) if back else [None] * n
    edges_out = list(out.between) if out else [()] * (n - 1)
    edges_in = list(back.between[::-1]) if back else [()] * (n - 1)
    crossings = tuple(
        Crossing(
            signal_id=signal_id,
            through_out=a.link_indices if a else (),
            through_in=b.link_indices if b else (),
            left_out=_lefts(graph, a),
            left_in=_lefts(graph, b),
            approach_out=a.from_edge if a else "",
            approach_in=b.from_edge if b else "",
        )
        for signal_id, a, b in zip(signal_ids, through_out, through_in, strict=True)
    )
    links = tuple(
        Link(
            edges_out=tuple(a),
            edges_in=tuple(b),
            length_out_m=sum(graph.edges[edge].length_m for edge in a),
            length_in_m=sum(graph.edges[edge].length_m for edge in b),
            free_flow_out_s=sum(graph.edges[edge].free_flow_s for edge in a),
            free_flow_in_s=sum(graph.edges[edge].free_flow_s for edge in b),
        )
        for a, b in zip(edges_out, edges_in, strict=True)
    )
    return Corridor(id=corridor_id, name=name, crossings=crossings, links=links)


def _lefts(graph: RoadGraph, through: Movement | None) -> tuple[int, ...]:
    if through is None:
        return ()
    return tuple(
        sorted(
            index
            for movement in graph.movements_from(through.from_edge)
            if movement.direction in {"l", "L"}
            and movement.signal_id == through.signal_id
            and movement.to_edge != through.to_edge
            for index in movement.link_indices
        )
    )


def _signals_along(graph: RoadGraph, edges: Sequence[RoadEdge]) -> list[str]:
    """Longest run of signals that follow each other along a road, eastwards or northwards."""
    on_road = {edge.id for edge in edges}
    following: dict[str, dict[str, None]] = {}
    for edge in edges:
        for movement in graph.movements_from(edge.id):
            if movement.signal_id is None or movement.to_edge not in on_road:
                continue
            following.setdefault(movement.signal_id, {})
            for signal_id in _next_signals(graph, movement.to_edge, on_road):
                if signal_id != movement.signal_id:
                    following[movement.signal_id][signal_id] = None
    # The road may begin behind a signal: then only its first edge is on it.
    for signal_id in graph.signals:
        for movement in graph.movements_at(signal_id):
            if movement.to_edge in on_road and movement.from_edge not in on_road:
                for after in _next_signals(graph, movement.to_edge, on_road):
                    if after != signal_id:
                        following.setdefault(signal_id, {})[after] = None
    runs = [_longest_run(start, following) for start in following]
    if not runs:
        return []
    most = max(len(run) for run in runs)
    longest = [run for run in runs if len(run) == most]
    return max(longest, key=lambda run: (_heading(graph, run, on_road), run))


def _next_signals(graph: RoadGraph, edge_id: str, on_road: Collection[str]) -> list[str]:
    """Signals that are reached from an edge along the road, without passing another."""
    found: dict[str, None] = {}
    seen = {edge_id}
    todo = [edge_id]
    while todo:
        for movement in graph.movements_from(todo.pop()):
            if movement.signal_id is not None:
                found[movement.signal_id] = None
            elif movement.to_edge in on_road and movement.to_edge not in seen:
                seen.add(movement.to_edge)
                todo.append(movement.to_edge)
    return list(found)


def _longest_run(start: str, following: dict[str, dict[str, None]]) -> list[str]:
    """Follow a chain of signals as far as it goes without turning back."""
    best: list[str] = []
    todo: list[list[str]] = [[start]]
    while todo:
        run = todo.pop()
        ahead = [after for after in following.get(run[-1], {}) if after not in run]
        # On a two-way road the one behind is also "next"; it is in the run already.
        todo.extend([*run, after] for after in ahead)
        if len(run) > len(best):
            best = run
    return best


def _heading(graph: RoadGraph, run: Sequence[str], on_road: Collection[str]) -> bool:
    """Whether a run goes east or north, whichever axis it covers more of."""
    ends = []
    for signal_id in (run[0], run[-1]):
        edges = [graph.edges[m.from_edge] for m in graph.movements_at(signal_id)]
        points = [edge.shape[-1] for edge in edges if edge.shape]
        ends.append(
            (
                sum(point[0] for point in points) / max(1, len(points)),
                sum(point[1] for point in points) / max(1, len(points)),
            )
        )
    dx_m, dy_m = ends[1][0] - ends[0][0], ends[1][1] - ends[0][1]
    return dx_m > 0 if abs(dx_m) >= abs(dy_m) else dy_m > 0
