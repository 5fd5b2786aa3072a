"""The last mile: plans are changed and judged by simulation, with common random numbers.

The search on the delay model leaves one plan a cycle. These are simulated first, which corrects
what the model gets wrong between cycles. Then the best is changed a little again and again: of many
random changes the model picks one to try; it is simulated on one seed after the other, always the
seeds that the best plan was simulated on, and dropped as soon as its mean is no better. What wins
on all of them may owe that to these seeds: it is then run on new ones, beside the best so far and
the plan that all began with.
"""

import os
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

from scenarios.simulation import Inputs, simulate
from traffic.delay.model import DelayModel
from traffic.delay.trip_model import TripModel
from traffic.demand import Demand
from traffic.io.sumo_additional import write_plans
from traffic.network import RoadGraph
from traffic.timing.moves import random_move
from traffic.timing.optimize import NetworkPlan, plans_of
from traffic.timing.options import Options, options_of
from traffic.timing.search import Step
from traffic.timing.state import Encoder, SignalState

States = tuple[SignalState, ...]

# Seeds of the refinement; those of benchmarks are others.
FIRST_SEED = 40_000
# To begin with, more each time that a change has won, and at most.
SEEDS_EACH, NEW_SEEDS, MOST_SEEDS = 8, 2, 16
# Random changes that the model looks at for each that is simulated.
LOOKED_AT = 24
MOST_SIGNALS = 3
LEAST_GAIN_S = 1e-3


@dataclass(frozen=True, slots=True)
class Refined:
    """The best plans, their mean delay in s over the seeds they ran on, and all runs."""

    network_plan: NetworkPlan
    delay_s: float
    simulations: int


@dataclass(slots=True, eq=False)
class _Candidate:
    states: States
    delays_s: list[float] = field(default_factory=list)

    @property
    def mean_s(self) -> float:
        return fmean(self.delays_s)


