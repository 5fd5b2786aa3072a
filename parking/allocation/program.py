"""Stays that come and go at different times: a linear program, then branching where it must be.

One variable for each arc, a constraint for each request and each clique of stays in a pool
(``cliques.py``). First the most that can be served, then the least cost with that many. Three
things keep it small:

- a pool that could take everybody who may come has no constraint, so a request needs no arc that
  is dearer than its cheapest one of that kind;
- requests that share no pool, not even by way of others, are solved apart;
- the integer program gets only arcs whose reduced cost in the linear one is within the gap: an
  answer with any other arc costs more than the one found.
"""

import time
from dataclasses import dataclass

import numpy as np
from scipy import optimize, sparse
from scipy.sparse.csgraph import connected_components

from parking.allocation.cliques import clique_rows
from parking.allocation.room import Room
from parking.allocation.tables import Flags, Floats, Ints
from parking.errors import SolverError

TOLERANCE = 1e-6
INTEGRAL = 1e-6
START_GAP_FEN = 50.0
LEAST_TIME_S = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Wishes:
    """Arcs of a batch.

    Parameters
    ----------
    request, pool, weight
        Of each arc, sorted by request.
    arrive_ms, leave_ms
        Of each arc's request.
    must
        Whether the arc's request must be served.
    """

    request: Ints
    pool: Ints
    weight: Ints
    arrive_ms: Ints
    leave_ms: Ints
    must: Flags

    def take(self, chosen: Ints | Flags) -> "Wishes":
        """Return some of the arcs."""
        return Wishes(
            self.request[chosen],
            self.pool[chosen],
            self.weight[chosen],
            self.arrive_ms[chosen],
            self.leave_ms[chosen],
            self.must[chosen],
        )


@dataclass(frozen=True, slots=True, eq=False)
class ProgramAnswer:
    """Chosen arcs with both proven bounds.

    Parameters
    ----------
    arcs
        Numbers of the chosen arcs among those asked about.
    served_bound
        No answer serves more.
    bound
        No answer that serves as many weighs less.
    parts
        Problems that were solved apart.
    branched
        Of which so many were not settled by the linear program.
    """

    arcs: Ints
    served_bound: int
    bound: int
    parts: int
    branched: int


def solve_program(
    wishes: Wishes, room: Room, *, serve_first: bool, time_limit_s: float
) -> ProgramAnswer:
    """Solve a batch; at the time limit the best answer so far, with its bounds.

    Parameters
    ----------
    serve_first
        As many as possible first. Otherwise arcs of negative weight are taken while it pays.
    time_limit_s
        For everything.

    Raises
    ------
    SolverError
        The solver failed in a way that says nothing about the problem.
    """
    ends_s = time.perf_counter() + time_limit_s
    kept = _worth_asking(wishes, room)
    arcs = wishes.take(kept)
    matrix, limit = clique_rows(arcs.pool, arcs.arrive_ms, arcs.leave_ms, room)
    part = _parts(arcs, matrix)
    sizes = np.bincount(part)
    chosen: list[Ints] = []
    served_bound = bound = branched = 0
    # Small parts first: what time they leave goes to the large ones.
    for number in np.argsort(sizes, kind="stable"):
        own = np.flatnonzero(part == number)
        left_s = max(LEAST_TIME_S, ends_s - time.perf_counter())
        solved = _Part(arcs.take(own), matrix[:, own], limit, left_s).solve(serve_first)
        chosen.append(own[solved.arcs])
        served_bound += solved.served_bound
        bound += solved.bound
        branched += solved.branched
    picked = np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, dtype=np.int64)
    return ProgramAnswer(kept[picked], served_bound, bound, len(sizes), branched)


def _worth_asking(wishes: Wishes, room: Room) -> Ints:
    """Return the arcs without those dearer than one to a pool that is never full."""
    matrix, _ = clique_rows(wishes.pool, wishes.arrive_ms, wishes.leave_ms, room)
    narrow = np.zeros(len(room.capacity), dtype=np.bool_)
    narrow[wishes.pool[np.unique(matrix.indices)]] = True
    wide = ~narrow[wishes.pool]
    requests = int(wishes.request.max()) + 1
    best = np.full(requests, np.iinfo(np.int64).max)
    np.minimum.at(best, wishes.request[wide], wishes.weight[wide])
    keep = wishes.weight < best[wishes.request]
    # One arc to a pool that is never full stays for each request that has any.
    first = np.flatnonzero(wide & (wishes.weight == best[wishes.request]))
    _, once = np.unique(wishes.request[first], return_index=True)
    keep[first[once]] = True
    return np.flatnonzero(keep)


