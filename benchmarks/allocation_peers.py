"""What a user would take instead, on the same arcs."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import networkx as nx
import numpy as np
from ortools.graph.python import min_cost_flow
from scipy import optimize, sparse

from parking.allocation import Arcs


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a method gave: served and cost, and how long it took."""

    served: int
    cost_fen: int
    seconds: float


Method = Callable[[Arcs, int, np.ndarray], tuple[int, int]]  # type: ignore[type-arg]


def timed(method: Method, arcs: Arcs, requests: int, capacity: np.ndarray, repeats: int) -> Outcome:  # type: ignore[type-arg]
    """Run a method, warm; the median time."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        served, cost = method(arcs, requests, capacity)
        seconds.append(time.perf_counter() - began)
    return Outcome(served, cost, float(np.median(seconds)))


def bare_flow(arcs: Arcs, requests: int, capacity: np.ndarray) -> tuple[int, int]:  # type: ignore[type-arg]
    """OR-Tools' flow on all arcs, from arrays; no prices, no certificate."""
    solver = min_cost_flow.SimpleMinCostFlow()
    pools = len(capacity)
    source, sink = requests + pools, requests + pools + 1
    taken = solver.add_arcs_with_capacity_and_unit_cost(
        arcs.request, arcs.pool + requests, np.ones(len(arcs), dtype=np.int64), arcs.cost_fen
    )
    ones, zeros = np.ones(requests, dtype=np.int64), np.zeros(requests, dtype=np.int64)
    solver.add_arcs_with_capacity_and_unit_cost(
        np.full(requests, source), np.arange(requests), ones, zeros
    )
    solver.add_arcs_with_capacity_and_unit_cost(
        np.arange(pools) + requests,
        np.full(pools, sink),
        capacity,
        np.zeros(pools, dtype=np.int64),
    )
    solver.set_nodes_supplies(np.array([source, sink]), np.array([requests, -requests]))
    assert solver.solve_max_flow_with_min_cost() == solver.OPTIMAL
    flow = solver.flows(taken) > 0
    return int(flow.sum()), int(arcs.cost_fen[flow].sum())


def greedy(arcs: Arcs, requests: int, capacity: np.ndarray) -> tuple[int, int]:  # type: ignore[type-arg]
    """First come, first served: each takes the cheapest pool that has a space left."""
    left = capacity.tolist()
    cuts = np.searchsorted(arcs.request, np.arange(requests + 1)).tolist()
    order = np.lexsort((arcs.cost_fen, arcs.request))
    pool, cost = arcs.pool[order].tolist(), arcs.cost_fen[order].tolist()
    served = total = 0
    for i in range(requests):
        for k in range(cuts[i], cuts[i + 1]):
            if left[pool[k]]:
                left[pool[k]] -= 1
                served, total = served + 1, total + cost[k]
                break
    return served, total


def linear_sum(arcs: Arcs, requests: int, capacity: np.ndarray) -> tuple[int, int]:  # type: ignore[type-arg]
    """SciPy's linear_sum_assignment on a dense matrix with a column for each space."""
    never = int(arcs.cost_fen.max()) * (len(capacity) + 1) + 1
    dense = np.full((requests, len(capacity)), float(never))
    dense[arcs.request, arcs.pool] = arcs.cost_fen
    matrix = np.repeat(dense, np.minimum(capacity, requests), axis=1)
    row, column = optimize.linear_sum_assignment(matrix)
    cost = matrix[row, column]
    good = cost < never
    return int(good.sum()), int(cost[good].sum())


def linear_program(arcs: Arcs, requests: int, capacity: np.ndarray) -> tuple[int, int]:  # type: ignore[type-arg]
    """HiGHS on the linear program; the unserved are charged more than any chain of moves."""
    never = int(arcs.cost_fen.max()) * (len(capacity) + 1) + 1
    ones, place = np.ones(len(arcs)), np.arange(len(arcs))
    shape = (requests + len(capacity), len(arcs))
    rows = np.concatenate([arcs.request, arcs.pool + requests])
    matrix = sparse.csc_array(
        (np.tile(ones, 2), (rows, np.concatenate([place, place]))), shape=shape
    )
    result = optimize.linprog(
        arcs.cost_fen - float(never),
        A_ub=matrix,
        b_ub=np.concatenate([np.ones(requests), capacity]),
        bounds=(0, None),
        method="highs",
    )
    flow = result.x > 0.5
    return int(flow.sum()), int(arcs.cost_fen[flow].sum())


def network_simplex(arcs: Arcs, requests: int, capacity: np.ndarray) -> tuple[int, int]:  # type: ignore[type-arg]
    """Solve by max_flow_min_cost of networkx."""
    graph = nx.DiGraph()
    for i in range(requests):
        graph.add_edge("source", i, capacity=1, weight=0)
    for j, spaces in enumerate(capacity.tolist()):
        graph.add_edge(("pool", j), "sink", capacity=spaces, weight=0)
    for i, j, cost in zip(
        arcs.request.tolist(), arcs.pool.tolist(), arcs.cost_fen.tolist(), strict=True
    ):
        graph.add_edge(i, ("pool", j), capacity=1, weight=cost)
    flow = nx.max_flow_min_cost(graph, "source", "sink")
    return sum(flow["source"].values()), int(nx.cost_of_flow(graph, flow))
