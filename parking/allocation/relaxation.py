"""The linear program of a batch whose stays come and go, on as few arcs as it takes.

Solved on some arcs first; its dual prices (of requests, of instants in pools) say of each arc left
out what it would bring. Those that would bring something come in, until none would: then the value
and the reduced costs hold for all arcs.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, sparse

from parking.allocation.cliques import find_cliques
from parking.allocation.growth import guess_prices
from parking.allocation.room import Room
from parking.allocation.rows import rows_of
from parking.allocation.tables import Flags, Floats, Ints
from parking.allocation.wishes import Wishes
from parking.errors import SolverError

TOLERANCE = 1e-6
ALL_AT_ONCE = 30_000
"""Arcs up to which none is left out at first."""
FIRST, MORE = 10, 6
"""Arcs of a request at first, and most that a round adds."""
INNER_POINT_FROM = 3_000
"""Arcs from which the interior point method is the quicker one."""


_linprog: Any = optimize.linprog
"""Its stubs want one call for each method."""


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """An optimum of the linear program.

    Parameters
    ----------
    value
        Least weight.
    share
        How much of each arc is taken, 0 to 1; shape (arcs,).
    reduced
        What taking an arc costs beyond the optimum, at least; shape (arcs,).
    """

    value: float
    share: Floats
    reduced: Floats


class Relaxation:
    """Linear programs over the same arcs; what came in for one stays for the next.

    Parameters
    ----------
    arcs
        At least one.
    room
        Of the pools.
    ends_s
        When to give up, on ``time.perf_counter``.
    """

    def __init__(self, arcs: Wishes, room: Room, ends_s: float) -> None:
        self._arcs = arcs
        self._room = room
        self._ends_s = ends_s
        self._requests, self._request = arcs.numbered()
        self._must = np.zeros(self._requests, dtype=np.bool_)
        self._must[self._request[arcs.must]] = True
        self._inside = np.ones(len(arcs), dtype=np.bool_)
        if len(arcs) > ALL_AT_ONCE:
            guess = arcs.weight + self._guess()[arcs.pool]
            self._inside = self._best(guess.astype(np.float64), FIRST)

    def bring_in(self, arcs: Ints) -> None:
        """Have some arcs inside from now on."""
        self._inside[arcs] = True

    def _guess(self) -> Ints:
        """Guess prices as if all came at once and pools were larger by how often they turn over."""
        arcs, n = self._arcs, self._requests
        first = np.searchsorted(self._request, np.arange(n))
        moments = np.concatenate([arcs.arrive_ms[first], arcs.leave_ms[first]])
        change = np.concatenate([np.ones(n), -np.ones(n)])
        most = np.cumsum(change[np.lexsort((change, moments))]).max()
        capacity = np.ceil(self._room.capacity * (n / most)).astype(np.int64)
        rows = rows_of(self._request, arcs.pool, arcs.weight, n, len(capacity))
        return guess_prices(rows, capacity, np.full(n, np.iinfo(np.int64).max // 4))

    def solve(self, weight: Floats, count: int | None) -> Relaxed | None:
        """Solve for least weight, with at least ``count`` served.

        None: so many cannot be served, or time ran out.
        """
        while True:
            found = self._on_those_inside(weight, count)
            if found is None:
                return None
            missing = ~self._inside & (found.reduced < -TOLERANCE * max(1.0, abs(weight).max()))
            if not missing.any():
                return found
            promising = np.where(missing, found.reduced, np.inf)
            self._inside |= self._best(promising, MORE) & missing

    def _best(self, value: Floats, most: int) -> Flags:
        """Flag each request's arcs of least value."""
        order = np.lexsort((value, self._request))
        own = self._request[order]
        rank = np.arange(len(order)) - np.searchsorted(own, own)
        chosen = np.zeros(len(order), dtype=np.bool_)
        chosen[order[rank < most]] = True
        return chosen | self._arcs.must

    def _on_those_inside(self, weight: Floats, count: int | None) -> Relaxed | None:
        inside = np.flatnonzero(self._inside)
        arcs, n = self._arcs.take(inside), len(inside)
        cliques = find_cliques(arcs.pool, arcs.arrive_ms, arcs.leave_ms, self._room)
        once = sparse.csr_array(
            (np.ones(n), (self._request[inside], np.arange(n))), shape=(self._requests, n)
        )
        rows = [once, cliques.matrix]
        limits: list[Any] = [np.ones(self._requests), cliques.limit]
        musts = np.flatnonzero(self._must)
        if len(musts):
            rows.append(-once[musts])
            limits.append(-np.ones(len(musts)))
        if count is not None:
            rows.append(sparse.csr_array(-np.ones((1, n))))
            limits.append(np.array([-float(count)]))
        result = self._solve(weight[inside], sparse.vstack(rows, format="csc"), limits)
        if result is None:
            return None
        dual = np.asarray(result.ineqlin.marginals)
        at = self._requests + len(cliques.limit)
        charge = dual[: self._requests].copy()
        if len(musts):
            charge[musts] -= dual[at : at + len(musts)]
        price = -dual[self._requests : at]
        reduced = weight - charge[self._request] + (dual[-1] if count is not None else 0.0)
        everyone = self._arcs
        reduced += cliques.paid(price, everyone.pool, everyone.arrive_ms, everyone.leave_ms)
        share = np.zeros(len(weight))
        share[inside] = result.x
        return Relaxed(float(result.fun), share, reduced)

    def _solve(self, weight: Floats, matrix: sparse.csc_array, limits: list[Any]) -> Any:
        """Return SciPy's result, None: infeasible or no time."""
        large = len(weight) >= INNER_POINT_FROM
        methods: tuple[tuple[Any, bool], ...] = (
            ("highs-ipm" if large else "highs", True),
            ("highs", False),
        )
        for method, presolve in methods:
            left_s = self._ends_s - time.perf_counter()
            if left_s <= 0:
                return None
            result: Any = _linprog(
                weight,
                A_ub=matrix,
                b_ub=np.concatenate(limits),
                bounds=(0, None),
                method=method,
                options={"presolve": presolve, "time_limit": left_s},
            )
            if result.status == 0:
                return result
            if result.status in (1, 2):
                return None
        raise SolverError(f"linear program: {result.message}", where="allocation")
