"""``greenlot bench``: side-by-side comparisons with what a user would take instead."""

import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from greenlot.cli.evaluate import parse_jobs, parse_seeds
from traffic.errors import InvalidInputError

FIRST_JUDGING_SEED = 1001

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _bench() -> None:
    """Compare with what a user would take instead."""


@app.command("signals")
def bench_signals(
    scenario: Annotated[
        list[str] | None,
        typer.Option(help="A scenario, or all, resco, dongying. Repeatable; default: all."),
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="Judging seeds: how many from 1001 on, or which.")
    ] = "10",
    refine: Annotated[
        float, typer.Option(help="Seconds of refinement by simulation for a further plan.")
    ] = 0.0,
    time_limit: Annotated[float, typer.Option(help="Seconds of search for a plan.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    jobs: Annotated[int | None, typer.Option(help="Runs at a time; default: CPUs.")] = None,
    out: Annotated[
        Path, typer.Option(help="Plans and figures; a run that is there is not repeated.")
    ] = Path("out/bench-signals"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Compare timing plans with the network's own, SUMO's actuated control and SUMO's tools.

    All methods are judged on the same seeds, which no search sees. Broken off, it goes on where
    it was when it is called again.
    """
    if time_limit <= 0:
        raise InvalidInputError(f"{time_limit}; expected more than 0", where="--time-limit")
    if refine < 0:
        raise InvalidInputError(f"{refine}; expected 0 or more", where="--refine")
    judging = parse_seeds(seeds, first=FIRST_JUDGING_SEED)
    workers = parse_jobs(jobs)
    # Other commands run without SUMO and the scenarios being loaded.
    from functools import partial

    from greenlot.cli.bench_report import Setting, print_report, report, write_markdown
    from greenlot.cli.plan_process import OPTIMIZER, Settings, make_plan
    from scenarios.bars import PLAIN, REFINED
    from scenarios.cases import case_names, make_case
    from scenarios.comparison import Candidate, compare
    from scenarios.run_store import RunStore, write_json

    names = case_names(scenario or ["all"])
    out.mkdir(parents=True, exist_ok=True)
    store = RunStore(out / "runs")
    ways = [Settings(seed, time_limit, s, OPTIMIZER) for s in (0.0, *([refine] if refine else []))]
    candidates = [
        Candidate(name, partial(make_plan, settings=settings, store=store))
        for name, settings in zip((PLAIN, REFINED), ways, strict=False)
    ]
    began = time.perf_counter()
    comparisons = []
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)

        def show(message: str, share: float) -> None:
            bar.update(task, completed=share, description=message)

        for name in names:
            show(f"{name}: building", 0.0)
            case = make_case(name, out)
            comparisons.append(
                compare(case, candidates, seeds=judging, out=out, workers=workers, on_progress=show)
            )
    setting = Setting(
        command=shlex.join(["greenlot", *sys.argv[1:]]),
        seeds=judging,
        search_seed=seed,
        time_limit_s=time_limit,
        refine_s=refine,
        jobs=workers,
        wall_s=time.perf_counter() - began,
    )
    document = report(comparisons, setting)
    write_json(out / "comparison.json", document)
    write_markdown(document, out / "comparison.md")
    print_report(document, as_json=as_json)
