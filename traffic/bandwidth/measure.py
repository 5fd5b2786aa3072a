"""Measures the bands of a plan, exactly, from nothing but greens and travel times.

It knows no model and shares no code with the solvers: a band through signals is a set of departure
times at the first one from which every green is met, so it is the longest run in an intersection
of circular intervals.

With a queue that needs tau to clear, the front passes signal j + 1 at u_{j+1} = u_j + t_j -
tau_{j+1}, and [u_j, u_j + b + tau_j] must be green; tau is 0 at a direction's first signal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from traffic.bandwidth.corridor import Corridor
from traffic.errors import InvalidInputError

# A line may miss a green's edge by this and still pass at it.
ROUND_OFF_S = 1e-6


@dataclass(frozen=True, slots=True)
class Window:
    """A green on a common clock: ``[start_s, start_s + length_s)``, repeated every cycle."""

    start_s: float
    length_s: float


@dataclass(frozen=True, slots=True)
class Band:
    """A band: where it starts at the first signal, on the common clock, and its width."""

    start_s: float
    width_s: float


@dataclass(frozen=True, slots=True)
class LinkBand:
    """A band of one link in one direction; ``before_s`` and ``after_s`` only around a line."""

    width_s: float
    before_s: float | None = None
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What a plan gives.

    Parameters
    ----------
    out, back
        Widest band through all signals, outbound and inbound; ``start_s`` is when its front
        passes the direction's first signal.
    links_out, links_in
        Band of each link: the widest, or that around the progression lines.
    """

    out: Band
    back: Band
    links_out: tuple[LinkBand, ...]
    links_in: tuple[LinkBand, ...]


def measure(
    corridor: Corridor,
    *,
    cycle_s: float,
    green_out: Sequence[Window],
    green_in: Sequence[Window],
    speed_out_mps: Sequence[float],
    speed_in_mps: Sequence[float],
    line_out_s: Sequence[float] | None = None,
    line_in_s: Sequence[float] | None = None,
    symmetric: bool = False,
) -> Measured:
    """Measure a plan of a corridor.

    Parameters
    ----------
    corridor
        For its distances and queues.
    cycle_s
        The plan's cycle.
    green_out, green_in
        Of each signal, in outbound order.
    speed_out_mps, speed_in_mps
        On each link.
    line_out_s, line_in_s
        When a progression line passes each signal; then a link's band is the one around it, which
        is 0 where the line meets red. None = the widest band through the link's two signals.
    symmetric
        The band reaches as far before its line as after it (MULTIBAND).

    Raises
    ------
    InvalidInputError
        Sequences whose lengths do not fit the corridor.
    """
    n = len(corridor.signals)
    for name, values, count in (
        ("green_out", green_out, n),
        ("green_in", green_in, n),
        ("speed_out_mps", speed_out_mps, n - 1),
        ("speed_in_mps", speed_in_mps, n - 1),
    ):
        if len(values) != count:
            raise InvalidInputError(f"{len(values)}; expected {count}", where=name)
    queue_out_s = [signal.queue_out_s for signal in corridor.signals]
    queue_in_s = [signal.queue_in_s for signal in corridor.signals]
    queue_out_s[0] = queue_in_s[-1] = 0.0
    lengths_m = corridor.lengths_m
    out = _Way(
        cycle_s,
        [_cleared(g, q, cycle_s) for g, q in zip(green_out, queue_out_s, strict=True)],
        [
            length / v - q
            for length, v, q in zip(lengths_m, speed_out_mps, queue_out_s[1:], strict=True)
        ],
    )
    back = _Way(
        cycle_s,
        [_cleared(g, q, cycle_s) for g, q in zip(green_in, queue_in_s, strict=True)][::-1],
        [
            length / v - q
            for length, v, q in zip(lengths_m, speed_in_mps, queue_in_s[:-1], strict=True)
        ][::-1],
    )
    return Measured(
        out=out.widest(0, n - 1),
        back=back.widest(0, n - 1),
        links_out=tuple(out.links(line_out_s, symmetric)),
        links_in=tuple(back.links(line_in_s[::-1] if line_in_s else None, symmetric))[::-1],
    )


def _cleared(green: Window, queue_s: float, cycle_s: float) -> Window:
    """Cut the time a queue needs off the end of a green; one that never ends has no end."""
    if green.length_s >= cycle_s * (1 - 1e-9):
        return Window(green.start_s, cycle_s)
    return Window(green.start_s, green.length_s - queue_s)


