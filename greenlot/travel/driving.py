"""Driving times: from the street where a car stands to the street of an entrance."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from greenlot.travel.searches import Ends, Searches
from greenlot.travel.streets import Meeting, Streets
from traffic.network import RoadGraph

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Cars:
    """Where cars stand or stop: on at most two streets each, shape (points, 2).

    Parameters
    ----------
    street, share
        Which streets, and how far along; a missing one has the first's number.
    known
        Whether there is such a street.
    """

    street: Ints
    share: Floats
    known: NDArray[np.bool_]

    @classmethod
    def on_either_side(cls, met: Meeting, streets: Streets) -> "Cars":
        """Put cars on the street that they meet and on the way back beside it."""
        back = streets.back[met.street]
        return cls(
            street=np.column_stack([met.street, np.where(back < 0, met.street, back)]),
            share=np.column_stack([met.share, 1 - met.share]),
            known=np.column_stack([back == back, back >= 0]),
        )


@numba.njit(cache=True, nogil=True)
def _straight_on(out, street_s, a_street, a_share, a_known, b_street, b_share, b_known, i, j):  # type: ignore[no-untyped-def]
    """Lower times where the goal lies ahead on the very street."""
    for k in range(len(i)):
        for a in range(2):
            for b in range(2):
                p, q = i[k], j[k]
                if a_known[p, a] and b_known[q, b] and a_street[p, a] == b_street[q, b]:
                    ahead = b_share[q, b] - a_share[p, a]
                    if ahead >= 0:
                        out[k] = min(out[k], ahead * street_s[a_street[p, a]])


class Driving:
    """Free-flow times over streets and turns.

    The graph has two nodes a street: its beginning (its number) and its end (number + streets);
    driving it and turning from it are the arcs, so that turns which do not exist are not taken.
    """

    def __init__(self, graph: RoadGraph, streets: Streets) -> None:
        n = len(streets.edges)
        self._n = n
        self.street_s = np.array([edge.free_flow_s for edge in streets.edges])
        turn_s: dict[tuple[int, int], float] = {
            (streets.number[turn.from_edge], streets.number[turn.to_edge]): 0.0
            for turn in graph.movements
        }
        through: dict[tuple[int, int], float] = {}
        for way in graph.connections:
            turn = (streets.number[way.from_edge], streets.number[way.to_edge])
            through[turn] = min(through.get(turn, np.inf), way.length_m / way.speed_mps)
        turn_s.update(through)
        turns = np.array(list(turn_s), dtype=np.int64).reshape(-1, 2)
        numbers = np.arange(n)
        self._searches = Searches(
            begins=np.concatenate([numbers, turns[:, 0] + n]),
            ends=np.concatenate([numbers + n, turns[:, 1]]),
            # A sparse matrix holds no arc of weight 0.
            weight=np.maximum(np.concatenate([self.street_s, list(turn_s.values())]), 1e-6),
            nodes=2 * n,
        )

    def seconds(self, start: Cars, goal: Cars, i: Ints, j: Ints) -> Floats:
        """Return times from ``start[i[k]]`` to ``goal[j[k]]``, s; infinite = no way."""
        rest_s = np.where(start.known, (1 - start.share) * self.street_s[start.street], np.inf)
        done_s = np.where(goal.known, goal.share * self.street_s[goal.street], np.inf)
        found = self._searches.between(
            Ends(start.street + self._n, rest_s), Ends(goal.street, done_s), i, j
        )
        _straight_on(
            *(found, self.street_s, start.street, start.share, start.known),
            *(goal.street, goal.share, goal.known, i, j),
        )
        return found
