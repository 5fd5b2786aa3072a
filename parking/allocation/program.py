"""Stays that come and go at different times: a linear program, then branching where it must be.

One variable for each arc, a constraint for each request and each clique of stays in a pool
(``cliques.py``). First the most that can be served, then the least cost with that many. Three
things keep it small:

- a pool that could take everybody who may come has no constraint, so a request needs no arc that
  is dearer than its cheapest one of that kind;
- requests that share no pool, not even by way of others, are solved apart;
- beyond the linear program only arcs count whose reduced cost is within the gap: an answer with any
  other arc costs more than the one found. With those alone the batch often falls apart again.
"""

import time
from dataclasses import replace

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from parking.allocation.branching import LEAST_TIME_S, REWARD, branch
from parking.allocation.certificate import Demand
from parking.allocation.cliques import narrow_pools
from parking.allocation.greedy import take_in_order
from parking.allocation.neighbours import settle_anew
from parking.allocation.relaxation import INTEGRAL, TOLERANCE, Relaxation, Relaxed
from parking.allocation.room import Room
from parking.allocation.tables import Floats, Ints
from parking.allocation.wishes import ProgramAnswer, Wishes

GAP = 1e-3
"""Share of the linear program's value within which arcs are looked at first."""
LEAST_GAP_FEN = 20.0
WIDER = 6.0
DEEPEST = 2
LARGE = 1e12
"""Fen, more than any reduced cost."""
LARGE_ARCS, START_SHARE = 3000, 0.3
"""Arcs of a part from which a good answer is looked for first, and the share of the time for it."""
LAST_SHARE = 0.25
"""Of the time, kept for the cost's bound where it stays open how many can be served."""


def solve_program(
    wishes: Wishes, room: Room, *, serve_first: bool, time_limit_s: float
) -> ProgramAnswer:
    """Solve a batch; at the time limit the best answer so far, with its bounds.

    Parameters
    ----------
    serve_first
        As many as possible first. Otherwise arcs of negative weight are taken while it pays.
        Those who hold a place come first in any case.
    time_limit_s
        For everything.

    Raises
    ------
    SolverError
        The solver failed in a way that says nothing about the problem.
    """
    began = time.perf_counter()
    ends_s = began + (1 - LAST_SHARE) * time_limit_s
    answer = _solve(wishes, room, serve_first, ends_s, 0)
    if not serve_first or len(answer.arcs) == answer.served_bound:
        return answer
    # Another share-out of that many among the parts might be cheaper than each part's bound.
    kept = _worth_asking(wishes, room)
    last = Relaxation(wishes.take(kept), room, began + time_limit_s)
    last.bring_in(np.flatnonzero(np.isin(kept, answer.arcs)))
    relaxed = last.solve(wishes.weight[kept], Demand(len(answer.arcs), answer.kept))
    if relaxed is None:
        return answer
    return replace(answer, bound=max(answer.bound, relaxed.bound.least))


def _solve(
    wishes: Wishes, room: Room, serve_first: bool, ends_s: float, depth: int
) -> ProgramAnswer:
    """Solve the parts of a batch; ``depth`` = how often it was cut down by reduced costs."""
    worth = _worth_asking(wishes, room)
    arcs = wishes.take(worth)
    part = _parts(arcs, room)
    sizes = np.bincount(part)
    order = np.argsort(part, kind="stable")
    cuts = np.concatenate([[0], np.cumsum(sizes)])
    chosen: list[Ints] = []
    answers: list[ProgramAnswer] = []
    # Small parts first: what time they leave goes to the large ones, shared by size.
    to_come = len(arcs)
    for number in np.argsort(sizes, kind="stable"):
        own = order[cuts[number] : cuts[number + 1]]
        now = time.perf_counter()
        until = now + max(LEAST_TIME_S, (ends_s - now) * float(sizes[number]) / to_come)
        to_come -= int(sizes[number])
        answers.append(_Part(arcs.take(own), room, until, depth).solve(serve_first))
        chosen.append(own[answers[-1].arcs])
    picked = np.sort(np.concatenate(chosen))
    served_bound = sum(answer.served_bound for answer in answers)
    bound = sum(answer.bound for answer in answers)
    if serve_first and len(picked) < served_bound:
        # Parts' bounds hold for their own share of that many only.
        bound = _cheapest_of(arcs, len(picked))
    return ProgramAnswer(
        arcs=worth[picked],
        kept=sum(answer.kept for answer in answers),
        kept_bound=sum(answer.kept_bound for answer in answers),
        served_bound=served_bound,
        bound=bound,
        parts=len(sizes),
        branched=sum(answer.branched for answer in answers),
    )


def rounded_up(value: float) -> int:
    """Return the whole number that a solver's value means as a lower bound."""
    return int(np.ceil(value - TOLERANCE * max(1.0, abs(value) * 1e-3)))


def _cheapest_of(arcs: Wishes, count: int) -> int:
    """Return what ``count`` requests weigh at least: the lowest of the requests' best."""
    requests, request = arcs.numbered()
    best = np.full(requests, np.iinfo(np.int64).max)
    np.minimum.at(best, request, arcs.weight)
    return int(np.sort(best)[:count].sum())


