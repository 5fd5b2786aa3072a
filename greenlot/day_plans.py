"""From a SUMO scenario to a day of plans: periods, a plan for each, and the transitions between.

The window's demand is read once and cut into periods by its flows. Plans are searched for every
period and for the whole window; then the delay model judges every plan in every period, and a
switch is made only where it earns more than it costs.
"""

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from greenlot.plans import read_scenario
from scenarios.simulation import Inputs
from traffic.daytime import Periods, demand_between, find_periods
from traffic.delay.model import DelayModel, Estimate, Timing
from traffic.delay.trip_model import TripModel
from traffic.demand import Demand, Floats
from traffic.errors import InvalidInputError, UnsafePlanError
from traffic.io.sumo_additional import check_file
from traffic.io.sumo_schedule import write_timetables
from traffic.network import RoadEdge, RoadGraph
from traffic.plan import TimingPlan
from traffic.schedule import DAY_S, MOST_SWITCHES, Timetable, timetables
from traffic.timing.optimize import NetworkPlan, optimize_network
from traffic.timing.options import own_timing
from traffic.timing.search import Step
from traffic.transition import Method

MIN_PERIOD_S = 1800
LEAST_PERIOD_S = 60
MOST_AUTO = 8
# Boundaries lie on multiples of this after the begin, where periods hold at least so many.
BLOCK_S = 300
LEAST_BLOCKS = 5
# Share of the variation that a further period must explain; where counts are noisy, more.
LEAST_GAIN = 0.03
# A switch costs as much as drivers lose anyway in this time of the period that it begins: about
# what getting into step takes.
SWITCH_S = 60.0


@dataclass(frozen=True, slots=True)
class PlannedPeriod:
    """A period and what the delay model says of it.

    Parameters
    ----------
    begin_s, end_s
        In whole s after local midnight.
    vehicles
        That set out, or were under way when it began.
    plan
        Index into ``DayPlan.plans``.
    estimate, own
        With this plan, and with the network's own programs; None where nobody passes a signal.
    oversaturated
        Approaches that no plan found for the period serves in time.
    """

    begin_s: int
    end_s: int
    vehicles: float
    plan: int
    estimate: Estimate | None
    own: Estimate | None
    oversaturated: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DayPlan:
    """What all signals of a network run all day.

    Parameters
    ----------
    graph
        The network.
    periods
        In order, without gaps, over the window.
    plans
        Those that are used, in the order of their first use.
    deviation
        Share of the squared variation of the flows that is left within the periods, 0 to 1.
    delay_s, one_plan_s
        Time lost at signals by the delay model, in s a trip: with these plans, and with the plan
        for the whole window all the time.
    days
        The timetable of every signal that was timed. The first plan runs from midnight on, the
        last one until midnight.
    kept
        Signals that keep their own program all day, with the reason.
    seconds, seed
        Reading, searches and transitions; the seed of every search.
    """

    graph: RoadGraph
    periods: tuple[PlannedPeriod, ...]
    plans: tuple[NetworkPlan, ...]
    deviation: float
    delay_s: float
    one_plan_s: float
    days: tuple[Timetable, ...]
    kept: Mapping[str, str]
    seconds: float
    seed: int


