"""Measures a plan over several seeds, side by side, and sums up with spread."""

from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path

from scenarios.measures import Measured, level_of_service
from scenarios.simulation import Inputs, simulate
from scenarios.spec import Spread
from scenarios.sumo_process import SimulationPool
from traffic.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class JunctionSpread:
    """What a signal did to its vehicles, over runs.

    ``level_of_service`` is of the mean control delay, ``levels`` has each run's; ``approaches_m``
    maps the edges with stop lines to their longest queues in m.
    """

    signal_id: str
    vehicles: Spread
    control_delay_s: Spread
    level_of_service: str
    levels: tuple[str, ...]
    max_queue_m: Spread
    approaches_m: dict[str, Spread]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Runs of one plan, one a seed, in the order of the seeds."""

    runs: tuple[Measured, ...]

    def spread(self, name: str) -> Spread:
        """Sum up one figure of ``Measured``, such as ``delay_s``."""
        return Spread.of([float(getattr(run, name)) for run in self.runs])

    def junctions(self) -> tuple[JunctionSpread, ...]:
        """Sum up the signals, in the order of their ids."""
        together = zip(*(run.junctions for run in self.runs), strict=True)
        spreads = []
        for same in together:
            delay_s = Spread.of([junction.control_delay_s for junction in same])
            ways = zip(*(junction.approaches for junction in same), strict=True)
            spreads.append(
                JunctionSpread(
                    signal_id=same[0].signal_id,
                    vehicles=Spread.of([junction.vehicles for junction in same]),
                    control_delay_s=delay_s,
                    level_of_service=level_of_service(delay_s.mean),
                    levels=tuple(junction.level_of_service for junction in same),
                    max_queue_m=Spread.of([junction.max_queue_m for junction in same]),
                    approaches_m={
                        way[0].edge_id: Spread.of([one.max_queue_m for one in way]) for way in ways
                    },
                )
            )
        return tuple(sorted(spreads, key=lambda junction: junction.signal_id))


def evaluate(
    inputs: Inputs,
    plan: Path | None = None,
    *,
    seeds: Sequence[int],
    workers: int = 1,
    junctions: bool = False,
    on_progress: Callable[[float], None] | None = None,
) -> Evaluation:
    """Run a plan, or the network's own programs, once for each seed.

    Parameters
    ----------
    inputs, plan, junctions
        As for ``simulate``.
    seeds
        At least one, none twice.
    workers
        Runs at a time, at least 1.
    on_progress
        Told the share of runs that are done.

    Raises
    ------
    InvalidInputError, SumoError
        As ``simulate`` does; the other runs end at once.
    """
    if not seeds or len(set(seeds)) != len(seeds):
        raise InvalidInputError(
            f"{list(seeds)}; expected one or more, all different", where="seeds"
        )
    inputs.require_files()
    with SimulationPool(workers) as pool:
        runs = [pool.submit(simulate, inputs, plan, seed, junctions=junctions) for seed in seeds]
        for k, run in enumerate(as_completed(runs)):
            run.result()
            if on_progress is not None:
                on_progress((k + 1) / len(runs))
    return Evaluation(tuple(run.result() for run in runs))
