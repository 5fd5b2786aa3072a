"""Where a point meets the streets: the nearest one, and how far along it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from traffic.network import RoadEdge, RoadGraph

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SAMPLE_M = 20.0
"""Points are looked up among samples of the streets, at most that far apart."""
NEIGHBOURS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Meeting:
    """Where points meet streets, shape (points,) each.

    Parameters
    ----------
    street
        Number of the nearest street.
    share
        How far along it, 0 = its beginning, 1 = its end.
    x_m, y_m
        The place on the street.
    away_m
        From the point to there, as the crow flies.
    """

    street: Ints
    share: Floats
    x_m: Floats
    y_m: Floats
    away_m: Floats


class Streets:
    """The edges of a road graph as numbered streets.

    Parameters
    ----------
    graph
        At least one edge.
    """

    def __init__(self, graph: RoadGraph) -> None:
        self.edges: tuple[RoadEdge, ...] = tuple(graph.edges.values())
        self.number = {edge.id: k for k, edge in enumerate(self.edges)}
        self.junctions = {junction: k for k, junction in enumerate(graph.junctions)}
        self.junction_x_m = np.array([j.x_m for j in graph.junctions.values()])
        self.junction_y_m = np.array([j.y_m for j in graph.junctions.values()])
        self.begins = np.array([self.junctions[e.from_junction] for e in self.edges])
        self.ends = np.array([self.junctions[e.to_junction] for e in self.edges])
        self.back = self._ways_back()
        self._lay_out_segments(graph)

    def _ways_back(self) -> Ints:
        """Return for each street the one the other way, nearest in length; -1 = one-way."""
        between: dict[tuple[int, int], list[int]] = {}
        for k, pair in enumerate(zip(self.begins.tolist(), self.ends.tolist(), strict=True)):
            between.setdefault(pair, []).append(k)
        back = np.full(len(self.edges), -1, dtype=np.int64)
        for (a, b), group in between.items():
            others = between.get((b, a), [])
            if a == b or len(group) != 1 or len(others) != 1:
                continue
            back[group[0]] = others[0]
        return back

    def _lay_out_segments(self, graph: RoadGraph) -> None:
        """Cut every street's shape into pieces and put samples along them."""
        pieces: list[tuple[int, float, float, float, float, float, float]] = []
        shape_m = np.zeros(len(self.edges))
        for k, edge in enumerate(self.edges):
            points = _points(edge, graph)
            lengths = np.hypot(*np.diff(points, axis=0).T)
            total = float(lengths.sum())
            shape_m[k] = total
            done = 0.0
            for (x, y), (u, v), length in zip(points[:-1], points[1:], lengths, strict=True):
                share = done / total if total else 0.0
                done += length
                pieces.append((k, x, y, u, v, share, done / total if total else 1.0))
        self.shape_m = shape_m
        table = np.array(pieces, dtype=np.float64).reshape(-1, 7)
        self._street = table[:, 0].astype(np.int64)
        self._from, self._to = table[:, 1:3], table[:, 3:5]
        self._share = table[:, 5:7]
        self._first = np.searchsorted(self._street, np.arange(len(self.edges) + 1))
        lengths = np.hypot(*(self._to - self._from).T)
        counts = np.maximum(1, np.ceil(lengths / SAMPLE_M)).astype(np.int64)
        self._piece_of = np.repeat(np.arange(len(table)), counts)
        within = np.arange(len(self._piece_of)) - np.repeat(np.cumsum(counts) - counts, counts)
        # In the middle of equal parts: nothing on a piece is further off than half a part.
        along = ((within + 0.5) / counts[self._piece_of])[:, None]
        start, end = self._from[self._piece_of], self._to[self._piece_of]
        self._half_m = float((lengths / counts).max()) / 2
        self._samples = cKDTree(start + along * (end - start))

    def meet(self, x_m: Floats, y_m: Floats) -> Meeting:
        """Return the nearest street of each point; of equals, the first in the network."""
        points = np.column_stack([x_m, y_m])
        count = min(NEIGHBOURS, self._samples.n)
        answer_m, answer = self._samples.query(points, k=count)
        near_m = np.asarray(answer_m).reshape(len(points), count)
        near = np.asarray(answer).reshape(len(points), count)
        met = self._best(points, self._piece_of[near])
        # A street that no neighbour lies on may be nearer still: its sample is within this.
        reach_m = np.hypot(met.away_m, self._half_m)
        for k in np.flatnonzero((near_m[:, -1] <= reach_m) & (count < self._samples.n)):
            found = self._samples.query_ball_point(points[k], reach_m[k] + 1e-6)
            one = self._best(points[k : k + 1], self._piece_of[np.array([sorted(found)])])
            for name in ("street", "share", "x_m", "y_m", "away_m"):
                getattr(met, name)[k] = getattr(one, name)[0]
        return met

    def meet_on(self, street: int, x_m: Floats, y_m: Floats) -> Meeting:
        """Return where points come nearest to one street."""
        pieces = np.arange(self._first[street], self._first[street + 1])
        return self._best(np.column_stack([x_m, y_m]), np.tile(pieces, (len(x_m), 1)))

    def _best(self, points: Floats, pieces: Ints) -> Meeting:
        """Return the nearest place of each point on some pieces, shape (points, pieces)."""
        start, step = self._from[pieces], self._to[pieces] - self._from[pieces]
        square = (step**2).sum(axis=-1)
        along = ((points[:, None, :] - start) * step).sum(axis=-1) / np.maximum(square, 1e-12)
        along = np.clip(along, 0.0, 1.0)
        place = start + along[..., None] * step
        away_m = np.hypot(*np.moveaxis(points[:, None, :] - place, -1, 0))
        # Rounded, so that both ways of a street are equally near.
        rank = np.lexsort((self._street[pieces], np.round(away_m, 6)), axis=-1)[:, 0]
        row = np.arange(len(points))
        chosen = pieces[row, rank]
        share = self._share[chosen]
        return Meeting(
            street=self._street[chosen],
            share=share[:, 0] + along[row, rank] * (share[:, 1] - share[:, 0]),
            x_m=place[row, rank, 0],
            y_m=place[row, rank, 1],
            away_m=away_m[row, rank],
        )


def _points(edge: RoadEdge, graph: RoadGraph) -> Floats:
    """Return a street's shape, or the straight line between its junctions."""
    shape = edge.shape
    if len(shape) < 2:
        ends = (graph.junctions[edge.from_junction], graph.junctions[edge.to_junction])
        shape = tuple((junction.x_m, junction.y_m) for junction in ends)
    return np.array(shape, dtype=np.float64)
