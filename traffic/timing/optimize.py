"""A complete fixed-time plan for a network: from its demand to plans that are safe to show."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import mode

import numpy as np

from traffic.corridors import Corridor
from traffic.delay.flow_network import Ints
from traffic.delay.model import Codes, DelayModel, Estimate
from traffic.delay.trip_model import TripModel
from traffic.demand import Demand
from traffic.errors import InvalidInputError
from traffic.network import RoadGraph
from traffic.plan import MAX_CYCLE_S, MIN_CYCLE_S, TimingPlan
from traffic.safety import require_safe
from traffic.stages import greens_of
from traffic.timing.offsets import OffsetResult, offset_links
from traffic.timing.options import Options, options_of, own_timing
from traffic.timing.preferences import preferences
from traffic.timing.search import Search, States, Step

MIN_GREEN_S = 5
# An approach is called oversaturated when its queue grows beyond this, too.
LONG_QUEUE_VEH = 15.0


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """The answer.

    Parameters
    ----------
    plans
        One for each signal that was timed, ordered by id.
    cycle_s
        The common cycle; a few signals may run half of it.
    kept
        Signals that keep their own program, with the reason.
    estimate, own
        What the model says of the plans, and of the network's own programs.
    oversaturated
        Approaches (edge ids) whose demand exceeds what the plans let through.
    offsets
        Cost and lower bound of the offsets in the link-additive problem (``timing.offsets``), for
        the cycle, splits and profiles of these plans: what other offsets could save at most there.
    evaluations, solve_s, seed
        Of the search: plans that were judged, seconds, seed.
    states, alternatives
        The plans as the search holds them, and its best ones at other cycles, best first.
    """

    plans: tuple[TimingPlan, ...]
    cycle_s: int
    kept: Mapping[str, str]
    estimate: Estimate
    own: Estimate
    oversaturated: tuple[str, ...]
    offsets: OffsetResult
    evaluations: int
    solve_s: float
    seed: int
    states: States
    alternatives: tuple[States, ...]


def optimize_network(
    graph: RoadGraph,
    demand: Demand,
    *,
    cycle_s: tuple[int, int] = (40, 120),
    min_green_s: int = MIN_GREEN_S,
    stop_penalty_s: float = 0.0,
    corridors: Sequence[Corridor] = (),
    bands: bool = False,
    time_limit_s: float = 30.0,
    seed: int = 0,
    threads: int | None = None,
    progress: Callable[[Step], object] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> NetworkPlan:
    """Time all signals of a network for the least delay.

    Parameters
    ----------
    graph
        With its connections.
    demand
        Of the window to plan for.
    cycle_s
        (shortest, longest) cycle in whole s; equal = fixed.
    min_green_s
        Least vehicle green in whole s, 5 or more.
    stop_penalty_s
        Seconds that a stop counts on top of the time that it costs, 0 to 300.
    corridors
        Roads whose through traffic counts more.
    bands
        Whether green bands along them count, too.
    time_limit_s
        Seconds of search; the best plan so far is returned then.
    seed
        Same inputs and seed, same plans, unless the time limit cuts the search.
    threads
        Plans judged side by side; None = one a core.
    progress, should_stop
        Told of every step; asked whether to stop with the best so far.

    Raises
    ------
    InvalidInputError
        A parameter out of range, or no road signal that the demand passes.
    UnsafePlanError
        A finished plan breaks a rule: never expected.
    """
    _check(cycle_s, min_green_s, stop_penalty_s, time_limit_s)
    began = time.perf_counter()
    model = DelayModel(graph, demand)
    if not model.signal_ids:
        raise InvalidInputError("no signal of the network is on any vehicle's way", where="demand")
    own_timings = {key: own_timing(graph.signals[key]) for key in model.signal_ids}
    trips = TripModel(model)
    own = trips.evaluate(own_timings)
    count = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(count, thread_name_prefix="judge") as pool:
        options = options_of(model, cycle_s=cycle_s, min_green_s=min_green_s, pool=pool)
        if not options.timed:
            reasons = "; ".join(f"{key}: {reason}" for key, reason in options.kept.items())
            raise InvalidInputError(f"no signal can be timed: {reasons}", where="net")
        search = Search(
            trips,
            options,
            cycle_s=cycle_s,
            seed=seed,
            time_limit_s=max(0.1, time_limit_s - (time.perf_counter() - began)),
            stop_penalty_s=stop_penalty_s,
            prefer=preferences(model, corridors, bands=bands),
            progress=progress,
            should_stop=should_stop,
            pool=pool,
        )
        states, estimate = search.run()
    plans = plans_of(options, states)
    # A few signals may run another one.
    common_s = mode(plan.cycle_s for plan in plans)
    return NetworkPlan(
        plans=plans,
        cycle_s=common_s,
        kept=options.kept,
        estimate=estimate,
        own=own,
        oversaturated=_oversaturated(model, model.run(*search.encoder.encode(states))),
        offsets=_offset_certificate(model, search.encoder.encode(states), common_s),
        evaluations=search.used,
        solve_s=time.perf_counter() - began,
        seed=seed,
        states=states,
        alternatives=search.alternatives,
    )


def _offset_certificate(model: DelayModel, plan: tuple[Codes, Ints], cycle_s: int) -> OffsetResult:
    """Measure the offsets of a plan in the link-additive problem that its own profiles pose."""
    links = offset_links(model.network, *plan, model.profiles(*plan), cycle_s)
    here = np.zeros(len(model.signal_ids), dtype=np.int64)
    return OffsetResult(here, links.value_veh_s(here), links.bound_veh_s)


def plans_of(options: Options, states: States) -> tuple[TimingPlan, ...]:
    """Build plans from what a search found; the stage with the most traffic is coordinated."""
    plans = []
    for own, state in zip(options.timed, states, strict=True):
        sequence = own.sequences[state.option]
        carried = [
            sum(
                float(own.flows.flow[q])
                for q in range(own.flows.queues.size)
                if int(own.flows.link[q]) in greens_of(stage.green_state)
            )
            for stage in sequence.stages
        ]
        main = max(range(len(carried)), key=carried.__getitem__)
        plan = sequence.plan(own.signal.id, state.greens_s, state.start_s, main)
        plans.append(require_safe(own.signal, plan))
    return tuple(sorted(plans, key=lambda plan: plan.signal_id))


def _oversaturated(model: DelayModel, estimate: Estimate) -> tuple[str, ...]:
    """Approaches with a lane group whose turns together come faster than they may pass."""
    network = model.network
    found = []
    for g, group in enumerate(network.groups):
        queues = slice(int(network.group_first[g]), int(network.group_first[g + 1]))
        if (
            float(estimate.load[queues].sum()) > 1
            and float(estimate.longest[queues].sum()) > LONG_QUEUE_VEH
        ):
            found.append(group.approach)
    return tuple(dict.fromkeys(found))


def _check(
    cycle_s: tuple[int, int], min_green_s: int, stop_penalty_s: float, time_limit_s: float
) -> None:
    if not MIN_CYCLE_S <= cycle_s[0] <= cycle_s[1] <= MAX_CYCLE_S:
        raise InvalidInputError(
            f"{cycle_s[0]}:{cycle_s[1]}; expected {MIN_CYCLE_S} <= low <= high <= {MAX_CYCLE_S}",
            where="cycle_s",
        )
    if not MIN_GREEN_S <= min_green_s <= 60:
        raise InvalidInputError(f"{min_green_s}; expected {MIN_GREEN_S} to 60", where="min_green_s")
    if not 0 <= stop_penalty_s <= 300:
        raise InvalidInputError(f"{stop_penalty_s}; expected 0 to 300", where="stop_penalty_s")
    if not time_limit_s > 0:
        raise InvalidInputError(f"{time_limit_s}; expected more than 0", where="time_limit_s")
