"""``greenlot demo``: the whole idea on Dongying's roads, before and after."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from greenlot.errors import GreenlotError
from greenlot.logs import configure_logging

# rich takes 80 columns where there is no terminal: too few for the table.
PLAIN_WIDTH = 110


class OptionError(GreenlotError):
    """An option of the demo is out of range."""


def demo(
    out: Annotated[Path, typer.Option(help="Where page, pictures and figures go.")] = Path(
        "out/demo"
    ),
    seeds: Annotated[int, typer.Option(help="Simulated days of each arm, 1 to 100.")] = 3,
    period: Annotated[str, typer.Option(help="morning, midday or evening.")] = "morning",
    warmup_s: Annotated[int, typer.Option(help="Simulated before measuring.")] = 900,
    measured_s: Annotated[int, typer.Option(help="Simulated and measured.")] = 1800,
    workers: Annotated[int, typer.Option(help="Simulations at a time.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Time Dongying's corridors, pool its parking, and simulate before and after."""
    for name, value, low, high in (
        ("--seeds", seeds, 1, 100),
        ("--warmup-s", warmup_s, 60, 7200),
        ("--measured-s", measured_s, 60, 7200),
        ("--workers", workers, 1, 64),
    ):
        if not low <= value <= high:
            raise OptionError(f"{name} {value}: expected {low} to {high}")
    if measured_s % warmup_s:
        raise OptionError(
            f"--measured-s {measured_s}: expected a multiple of --warmup-s {warmup_s}"
        )
    # The demo needs what the server does not: SUMO and matplotlib.
    import logging

    from greenlot.demo import DemoOptions, run_demo
    from greenlot.report import print_tables

    configure_logging(logging.WARNING)
    options = DemoOptions(
        out=out,
        seeds=tuple(range(1, seeds + 1)),
        period=period,
        warmup_s=warmup_s,
        measured_s=measured_s,
        workers=workers,
        command=" ".join(["greenlot", *sys.argv[1:]]),
    )
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, int] = {}

        def show(what: str, share: float) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=1.0)
            bar.update(tasks[what], completed=share)  # type: ignore[arg-type]

        report = run_demo(options, show)
    text = json.dumps(report.to_json(), ensure_ascii=False, indent=2)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    if as_json:
        print(text)
        return
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    print_tables(report, console)
    print(f"page: {out / 'index.html'}")
