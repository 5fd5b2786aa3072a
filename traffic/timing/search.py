"""Local search over a whole network's plan, judged by the delay model.

Cycles are compared first, each with the splits that suit every signal by itself and a short search
of offsets; the best are searched further (successive halving). A step moves signals that are far
enough apart side by side: what a move changes is read off the queues of the signal itself and off
those that it feeds, so the work of a step does not grow with the network. What is taken together is
judged again as a whole. Same inputs and seed, same plan, unless the time limit cuts the search.
"""

import math
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from traffic.delay.flow_network import Floats
from traffic.delay.model import Codes, Estimate
from traffic.delay.trip_model import TripModel
from traffic.timing.moves import cycle_of, random_move
from traffic.timing.offsets import best_offsets, offset_links
from traffic.timing.options import Options, SignalOptions
from traffic.timing.preferences import Preferences, everybody_alike
from traffic.timing.state import Encoder, Ints, SignalState

States = tuple[SignalState, ...]
Plan = tuple[Codes, Ints]
_Answer = TypeVar("_Answer")

# Moves of each signal that are judged side by side.
TRIES = 6
# Networks of up to so many signals are moved one signal at a time and judged as a whole.
FEW_SIGNALS = 6
# Work of a search in the trip model's steps, within these bounds of whole-network judgements.
WORK = 4.0e9
EVALUATIONS = (120, 6000)
# Cycles that are compared, kept after the first and after the second round.
CYCLES, SECOND, LAST = 9, 4, 2
LEAST_GAIN = 1e-6
# How often offsets are solved anew with the profiles that the ones before have led to; once in
# networks of more than so many signals, where neighbours matter less than time.
OFFSET_ROUNDS, MANY_SIGNALS = 3, 100


@dataclass(frozen=True, slots=True)
class Step:
    """Progress: what is done, the share done, and the best delay so far in s a trip."""

    message: str
    done_share: float
    delay_s: float


@dataclass(slots=True)
class _Run:
    """A plan with a common cycle on its way."""

    cycle_s: int
    states: States
    cost: float


