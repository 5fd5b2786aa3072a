"""Compares plans on one case: what the network and SUMO offer, and our own, on the same seeds."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from scenarios.cases import Case
from scenarios.measures import Measured
from scenarios.peers import Peer, broken_rules, make_peers
from scenarios.run_store import RunStore
from scenarios.simulation import Inputs, simulate
from scenarios.spec import Spread
from scenarios.sumo_process import SimulationPool
from traffic.errors import InvalidInputError, TrafficError
from traffic.io.sumo_net import read_network


@dataclass(frozen=True, slots=True)
class Made:
    """How making a plan went: seconds and peak memory in MB, or why there is no plan."""

    seconds: float = 0.0
    peak_mb: float | None = None
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way of making a plan that is compared with the peers.

    ``make`` is given the inputs and the file to write.
    """

    name: str
    make: Callable[[Inputs, Path], Made]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one method did on a case.

    Parameters
    ----------
    method
        Its name in tables.
    peer
        Which peer it is; None for a plan of ours.
    failed
        Why there are no runs; empty where there are.
    broken, unchecked
        As in ``PeerPlan``.
    runs
        One a judging seed, in their order.
    """

    method: str
    peer: Peer | None
    plan: Path | None
    made: Made
    failed: str = ""
    broken: tuple[str, ...] = ()
    unchecked: int = 0
    runs: tuple[Measured, ...] = ()

    @property
    def is_static(self) -> bool:
        """Whether it is a fixed-time plan."""
        return self.peer is None or self.peer.is_static

    def spread(self, name: str) -> Spread:
        """Sum up one figure of ``Measured``, such as ``delay_s``."""
        return Spread.of([float(getattr(run, name)) for run in self.runs])

    @property
    def unfinished_shares(self) -> tuple[float, ...]:
        """For each run, the share of demanded trips that had not arrived at its end."""
        return tuple(1 - run.finished / run.demanded for run in self.runs)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All methods on one case."""

    case: str
    begin_s: int
    end_s: int
    outcomes: tuple[Outcome, ...]

    @property
    def best_static_peer(self) -> Outcome:
        """The fixed-time plan with the least delay that is not ours."""
        peers = [o for o in self.outcomes if o.peer is not None and o.is_static and o.runs]
        return min(peers, key=lambda outcome: outcome.spread("delay_s").mean)

    def outcome(self, method: str) -> Outcome | None:
        """Return a method's outcome by its name; None where it was not asked for."""
        return next((o for o in self.outcomes if o.method == method), None)

    def ratio(self, outcome: Outcome) -> float:
        """Return its mean delay divided by the best static peer's."""
        return outcome.spread("delay_s").mean / self.best_static_peer.spread("delay_s").mean


def compare(
    case: Case,
    candidates: Sequence[Candidate],
    *,
    seeds: Sequence[int],
    out: Path,
    workers: int = 1,
    on_progress: Callable[[str, float], None] | None = None,
) -> Comparison:
    """Make all plans of a case, and judge them on the same seeds.

    Plans are made one after the other with nothing else running, so that their times are honest;
    runs go side by side. A run whose figures are in ``out`` already is not repeated.

    Parameters
    ----------
    out
        A directory for plans and figures; made if missing.
    workers
        Runs at a time, at least 1.
    on_progress
        Told what is being done and its share done, 0 to 1.

    Raises
    ------
    InvalidInputError, SumoError
        The network's own programs cannot be run. A peer or candidate that fails is an outcome.
    """
    tell = on_progress or (lambda message, share: None)
    folder = out / "plans" / case.name
    folder.mkdir(parents=True, exist_ok=True)
    graph = read_network(case.inputs.net)
    tell(f"{case.name}: peers", 0.0)
    outcomes = [
        Outcome(
            method=peer.peer.value,
            peer=peer.peer,
            plan=peer.plan,
            made=Made(peer.seconds, None, peer.failed),
            failed=peer.failed,
            broken=peer.broken,
            unchecked=peer.unchecked,
        )
        for peer in make_peers(case.inputs, folder)
    ]
    for k, candidate in enumerate(candidates):
        tell(f"{case.name}: {candidate.name}", k / len(candidates))
        plan = folder / f"{candidate.name.replace(' ', '-')}.add.xml"
        made = candidate.make(case.inputs, plan)
        outcome = Outcome(candidate.name, None, plan, made, made.failed)
        if not made.failed:
            try:
                broken, unchecked = broken_rules(graph, plan)
                outcome = replace(outcome, broken=broken, unchecked=unchecked)
            except TrafficError as error:
                outcome = replace(outcome, failed=str(error))
        outcomes.append(outcome)
    judged = _judge(case, outcomes, seeds, RunStore(out / "runs"), workers, tell)
    return Comparison(case.name, case.inputs.begin_s, case.inputs.end_s, judged)


def _judge(
    case: Case,
    outcomes: Sequence[Outcome],
    seeds: Sequence[int],
    store: RunStore,
    workers: int,
    tell: Callable[[str, float], None],
) -> tuple[Outcome, ...]:
    inputs = {seed: case.judged(seed) for seed in seeds}
    plans = {k: o.plan for k, o in enumerate(outcomes) if not o.failed}
    keys = {(k, s): store.key(inputs[s], plan, s) for k, plan in plans.items() for s in seeds}
    figures = {key: found for key in set(keys.values()) if (found := store.find(key)) is not None}
    refused: dict[int, str] = {}
    with SimulationPool(workers) as pool:
        runs: dict[Future[Measured], tuple[int, str]] = {}
        begun = set(figures)
        for (k, seed), key in keys.items():
            # Two methods may end in the same plan.
            if key not in begun:
                begun.add(key)
                runs[pool.submit(simulate, inputs[seed], plans[k], seed)] = (k, key)
        for done, run in enumerate(as_completed(runs)):
            k, key = runs[run]
            try:
                figures[key] = run.result()
                store.keep(key, figures[key])
            except InvalidInputError as error:
                if plans[k] is None:
                    raise
                refused[k] = f"SUMO refuses it: {error}"
            tell(f"{case.name}: {len(runs)} runs", (done + 1) / len(runs))
    judged = []
    for k, outcome in enumerate(outcomes):
        if outcome.failed or k in refused:
            judged.append(replace(outcome, failed=outcome.failed or refused[k]))
        else:
            own = tuple(figures[keys[k, seed]] for seed in seeds)
            judged.append(replace(outcome, runs=own))
    return tuple(judged)