@dataclass(frozen=True, slots=True)
class _Way:
    """One direction in driving order: greens less queues, travel times less queues."""

    cycle_s: float
    greens: Sequence[Window]
    travel_s: Sequence[float]

    def widest(self, first: int, last: int) -> Band:
        """Widest band from one signal to another."""
        windows = [[green] for green in self.greens[first : last + 1]]
        return widest_band(windows, self.travel_s[first:last], self.cycle_s)

    def links(self, line_s: Sequence[float] | None, symmetric: bool) -> list[LinkBand]:
        """Band of each link."""
        count = len(self.travel_s)
        if line_s is None:
            return [LinkBand(self.widest(k, k + 1).width_s) for k in range(count)]
        rooms = [self._room(green, at_s) for green, at_s in zip(self.greens, line_s, strict=True)]
        bands = []
        for k in range(count):
            # The line itself must run at the link's speed: what it is late is lost.
            late_s = line_s[k] + self.travel_s[k] - line_s[k + 1]
            before_s = min(rooms[k][0], rooms[k + 1][0] + late_s)
            after_s = min(rooms[k][1], rooms[k + 1][1] - late_s)
            if symmetric:
                before_s = after_s = min(before_s, after_s)
            if min(before_s, after_s) < -ROUND_OFF_S:
                before_s = after_s = 0.0
            before_s, after_s = max(before_s, 0.0), max(after_s, 0.0)
            if before_s + after_s > self.cycle_s:
                # Greens that never end: the band is the whole cycle, however it lies.
                before_s = min(before_s, self.cycle_s / 2 if symmetric else self.cycle_s)
                after_s = before_s if symmetric else self.cycle_s - before_s
            bands.append(LinkBand(before_s + after_s, before_s, after_s))
        return bands

    def _room(self, green: Window, at_s: float) -> tuple[float, float]:
        """How long it has been green at an instant, and how long it will be."""
        if green.length_s >= self.cycle_s:
            return self.cycle_s, self.cycle_s
        since_s = (at_s - green.start_s) % self.cycle_s
        if since_s > self.cycle_s - ROUND_OFF_S:
            # The line passes at the very start of the green.
            since_s -= self.cycle_s
        return since_s, green.length_s - since_s


def widest_band(
    windows: Sequence[Sequence[Window]], travel_s: Sequence[float], cycle_s: float
) -> Band:
    """Find the widest band through signals.

    Parameters
    ----------
    windows
        For each signal in driving order its greens, one or more, not overlapping.
    travel_s
        Travel time to each signal from the one before it; one fewer than signals.
    cycle_s
        The common cycle.

    Returns
    -------
    Band
        Width 0 when no band runs through; a green all along is a band of the whole cycle.
    """
    runs = [(0.0, cycle_s)]
    reached_s = 0.0
    for k, greens in enumerate(windows):
        if k:
            reached_s += travel_s[k - 1]
        pieces = []
        for window in greens:
            length_s = min(window.length_s, cycle_s)
            begin_s = (window.start_s - reached_s) % cycle_s
            pieces.append((begin_s, min(begin_s + length_s, cycle_s)))
            if begin_s + length_s > cycle_s:
                pieces.append((0.0, begin_s + length_s - cycle_s))
        runs = [
            (max(a, c), min(b, d))
            for a, b in runs
            for c, d in pieces
            if min(b, d) - max(a, c) > 1e-12
        ]
    return _longest(runs, cycle_s)


def _longest(runs: list[tuple[float, float]], cycle_s: float) -> Band:
    """Longest run on the circle: pieces that touch, also across its end, are one."""
    joined: list[list[float]] = []
    for start_s, end_s in sorted(runs):
        if joined and start_s - joined[-1][1] <= 1e-9:
            joined[-1][1] = max(joined[-1][1], end_s)
        else:
            joined.append([start_s, end_s])
    if len(joined) > 1 and joined[0][0] <= 1e-9 and joined[-1][1] >= cycle_s - 1e-9:
        first = joined.pop(0)
        joined[-1][1] += first[1]
    best = max(joined, key=lambda run: (run[1] - run[0], -run[0]), default=[0.0, 0.0])
    return Band(best[0] % cycle_s, min(best[1] - best[0], cycle_s))
