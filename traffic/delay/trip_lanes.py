"""Which lane drivers are in: the ones from which their way goes on without changing again soon."""

from collections.abc import Mapping, Sequence

from traffic.network import Connection, RoadGraph

# Drivers look so many seconds ahead at full speed. SUMO's lane changing reacts to what is within
# 10 s; less leaves room for those who change late.
LOOK_AHEAD_S = 7.0

Way = tuple[str, ...]
Lanes = Mapping[int, Sequence[Connection]]


class LaneChoice:
    """Lanes of an approach that suit a way, and the lanes behind the junction that they lead to."""

    def __init__(self, graph: RoadGraph) -> None:
        self._graph = graph
        self._turns: dict[tuple[str, str], dict[int, list[Connection]]] = {}
        for c in graph.connections:
            lanes = self._turns.setdefault((c.from_edge, c.to_edge), {})
            lanes.setdefault(c.from_lane, []).append(c)
        self._known: dict[Way, tuple[int, ...]] = {}

    def turn(self, from_edge: str, to_edge: str) -> Lanes:
        """Connections of a turn by the lane that they leave; empty where there is none."""
        return self._turns.get((from_edge, to_edge), {})

    def lanes(self, way: Way, k: int) -> tuple[int, ...]:
        """Lanes of edge ``k`` of a way that lead on along it as far as any, in order."""
        road = self._graph.edges[way[k]]
        ahead_m = LOOK_AHEAD_S * road.speed_limit_mps
        last, far_m = k + 1, 0.0
        while last + 1 < len(way) and far_m < ahead_m:
            far_m += self._graph.edges[way[last]].length_m
            last += 1
        part = way[k : last + 1]
        if part not in self._known:
            reach_m = {
                lane: self._reach_m(part, 0, lane, ahead_m) for lane in self.turn(part[0], part[1])
            }
            best_m = max(reach_m.values(), default=0.0)
            self._known[part] = tuple(
                sorted(lane for lane, far in reach_m.items() if far >= best_m - 1e-9)
            )
        return self._known[part]

    def target(self, way: Way, k: int, lane: int) -> int:
        """Lane of the next edge that a driver takes where a lane leads to several.

        All who can choose take the rightmost that suits them: drivers of neighbouring lanes who
        turn into one lane go one after the other.
        """
        ways = [c.to_lane for c in self._turns[way[k], way[k + 1]][lane]]
        if len(ways) > 1 and k + 2 < len(way):
            suits = self.lanes(way, k + 1)
            ways = [to for to in ways if to in suits] or ways
        return min(ways)

    def _reach_m(self, way: Way, k: int, lane: int, left_m: float) -> float:
        """Metres beyond edge ``k`` that a lane leads on; less than 0 where it does not at all."""
        connections = self.turn(way[k], way[k + 1]).get(lane)
        if not connections:
            return -1.0
        length_m = self._graph.edges[way[k + 1]].length_m
        if length_m >= left_m or k + 2 >= len(way):
            return left_m
        on_m = max(self._reach_m(way, k + 1, c.to_lane, left_m - length_m) for c in connections)
        return length_m + on_m if on_m >= 0 else 0.0
