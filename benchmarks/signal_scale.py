"""How does planning grow with a city? Generated grids of 125 to 1,000 signals, planned one by one.

    python -m benchmarks.signal_scale [--signals N ...] [--seed K] [--time-limit S]

Every grid has two lanes and a turn lane a street, 250 m between signals, and trips of 0.5 to 3 km
that load its junctions alike, whatever the size (``randomTrips.py``, 70 an hour for each signal).
Each is planned in a process of its own, after a short search to warm up: seconds from reading the
network to the file, peak memory, and what the model says of the plan. Prints a Markdown table and
the exponent k of seconds ~ signals^k between the smallest and the largest; exit status 1 where
500 signals take more than 120 s, or k is more than 1.3.
"""

import argparse
import math
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from greenlot.cli.plan_process import OPTIMIZER, Settings, plan_apart
from scenarios.simulation import Inputs
from scenarios.sumo_process import run_child, run_sumo, sumo_environment

SIGNALS = (125, 250, 500, 1000)
# Rows and columns of each size that is offered.
GRIDS = {16: (4, 4), 125: (5, 25), 250: (10, 25), 500: (20, 25), 1000: (25, 40)}
WINDOW_S = 3600
TRIPS_OF_EACH_SIGNAL = 70
# Nothing is cut off below it: the search ends by itself.
TIME_LIMIT_S = 900.0
BAR_SIGNALS, BAR_S = 500, 120.0
# Near-linear: the seconds of twice as many signals are at most 2 ** 1.3 = 2.5 times as many.
EXPONENT = 1.3


def make_grid(signals: int, directory: Path, seed: int) -> Inputs:
    """Generate a grid and an hour of trips on it."""
    rows, columns = GRIDS[signals]
    net, trips = directory / "grid.net.xml", directory / "trips.xml"
    run_sumo(
        [
            *("--grid", "--grid.x-number", str(columns), "--grid.y-number", str(rows)),
            *("--grid.length", "250", "--grid.attach-length", "200", "-L", "2"),
            *("--turn-lanes", "1", "--turn-lanes.length", "60", "--no-turnarounds"),
            *("--default.speed", "13.89", "--tls.guess", "--output-file", str(net)),
        ],
        program="netgenerate",
    )
    tool = Path(sumo_environment()["SUMO_HOME"]) / "tools" / "randomTrips.py"
    status, said = run_child(
        [
            *(sys.executable, str(tool), "-n", str(net), "-o", str(trips), "-b", "0"),
            *("-e", str(WINDOW_S), "-p", str(WINDOW_S / (TRIPS_OF_EACH_SIGNAL * signals))),
            *("--seed", str(seed), "--fringe-factor", "5"),
            *("--min-distance", "500", "--max-distance", "3000"),
        ],
        # It leaves a file of routes where it runs.
        cwd=directory,
    )
    if status:
        raise RuntimeError(f"randomTrips.py fails: {said.strip()}")
    return Inputs(net=net, routes=(trips,), additional=(), begin_s=0, end_s=WINDOW_S)


def exponent(seconds: Sequence[tuple[int, float]]) -> float:
    """Return k of seconds ~ signals^k between the first size and the last."""
    (few, short_s), (many, long_s) = seconds[0], seconds[-1]
    return math.log(long_s / short_s) / math.log(many / few)


def main(arguments: Sequence[str] | None = None) -> int:
    """Plan every size, and hold the bars against them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--signals", type=int, nargs="+", choices=sorted(GRIDS), default=SIGNALS)
    parser.add_argument("--seed", type=int, default=0, help="of the trips and of the search")
    parser.add_argument("--time-limit", type=float, default=TIME_LIMIT_S)
    chosen = parser.parse_args(arguments)
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, "
        f"SUMO {version('eclipse-sumo')}; seed {chosen.seed}, load {os.getloadavg()[0]:.1f}\n"
    )
    print("| signals | trips | seconds | a signal, ms | peak memory MB |")
    print("|---:|---:|---:|---:|---:|", flush=True)
    seconds: list[tuple[int, float]] = []
    for signals in sorted(chosen.signals):
        with tempfile.TemporaryDirectory(prefix="grid.") as directory:
            inputs = make_grid(signals, Path(directory), chosen.seed)
            settings = Settings(chosen.seed, chosen.time_limit, 0.0, OPTIMIZER)
            made = plan_apart(inputs, Path(directory) / "plan.add.xml", settings)
        if made.failed:
            print(f"{signals} signals: {made.failed}", file=sys.stderr)
            return 1
        seconds.append((signals, made.seconds))
        print(
            f"| {signals} | {TRIPS_OF_EACH_SIGNAL * signals} | {made.seconds:.1f} "
            f"| {1000 * made.seconds / signals:.0f} | {made.peak_mb:.0f} |",
            flush=True,
        )
    missed = [s for signals, s in seconds if signals == BAR_SIGNALS and s > BAR_S]
    if len(seconds) > 1:
        k = exponent(seconds)
        print(f"\nseconds ~ signals^{k:.2f} (bar {EXPONENT:g})")
        missed += [k] if k > EXPONENT else []
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
