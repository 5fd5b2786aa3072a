"""``greenlot parking day``: what bid prices are worth on a city's lots."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from greenlot.cli.evaluate import parse_seeds
from greenlot.cli.parking_allocate import read_city
from greenlot.cli.parking_report import PLAIN_WIDTH
from parking.errors import InvalidInputError

MAX_LOAD, MAX_ERROR = 300.0, 5.0
MOST_DISTRICTS = 5
"""Up to which each has a column; ``--json`` has them all."""


def play_days(
    lots: Annotated[
        Path | None, typer.Option(help="Lots: GeoJSON, or a ParkAPI v3 list; default: Dongying's.")
    ] = None,
    load: Annotated[
        list[float] | None, typer.Option(help="Percent in the peak hours. Repeatable; default: 95.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Days: how many, or which, as 1,2,3.")] = "1",
    error: Annotated[
        float, typer.Option(help="Times the recipe's forecast errors; 0 = no error.")
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Play days of drivers: with bid prices, without, first come, and at most what could be.

    Demand is assumed, drawn by a published recipe around the lots: docs/parking-day.md. A day of
    Dongying takes about a minute.
    """
    loads = load or [95.0]
    for percent in loads:
        if not 0 < percent <= MAX_LOAD:
            raise InvalidInputError(
                f"{percent:g}; expected more than 0, at most {MAX_LOAD:g}", where="--load"
            )
    if not 0 <= error <= MAX_ERROR:
        raise InvalidInputError(f"{error:g}; expected 0 to {MAX_ERROR:g}", where="--error")
    numbers = parse_seeds(seeds)
    # Other commands run without the scenarios being loaded.
    from scenarios.dongying.parking_day import dongying_lots, dongying_places
    from scenarios.parking_comparison import DayMean, compare_day, means
    from scenarios.parking_day import ForecastError, draw_day, places_around, with_buffers

    if lots is None:
        city = dongying_lots()
        places = dongying_places(city)
    else:
        city = with_buffers(read_city(lots))
        places = places_around(city)
    runs = []
    for percent in loads:
        for seed in numbers:
            day = draw_day(
                city, places, load=percent / 100, seed=seed, error=ForecastError().times(error)
            )
            runs += compare_day(day, percent, seed, lambda text: print(text, file=sys.stderr))
    rows: list[DayMean] = means(runs)
    if as_json:
        document = {
            "runs": [asdict(run) | {"share": run.share} for run in runs],
            "means": [asdict(row) for row in rows],
        }
        json.dump(document, sys.stdout, ensure_ascii=False, indent=2)
        print()
        return
    names = sorted({name for row in rows for name in row.districts})
    if len(names) > MOST_DISTRICTS:
        names = []
    table = Table(box=None, pad_edge=False)
    table.add_column("load")
    table.add_column("method")
    heads = ("yuan", "of the bound", "x first come", "served", *(n or "-" for n in names), "spread")
    for head in heads:
        table.add_column(head, justify="right")
    for row in rows:
        table.add_row(
            f"{row.load:g}%",
            row.method,
            f"{row.value_fen / 100:,.0f}",
            f"{row.share:.1%}",
            f"{row.to_first_come:.3f}",
            f"{row.served_share:.1%}",
            *(f"{row.districts[name]:.1%}" if name in row.districts else "-" for name in names),
            f"{row.spread:.1%}",
        )
    console = Console(file=sys.stdout, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(file=sys.stdout, markup=False, emoji=False, width=PLAIN_WIDTH)
    console.print(table)
