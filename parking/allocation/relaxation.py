"""The linear program of a batch whose stays come and go, on as few arcs as it takes.

Solved on some arcs first; its dual prices (of requests, of instants in pools) say of each arc left
out what it would bring. Those that would bring something come in, until none would: then nothing is
lost. What the prices prove is counted over all arcs in whole numbers (``certificate.py``).
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, sparse

from parking.allocation.certificate import Certificate, Demand, certify
from parking.allocation.cliques import find_cliques
from parking.allocation.growth import guess_prices
from parking.allocation.room import Room
from parking.allocation.rows import rows_of
from parking.allocation.tables import Flags, Floats, Ints
from parking.allocation.wishes import Wishes
from parking.errors import SolverError

TOLERANCE = 1e-6
INTEGRAL = 1e-6
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
    share
        How much of each arc is taken, 0 to 1; shape (arcs,).
    bound
        What its prices prove.
    """

    share: Floats
    bound: Certificate

    @property
    def integral(self) -> bool:
        """Whether it takes whole arcs only."""
        return bool(np.abs(self.share - np.round(self.share)).max() < INTEGRAL)


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

    def solve(self, weight: Ints, demand: Demand) -> Relaxed | None:
        """Solve for least weight with what is demanded.

        None: that cannot be served, or time ran out.
        """
        while True:
            found = self._on_those_inside(weight, demand)
            if found is None:
                return None
            missing = self._missing(found)
            if not missing.any():
                return found
            promising = np.where(missing, found.bound.reduced, np.inf)
            self._inside |= self._best(promising, MORE) & missing

    def _missing(self, found: Relaxed) -> Flags:
        """Flag arcs left out that are better than the best one inside of the same request."""
        if self._inside.all():
            return np.zeros(len(self._arcs), dtype=np.bool_)
        best = found.bound.away.copy()
        np.minimum.at(best, self._request[self._inside], found.bound.reduced[self._inside])
        # Of all arcs the best has a reduced cost of 0; of those inside it has what they lag behind.
        lead = best[self._request] - found.bound.reduced
        return np.asarray(~self._inside & (lead > TOLERANCE * (1.0 + best[self._request])))

    def _best(self, value: Floats, most: int) -> Flags:
        """Flag each request's arcs of least value."""
        order = np.lexsort((value, self._request))
        own = self._request[order]
        rank = np.arange(len(order)) - np.searchsorted(own, own)
        chosen = np.zeros(len(order), dtype=np.bool_)
        chosen[order[rank < most]] = True
        return chosen | self._arcs.must

    def _on_those_inside(self, weight: Ints, demand: Demand) -> Relaxed | None:
        inside = np.flatnonzero(self._inside)
        arcs, n = self._arcs.take(inside), len(inside)
        cliques = find_cliques(arcs.pool, arcs.arrive_ms, arcs.leave_ms, self._room)
        balance, room = cliques.balances(arcs.pool, arcs.arrive_ms, arcs.leave_ms)
        width = n + len(cliques)
        at = (self._request[inside], np.arange(n))
        rows = [sparse.csr_array((np.ones(n), at), shape=(self._requests, width))]
        limits = [np.ones(self._requests)]
        for count, who in ((demand.count, np.arange(n)), (demand.kept, np.flatnonzero(arcs.must))):
            ones = (np.full(len(who), -1.0), (np.zeros(len(who), dtype=np.int64), who))
            rows.append(sparse.csr_array(ones, shape=(1, width)))
            limits.append(np.array([-float(count or 0)]))
        cost = np.concatenate([weight[inside], np.zeros(len(cliques))])
        result = self._solve(
            cost, sparse.vstack(rows, format="csc"), np.concatenate(limits), balance, room
        )
        if result is None:
            return None
        *_, count_dual, kept_dual = np.asarray(result.ineqlin.marginals)
        potential = np.append(np.asarray(result.eqlin.marginals), 0.0)
        same = cliques.pool[1:] == cliques.pool[:-1]
        following = np.append(np.where(same, potential[1:-1], 0.0), 0.0)[: len(cliques)]
        bound = certify(
            self._arcs,
            weight,
            cliques,
            following - potential[:-1],
            demand,
            max(0.0, -count_dual),
            max(0.0, -kept_dual),
        )
        share = np.zeros(len(weight))
        share[inside] = result.x[:n]
        return Relaxed(share, bound)

    def _solve(
        self,
        weight: Floats,
        matrix: sparse.csc_array,
        limits: Floats,
        balance: sparse.csr_array,
        room: Floats,
    ) -> Any:
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
                b_ub=limits,
                A_eq=balance,
                b_eq=room,
                bounds=(0, None),
                method=method,
                options={"presolve": presolve, "time_limit": left_s},
            )
            if result.status == 0:
                return result
            if result.status in (1, 2):
                return None
        raise SolverError(f"linear program: {result.message}", where="allocation")
