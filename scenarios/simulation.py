"""Runs any SUMO network with the ``sumo`` program, many runs side by side."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from scenarios.measures import JunctionMeasured, Measured, read_junctions, read_trips, rows
from scenarios.sumo_process import run_sumo
from traffic.errors import InvalidInputError
from traffic.io.sumo_net import read_network

QUEUE_PERIOD_S = 5


@dataclass(frozen=True, slots=True)
class Inputs:
    """A network, its demand, and the window to look at.

    Parameters
    ----------
    net
        The SUMO network.
    routes
        Route files, plain or gzipped; at least one.
    additional
        The scenario's own additional files, in the order of loading.
    begin_s, end_s
        The window, whole seconds of the files' own clock; trips that want to depart in
        ``[begin_s, end_s)`` are demanded.

    Raises
    ------
    InvalidInputError
        No route file, or a window that is empty or begins before 0.
    """

    net: Path
    routes: tuple[Path, ...]
    additional: tuple[Path, ...] = ()
    begin_s: int = 0
    end_s: int = 3600

    def __post_init__(self) -> None:
        if not self.routes:
            raise InvalidInputError("none given; expected at least one file", where="routes")
        if not 0 <= self.begin_s < self.end_s:
            raise InvalidInputError(
                f"{self.begin_s} to {self.end_s} s; expected 0 <= begin < end", where="window"
            )

    def require_files(self) -> Self:
        """Return the inputs, or raise InvalidInputError for the first file that is missing."""
        for path in (self.net, *self.routes, *self.additional):
            require_file(path)
        return self


def require_file(path: Path) -> None:
    """Raise InvalidInputError unless the path is a file that SUMO can be given."""
    if not path.is_file():
        raise InvalidInputError("no such file", where=str(path))
    if "," in str(path.absolute()):
        raise InvalidInputError("SUMO takes no path with a comma in it", where=str(path))


def simulate(
    inputs: Inputs,
    plan: Path | None = None,
    seed: int = 0,
    *,
    junctions: bool = False,
    driven_routes: Path | None = None,
) -> Measured:
    """Run a window once and measure it.

    Each run is a process of its own, with files of its own, gone at the end or when the call is
    broken off. Vehicles are never teleported out of a jam: gridlock shows.

    Parameters
    ----------
    inputs
        What to run.
    plan
        A SUMO additional file that is loaded last, so that its programs become the active ones.
    seed
        SUMO's seed; the same seed gives the same figures.
    junctions
        Whether to measure every signal, too.
    driven_routes
        Where to write the routes that were driven, for tools that cannot read trips.

    Raises
    ------
    InvalidInputError
        A file is missing, SUMO refuses one (its own first message is in the error), or no vehicle
        departs in the window.
    SumoError
        SUMO broke off without a message.
    """
    inputs.require_files()
    if plan is not None:
        require_file(plan)
    with tempfile.TemporaryDirectory(prefix="sumo.") as directory:
        out = Path(directory)
        began = time.perf_counter()
        run_sumo(_options(inputs, plan, seed, out, junctions, driven_routes))
        wall_s = time.perf_counter() - began
        trips = read_trips(out / "trips.xml")
        if not trips.demanded:
            window = f"from {inputs.begin_s} to {inputs.end_s} s"
            raise InvalidInputError(f"no vehicle departs {window}", where="routes")
        measured: tuple[JunctionMeasured, ...] = ()
        if junctions:
            graph = read_network(inputs.net)
            sources = (*inputs.routes, *inputs.additional)
            measured = read_junctions(graph, trips, out / "edges.xml", out / "queues.xml", sources)
        teleports = next(iter(rows(out / "statistics.xml", {"teleports"})))
    count = trips.demanded
    return Measured(
        seed=seed,
        demanded=count,
        finished=trips.finished,
        running=trips.running,
        undeparted=len(trips.undeparted_s),
        delay_s=(trips.loss_s + trips.insertion_s) / count,
        insertion_s=trips.insertion_s / count,
        stops=trips.stops / count,
        travel_s=trips.travel_s / count,
        teleports=int(teleports["total"]),
        wall_s=wall_s,
        junctions=measured,
    )


def _options(
    inputs: Inputs,
    plan: Path | None,
    seed: int,
    out: Path,
    junctions: bool,
    driven_routes: Path | None,
) -> list[str]:
    additional = [*inputs.additional, *([] if plan is None else [plan])]
    options = [
        *("--net-file", str(inputs.net.absolute())),
        *("--route-files", _listed(inputs.routes)),
        *("--begin", str(inputs.begin_s), "--end", str(inputs.end_s)),
        *("--seed", str(seed)),
        *("--time-to-teleport", "-1"),
        *("--tripinfo-output", str(out / "trips.xml")),
        "--tripinfo-output.write-unfinished",
        "--tripinfo-output.write-undeparted",
        *("--statistic-output", str(out / "statistics.xml")),
        *("--no-step-log", "--no-warnings", "--xml-validation", "never"),
    ]
    if junctions:
        edges = out / "edges.add.xml"
        edges.write_text(
            f'<additional><edgeData id="window" file="edges.xml" begin="{inputs.begin_s}" '
            f'end="{inputs.end_s}" withInternal="true" excludeEmpty="true"/></additional>\n',
            encoding="utf-8",
        )
        # Before the plan, which stays the last.
        additional.insert(0, edges)
        options += ["--queue-output", str(out / "queues.xml")]
        options += ["--queue-output.period", str(QUEUE_PERIOD_S), "--queue-output.skip-empty"]
    if driven_routes is not None:
        options += ["--vehroute-output", str(driven_routes.absolute())]
        options += ["--vehroute-output.write-unfinished", "--vehroute-output.last-route"]
    if additional:
        options += ["--additional-files", _listed(additional)]
    return options


def _listed(paths: Sequence[Path]) -> str:
    return ",".join(str(path.absolute()) for path in paths)