def plan_day(
    inputs: Inputs,
    *,
    periods: int | None = None,
    min_period_s: int = MIN_PERIOD_S,
    cycle_s: tuple[int, int] = (40, 120),
    method: Method = "short-way",
    time_limit_s: float = 30.0,
    seed: int = 0,
    progress: Callable[[Step], object] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> DayPlan:
    """Find a scenario's periods and plan each of them.

    Parameters
    ----------
    inputs
        The scenario; its window lies within a day, and its seconds count from local midnight.
    periods
        How many, 1 to 48, fewer only where a further boundary changes nothing; None = as many as
        the demand asks for, up to 8.
    min_period_s
        Shortest period in whole s, 60 or more.
    method
        How signals get into step.
    time_limit_s
        Seconds of search for each period, and for the whole window.
    cycle_s, seed, progress, should_stop
        As in ``optimize_network``; every search has the same seed.

    Raises
    ------
    InvalidInputError
        A mistake in the scenario or in a setting; periods that do not fit into the window; a
        transition that does not fit into its period.
    UnsafePlanError
        No safe way leads from one plan to the next.
    """
    began = time.perf_counter()
    _check(inputs, periods, min_period_s)
    inputs.require_files()
    graph, demand = read_scenario(inputs)
    cut = day_periods(graph, demand, periods, min_period_s)
    windows = [(round(p.begin_s), min(round(p.end_s), inputs.end_s)) for p in cut.periods]
    parts = [demand_between(demand, *window) for window in windows]
    controlled = {(m.from_edge, m.to_edge) for m in graph.movements if m.signal_id}
    busy = [k for k, part in enumerate(parts) if not controlled.isdisjoint(part.turns)]
    searched = [parts[k] for k in busy] + ([demand] if len(busy) != 1 else [])
    plans = [
        optimize_network(
            graph,
            part,
            cycle_s=cycle_s,
            time_limit_s=time_limit_s,
            seed=seed,
            progress=None if progress is None else _told(progress, k, len(searched)),
            should_stop=should_stop,
        )
        for k, part in enumerate(searched)
    ]
    models = {k: TripModel(DelayModel(graph, parts[k])) for k in busy}
    judged = {k: [_estimate(models[k], plan) for plan in plans] for k in busy}
    costs = np.zeros((len(parts), len(plans)))
    for k, estimates in judged.items():
        costs[k] = [estimate.by_queue_veh_s.sum() for estimate in estimates]
    chosen = cheapest_plans(costs, [end_s - begin_s for begin_s, end_s in windows])
    used = list(dict.fromkeys(chosen))
    planned = tuple(
        PlannedPeriod(
            begin_s=begin_s,
            end_s=end_s,
            vehicles=parts[k].vehicles,
            plan=used.index(chosen[k]),
            estimate=judged[k][chosen[k]] if k in judged else None,
            own=_estimate(models[k], None) if k in models else None,
            oversaturated=plans[busy.index(k)].oversaturated if k in judged else (),
        )
        for k, (begin_s, end_s) in enumerate(windows)
    )
    days = timetables(
        graph.signals, list(_switches(planned, [plans[c] for c in used])), method=method
    )
    timed = {day.signal_id for day in days}
    return DayPlan(
        graph=graph,
        periods=planned,
        plans=tuple(plans[c] for c in used),
        deviation=cut.deviation,
        delay_s=float(costs[range(len(parts)), chosen].sum()) / demand.vehicles,
        one_plan_s=float(costs[:, -1].sum()) / demand.vehicles,
        days=days,
        kept={k: why for c in used for k, why in plans[c].kept.items() if k not in timed},
        seconds=time.perf_counter() - began,
        seed=seed,
    )


def write_day(day: DayPlan, path: Path) -> None:
    """Write what SUMO shows within the window, checked as it is written.

    Raises
    ------
    UnsafePlanError
        What the file makes a signal show breaks a rule: never expected; nothing is written.
    """
    begin_s, end_s = day.periods[0].begin_s, day.periods[-1].end_s
    with tempfile.TemporaryDirectory(prefix="day.") as directory:
        draft = Path(directory) / "day.add.xml"
        write_timetables(day.days, draft, begin_s=begin_s, end_s=end_s)
        for signal_id, broken in check_file(day.graph, draft).items():
            if broken:
                listed = "; ".join(map(str, broken))
                raise UnsafePlanError(listed, where=f"signal {signal_id}")
    write_timetables(day.days, path, begin_s=begin_s, end_s=end_s)


def cheapest_plans(costs: Floats, lengths_s: Sequence[int]) -> list[int]:
    """Choose a plan for each period, so that costs and switches together are least.

    ``costs`` are the vehicle seconds that a plan loses in a period, (periods, plans);
    ``lengths_s`` those of the periods. Exact, by dynamic programming over the periods.
    """
    rates = costs.min(axis=1) / np.asarray(lengths_s, dtype=np.float64)
    so_far = costs[0]
    froms: list[list[int]] = []
    for k in range(1, len(costs)):
        switch = SWITCH_S * rates[k]
        best = int(so_far.argmin())
        stays = so_far <= so_far[best] + switch
        froms.append([c if stays[c] else best for c in range(costs.shape[1])])
        so_far = np.minimum(so_far, so_far[best] + switch) + costs[k]
    chosen = [int(so_far.argmin())]
    for step in reversed(froms):
        chosen.append(step[chosen[-1]])
    return chosen[::-1]


def flows_by_direction(graph: RoadGraph, demand: Demand, blocks: int) -> Floats:
    """Return how many turns are made by drivers who come along east, north, west and south.

    In vehicles an hour, (ceil(slices / blocks), 4), ``blocks`` slices at a time. A tide that turns
    makes a period of its own, although the same number of vehicles is about.
    """
    counts = np.zeros((demand.slices, 4))
    for (from_edge, _), own in demand.turns.items():
        counts[:, _direction(graph.edges[from_edge])] += own
    starts = np.arange(0, demand.slices, blocks)
    edges_s = np.append(starts * demand.slice_s, demand.end_s - demand.begin_s)
    return np.asarray(np.add.reduceat(counts, starts) * 3600 / np.diff(edges_s)[:, None])


def _direction(edge: RoadEdge) -> int:
    (x0, y0), (x1, y1) = edge.shape[0], edge.shape[-1]
    return round(math.atan2(y1 - y0, x1 - x0) / (math.pi / 2)) % 4


def day_periods(
    graph: RoadGraph, demand: Demand, periods: int | None, min_period_s: int
) -> Periods:
    """Cut a demand's window at edges of its slices; parameters as for ``plan_day``."""
    window_s = demand.end_s - demand.begin_s
    coarse = (
        min_period_s >= LEAST_BLOCKS * BLOCK_S
        and window_s % BLOCK_S == 0
        and min_period_s % BLOCK_S == 0
    )
    blocks = max(1, round(BLOCK_S / demand.slice_s)) if coarse else 1
    flows = flows_by_direction(graph, demand, blocks)
    return find_periods(
        flows,
        blocks * demand.slice_s,
        begin_s=demand.begin_s,
        most=periods or MOST_AUTO,
        min_length_s=min_period_s,
        min_gain=_noise_gain(flows) if periods is None else 0.0,
    )


def _noise_gain(flows: Floats) -> float:
    """Share of the variation that a boundary in noise alone would hardly explain.

    That is 2 ln(slices) times the noise, in the manner of Schwarz (1978, "Estimating the dimension
    of a model"); the noise is half the mean square of the steps between neighbouring slices.
    """
    whole = float(((flows - flows.mean(axis=0)) ** 2).sum())
    if len(flows) < 2 or whole <= 0:
        return LEAST_GAIN
    noise = float((np.diff(flows, axis=0) ** 2).mean(axis=0).sum()) / 2
    return min(1.0, max(LEAST_GAIN, 2 * math.log(len(flows)) * noise / whole))


def _estimate(trips: TripModel, plan: NetworkPlan | None) -> Estimate:
    """Judge a plan; signals that it does not time, or all without one, run their own programs."""
    model = trips.model
    own = {key: own_timing(model.graph.signals[key]) for key in model.signal_ids}
    plans = () if plan is None else plan.plans
    timed = {p.signal_id: Timing(p.phases(), p.program_start_s) for p in plans}
    return trips.evaluate({key: timed.get(key, timing) for key, timing in own.items()})


def _switches(
    periods: Sequence[PlannedPeriod], plans: Sequence[NetworkPlan]
) -> Iterator[tuple[int, dict[str, TimingPlan]]]:
    """Yield when which plans come into force; the first ones at midnight."""
    for k, period in enumerate(periods):
        if k == 0 or period.plan != periods[k - 1].plan:
            own = plans[period.plan].plans
            yield 0 if k == 0 else period.begin_s, {plan.signal_id: plan for plan in own}


def _told(progress: Callable[[Step], object], k: int, count: int) -> Callable[[Step], object]:
    """Tell of the search for plan ``k`` as a part of all searches."""
    return lambda step: progress(
        Step(
            f"plan {k + 1} of {count}, {step.message}",
            (k + step.done_share) / count,
            step.delay_s,
        )
    )


def _check(inputs: Inputs, periods: int | None, min_period_s: int) -> None:
    window_s = inputs.end_s - inputs.begin_s
    if inputs.end_s > DAY_S:
        raise InvalidInputError(
            f"{inputs.begin_s} to {inputs.end_s} s; expected one that ends by midnight, {DAY_S} s",
            where="window",
        )
    if not LEAST_PERIOD_S <= min_period_s <= window_s:
        raise InvalidInputError(
            f"{min_period_s}; expected {LEAST_PERIOD_S} s to the window's {window_s} s",
            where="min_period_s",
        )
    if periods is not None and not 1 <= periods <= MOST_SWITCHES:
        raise InvalidInputError(f"{periods}; expected 1 to {MOST_SWITCHES}", where="periods")
    if periods is not None and periods * min_period_s > window_s:
        raise InvalidInputError(
            f"{periods} of at least {min_period_s} s do not fit into {window_s} s",
            where="periods",
        )
