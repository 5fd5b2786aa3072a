"""The data of a time-space diagram: who is green when, where the bands run, where they stop."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from traffic.corridors import Corridor
from traffic.errors import InvalidInputError
from traffic.greenwave import MAX_LINK_M, PartBands
from traffic.junction_plans import through_windows
from traffic.plan import TimingPlan

Windows = tuple[tuple[float, float], ...]
BandDirection = Literal["out", "in"]
PartingReason = Literal["long", "no_band", "not_coordinated"]


@dataclass(frozen=True, slots=True)
class SignalRow:
    """A signal on the diagram.

    Windows are ``(start_s, end_s)`` on the common clock, ``0 < end_s - start_s <= cycle``; they
    repeat every cycle and one that wraps ends after it.

    Parameters
    ----------
    id, name
        ``name`` is for people, such as the road that crosses.
    position_m
        From the first signal.
    green_out, green_in
        When the way through is green; empty where the direction does not exist or the signal is
        not coordinated.
    offset_s
        Of the plan; None where the signal is not coordinated.
    left_out, left_in
        When the left turns out of the corridor have a protected green.
    """

    id: str
    name: str
    position_m: float
    green_out: Windows
    green_in: Windows
    offset_s: float | None
    left_out: Windows = ()
    left_in: Windows = ()

    def __post_init__(self) -> None:
        for field in ("green_out", "green_in", "left_out", "left_in"):
            for start_s, end_s in getattr(self, field):
                if not start_s < end_s:
                    raise InvalidInputError(
                        f"({start_s}, {end_s}); expected start < end",
                        where=f"signal {self.id}.{field}",
                    )


@dataclass(frozen=True, slots=True)
class Band:
    """A band through neighbouring signals.

    Where a queue stands at a signal it leaves first: the front leaves the signal before the
    platoon behind it arrives there.

    Parameters
    ----------
    direction
        ``out`` or ``in``.
    first, last
        Indices of its rows, both inclusive, ``first < last``.
    front_s
        When its front leaves each of those rows, in row order, on the common clock (not modulo
        the cycle).
    width_s
        Seconds, more than 0.
    speeds_mps
        For each link, in row order.
    queue_s
        How long after its front leaves a row the platoon arrives there, for each row; empty where
        no queue stands. Arrivals rise outbound and fall inbound.
    line_s
        How long after the front its progression line runs; None without one.
    """

    direction: BandDirection
    first: int
    last: int
    front_s: tuple[float, ...]
    width_s: float
    speeds_mps: tuple[float, ...]
    queue_s: tuple[float, ...] = ()
    line_s: float | None = None

    def __post_init__(self) -> None:
        links = self.last - self.first
        if links < 1 or len(self.front_s) != links + 1 or len(self.speeds_mps) != links:
            raise InvalidInputError(
                f"{len(self.front_s)} fronts, {len(self.speeds_mps)} speeds; expected a front for "
                f"each of the rows {self.first} to {self.last} and a speed for each link",
                where="band",
            )
        if not self.width_s > 0:
            raise InvalidInputError(f"{self.width_s}; expected more than 0", where="band.width_s")
        if self.queue_s and len(self.queue_s) != links + 1:
            raise InvalidInputError(
                f"{len(self.queue_s)}; expected {links + 1} or none", where="band.queue_s"
            )
        came, left = self.came_s, self.front_s
        if self.direction == "in":
            came, left = came[::-1], left[::-1]
        if any(arrives <= leaves for leaves, arrives in zip(left, came[1:], strict=False)):
            raise InvalidInputError(
                f"{self.front_s}; expected rising outbound, falling inbound", where="band.front_s"
            )

    @property
    def came_s(self) -> tuple[float, ...]:
        """When the platoon's first car arrives at each row, in row order."""
        if not self.queue_s:
            return self.front_s
        return tuple(a + b for a, b in zip(self.front_s, self.queue_s, strict=True))

    def middle_s(self, link: int) -> float:
        """When the band's middle passes the middle of the link after row ``link``."""
        k = link - self.first
        begin, end = (k, k + 1) if self.direction == "out" else (k + 1, k)
        return (self.front_s[begin] + self.came_s[end] + self.width_s) / 2


@dataclass(frozen=True, slots=True)
class Parting:
    """A link that no band crosses.

    ``after`` is the index of the row before it. ``long``: no platoon survives its length;
    ``no_band``: no two-way band runs through; ``not_coordinated``: one of its signals keeps a
    program of its own.
    """

    after: int
    length_m: float
    reason: PartingReason


