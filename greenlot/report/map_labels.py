"""Finds room for road names on a map: each once, on its road, apart from each other."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Metres = NDArray[np.float64]

CLEAR_PT = 3.0


@dataclass(frozen=True, slots=True)
class RoadLine:
    """A road to be named.

    ``size_pt`` is the text's size, ``shapes`` are those of its edges in m. The name of a road that
    is drawn ``bold`` stands beside it, the others' on their line.
    """

    text: str
    size_pt: float
    shapes: Sequence[Sequence[tuple[float, float]]]
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name's middle stands, and the text as it is written there."""

    x_m: float
    y_m: float
    text: str


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    y: float
    half_width: float
    half_height: float

    def overlap(self, other: "_Box") -> float:
        """Covered area."""
        dx = self.half_width + other.half_width - abs(self.x - other.x)
        dy = self.half_height + other.half_height - abs(self.y - other.y)
        return max(0.0, dx) * max(0.0, dy)


def place_labels(
    roads: Sequence[RoadLine],
    marks: Metres,
    low: Metres,
    high: Metres,
    metres_per_pt: float,
) -> list[Place | None]:
    """Place names in the given order, each where it covers least.

    A road that runs north-south is named downwards, one character below the other, as on Chinese
    maps.

    Parameters
    ----------
    roads
        The important ones first.
    marks
        (n, 2) points in m that are better not covered.
    low, high
        Corners of the frame in m: names stay inside.
    metres_per_pt
        Scale.

    Returns
    -------
    list of Place or None
        None where a road has no point inside the frame.
    """
    taken: list[_Box] = []
    dots = [_Box(x, y, 3 * metres_per_pt, 3 * metres_per_pt) for x, y in marks]
    found: list[Place | None] = []
    for road in roads:
        points = _along(road)
        span = points.max(axis=0) - points.min(axis=0)
        down = bool(span[1] > span[0])
        half = _half_size(road, down, metres_per_pt)
        best: tuple[float, _Box] | None = None
        inside = ((points - half > low) & (points + half < high)).all(axis=1)
        points = points[inside]
        middle = points.mean(axis=0) if len(points) else points
        for x, y in points:
            for side in (0.0, 1.0, -1.0):
                shift = side * (half[0] if down else half[1]) + side * CLEAR_PT * metres_per_pt
                box = _Box(x + shift * down, y + shift * (not down), half[0], half[1])
                area = 4 * half[0] * half[1]
                cost = (
                    20 * sum(box.overlap(other) for other in taken) / area
                    + 4 * sum(box.overlap(dot) for dot in dots) / area
                    + (0.8 * (side == 0) if road.bold else 0.4 * abs(side))
                    + 0.2 * float(np.hypot(*(np.array([x, y]) - middle)) / max(span.max(), 1.0))
                )
                if best is None or cost < best[0] - 1e-12:
                    best = (cost, box)
        if best is None:
            found.append(None)
            continue
        taken.append(best[1])
        text = _downwards(road.text) if down else road.text
        found.append(Place(best[1].x, best[1].y, text))
    return found


def _downwards(text: str) -> str:
    """One Chinese character a line; a leading id stays together."""
    head, _, name = text.rpartition(" ")
    if not name.isascii():
        name = "\n".join(name)
    return f"{head}\n{name}" if head else name


def _half_size(road: RoadLine, down: bool, metres_per_pt: float) -> Metres:
    """Half width and half height of a name in m; Latin letters are half as wide as Chinese."""
    lines = (_downwards(road.text) if down else road.text).split("\n")
    width = max(sum(0.6 if c.isascii() else 1.0 for c in line) for line in lines)
    height = 1.45 * len(lines)
    return np.array([width, height]) * road.size_pt * metres_per_pt / 2


def _along(road: RoadLine) -> Metres:
    """Points every tenth of each stretch of the road, in a fixed order."""
    points = []
    for shape in road.shapes:
        corners = np.asarray(shape, dtype=float)
        for a, b in itertools.pairwise(corners):
            points.append(a + (b - a) * np.linspace(0.0, 1.0, 11)[:, None])
    return np.unique(np.round(np.vstack(points)), axis=0)
