"""From a SUMO scenario to a file of plans: what the command line and the benchmarks call."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scenarios.refinement import refine
from scenarios.simulation import Inputs
from traffic.corridors import find_corridor
from traffic.demand import Demand
from traffic.errors import InvalidInputError, UnsafePlanError
from traffic.io.city_tables import read_turn_counts
from traffic.io.demand_counts import read_table_demand
from traffic.io.sumo_additional import check_file, write_plans
from traffic.io.sumo_demand import read_demand
from traffic.io.sumo_net import read_network
from traffic.network import RoadGraph
from traffic.safety import Rules
from traffic.timing.optimize import NetworkPlan, optimize_network
from traffic.timing.search import Step

# Demand is looked at in slices of this width: peaks within the window count.
SLICE_S = 60.0


@dataclass(frozen=True, slots=True)
class OptimizeReport:
    """What was done.

    Parameters
    ----------
    network_plan
        The plans, and what the model says of them.
    seconds
        Reading, search, refinement and writing.
    simulated_s
        Mean delay of the refined plans over the refinement's own seeds; None without refinement.
    simulations
        Runs of the refinement.
    """

    network_plan: NetworkPlan
    seconds: float
    simulated_s: float | None = None
    simulations: int = 0


def read_scenario(inputs: Inputs, turn_count_period: str | None = None) -> tuple[RoadGraph, Demand]:
    """Read a scenario's network and demand.

    Parameters
    ----------
    inputs
        The scenario.
    turn_count_period
        None: its routes are route files. Otherwise they are one table of turn counts, and this is
        the period to take; empty = the first.

    Raises
    ------
    InvalidInputError
        A file is missing or broken, a route leaves the network, or nobody departs in the window.
    """
    graph = read_network(inputs.net)
    if turn_count_period is not None:
        table = read_turn_counts(inputs.routes[0], graph)
        period = turn_count_period or next(iter(table), "")
        return graph, read_table_demand(
            inputs.routes[0], period, graph, inputs.begin_s, inputs.end_s
        )
    demand = read_demand(
        inputs.net,
        inputs.routes,
        inputs.begin_s,
        inputs.end_s,
        additional=inputs.additional,
        slice_s=min(SLICE_S, inputs.end_s - inputs.begin_s),
        graph=graph,
    )
    return graph, demand


def optimize_to_file(
    inputs: Inputs,
    out: Path,
    *,
    seed: int = 0,
    time_limit_s: float = 30.0,
    refine_s: float = 0.0,
    cycle_s: tuple[int, int] = (40, 120),
    min_green_s: int = 5,
    stop_penalty_s: float = 0.0,
    corridors: Sequence[str] = (),
    bands: bool = False,
    turn_count_period: str | None = None,
    progress: Callable[[Step], object] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> OptimizeReport:
    """Optimise a scenario's signals and write the plans as a SUMO additional file.

    Parameters
    ----------
    inputs
        The scenario.
    out
        File to write; it appears whole or not at all.
    time_limit_s
        Of reading and searching together.
    refine_s
        Further seconds of search with SUMO in the loop; 0 = none.
    seed, cycle_s, min_green_s, stop_penalty_s, bands, progress, should_stop
        As in ``optimize_network``.
    corridors
        Roads, as ``find_corridor`` takes them, whose through traffic counts more.
    turn_count_period
        As in ``read_scenario``; such a scenario cannot be simulated, nor refined.

    Raises
    ------
    InvalidInputError
        A mistake in the scenario or in a setting, or no such period in the table.
    NotFoundError
        A corridor that is not in the network.
    """
    began = time.perf_counter()
    inputs.require_files()
    if refine_s > 0 and turn_count_period is not None:
        raise InvalidInputError("needs routes: turn counts cannot be simulated", where="refine")
    graph, demand = read_scenario(inputs, turn_count_period)
    found = optimize_network(
        graph,
        demand,
        cycle_s=cycle_s,
        min_green_s=min_green_s,
        stop_penalty_s=stop_penalty_s,
        corridors=[find_corridor(graph, text) for text in corridors],
        bands=bands,
        time_limit_s=max(1.0, time_limit_s - (time.perf_counter() - began)),
        seed=seed,
        progress=progress,
        should_stop=should_stop,
    )
    if refine_s <= 0:
        _write_safe(graph, found, out, min_green_s)
        return OptimizeReport(found, time.perf_counter() - began)
    refined = refine(
        inputs,
        graph,
        demand,
        found,
        cycle_s=cycle_s,
        min_green_s=min_green_s,
        time_limit_s=refine_s,
        seed=seed,
        progress=progress,
        should_stop=should_stop,
    )
    _write_safe(graph, refined.network_plan, out, min_green_s)
    return OptimizeReport(
        refined.network_plan,
        time.perf_counter() - began,
        refined.delay_s,
        refined.simulations,
    )


def _write_safe(graph: RoadGraph, found: NetworkPlan, out: Path, min_green_s: int) -> None:
    """Write plans, once the file itself has been read back and keeps every rule.

    Raises
    ------
    UnsafePlanError
        It does not: never expected. Nothing is written then.
    """
    part = out.with_name(f".{out.name}.part")
    try:
        write_plans(found.plans, part)
        broken = check_file(graph, part, Rules(min_green_s=min_green_s))
        listed = [f"signal {key}: {v}" for key, violations in broken.items() for v in violations]
        if listed:
            raise UnsafePlanError("; ".join(listed), where=str(out))
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
