"""The data of a time-space diagram: who is green when, and where the bands run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from traffic.corridors import Corridor
from traffic.greenwave import PartBands
from traffic.junction_plans import through_windows
from traffic.plan import TimingPlan

Windows = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class SignalRow:
    """A signal on the diagram.

    Parameters
    ----------
    id, name
        ``name`` is for people, such as the road that crosses.
    position_m
        From the first signal.
    green_out, green_in
        ``(start_s, end_s)`` on the master clock, within one cycle or wrapping over its end;
        empty where the signal is not coordinated.
    offset_s
        Of the plan; None where the signal is not coordinated.
    """

    id: str
    name: str
    position_m: float
    green_out: Windows
    green_in: Windows
    offset_s: int | None


@dataclass(frozen=True, slots=True)
class Band:
    """A band through neighbouring signals.

    Parameters
    ----------
    direction
        ``out`` or ``in``.
    first, last
        Indices of its rows, both inclusive, ``first < last``.
    front_s
        When its front passes each of those rows, in row order, on the master clock (not modulo
        the cycle).
    width_s
        Seconds.
    speeds_mps
        For each link, in row order.
    """

    direction: str
    first: int
    last: int
    front_s: tuple[float, ...]
    width_s: float
    speeds_mps: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TimeSpace:
    """A corridor's diagram; ``gaps`` are the rows after which the corridor is parted."""

    title: str
    cycle_s: int
    rows: tuple[SignalRow, ...]
    bands: tuple[Band, ...]
    gaps: tuple[int, ...]


def time_space(
    corridor: Corridor,
    plans: Mapping[str, TimingPlan],
    bands: Sequence[PartBands],
    *,
    cycle_s: int,
    names: Mapping[str, str],
) -> TimeSpace:
    """Lay a corridor's plans and bands out; ``names`` are for people, by signal id."""
    rows = []
    for crossing, position_m in zip(corridor.crossings, corridor.positions_m, strict=True):
        plan = plans.get(crossing.signal_id)
        rows.append(
            SignalRow(
                id=crossing.signal_id,
                name=names.get(crossing.signal_id, crossing.signal_id),
                position_m=position_m,
                green_out=tuple(through_windows(plan, crossing.through_out)) if plan else (),
                green_in=tuple(through_windows(plan, crossing.through_in)) if plan else (),
                offset_s=plan.offset_s if plan else None,
            )
        )
    drawn = [band for part in bands for band in _bands(part, corridor)]
    together = {k for part in bands for k in range(part.first, part.last)}
    gaps = tuple(k for k in range(len(rows) - 1) if k not in together)
    return TimeSpace(
        title=f"{corridor.id} {corridor.name}",
        cycle_s=cycle_s,
        rows=tuple(rows),
        bands=tuple(drawn),
        gaps=gaps,
    )


def _bands(part: PartBands, corridor: Corridor) -> list[Band]:
    found = []
    links = corridor.links[part.first : part.last]
    if part.band_out_s > 0:
        front = [part.start_out_s]
        for link, speed_mps in zip(links, part.speed_out_mps, strict=True):
            front.append(front[-1] + (link.length_out_m or link.length_in_m) / speed_mps)
        found.append(
            Band("out", part.first, part.last, tuple(front), part.band_out_s, part.speed_out_mps)
        )
    if part.band_in_s > 0:
        front = [part.start_in_s]
        for link, speed_mps in zip(links[::-1], part.speed_in_mps[::-1], strict=True):
            front.append(front[-1] + (link.length_in_m or link.length_out_m) / speed_mps)
        found.append(
            Band("in", part.first, part.last, tuple(front[::-1]), part.band_in_s, part.speed_in_mps)
        )
    return found
