"""``greenlot signals evaluate``: what a plan does to drivers, simulated over several seeds."""

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table

from traffic.errors import InvalidInputError

if TYPE_CHECKING:
    from scenarios.evaluation import Evaluation
    from scenarios.spec import Spread

# rich takes 80 columns where there is no terminal: too few for the table.
PLAIN_WIDTH = 120
RUN_FIGURES = (
    "delay_s",
    "insertion_s",
    "stops",
    "travel_s",
    "demanded",
    "finished",
    "running",
    "undeparted",
    "teleports",
)


def evaluate(
    net: Annotated[Path, typer.Option(help="SUMO network, .net.xml or .net.xml.gz.")],
    routes: Annotated[str, typer.Option(help="Route files: FILE,FILE,...")],
    begin: Annotated[int, typer.Option(help="Begin of the window, s of the route files.")],
    end: Annotated[int, typer.Option(help="End of the window, s.")],
    additional: Annotated[str, typer.Option(help="The scenario's own: FILE,FILE,...")] = "",
    plan: Annotated[
        Path | None,
        typer.Option(help="SUMO additional file with programs; default: the network's own."),
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="How many, 3 = 1,2,3; or which: 1001,1002; one: 23,")
    ] = "3",
    jobs: Annotated[int | None, typer.Option(help="Runs at a time; default: CPUs.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Simulate a plan and print delay, stops, queues, and the level of service of each signal.

    Delay is the mean over all trips that want to depart in the window, of time lost on the road
    and waiting to depart; who never departs waits until the end. Nobody is teleported out of a
    jam. All figures are means over the seeds, with standard deviations.
    """
    # Other commands run without SUMO being loaded.
    from scenarios.evaluation import evaluate as evaluate_plan
    from scenarios.simulation import Inputs

    inputs = Inputs(net, parse_paths(routes), parse_paths(additional), begin, end)
    chosen = parse_seeds(seeds)
    workers = parse_jobs(jobs)
    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{len(chosen)} runs", total=1.0)
        evaluation = evaluate_plan(
            inputs,
            plan,
            seeds=chosen,
            workers=workers,
            junctions=True,
            on_progress=lambda share: bar.update(task, completed=share),
        )
    document: dict[str, Any] = {
        "net": str(net),
        "routes": [str(path) for path in inputs.routes],
        "additional": [str(path) for path in inputs.additional],
        "plan": None if plan is None else str(plan),
        "begin_s": begin,
        "end_s": end,
        "seeds": list(chosen),
        **evaluation_document(evaluation),
    }
    if as_json:
        json.dump(document, sys.stdout, ensure_ascii=False, indent=2)
        print()
    else:
        _print(document)


def parse_paths(text: str) -> tuple[Path, ...]:
    """Parse ``FILE,FILE,...``; empty gives none."""
    return tuple(Path(part.strip()) for part in text.split(",") if part.strip())


def parse_seeds(text: str, *, first: int = 1) -> tuple[int, ...]:
    """Parse a count, the seeds ``first`` and on, or a list with at least one comma."""
    if re.fullmatch(r"\d{1,4}", text) and int(text) > 0:
        return tuple(range(first, first + int(text)))
    if not re.fullmatch(r"(\d{1,9},)+(\d{1,9})?", text):
        raise InvalidInputError(f"{text!r}; expected a count or 1,2,3", where="--seeds")
    seeds = tuple(int(part) for part in text.split(",") if part)
    if len(set(seeds)) != len(seeds):
        raise InvalidInputError(f"{text!r}; a seed stands twice", where="--seeds")
    return seeds


def parse_jobs(jobs: int | None) -> int:
    """Return how many runs there are at a time; None stands for the CPUs of this process."""
    if jobs is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if not 1 <= jobs <= 256:
        raise InvalidInputError(f"{jobs}; expected 1 to 256", where="--jobs")
    return jobs


def evaluation_document(evaluation: "Evaluation") -> dict[str, Any]:
    """Return an evaluation's means and standard deviations, and each run's, as plain data."""
    return {
        **{name: _spread(evaluation.spread(name)) for name in RUN_FIGURES},
        "junctions": [
            {
                "signal": junction.signal_id,
                "vehicles": _spread(junction.vehicles),
                "control_delay_s": _spread(junction.control_delay_s),
                "level_of_service": junction.level_of_service,
                "levels": list(junction.levels),
                "max_queue_m": _spread(junction.max_queue_m),
                "approaches": [
                    {"edge": edge, "max_queue_m": _spread(spread)}
                    for edge, spread in junction.approaches_m.items()
                ],
            }
            for junction in evaluation.junctions()
        ],
        "runs": [
            {
                "seed": run.seed,
                **{name: getattr(run, name) for name in RUN_FIGURES},
                "wall_s": run.wall_s,
            }
            for run in evaluation.runs
        ],
    }


def _spread(spread: "Spread") -> dict[str, float]:
    return {"mean": spread.mean, "sd": spread.sd}


def _print(document: dict[str, Any]) -> None:
    def show(name: str, digits: int) -> str:
        return f"{document[name]['mean']:.{digits}f} ± {document[name]['sd']:.{digits}f}"

    count = len(document["seeds"])
    print(
        f"{document['plan'] or 'own programs'}, {document['begin_s']} to {document['end_s']} s, "
        f"{count} {'seed' if count == 1 else 'seeds'}: mean ± standard deviation\n"
        f"delay  {show('delay_s', 2)} s a trip, of it {show('insertion_s', 2)} s before departing\n"
        f"stops  {show('stops', 2)} a trip\n"
        f"travel {show('travel_s', 1)} s a trip\n"
        f"trips  {show('demanded', 0)} demanded, {show('finished', 0)} finished, "
        f"{show('running', 0)} on their way, {show('undeparted', 0)} never departed"
    )
    if document["teleports"]["mean"]:
        print(f"teleports {show('teleports', 1)} (collisions)")
    table = Table(box=None, pad_edge=False)
    table.add_column("signal", overflow="fold")
    table.add_column("level")
    for name in ("vehicles", "control delay s", "longest queue m"):
        table.add_column(name, justify="right")
    table.add_column("on edge", overflow="fold")
    for row in document["junctions"]:
        levels = sorted(set(row["levels"]))
        also = "" if len(levels) == 1 else f" ({levels[0]}-{levels[-1]})"
        worst = max(row["approaches"], key=lambda a: a["max_queue_m"]["mean"], default=None)
        queue = worst["max_queue_m"] if worst else {"mean": 0.0, "sd": 0.0}
        table.add_row(
            row["signal"],
            f"{row['level_of_service']}{also}",
            f"{row['vehicles']['mean']:.0f}",
            f"{row['control_delay_s']['mean']:.1f} ± {row['control_delay_s']['sd']:.1f}",
            f"{queue['mean']:.0f} ± {queue['sd']:.0f}",
            worst["edge"] if worst else "",
        )
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=PLAIN_WIDTH)
    console.print(table)