def _parts(arcs: Wishes, matrix: sparse.csr_array) -> Ints:
    """Number the arcs by the part of the problem that they belong to."""
    requests = int(arcs.request.max()) + 1
    coo = matrix.tocoo()
    links = (arcs.request[coo.col], requests + coo.row)
    size = requests + matrix.shape[0]
    graph = sparse.coo_array((np.ones(len(coo.row)), links), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    _, part = np.unique(label[arcs.request], return_inverse=True)
    return np.asarray(part.reshape(-1), dtype=np.int64)


class _Part:
    """One part of the problem, as a matrix with a row for each request and each clique."""

    def __init__(
        self, arcs: Wishes, cliques: sparse.csr_array, limit: Ints, time_limit_s: float
    ) -> None:
        self._arcs = arcs
        self._ends_s = time.perf_counter() + time_limit_s
        asked, request = np.unique(arcs.request, return_inverse=True)
        ones = np.ones(len(request))
        place = (request.reshape(-1), np.arange(len(request)))
        own = sparse.csr_array((ones, place), shape=(len(asked), len(request)))
        used = np.flatnonzero(np.diff(cliques.indptr))
        self._matrix = sparse.vstack([own, cliques[used]], format="csc")
        self._upper = np.concatenate([np.ones(len(asked)), limit[used].astype(np.float64)])
        self._lower = np.full(len(self._upper), -np.inf)
        self._lower[: len(asked)][request.reshape(-1)[arcs.must]] = 1.0
        self._requests = len(asked)

    def solve(self, serve_first: bool) -> ProgramAnswer:
        """Solve the part."""
        if len(self._upper) == self._requests:
            return self._without_limits(serve_first)
        most = self._requests
        if serve_first:
            most = self._most_served()
        cheapest, bound, branched = self._cheapest(most if serve_first else None)
        if cheapest is None:
            # The linear program promised more than whole cars can keep.
            count = -np.ones(len(self._arcs.weight))
            found, low, _ = self._branch(count, None, np.arange(len(count)))
            served = self._greedy() if found is None else found
            most = int(np.floor(min(most, -low) + TOLERANCE))
            cheapest, bound, _ = self._cheapest(len(served))
            if cheapest is None:
                cheapest = served
            branched = True
        return ProgramAnswer(
            cheapest, most if serve_first else len(cheapest), bound, 1, int(branched)
        )

    def _without_limits(self, serve_first: bool) -> ProgramAnswer:
        """Everybody gets the best: nothing in this part can be over-full."""
        weight = self._arcs.weight
        order = np.lexsort((weight, self._arcs.request))
        _, first = np.unique(self._arcs.request[order], return_index=True)
        best = order[first]
        if not serve_first:
            best = best[(weight[best] < 0) | self._arcs.must[best]]
        return ProgramAnswer(np.sort(best), len(best), int(weight[best].sum()), 1, 0)

    def _most_served(self) -> int:
        """Return a bound of how many can be served, by the linear program."""
        lp = self._linear(-np.ones(len(self._arcs.weight)), None)
        return self._requests if lp is None else int(np.floor(-lp.fun + TOLERANCE))

    def _cheapest(self, count: int | None) -> tuple[Ints | None, int, bool]:
        """Return arcs of least weight, ``count`` at least; the bound; whether it branched.

        None instead of arcs: so many cannot be served, or none was found in time.
        """
        weight = self._arcs.weight.astype(np.float64)
        lp = self._linear(weight, count)
        if lp is None:
            return None, int(np.minimum(0, weight).sum()), False
        least = int(np.ceil(lp.fun - TOLERANCE * max(1.0, abs(lp.fun) * 1e-3)))
        if np.abs(lp.x - np.round(lp.x)).max() < INTEGRAL:
            return np.flatnonzero(lp.x > 0.5), least, False
        reduced = self._reduced_costs(lp, weight, count)
        gap = START_GAP_FEN
        best: Ints | None = None
        while True:
            near = np.flatnonzero(reduced <= gap)
            found, low, over = self._branch(weight, count, near)
            low = max(lp.fun, min(low, lp.fun + gap))
            bound = max(least, int(np.ceil(low - TOLERANCE)))
            if found is not None:
                best = found
            reached = np.inf if best is None else float(self._arcs.weight[best].sum())
            if len(near) == len(weight) or over or reached <= lp.fun + gap:
                return best, bound, True
            gap = reached - lp.fun + 1 if np.isfinite(reached) else gap * 20

    def _linear(self, weight: Floats, count: int | None) -> "optimize.OptimizeResult | None":
        """Solve the linear program; None: infeasible, or no time."""
        upper_rows, upper = [self._matrix], [self._upper]
        must = np.flatnonzero(np.isfinite(self._lower))
        if len(must):
            upper_rows.append(-self._matrix[must])
            upper.append(-self._lower[must])
        if count is not None:
            upper_rows.append(sparse.csc_array(-np.ones((1, len(weight)))))
            upper.append(np.array([-float(count)]))
        for presolve in (True, False):
            result = optimize.linprog(
                weight,
                A_ub=sparse.vstack(upper_rows, format="csc"),
                b_ub=np.concatenate(upper),
                bounds=(0, 1),
                method="highs",
                options={"presolve": presolve, "time_limit": self._left_s()},
            )
            if result.status == 0:
                return result
            if result.status in (1, 2):
                return None
        raise SolverError(f"linear program: {result.message}", where="allocation")

    def _reduced_costs(
        self, lp: "optimize.OptimizeResult", weight: Floats, count: int | None
    ) -> Floats:
        dual = lp.ineqlin.marginals
        reduced = weight - self._matrix.T @ dual[: len(self._upper)]
        must = np.flatnonzero(np.isfinite(self._lower))
        if len(must):
            more = dual[len(self._upper) : len(self._upper) + len(must)]
            reduced += self._matrix[must].T @ more
        if count is not None:
            reduced += dual[-1]
        # An arc at its upper limit of 1 counts by what it saves there: it stays in.
        return np.asarray(np.where(lp.x > INTEGRAL, -np.inf, reduced))

    def _branch(
        self, weight: Floats, count: int | None, near: Ints
    ) -> tuple[Ints | None, float, bool]:
        """Solve the integer program on some arcs: arcs, bound, whether time ran out."""
        limits = [optimize.LinearConstraint(self._matrix[:, near], self._lower, self._upper)]
        if count is not None:
            every = sparse.csc_array(np.ones((1, len(near))))
            limits.append(optimize.LinearConstraint(every, count, np.inf))
        for presolve in (True, False):
            result = optimize.milp(
                weight[near],
                constraints=limits,
                integrality=np.ones(len(near), dtype=np.int64),
                bounds=optimize.Bounds(0, 1),
                options={
                    "presolve": presolve,
                    "time_limit": self._left_s(),
                    "mip_rel_gap": 0.0,
                },
            )
            if result.status in (0, 1, 2):
                break
        else:
            raise SolverError(f"integer program: {result.message}", where="allocation")
        low = result.mip_dual_bound if result.mip_dual_bound is not None else -np.inf
        found = None if result.x is None else near[result.x > 0.5]
        if result.status == 2:
            low = np.inf
        return found, float(low), result.status == 1

    def _greedy(self) -> Ints:
        """Serve who must be served, then one after the other, each at the least cost."""
        arcs = self._arcs
        order = np.lexsort((arcs.weight, arcs.request, ~arcs.must))
        left, given, columns = self._upper.copy(), [], self._matrix
        for k in order:
            rows = columns.indices[columns.indptr[k] : columns.indptr[k + 1]]
            if (left[rows] >= 1).all():
                left[rows] -= 1
                given.append(int(k))
        return np.array(sorted(given), dtype=np.int64)

    def _left_s(self) -> float:
        return max(LEAST_TIME_S, self._ends_s - time.perf_counter())
