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
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from parking.allocation import LotTable
from parking.day import Batches, BidPricer, FirstCome, Policy, Priced, clairvoyant, run_day
from parking.inventory import Lot
from parking.io.lots import read_lots
from scenarios.dongying.parking_day import dongying_lots, dongying_places
from scenarios.parking_day import (
    Day,
    ForecastError,
    Place,
    draw_day,
    places_around,
    with_buffers,
)

LOADS = (70.0, 85.0, 95.0)
PRICED, BATCHES, FIRST_COME = "bid prices (ours)", "batches, no prices", "first come"
WITHIN = 0.95


@dataclass(frozen=True, slots=True)
class Run:
    """One method on one day.

    Parameters
    ----------
    load
        Percent.
    bound_fen
        The clairvoyant's.
    districts
        Served share by district.
    """

    load: float
    seed: int
    method: str
    requests: int
    served: int
    value_fen: int
    bound_fen: float
    districts: dict[str, float]
    spread: float
    seconds: float

    @property
    def share(self) -> float:
        """Value over the bound."""
        return self.value_fen / self.bound_fen


def measure(day: Day, load: float, seed: int, say: Callable[[str], None]) -> list[Run]:
    """Run every method on one day."""
    city = LotTable.of(day.lots)
    began = time.perf_counter()
    best = clairvoyant(day.bookings.asked, city)
    say(f"{load:g} %, seed {seed}: {len(day.bookings):,} requests, clairvoyant ")
    say(f"{best.bound_fen / 100:,.0f} yuan in {time.perf_counter() - began:.0f} s\n")
    began = time.perf_counter()
    pricer = BidPricer(day.forecast, city, seed=seed)
    prepared_s = time.perf_counter() - began
    policies: dict[str, tuple[Policy, float]] = {
        PRICED: (Priced(city, pricer), prepared_s),
        BATCHES: (Batches(city), 0.0),
        FIRST_COME: (FirstCome(city), 0.0),
    }
    runs = []
    for method, (policy, before_s) in policies.items():
        found = run_day(day.bookings, city, policy)
        runs.append(
            Run(
                load,
                seed,
                method,
                len(day.bookings),
                found.served,
                found.value_fen,
                best.bound_fen,
                {one.district: one.share for one in found.districts},
                found.spread,
                found.seconds + before_s,
            )
        )
        say(f"  {method}: {runs[-1].share:.2%} of the bound, {runs[-1].seconds:.0f} s\n")
    return runs


def table(runs: Sequence[Run]) -> list[str]:
    """Return the rows of the Markdown table, means over the seeds."""
    districts = sorted({name for run in runs for name in run.districts})
    heads = ["load", "method", "value, yuan", "of the bound: mean (least to most)", "x first come"]
    heads += ["served", *(name or "-" for name in districts), "spread", "s a day"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for load in sorted({run.load for run in runs}):
        here = [run for run in runs if run.load == load]
        base = np.mean([run.value_fen for run in here if run.method == FIRST_COME])
        for method in (PRICED, BATCHES, FIRST_COME):
            own = [run for run in here if run.method == method]
            shares = [run.share for run in own]
            value = float(np.mean([run.value_fen for run in own]))
            served = np.mean([run.served / run.requests for run in own])
            by_district = [
                np.mean([run.districts.get(d, np.nan) for run in own]) for d in districts
            ]
            cells = [
                f"{load:g}%",
                f"**{method}**" if method == PRICED else method,
                f"{value / 100:,.0f}",
                f"{np.mean(shares):.2%} ({min(shares):.2%} to {max(shares):.2%})",
                f"{value / base:.3f}",
                f"{served:.1%}",
                *(f"{share:.1%}" for share in by_district),
                f"{np.mean([run.spread for run in own]):.1%}",
                f"{np.mean([run.seconds for run in own]):.1f}",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def missed(runs: Sequence[Run]) -> list[str]:
    """Return what is not as it should be."""
    found = []
    for load in sorted({run.load for run in runs}):
        mean = np.mean([r.share for r in runs if r.load == load and r.method == PRICED])
        if mean < WITHIN:
            found.append(f"{load:g} %: {mean:.2%} of the bound, expected {WITHIN:.0%}")
    highest = max(run.load for run in runs)
    ours, plain = (
        sum(r.value_fen for r in runs if r.load == highest and r.method == method)
        for method in (PRICED, BATCHES)
    )
    if ours <= plain:
        found.append(f"{highest:g} %: not better than batches without prices")
    return found


def main() -> int:
    """Run the days, print the table."""
    options = _options()
    loads, seeds = options.loads, _seeds(options.seeds)
    lots: tuple[Lot, ...]
    places: tuple[Place, ...]
    if options.lots is None:
        lots = dongying_lots()
        places = dongying_places(lots)
    else:
        lots = with_buffers(read_lots(options.lots))
        places = places_around(lots)
    if options.quick:
        loads, seeds = loads[-1:], seeds[:1]

    def say(text: str) -> None:
        print(text, end="", file=sys.stderr, flush=True)

    before = os.getloadavg()[0]
    runs: list[Run] = []
    for load in loads:
        for seed in seeds:
            error = ForecastError().times(options.error)
            day = draw_day(lots, places, load=load / 100, seed=seed, error=error)
            runs += measure(day, load, seed, say)
    if options.json:
        rows = [asdict(run) | {"share": run.share} for run in runs]
        json.dump({"runs": rows, "missed": missed(runs)}, sys.stdout, ensure_ascii=False, indent=1)
        print()
    else:
        spaces = sum(pool.bookable for lot in lots for pool in lot.pools)
        print(f"{len(lots)} lots, {spaces:,} bookable spaces; seeds {options.seeds}")
        versions = ", ".join(f"{name} {version(name)}" for name in ("ortools", "scipy", "numpy"))
        print(f"{platform.machine()}, {os.cpu_count()} cores (load {before:.1f}), {versions}\n")
        print("\n".join(table(runs)))
    for line in missed(runs):
        print(f"missed: {line}", file=sys.stderr)
    return 1 if missed(runs) else 0


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