class Search:
    """Searches plans for all timed signals of a model.

    Parameters
    ----------
    trips, options
        What judges plans, and what is searched.
    cycle_s
        Shortest and longest common cycle.
    seed
        Of every random choice.
    time_limit_s
        The best so far is returned then.
    stop_penalty_s
        Seconds that a stop counts beside the time it costs.
    prefer
        Roads that count more, and bands along them; None = none.
    progress, should_stop
        Told of every step; asked whether to stop with the best so far.
    pool
        Threads that judge plans side by side; None = one after the other.
    """

    def __init__(
        self,
        trips: TripModel,
        options: Options,
        *,
        cycle_s: tuple[int, int],
        seed: int,
        time_limit_s: float,
        stop_penalty_s: float = 0.0,
        prefer: Preferences | None = None,
        progress: Callable[[Step], object] | None = None,
        should_stop: Callable[[], bool] | None = None,
        pool: ThreadPoolExecutor | None = None,
    ) -> None:
        self.trips = trips
        # Of flows: what queues see, and the profiles that offsets start from.
        self.model = model = trips.model
        self.options = options
        self.cycle_range_s = cycle_s
        self.encoder = Encoder(model, options, 2 * cycle_s[1])
        self._rng = random.Random(seed)
        self._end = time.perf_counter() + time_limit_s
        self._penalty_s = stop_penalty_s
        self._prefer = prefer or everybody_alike(model)
        self._progress = progress
        self._should_stop = should_stop
        self._pool = pool
        self.budget = int(np.clip(WORK / max(1.0, trips.work), *EVALUATIONS))
        # Judgements of the whole network so far.
        self.used = 0
        # Of the best plan; known after ``run``.
        self.cycle_s = cycle_s[1]
        # The best plans at other cycles, best first; known after ``run``.
        self.alternatives: tuple[States, ...] = ()
        self._around = self._neighbourhoods()
        self._classes = self._coloured()
        each_round = len(self._classes) * (TRIES + 1)
        # With few rounds to come fewer cycles are compared.
        self._most_cycles = int(np.clip(self.budget / each_round / 4, 2, CYCLES))

    def run(self) -> tuple[States, Estimate]:
        """Return the best plan found and what the model says of it."""
        runs: list[_Run] = []
        for cycle in self._cycles():
            if runs and self._over():
                break
            runs.append(self._started(cycle))
            self._tell(runs, f"cycle {cycle} s")
        everyone = list(runs)
        shares = (0.25, 0.25, 0.5)
        for keep, share in zip((SECOND, LAST, 1), shares, strict=True):
            each = max(4, int(self.budget * share / max(1, len(runs))))
            for run in runs:
                self._improve(run, each, alone=len(runs) == 1)
                self._tell(runs, f"cycle {run.cycle_s} s")
                if self._over():
                    break
            runs = sorted(runs, key=lambda run: (run.cost, run.cycle_s))[:keep]
            if len(runs) == 1 and share != shares[-1]:
                break
        best = self._retimed(runs[0])
        self.cycle_s = best.cycle_s
        others = sorted((run for run in everyone if run is not best), key=lambda run: run.cost)
        self.alternatives = tuple(run.states for run in others)
        return best.states, self.trips.judge([self.encoder.encode(best.states)], self._pool)[0]

    def _tell(self, runs: Sequence[_Run], message: str) -> None:
        if self._progress is not None:
            best = min(run.cost for run in runs)
            share = min(1.0, self.used / (1.2 * self.budget))
            each = best / max(self.model.network.vehicles, 1e-9)
            self._progress(Step(message, share, each))

    def _over(self) -> bool:
        stopped = self._should_stop is not None and self._should_stop()
        return stopped or time.perf_counter() >= self._end

    def _judge(self, plans: Sequence[Plan]) -> list[Floats]:
        """Cost of each plan by queue and band."""
        self.used += len(plans)
        return [
            self._prefer.costs(e.by_queue_veh_s + self._penalty_s * e.stops, *plan)
            for plan, e in zip(plans, self.trips.judge(plans, self._pool), strict=True)
        ]

    def _of_each(self, ask: Callable[[SignalOptions], _Answer]) -> list[_Answer]:
        if self._pool is None:
            return [ask(own) for own in self.options.timed]
        return list(self._pool.map(ask, self.options.timed))

    def _cycles(self) -> list[int]:
        """Common cycles worth trying, by what every signal would lose by itself."""
        low = max(self.cycle_range_s[0], *(own.least_cycle_s for own in self.options.timed))
        low = min(low, self.cycle_range_s[1])
        step = max(
            1, round((self.cycle_range_s[1] - low) / (10 if self._most_cycles < CYCLES else 20))
        )
        losses = []
        for cycle in range(low, self.cycle_range_s[1] + 1, step):
            found = self._of_each(partial(SignalOptions.best, cycle_s=cycle))
            if None not in found:
                losses.append((sum(one[0] for one in found if one is not None), cycle))
        losses.sort()
        return sorted(cycle for _, cycle in losses[: self._most_cycles])

    def _started(self, cycle_s: int) -> _Run:
        states = []
        for own in self.options.timed:
            found = own.best(cycle_s)
            assert found is not None, "cycles that do not fit were left out"
            split = own.splits(found[1], cycle_s)
            assert split is not None
            states.append(SignalState(found[1], tuple(int(g) for g in split[1]), 0))
        run = _Run(cycle_s, tuple(states), math.inf)
        run.cost = float(self._judge([self.encoder.encode(run.states)])[0].sum())
        for _ in range(OFFSET_ROUNDS if len(states) <= MANY_SIGNALS else 1):
            if self._over():
                break
            moved = self._with_offsets(run)
            if moved is None or moved.cost >= run.cost - LEAST_GAIN:
                break
            run = moved
        return run

    def _with_offsets(self, run: _Run) -> _Run | None:
        """Shift all signals to the best offsets of the link-additive problem."""
        plan = self.encoder.encode(run.states)
        profiles = self.model.profiles(*plan)
        self.used += 1
        network = self.model.network
        links = offset_links(network, *plan, profiles, run.cycle_s)
        if not links.before.size:
            return None
        kept = [s for s, key in enumerate(self.model.signal_ids) if key in self.options.kept]
        found = best_offsets(links, len(network.signal_ids), kept, seed=self._rng.randrange(2**31))
        states = tuple(
            SignalState(
                state.option,
                state.greens_s,
                (state.start_s + int(found.offsets_s[own.index])) % run.cycle_s,
            )
            for own, state in zip(self.options.timed, run.states, strict=True)
        )
        cost = float(self._judge([self.encoder.encode(states)])[0].sum())
        return _Run(run.cycle_s, states, cost)

    def _improve(self, run: _Run, evaluations: int, *, alone: bool) -> None:
        """Move signals for about so many judgements of the whole network."""
        end = self.used + evaluations
        plan = self.encoder.encode(run.states)
        base = self._judge([plan])[0]
        run.cost = float(base.sum())
        cycles = self._other_cycles(run.cycle_s) if alone else ()
        while self.used < end and not self._over():
            for signals in self._classes:
                moves = [self._moves(run, k, cycles) for k in signals]
                tries = [
                    {k: own[r] for k, own in zip(signals, moves, strict=True)} for r in range(TRIES)
                ]
                judged = self._judge([self.encoder.change(plan, change) for change in tries])
                gains = self._gains(signals, base, judged)
                change = {
                    k: tries[r][k]
                    for k, (gain, r) in zip(signals, gains, strict=True)
                    if gain > LEAST_GAIN
                }
                taken = self._taken(plan, base, change, tries, judged)
                if taken is not None:
                    plan, base, change = taken
                    states = list(run.states)
                    for k, state in change.items():
                        states[k] = state
                    run.states = tuple(states)
                    run.cost = float(base.sum())
                if self.used >= end or self._over():
                    break

    def _moves(self, run: _Run, k: int, cycles_s: tuple[int, ...]) -> list[SignalState]:
        own = self.options.timed[k]
        return [random_move(own, run.states[k], self._rng, cycles_s=cycles_s) for _ in range(TRIES)]

    def _gains(
        self, signals: Sequence[int], base: Floats, judged: Sequence[Floats]
    ) -> list[tuple[float, int]]:
        """For each signal its largest gain around it, and which try had it."""
        found = []
        for k in signals:
            around = self._around[k]
            was = float(base[around].sum())
            gains = [was - float(cost[around].sum()) for cost in judged]
            best = max(range(len(gains)), key=gains.__getitem__)
            found.append((gains[best], best))
        return found

    def _taken(
        self,
        plan: Plan,
        base: Floats,
        change: dict[int, SignalState],
        tries: Sequence[dict[int, SignalState]],
        judged: Sequence[Floats],
    ) -> tuple[Plan, Floats, dict[int, SignalState]] | None:
        """Judge the gains taken together; else the best try as a whole, if it is better."""
        total = float(base.sum())
        totals = [float(cost.sum()) for cost in judged]
        best = min(range(len(totals)), key=totals.__getitem__)
        together = None
        if change and change != tries[best]:
            new = self.encoder.change(plan, change)
            cost = self._judge([new])[0]
            together = (new, cost, change)
        if (
            together is not None
            and float(together[1].sum()) < min(totals[best], total) - LEAST_GAIN
        ):
            return together
        if totals[best] < total - LEAST_GAIN:
            return self.encoder.change(plan, tries[best]), judged[best], tries[best]
        return None

    def _other_cycles(self, cycle_s: int) -> tuple[int, ...]:
        """Cycles that single signals may take beside the common one."""
        return tuple(
            cycle
            for cycle in (cycle_s, cycle_s // 2 if cycle_s % 2 == 0 else 0, 2 * cycle_s)
            if self.cycle_range_s[0] <= cycle <= self.cycle_range_s[1]
        )

    def _retimed(self, run: _Run) -> _Run:
        """Try neighbouring cycles, greens and offsets stretched, with a short search each."""
        best = run
        for change_s in (-3, 3, -1, 1, -2, 2):
            if self._over():
                break
            cycle_s = run.cycle_s + change_s
            if not self.cycle_range_s[0] <= cycle_s <= self.cycle_range_s[1]:
                continue
            states = self._stretched(run, cycle_s)
            if states is None:
                continue
            other = _Run(cycle_s, states, math.inf)
            self._improve(other, max(TRIES, self.budget // 30), alone=False)
            if other.cost < best.cost - LEAST_GAIN:
                best = other
        if best is not run:
            self._improve(best, self.budget // 8, alone=True)
        return best

    def _stretched(self, run: _Run, cycle_s: int) -> States | None:
        states = []
        for own, state in zip(self.options.timed, run.states, strict=True):
            old_s = cycle_of(own, state)
            if old_s != run.cycle_s:
                return None
            sequence = own.sequences[state.option]
            spare_s = cycle_s - sequence.lost_s
            least = [stage.min_green_s for stage in sequence.stages]
            greens = [
                max(low, round(g * spare_s / sum(state.greens_s)))
                for g, low in zip(state.greens_s, least, strict=True)
            ]
            for _ in range(4 * len(greens)):
                short = spare_s - sum(greens)
                if short == 0:
                    break
                k = max(
                    range(len(greens)),
                    key=lambda j: greens[j] if short > 0 else greens[j] - least[j],
                )
                greens[k] = max(least[k], greens[k] + short)
            if sum(greens) != spare_s:
                return None
            states.append(
                SignalState(state.option, tuple(greens), round(state.start_s * cycle_s / old_s))
            )
        return tuple(states)

    def _neighbourhoods(self) -> list[np.ndarray]:
        """Queues that a move of each timed signal can change: its own and the next ones'."""
        n = self.model.network
        everything = np.arange(n.queues + len(self._prefer.bands))
        if len(self.options.timed) <= FEW_SIGNALS:
            return [everything for _ in self.options.timed]
        count = len(n.signal_ids)
        group = np.searchsorted(n.group_first, np.arange(n.queues), side="right") - 1
        waits_for: list[list[int]] = [[] for _ in range(n.queues)]
        for q in range(n.queues):
            for f in n.foe[n.foe_first[q] : n.foe_first[q + 1]]:
                waits_for[int(f)].append(q)
        found = []
        for own in self.options.timed:
            todo = own.flows.queues.tolist()
            seen, touched = set(todo), set(todo)
            while todo:
                q = todo.pop()
                for to in n.way_to[n.way_first[q] : n.way_first[q + 1]].tolist():
                    touched.add(to)
                    if n.queue_signal[to] == count and to not in seen:
                        # Without a signal: whoever shares its lanes or waits for it is touched.
                        seen.add(to)
                        todo.append(to)
                        touched.update(np.flatnonzero(group == group[to]).tolist())
                        touched.update(waits_for[to])
            touched.update(
                n.queues + t
                for t, band in enumerate(self._prefer.bands)
                if own.index in band.signals
            )
            found.append(np.array(sorted(touched), dtype=np.int64))
        return found

    def _coloured(self) -> list[list[int]]:
        """Timed signals in classes whose neighbourhoods do not meet."""
        count = len(self.options.timed)
        if count <= FEW_SIGNALS:
            return [[k] for k in range(count)]
        classes: list[tuple[set[int], list[int]]] = []
        for k in range(count):
            near = set(self._around[k].tolist())
            for used, members in classes:
                if not used & near:
                    used |= near
                    members.append(k)
                    break
            else:
                classes.append((near, [k]))
        return [members for _, members in classes]
