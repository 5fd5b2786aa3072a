"""Days of parking in Dongying: bid prices beside batches without them and beside first come.

    python -m benchmarks.parking_day [--loads 70 85 95] [--seeds 1-5] [--lots FILE] [--error X]
                                     [--quick] [--json]

The recipe of the days is ``scenarios/parking_day.py``: all assumed, published, seeded. *Value* is
the sum of (outside option - cost) over the served, 3,000 fen being the outside option. Every method
sees the same requests in the same batches of a minute and never takes anything back; bid prices
know a forecast that is wrong on purpose. *Of the bound* is the value over the clairvoyant linear
program's on the same true requests with the same buffers (no policy can reach it). ``--lots`` takes
another city's lots (demand is then drawn around them), ``--error`` multiplies the forecast's error.
On a busy machine set OPENBLAS_NUM_THREADS=1: the minimiser's vectors are too short for threads.

Exit status 1 where bid prices are more than 5% below the bound on average, at any load, or not
better than batches without prices at the highest.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from parking.io.lots import read_lots
from scenarios.dongying.parking_day import dongying_lots, dongying_places
from scenarios.parking_comparison import (
    BATCHES,
    PRICED,
    DayMean,
    DayRun,
    compare_day,
    means,
    missed,
)
from scenarios.parking_day import ForecastError, draw_day, places_around, with_buffers

LOADS = (70.0, 85.0, 95.0)


def table(rows: Sequence[DayMean]) -> list[str]:
    """Return a Markdown table."""
    names = sorted({name for row in rows for name in row.districts})
    heads = ["load", "method", "value, yuan", "of the bound: mean (least to most)"]
    heads += ["x batches", "x first come", "served", *(name or "-" for name in names)]
    heads += ["spread", "s a day"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    plain = {row.load: row.value_fen for row in rows if row.method == BATCHES}
    for row in rows:
        cells = [
            f"{row.load:g}%",
            f"**{row.method}** (ours)" if row.method == PRICED else row.method,
            f"{row.value_fen / 100:,.0f}",
            f"{row.share:.2%} ({row.least:.2%} to {row.most:.2%})",
            f"{row.value_fen / plain[row.load]:.3f}",
            f"{row.to_first_come:.3f}",
            f"{row.served_share:.1%}",
            *(f"{row.districts[name]:.1%}" if name in row.districts else "-" for name in names),
            f"{row.spread:.1%}",
            f"{row.seconds:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main() -> int:
    """Run the days, print the table."""
    options = _options()
    loads, seeds = options.loads, _seeds(options.seeds)
    if options.lots is None:
        lots = dongying_lots()
        places = dongying_places(lots)
    else:
        lots = with_buffers(read_lots(options.lots))
        places = places_around(lots)
    if options.quick:
        loads, seeds = loads[-1:], seeds[:1]
    before = os.getloadavg()[0]
    runs: list[DayRun] = []
    for load in loads:
        for seed in seeds:
            error = ForecastError().times(options.error)
            day = draw_day(lots, places, load=load / 100, seed=seed, error=error)
            runs += compare_day(day, load, seed, lambda text: print(text, file=sys.stderr))
    rows = means(runs)
    if options.json:
        document = {
            "runs": [asdict(run) | {"share": run.share} for run in runs],
            "means": [asdict(row) for row in rows],
            "missed": missed(rows),
        }
        json.dump(document, sys.stdout, ensure_ascii=False, indent=1)
        print()
    else:
        spaces = sum(pool.bookable for lot in lots for pool in lot.pools)
        print(f"{len(lots)} lots, {spaces:,} bookable spaces; seeds {options.seeds}")
        versions = ", ".join(f"{name} {version(name)}" for name in ("ortools", "scipy", "numpy"))
        print(f"{platform.machine()}, {os.cpu_count()} cores (load {before:.1f}), {versions}\n")
        print("\n".join(table(rows)))
    for line in missed(rows):
        print(f"missed: {line}", file=sys.stderr)
    return 1 if missed(rows) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--loads", type=float, nargs="+", default=list(LOADS), metavar="PERCENT")
    parser.add_argument("--seeds", default="1-5", help="such as 1-5 or 3,7")
    parser.add_argument("--lots", type=Path, help="another city's lots")
    parser.add_argument("--error", type=float, default=1.0, help="0 = the forecast is right")
    parser.add_argument("--quick", action="store_true", help="the highest load, one seed")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _seeds(text: str) -> list[int]:
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    return seeds


if __name__ == "__main__":
    sys.exit(main())