@dataclass(frozen=True, slots=True)
class TimeSpace:
    """A corridor's diagram.

    Parameters
    ----------
    title
        For people.
    cycle_s
        The common cycle, more than 0.
    rows
        Two or more, in outbound order, positions rising.
    bands
        In both directions.
    partings
        Where the corridor is parted.

    Raises
    ------
    InvalidInputError
        A rule above is broken, or a band or parting refers to a row that is not there.
    """

    title: str
    cycle_s: float
    rows: tuple[SignalRow, ...]
    bands: tuple[Band, ...]
    partings: tuple[Parting, ...] = ()

    def __post_init__(self) -> None:
        if not self.cycle_s > 0:
            raise InvalidInputError(f"{self.cycle_s}; expected more than 0", where="cycle_s")
        if len(self.rows) < 2:
            raise InvalidInputError(f"{len(self.rows)} rows; expected two or more", where="rows")
        for a, b in itertools.pairwise(self.rows):
            if not a.position_m < b.position_m:
                raise InvalidInputError(
                    f"{b.position_m} m after {a.position_m} m; expected rising positions",
                    where=f"signal {b.id}.position_m",
                )
        if any(not 0 <= band.first < band.last < len(self.rows) for band in self.bands):
            raise InvalidInputError(f"expected rows 0 to {len(self.rows) - 1}", where="bands")
        if any(not 0 <= p.after < len(self.rows) - 1 for p in self.partings):
            raise InvalidInputError(f"expected rows 0 to {len(self.rows) - 2}", where="partings")

    def length_m(self, link: int) -> float:
        """Length of the link after row ``link``."""
        return self.rows[link + 1].position_m - self.rows[link].position_m

    def speed_mps(self, link: int, direction: BandDirection) -> float | None:
        """Progression speed on the link after row ``link``; None where no band runs."""
        for band in self.bands:
            if band.direction == direction and band.first <= link < band.last:
                return band.speeds_mps[link - band.first]
        return None


def time_space(
    corridor: Corridor,
    plans: Mapping[str, TimingPlan],
    bands: Sequence[PartBands],
    *,
    cycle_s: int,
    names: Mapping[str, str],
    max_link_m: float = MAX_LINK_M,
) -> TimeSpace:
    """Lay a corridor's plans and bands out.

    Parameters
    ----------
    corridor
        The corridor.
    plans
        By signal id; a signal without one is not coordinated.
    bands
        Of the corridor's parts, as measured.
    cycle_s
        The common cycle.
    names
        For people, by signal id.
    max_link_m
        The length beyond which links were parted: it tells why a link has no band.
    """
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
                left_out=_protected(plan, crossing.left_out) if plan else (),
                left_in=_protected(plan, crossing.left_in) if plan else (),
            )
        )
    name = corridor.name
    return TimeSpace(
        title=name if corridor.id == name else f"{corridor.id} {name}",
        cycle_s=cycle_s,
        rows=tuple(rows),
        bands=tuple(band for part in bands for band in _bands(part, corridor)),
        partings=tuple(_partings(rows, bands, max_link_m)),
    )


def _protected(plan: TimingPlan, links: tuple[int, ...]) -> Windows:
    """When all links have a green that yields to nobody; whole seconds, as plans have them."""
    if not links:
        return ()
    shown = [all(plan.state_at(t_s)[link] == "G" for link in links) for t_s in range(plan.cycle_s)]
    return circular_runs(shown)


def circular_runs(shown: Sequence[bool]) -> Windows:
    """Return the runs of true seconds on a circle as windows; one may wrap.

    Examples
    --------
    >>> circular_runs([True, False, False, True])
    ((3, 5),)
    """
    cycle_s = len(shown)
    if all(shown):
        return ((0, cycle_s),) if shown else ()
    starts = [t for t in range(cycle_s) if shown[t] and not shown[t - 1]]
    runs = []
    for start in starts:
        end = start
        while shown[end % cycle_s]:
            end += 1
        runs.append((start, end))
    return tuple(runs)


def _partings(
    rows: Sequence[SignalRow], bands: Sequence[PartBands], max_link_m: float
) -> Iterable[Parting]:
    together = {
        k
        for part in bands
        if part.band_out_s or part.band_in_s
        for k in range(part.first, part.last)
    }
    for k, (a, b) in enumerate(itertools.pairwise(rows)):
        if k in together:
            continue
        length_m = b.position_m - a.position_m
        reason: PartingReason = "no_band"
        if length_m > max_link_m:
            reason = "long"
        elif a.offset_s is None or b.offset_s is None:
            reason = "not_coordinated"
        yield Parting(k, length_m, reason)


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
