"""The shapes of a time-space diagram, for whatever draws them: seconds along x, metres along y.

A link too long for any platoon would squeeze the others: it is drawn broken, at a fixed length,
as engineers break an axis; its true length is written beside it.
"""

import itertools
import math
from collections.abc import Iterator

from traffic.timespace import Band, TimeSpace, Windows

BROKEN_LINK_M = 450.0
Point = tuple[float, float]


def drawn_positions(diagram: TimeSpace) -> tuple[float, ...]:
    """Where each row is drawn, m from the first: over-long links are broken short."""
    broken = {p.after for p in diagram.partings if p.reason == "long"}
    lengths = (
        min(diagram.length_m(k), BROKEN_LINK_M) if k in broken else diagram.length_m(k)
        for k in range(len(diagram.rows) - 1)
    )
    return tuple(itertools.accumulate(lengths, initial=0.0))


def shown_windows(windows: Windows, cycle_s: float, until_s: float) -> tuple[Point, ...]:
    """Repeat windows every cycle and cut them to ``[0, until_s]``; sorted."""
    found = []
    for start_s, end_s in windows:
        for cycle in range(-math.ceil(end_s / cycle_s), math.ceil(until_s / cycle_s) + 1):
            begin, end = start_s + cycle * cycle_s, end_s + cycle * cycle_s
            if end > 0 and begin < until_s:
                found.append((max(begin, 0.0), min(end, until_s)))
    return tuple(sorted(found))


def not_green(windows: Windows, cycle_s: float, until_s: float) -> tuple[Point, ...]:
    """When none of the windows is open, within ``[0, until_s]``: red, with the yellow in it."""
    found = []
    reached = 0.0
    for begin, end in shown_windows(windows, cycle_s, until_s):
        if begin > reached:
            found.append((reached, begin))
        reached = max(reached, end)
    if reached < until_s:
        found.append((reached, until_s))
    return tuple(found)


def band_polygons(diagram: TimeSpace, band: Band, until_s: float) -> Iterator[tuple[Point, ...]]:
    """Yield the band's outline for every cycle that touches ``[0, until_s]``, earliest first."""
    for front in _tracks(diagram, band, until_s, 0.0, band.width_s):
        rear = [(t + band.width_s, y) for t, y in front]
        yield (*front, *rear[::-1])


def band_lines(diagram: TimeSpace, band: Band, until_s: float) -> Iterator[tuple[Point, ...]]:
    """Yield the band's progression line for every cycle; nothing where it has none."""
    if band.line_s is not None:
        yield from _tracks(diagram, band, until_s, band.line_s, 0.0)


def _tracks(
    diagram: TimeSpace, band: Band, until_s: float, after_s: float, width_s: float
) -> Iterator[tuple[Point, ...]]:
    """Yield the way of a car that runs ``after_s`` behind the front, in every cycle in sight.

    Where a queue leaves first, the way steps back: the car that leaves is one of the queue.
    """
    way: list[Point] = []
    places = drawn_positions(diagram)[band.first : band.last + 1]
    for left_s, came_s, y in zip(band.front_s, band.came_s, places, strict=True):
        both = (came_s, left_s) if band.direction == "out" else (left_s, came_s)
        way += [(t + after_s, y) for t in dict.fromkeys(both)]
    low, high = min(t for t, _ in way), max(t for t, _ in way) + width_s
    first = math.floor(-high / diagram.cycle_s) + 1
    last = math.ceil((until_s - low) / diagram.cycle_s) - 1
    for cycle in range(first, last + 1):
        yield tuple((t + cycle * diagram.cycle_s, y) for t, y in way)
