"""The bands of a document's time-space diagram, measured from greens, speeds and queues.

Rows, speeds and queues are those of neighbouring signals in outbound order; ``first`` is the
first one's row on the diagram. Queues are 0 at the direction's first signal.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from traffic.bandwidth import Window, widest_band
from traffic.timespace import Band, BandDirection, SignalRow

# Below this a measured band is rounding noise, not a band.
LEAST_BAND_S = 1e-6


@dataclass(frozen=True, slots=True)
class LinkLine:
    """How far a link's band reaches before and after its progression line, s."""

    before_s: float
    after_s: float


def through_band(
    rows: Sequence[SignalRow],
    first: int,
    speeds_mps: Sequence[float],
    queues_s: Sequence[float],
    cycle_s: float,
    side: BandDirection,
) -> Band | None:
    """Measure the widest band through all rows; None where none runs."""
    travel_s = _travel_s(rows, speeds_mps)
    greens = [row.green_out if side == "out" else row.green_in for row in rows]
    queues = list(queues_s)
    if side == "in":
        greens, travel_s, queues = greens[::-1], travel_s[::-1], queues[::-1]
    # The front passes at u[j+1] = u[j] + t[j] - queue[j+1], and needs green until the band and a
    # time as long as the queue's have passed.
    steps_s = [t - queue for t, queue in zip(travel_s, queues[1:], strict=True)]
    windows = [
        [Window(begin, _less(end - begin, queue, cycle_s)) for begin, end in green]
        for green, queue in zip(greens, queues, strict=True)
    ]
    band = widest_band(windows, steps_s, cycle_s)
    if band.width_s <= LEAST_BAND_S:
        return None
    front = tuple(itertools.accumulate(steps_s, initial=band.start_s))
    return Band(
        direction=side,
        first=first,
        last=first + len(rows) - 1,
        front_s=front if side == "out" else front[::-1],
        width_s=band.width_s,
        speeds_mps=tuple(speeds_mps),
        queue_s=tuple(queues_s) if any(queues_s) else (),
    )


def link_bands(
    rows: Sequence[SignalRow],
    first: int,
    speeds_mps: Sequence[float],
    queues_s: Sequence[float],
    cycle_s: float,
    side: BandDirection,
) -> list[Band]:
    """Measure each link's own band, where it has one."""
    pieces = (
        through_band(
            rows[k : k + 2],
            first + k,
            speeds_mps[k : k + 1],
            queues_s[k : k + 2],
            cycle_s,
            side,
        )
        for k in range(len(rows) - 1)
    )
    return [band for band in pieces if band is not None]


def lined_bands(
    rows: Sequence[SignalRow],
    first: int,
    speeds_mps: Sequence[float],
    queues_s: Sequence[float],
    side: BandDirection,
    passed_s: Sequence[float],
    lines: Sequence[LinkLine],
) -> list[Band]:
    """Lay out the bands around a progression line that passes the rows at ``passed_s``."""
    travel_s = _travel_s(rows, speeds_mps)
    found = []
    for k, line in enumerate(lines):
        width_s = line.before_s + line.after_s
        if width_s <= LEAST_BAND_S:
            continue
        queues = queues_s[k : k + 2]
        begin, end = (k, k + 1) if side == "out" else (k + 1, k)
        left_s = passed_s[begin] - line.before_s
        reached_s = left_s + travel_s[k] - queues_s[end]
        found.append(
            Band(
                direction=side,
                first=first + k,
                last=first + k + 1,
                front_s=(left_s, reached_s) if begin < end else (reached_s, left_s),
                width_s=width_s,
                speeds_mps=(speeds_mps[k],),
                queue_s=tuple(queues) if any(queues) else (),
                line_s=line.before_s,
            )
        )
    return found


def _travel_s(rows: Sequence[SignalRow], speeds_mps: Sequence[float]) -> list[float]:
    return [
        (b.position_m - a.position_m) / v
        for (a, b), v in zip(itertools.pairwise(rows), speeds_mps, strict=True)
    ]


def _less(green_s: float, queue_s: float, cycle_s: float) -> float:
    """Cut the time a queue needs off a green; one that never ends has no end."""
    return cycle_s if green_s >= cycle_s * (1 - 1e-9) else green_s - queue_s
