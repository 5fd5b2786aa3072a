"""Runs of a corridor's signals that are coordinated as one: what the band engine sees of them."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from traffic.bandwidth import Corridor as BandCorridor
from traffic.bandwidth import CorridorLink, Range
from traffic.bandwidth.cells import CellSearch
from traffic.bandwidth.problem import Problem, road_of
from traffic.bandwidth.search import TOLERANCE, Watch
from traffic.corridors import Corridor
from traffic.junction_plans import JunctionPlans

PART_TIME_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Part:
    """Two or more neighbouring signals of a corridor that are coordinated as one.

    Parameters
    ----------
    corridor_id
        The corridor.
    first, last
        Indices of its signals in the corridor, both inclusive.
    signal_ids
        The signals, outbound.
    model
        What the band model sees; shares are those at the cycle.
    block_s
        For each signal, the block's start after the program's start.
    cycle_s
        The common cycle.
    travel_out_s, travel_in_s, speed_out_mps, speed_in_mps
        For each link.
    """

    corridor_id: str
    first: int
    last: int
    signal_ids: tuple[str, ...]
    model: BandCorridor
    block_s: tuple[int, ...]
    cycle_s: int
    travel_out_s: tuple[float, ...]
    travel_in_s: tuple[float, ...]
    speed_out_mps: tuple[float, ...]
    speed_in_mps: tuple[float, ...]

    @classmethod
    def of(
        cls,
        corridor: Corridor,
        first: int,
        last: int,
        junctions: Mapping[str, JunctionPlans],
        cycle_s: int,
        speed_mps: float | None,
    ) -> Self:
        """Cut a part out of a corridor."""
        roads = [junctions[key].roads[corridor.id] for key in corridor.signal_ids[first : last + 1]]
        links = corridor.links[first:last]
        out = [_pace(k.length_out_m, k.free_flow_out_s, speed_mps) for k in links]
        back = [_pace(k.length_in_m, k.free_flow_in_s, speed_mps) for k in links]
        # A direction that does not exist takes the other's times: its band then counts for
        # nothing but is there.
        out = [a if a[0] else b for a, b in zip(out, back, strict=True)]
        back = [b if b[0] else a for a, b in zip(out, back, strict=True)]
        positions_m = itertools.accumulate((x[0] * x[1] for x in out), initial=0.0)
        model = BandCorridor(
            id=f"{corridor.id} {first}-{last}",
            signals=tuple(
                replace(road.signal, position_m=x)
                for road, x in zip(roads, positions_m, strict=True)
            ),
            links=tuple(
                # A model link has one length: the way back gets the speed that keeps its time.
                CorridorLink(
                    speed_out_mps=Range(a[1], a[1]),
                    speed_in_mps=Range(a[0] * a[1] / b[0], a[0] * a[1] / b[0]),
                )
                for a, b in zip(out, back, strict=True)
            ),
        )
        return cls(
            corridor_id=corridor.id,
            first=first,
            last=last,
            signal_ids=corridor.signal_ids[first : last + 1],
            model=model,
            block_s=tuple(road.block_s for road in roads),
            cycle_s=cycle_s,
            travel_out_s=tuple(a[0] for a in out),
            travel_in_s=tuple(b[0] for b in back),
            speed_out_mps=tuple(a[1] for a in out),
            speed_in_mps=tuple(b[1] for b in back),
        )

    def piece(self, first: int, last: int) -> Self:
        """Cut a run of signals, by their indices in this part, both inclusive."""
        return replace(
            self,
            first=self.first + first,
            last=self.first + last,
            signal_ids=self.signal_ids[first : last + 1],
            model=replace(
                self.model,
                id=f"{self.corridor_id} {self.first + first}-{self.first + last}",
                signals=self.model.signals[first : last + 1],
                links=self.model.links[first:last],
            ),
            block_s=self.block_s[first : last + 1],
            travel_out_s=self.travel_out_s[first:last],
            travel_in_s=self.travel_in_s[first:last],
            speed_out_mps=self.speed_out_mps[first:last],
            speed_in_mps=self.speed_in_mps[first:last],
        )


def _pace(length_m: float, free_flow_s: float, speed_mps: float | None) -> tuple[float, float]:
    """Travel time and speed of a link."""
    if not length_m:
        return 0.0, 0.0
    travel_s = length_m / speed_mps if speed_mps else free_flow_s
    return travel_s, length_m / travel_s


def solve_parted(parts: Sequence[Part], *, seed: int = 0) -> tuple[list[Part], float]:
    """Part what has no band through it at its longest link; with the sum of the parts' optima.

    No plan for all of them together exceeds that sum, in cycles. Parts of two signals stay.
    """
    todo = list(parts)[::-1]
    kept: list[Part] = []
    total = 0.0
    while todo:
        part = todo.pop()
        search = CellSearch(problem_of([part]), Watch(PART_TIME_LIMIT_S), seed)
        search.run()
        if search.bound > TOLERANCE or len(part.signal_ids) == 2:
            kept.append(part)
            total += max(0.0, search.bound)
            continue
        lengths_m = part.model.lengths_m
        cut = max(range(len(lengths_m)), key=lambda k: lengths_m[k])
        ends = ((cut + 1, len(lengths_m)), (0, cut))
        todo.extend(part.piece(a, b) for a, b in ends if a < b)
    return kept, total


def junction_ids(parts: Sequence[Part]) -> list[str]:
    """Signals of all parts, each once, in the order of ``problem_of``."""
    return list(dict.fromkeys(key for part in parts for key in part.signal_ids))


def problem_of(parts: Sequence[Part]) -> Problem:
    """Lay parts out as roads of one network; a junction's cycle starts with its program.

    It is not written as a ``Network``: two roads may use the same green of a signal here, which
    a network's blocks must not.
    """
    ids = junction_ids(parts)
    index = {key: k for k, key in enumerate(ids)}
    cycle_s = float(parts[0].cycle_s)
    roads = tuple(
        road_of(
            part.model,
            1.0,
            tuple(index[key] for key in part.signal_ids),
            tuple(block_s / cycle_s for block_s in part.block_s),
        )
        for part in parts
    )
    return Problem("maxband", Range(cycle_s, cycle_s), roads, tuple(ids))