def _worth_asking(wishes: Wishes, room: Room) -> Ints:
    """Return the arcs without those dearer than one to a pool that is never full."""
    narrow = narrow_pools(wishes.pool, wishes.arrive_ms, wishes.leave_ms, room)
    wide = ~narrow[wishes.pool]
    best = np.full(int(wishes.request.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(best, wishes.request[wide], wishes.weight[wide])
    keep = wishes.weight < best[wishes.request]
    # One arc to a pool that is never full stays for each request that has any.
    first = np.flatnonzero(wide & (wishes.weight == best[wishes.request]))
    _, once = np.unique(wishes.request[first], return_index=True)
    keep[first[once]] = True
    return np.flatnonzero(keep)


def _parts(arcs: Wishes, room: Room) -> Ints:
    """Number the arcs by the part of the problem that they belong to: linked by narrow pools."""
    requests, request = arcs.numbered()
    narrow = narrow_pools(arcs.pool, arcs.arrive_ms, arcs.leave_ms, room)
    links = narrow[arcs.pool]
    size = requests + len(room.capacity)
    ends = (request[links], requests + arcs.pool[links])
    graph = sparse.coo_array((np.ones(len(ends[0])), ends), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    _, part = np.unique(label[request], return_inverse=True)
    return np.asarray(part.reshape(-1), dtype=np.int64)


class _Part:
    """One part of the problem."""

    def __init__(self, arcs: Wishes, room: Room, ends_s: float, depth: int) -> None:
        self._arcs = arcs
        self._room = room
        self._ends_s = ends_s
        self._depth = depth
        self._requests, self._request = arcs.numbered()
        self._relaxation = Relaxation(arcs, room, ends_s)
        self._options: list[Ints] = []
        self._kept = 0

    def solve(self, serve_first: bool) -> ProgramAnswer:
        """Solve the part."""
        arcs = self._arcs
        if not narrow_pools(arcs.pool, arcs.arrive_ms, arcs.leave_ms, self._room).any():
            return self._without_limits(serve_first)
        first = self._in_order(arcs.weight.astype(np.float64))
        if arcs.must.any():
            first, kept_bound = self._keep(first)
        else:
            kept_bound = 0
        self._relaxation.bring_in(first)
        if not serve_first:
            found, bound, branched = self._cheapest(None)
            if found is None:
                found = first
            return self._answer(found, kept_bound, len(found), bound, branched)
        most = len(first)
        if most < self._requests:
            most = self._most_served()
        found, bound, branched = self._cheapest(most)
        if found is None or len(found) < most:
            # The linear program promised more than whole cars can keep, or time ran out.
            branched = True
            most, found = self._count_first(most, found, first)
            better, bound, _ = self._cheapest(len(found))
            if better is not None and len(better) >= len(found):
                found = better
        return self._answer(found, kept_bound, most, bound, branched)

    def _answer(
        self, arcs: Ints, kept_bound: int, served_bound: int, bound: int, branched: bool
    ) -> ProgramAnswer:
        kept = self._kept_by(arcs)
        return ProgramAnswer(arcs, kept, kept_bound, served_bound, bound, 1, int(branched))

    def _kept_by(self, arcs: Ints) -> int:
        """Return how many of those who hold a place an answer serves."""
        return int(self._arcs.must[arcs].sum())

    def _keep(self, first: Ints) -> tuple[Ints, int]:
        """Find how many of those who hold a place can keep one, and an answer that keeps them.

        Returns the answer and a bound of how many. Where rooms still hold what was promised, that
        is all of them, each at home; otherwise it is a problem of its own.
        """
        everybody = len(np.unique(self._request[self._arcs.must]))
        at_home = self._in_order(np.where(self._arcs.home, -LARGE, self._arcs.weight))
        best = max(first, at_home, key=self._kept_by)
        self._kept = self._kept_by(best)
        if self._kept == everybody:
            return best, everybody
        holders = np.flatnonzero(self._arcs.must)
        found, low, _ = self._branch(-np.ones(len(self._arcs)), None, holders)
        if found is not None and len(found) > self._kept:
            best, self._kept = found, len(found)
        bound = everybody if not np.isfinite(low) else int(np.floor(-low + TOLERANCE))
        return best, max(self._kept, min(everybody, bound))

    def _count_first(self, most: int, found: Ints | None, first: Ints) -> tuple[int, Ints]:
        """Return a better bound of how many can be served, and the best answer known."""
        options = [first, *self._options] if found is None else [found, first, *self._options]
        if time.perf_counter() < self._ends_s:
            every = np.arange(len(self._arcs))
            served, low, _ = self._branch(-np.ones(len(every)), None, every)
            if np.isfinite(low):
                most = int(np.floor(min(most, -low) + TOLERANCE))
            options += [] if served is None else [served]
        weight = self._arcs.weight
        options = [option for option in options if self._kept_by(option) >= self._kept]
        return most, max(options, key=lambda x: (len(x), -int(weight[x].sum())))

    def _in_order(self, value: Floats) -> Ints:
        """Serve who holds a place, then whoever is next in value, as long as it fits."""
        order = np.lexsort((value, ~self._arcs.must))
        return take_in_order(self._arcs, order, self._room)

    def _without_limits(self, serve_first: bool) -> ProgramAnswer:
        """Everybody gets the best: nothing in this part can be over-full."""
        weight = self._arcs.weight
        order = np.lexsort((weight, self._request))
        best = order[np.searchsorted(self._request[order], np.arange(self._requests))]
        if not serve_first:
            best = best[(weight[best] < 0) | self._arcs.must[best]]
        best = np.sort(best)
        return self._answer(best, self._kept_by(best), len(best), int(weight[best].sum()), False)

    def _most_served(self) -> int:
        """Return a bound of how many can be served, by the linear program."""
        ones = np.full(len(self._arcs), -1, dtype=np.int64)
        relaxed = self._relaxation.solve(ones, Demand(kept=self._kept))
        return self._requests if relaxed is None else -relaxed.bound.least

    def _cheapest(self, count: int | None) -> tuple[Ints | None, int, bool]:
        """Return arcs of least weight, ``count`` at least; the bound; whether it branched.

        None instead of arcs: so many cannot be served, or none was found in time.
        """
        relaxed = self._relaxation.solve(self._arcs.weight, Demand(count, self._kept))
        if relaxed is None:
            return None, self._least_possible(), False
        if relaxed.integral:
            return np.flatnonzero(relaxed.share > 0.5), relaxed.bound.least, False
        return self._within_the_gap(relaxed, count)

    def _least_possible(self) -> int:
        """Return what no answer goes below, whatever is served."""
        best = np.zeros(self._requests, dtype=np.int64)
        np.minimum.at(best, self._request, self._arcs.weight)
        return int(best.sum())

    def _within_the_gap(self, relaxed: Relaxed, count: int | None) -> tuple[Ints | None, int, bool]:
        weight = self._arcs.weight.astype(np.float64)
        value, reduced = relaxed.bound.value, relaxed.bound.reduced
        gap = max(LEAST_GAP_FEN, GAP * abs(value))
        taken = relaxed.share > INTEGRAL
        best: Ints | None = None
        start = self._started(relaxed, count)
        if start is not None:
            best, gap = start, float(weight[start].sum()) - value
        while True:
            near = np.flatnonzero(taken | (reduced <= gap))
            found, low, over = self._whole(weight, count, near)
            # An answer with any arc that was left out weighs more than the gap.
            bound = max(relaxed.bound.least, rounded_up(max(value, min(low, value + gap))))
            if found is not None and (count is None or len(found) >= count):
                best = found
            elif found is not None:
                self._options.append(found)
            reached = np.inf if best is None else float(weight[best].sum())
            if len(near) == len(weight) or over or reached <= value + gap:
                return best, bound, True
            gap = reached - value + 1 if np.isfinite(reached) else gap * WIDER

    def _started(self, relaxed: Relaxed, count: int | None) -> Ints | None:
        """Return a good answer to begin with, where the part is large; None: none, or too few."""
        reduced = relaxed.bound.reduced
        start = self._in_order(reduced - LARGE * relaxed.share)
        self._options.append(start)
        if len(reduced) < LARGE_ARCS or self._kept_by(start) < self._kept:
            return None
        reward = 0.0 if count is None else REWARD * (1.0 + float(np.abs(self._arcs.weight).max()))
        now = time.perf_counter()
        until = now + START_SHARE * (self._ends_s - now)
        start = settle_anew(self._arcs, self._room, start, reduced, reward, until)
        self._options.append(start)
        return start if count is None or len(start) >= count else None

    def _whole(
        self, weight: Floats, count: int | None, near: Ints
    ) -> tuple[Ints | None, float, bool]:
        """Solve in whole cars on some arcs: in parts again where they fall apart."""
        some = self._arcs.take(near)
        if self._depth >= DEEPEST or len(np.unique(some.request)) < self._requests:
            return self._branch(weight, count, near)
        sizes = np.bincount(_parts(some, self._room))
        if sizes.max() > 0.95 * len(self._arcs):
            return self._branch(weight, count, near)
        answer = _solve(some, self._room, count is not None, self._ends_s, self._depth + 1)
        over = time.perf_counter() >= self._ends_s
        served = len(answer.arcs)
        if answer.kept < self._kept or (count is not None and served < count):
            can = answer.kept_bound >= self._kept
            can = can and (count is None or answer.served_bound >= count)
            return None, -np.inf if can else np.inf, over or can
        proven = count is None or served == answer.served_bound
        low = float(answer.bound) if proven else -np.inf
        return near[answer.arcs], low, over

    def _branch(
        self, weight: Floats, count: int | None, near: Ints
    ) -> tuple[Ints | None, float, bool]:
        """Solve in whole cars on some arcs: arcs, bound, whether time ran out."""
        found = branch(
            self._arcs.take(near),
            self._room,
            weight[near],
            count=count,
            kept=self._kept,
            ends_s=self._ends_s,
        )
        return None if found.arcs is None else near[found.arcs], found.low, found.out_of_time
