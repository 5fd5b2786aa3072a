"""Periods of the day from a profile of flows: which times share a plan.

A period is a run of slices that one plan serves; the more its flows differ from their mean, the
worse the plan fits. The best boundaries are found exactly, by dynamic programming over the
slices (optimal segmentation; Bellman 1961, "On the approximation of curves by line segments using
dynamic programming"), and each further period must earn a share of the whole deviation.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from traffic.demand import Demand, Floats
from traffic.errors import InvalidInputError

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Period:
    """A time of the day with one plan; ``begin_s < end_s``, in s after local midnight.

    ``flows_vph`` holds the mean of each series of the profile within the period.
    """

    begin_s: float
    end_s: float
    flows_vph: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Periods:
    """Periods of a profile, in order and without gaps.

    Parameters
    ----------
    periods
        At least one.
    deviation
        What is left of the squared deviation from the periods' means, as a share of that from the
        mean of the whole profile: 0 = the periods are the profile, 1 = they explain nothing.
    """

    periods: tuple[Period, ...]
    deviation: float

    @property
    def switches_s(self) -> tuple[float, ...]:
        """Times at which a period ends and the next one begins."""
        return tuple(period.begin_s for period in self.periods[1:])


def find_periods(
    flows_vph: Floats,
    slice_s: float,
    *,
    begin_s: float = 0.0,
    most: int = 8,
    min_length_s: float = 1800.0,
    min_gain: float = 0.03,
) -> Periods:
    """Cut a profile of flows into periods.

    Among all cuts into up to ``most`` periods of at least ``min_length_s`` the one is returned
    that has the least deviation plus ``min_gain`` for each period after the first. Of equally good
    cuts, the one with the fewest periods.

    Parameters
    ----------
    flows_vph
        (slices,) or (slices, series): total flows, or those of several roads or directions, so
        that an opposite tide makes a period of its own. Finite, 0 or more.
    slice_s
        Width of a slice, more than 0.
    begin_s
        When the first slice begins.
    most
        Largest number of periods, at least 1 (a controller of GB/T 20999 holds 48 a day).
    min_length_s
        Shortest period; a profile that is shorter gives one period.
    min_gain
        Share of the whole deviation that a further period must take away, 0 to 1.

    Raises
    ------
    InvalidInputError
        A value is out of range.
    """
    flows = np.atleast_2d(np.asarray(flows_vph, dtype=np.float64).T).T
    if flows.ndim != 2 or not flows.size:
        raise InvalidInputError("expected at least one slice of flows", where="flows_vph")
    if not (np.isfinite(flows).all() and (flows >= 0).all()):
        raise InvalidInputError("expected flows of 0 or more", where="flows_vph")
    if not slice_s > 0:
        raise InvalidInputError(f"{slice_s}; expected more than 0", where="slice_s")
    if most < 1:
        raise InvalidInputError(f"{most}; expected at least 1", where="most")
    if not 0 <= min_gain <= 1:
        raise InvalidInputError(f"{min_gain}; expected 0 to 1", where="min_gain")
    count = len(flows)
    shortest = min(count, max(1, math.ceil(min_length_s / slice_s - 1e-9)))
    costs = _deviations(flows)
    whole = costs[0, count]
    best, cuts = _segment(costs, min(most, count // shortest), shortest)
    # Rounding may leave a flat profile a deviation of next to nothing.
    scale = max(whole, 1e-9 * float((flows**2).sum()), 1e-300)
    k = int(np.argmin(best / scale + min_gain * np.arange(len(best))))
    edges = cuts[k]
    periods = tuple(
        Period(
            begin_s=begin_s + a * slice_s,
            end_s=begin_s + b * slice_s,
            flows_vph=tuple(float(mean) for mean in flows[a:b].mean(axis=0)),
        )
        for a, b in pairwise(edges)
    )
    return Periods(periods, float(best[k] / scale))


def profile_of(demand: Demand) -> Floats:
    """Return how much turns in the network, in vehicles an hour: (slices,)."""
    starts_s = demand.begin_s + np.arange(demand.slices) * demand.slice_s
    hours = (np.minimum(starts_s + demand.slice_s, demand.end_s) - starts_s) / 3600
    total = np.zeros(demand.slices)
    for counts in demand.turns.values():
        total += counts
    return np.asarray(total / hours)


def demand_between(demand: Demand, begin_s: float, end_s: float) -> Demand:
    """Return the part of a demand that lies within a period.

    Who is under way when the period begins departs in its first slice from the edge that is passed
    next, so that no edge ever gives out more than it takes in.

    Raises
    ------
    InvalidInputError
        The period is empty, not within the demand's window or not on the edges of its slices.
    """
    first = (begin_s - demand.begin_s) / demand.slice_s
    last = (end_s - demand.begin_s) / demand.slice_s
    on_edges = abs(first - round(first)) < 1e-9 and (
        abs(last - round(last)) < 1e-9 or end_s == demand.end_s
    )
    if not (demand.begin_s <= begin_s < end_s <= demand.end_s and on_edges):
        raise InvalidInputError(
            f"{begin_s:g} to {end_s:g} s; expected slices of {demand.slice_s:g} s within "
            f"{demand.begin_s:g} to {demand.end_s:g} s",
            where="begin_s",
        )
    part = slice(round(first), math.ceil(last - 1e-9))

    def cut(counts: Mapping[_Key, Floats]) -> dict[_Key, Floats]:
        return {key: found[part].copy() for key, found in counts.items() if found[part].any()}

    departures, turns, arrivals = cut(demand.departures), cut(demand.turns), cut(demand.arrivals)
    balance: dict[str, Floats] = {}
    none = np.zeros(part.stop - part.start)
    for edge, counts in departures.items():
        balance[edge] = balance.get(edge, none) - counts
    for edge, counts in arrivals.items():
        balance[edge] = balance.get(edge, none) + counts
    for (a, b), counts in turns.items():
        balance[a] = balance.get(a, none) + counts
        balance[b] = balance.get(b, none) - counts
    for edge, more in balance.items():
        under_way = max(0.0, float(np.cumsum(more).max()))
        if under_way > 1e-9:
            departures.setdefault(edge, none.copy())[0] += under_way
    return Demand(
        begin_s=begin_s,
        end_s=end_s,
        slice_s=demand.slice_s,
        departures=departures,
        turns=turns,
        arrivals=arrivals,
        vehicles=math.fsum(float(counts.sum()) for counts in departures.values()),
        fleet=demand.fleet,
        source=demand.source,
        trips=demand.trips_within(begin_s, end_s),
    )


def _deviations(flows: Floats) -> Floats:
    """Squared deviation from the mean of slices ``a`` to ``b``: (slices + 1, slices + 1)."""
    count = len(flows)
    # Centred first: the differences of sums below lose fewer digits.
    flows = flows - flows.mean(axis=0)
    sums = np.vstack([np.zeros(flows.shape[1]), np.cumsum(flows, axis=0)])
    squares = np.concatenate([[0.0], np.cumsum((flows**2).sum(axis=1))])
    lengths = np.arange(count + 1)[None, :] - np.arange(count + 1)[:, None]
    costs = np.full((count + 1, count + 1), np.inf)
    a, b = np.nonzero(lengths > 0)
    within = squares[b] - squares[a] - ((sums[b] - sums[a]) ** 2).sum(axis=1) / lengths[a, b]
    costs[a, b] = np.maximum(within, 0.0)
    return costs


def _segment(costs: Floats, most: int, shortest: int) -> tuple[Floats, list[tuple[int, ...]]]:
    """Least cost and edges of the best cut into 1, 2, ... ``most`` segments."""
    count = len(costs) - 1
    lengths = np.arange(count + 1)[None, :] - np.arange(count + 1)[:, None]
    allowed = np.where(lengths >= shortest, costs, np.inf)
    so_far = allowed[0]
    froms: list[NDArray[np.intp]] = []
    best = [float(so_far[count])]
    cuts: list[tuple[int, ...]] = [(0, count)]
    for _ in range(1, most):
        totals = so_far[:, None] + allowed
        before = totals.argmin(axis=0)
        froms.append(before)
        so_far = totals[before, np.arange(count + 1)]
        edges = [count]
        for step in reversed(froms):
            edges.append(int(step[edges[-1]]))
        best.append(float(so_far[count]))
        cuts.append((0, *reversed(edges)))
    return np.array(best), cuts