def refine(
    inputs: Inputs,
    graph: RoadGraph,
    demand: Demand,
    found: NetworkPlan,
    *,
    cycle_s: tuple[int, int],
    min_green_s: int,
    time_limit_s: float,
    seed: int,
    executor: Executor | None = None,
    progress: Callable[[Step], object] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Refined:
    """Improve a network's plans by simulation.

    Parameters
    ----------
    inputs, graph, demand
        The scenario.
    found
        What ``optimize_network`` returned for it with the same ``cycle_s`` and ``min_green_s``.
    time_limit_s
        Seconds; runs that have begun are finished.
    seed
        Of the changes and of the simulations' seeds.
    executor
        Where simulations run; None = one process a core.
    progress, should_stop
        Told of every better plan; asked whether to stop with the best so far.
    """
    model = DelayModel(graph, demand)
    trips = TripModel(model)
    options = options_of(model, cycle_s=cycle_s, min_green_s=min_green_s)
    with TemporaryDirectory(prefix="refine.") as directory:
        own = None if executor is not None else ThreadPoolExecutor(os.cpu_count() or 1)
        try:
            search = _Refinement(
                inputs,
                trips,
                options,
                max(cycle_s[1], found.cycle_s),
                (cycle_s[0], cycle_s[1]),
                Path(directory),
                executor or own,  # type: ignore[arg-type]
                seed,
                time.perf_counter() + time_limit_s,
                progress,
                should_stop,
            )
            best = search.run((found.states, *found.alternatives))
        finally:
            if own is not None:
                own.shutdown(wait=True, cancel_futures=True)
    timings = dict(options.own)
    for k, (choice, state) in enumerate(zip(options.timed, best.states, strict=True)):
        timings[choice.signal.id] = search.encoder.timing(k, state)
    plan = replace(
        found,
        plans=plans_of(options, best.states),
        states=best.states,
        estimate=trips.evaluate(timings),
    )
    return Refined(plan, best.mean_s, search.simulations)


class _Refinement:
    def __init__(
        self,
        inputs: Inputs,
        trips: TripModel,
        options: Options,
        longest_s: int,
        cycle_range_s: tuple[int, int],
        work: Path,
        executor: Executor,
        seed: int,
        end: float,
        progress: Callable[[Step], object] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self.inputs = inputs
        self.trips = trips
        self.options = options
        self.encoder = Encoder(trips.model, options, 2 * longest_s)
        self.simulations = 0
        self._cycle_range_s = cycle_range_s
        self._work = work
        self._executor = executor
        self._rng = random.Random(seed)
        self._seeds = [FIRST_SEED + 1000 * (seed % 100) + k for k in range(MOST_SEEDS)]
        self._began = time.perf_counter()
        self._end = end
        self._progress = progress
        self._should_stop = should_stop
        self._files = 0
        self._workers = os.cpu_count() or 1

    def run(self, starts: Sequence[States]) -> _Candidate:
        """Simulate the starts, then change the best while there is time."""
        start = self._best_start([_Candidate(states) for states in dict.fromkeys(starts)])
        self._tell("starts", start)
        best = start
        tried = {best.states}
        while not self._over():
            proposals = self._proposals(best, tried)
            if not proposals:
                break
            for proposal in self._raced(best, proposals):
                self._confirm(start, best, proposal)
                chosen = min((start, best, proposal), key=lambda own: own.mean_s)
                if chosen.mean_s < best.mean_s - LEAST_GAIN_S:
                    best = chosen
                    self._tell("refined", best)
        return best

    def _over(self) -> bool:
        stopped = self._should_stop is not None and self._should_stop()
        return stopped or time.perf_counter() >= self._end

    def _tell(self, message: str, best: _Candidate) -> None:
        if self._progress is not None:
            now = time.perf_counter()
            share = min(1.0, (now - self._began) / max(1e-9, self._end - self._began))
            self._progress(Step(message, share, best.mean_s))

    def _simulated(self, jobs: Sequence[tuple[_Candidate, int]]) -> None:
        """Run candidates on seeds side by side; the results in the order of the jobs."""
        runs: list[tuple[_Candidate, Future[float]]] = []
        for candidate, seed in jobs:
            runs.append(
                (
                    candidate,
                    self._executor.submit(_delay_s, self.inputs, self._file(candidate), seed),
                )
            )
        for candidate, run in runs:
            candidate.delays_s.append(run.result())
            self.simulations += 1

    def _file(self, candidate: _Candidate) -> Path:
        path = self._work / f"{self._files}.add.xml"
        self._files += 1
        write_plans(plans_of(self.options, candidate.states), path)
        return path

    def _best_start(self, candidates: list[_Candidate]) -> _Candidate:
        """Halve the starts from seed to seed, but the best two, which are run on all."""
        for k, seed in enumerate(self._seeds[:SEEDS_EACH]):
            self._simulated([(candidate, seed) for candidate in candidates])
            candidates.sort(key=lambda candidate: candidate.mean_s)
            if k + 1 < SEEDS_EACH:
                candidates = candidates[: max(2, (len(candidates) + 1) // 2)]
            if self._over():
                break
        return candidates[0]

    def _raced(self, best: _Candidate, proposals: list[_Candidate]) -> list[_Candidate]:
        """Simulate proposals seed by seed; what is no better than the best so far drops out."""
        for k in range(len(best.delays_s)):
            self._simulated([(proposal, self._seeds[k]) for proposal in proposals])
            so_far = fmean(best.delays_s[: k + 1])
            proposals = [p for p in proposals if p.mean_s < so_far - LEAST_GAIN_S]
            if not proposals:
                break
        return [p for p in proposals if len(p.delays_s) == len(best.delays_s)]

    def _confirm(self, start: _Candidate, best: _Candidate, proposal: _Candidate) -> None:
        """Run what won a race on new seeds, and with it the best so far and what all began with.

        Where another has been confirmed since the race, the seeds that this took are the new ones.
        """
        known, count = len(proposal.delays_s), len(best.delays_s)
        if known == count:
            count = min(MOST_SEEDS, known + NEW_SEEDS)
        self._simulated(
            [
                (own, self._seeds[k])
                for k in range(known, count)
                for own in dict.fromkeys((start, best, proposal))
                if len(own.delays_s) <= k
            ]
        )

    def _proposals(self, best: _Candidate, tried: set[States]) -> list[_Candidate]:
        """Changes that the model thinks well of, as many as run side by side."""
        plan = self.encoder.encode(best.states)
        seen: list[States] = []
        plans = []
        for _ in range(LOOKED_AT * self._workers):
            states = self._changed(best.states)
            if states in tried:
                continue
            changes = {
                i: new
                for i, (old, new) in enumerate(zip(best.states, states, strict=True))
                if old != new
            }
            seen.append(states)
            plans.append(self.encoder.change(plan, changes))
        with ThreadPoolExecutor(self._workers) as pool:
            judged = self.trips.judge(plans, pool)
        looked_at = sorted((float(e.by_queue_veh_s.sum()), k) for k, e in enumerate(judged))
        chosen = [seen[k] for _, k in looked_at[: self._workers]]
        tried.update(chosen)
        return [_Candidate(states) for states in chosen]

    def _changed(self, states: States) -> States:
        rng = self._rng
        new = list(states)
        count = rng.randint(1, min(MOST_SIGNALS, len(states)))
        for k in rng.sample(range(len(states)), count):
            new[k] = random_move(self.options.timed[k], states[k], rng, cycles_s=())
        return tuple(new)


def _delay_s(inputs: Inputs, plan: Path, seed: int) -> float:
    return simulate(inputs, plan, seed).delay_s
