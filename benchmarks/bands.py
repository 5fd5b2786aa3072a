"""Green bands: the product beside the same model given plainly to HiGHS and to SCIP, in one run.

    python -m benchmarks.bands [--quick] [--seeds N] [--limit S]

Prints a Markdown table of medians, and each bar with what was reached. All three see the same
questions and the same time limit. ``real`` is the product's time to its proven real optimum,
``total`` that of the whole call with the plan in whole seconds.
"""

import argparse
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from ortools.math_opt.python import mathopt

from benchmarks.band_instances import SPEEDS, random_corridor
from benchmarks.plain_bands import SOLVERS, Plain, corridor_model, network_model, solve_plain
from scenarios.dongying.band_network import band_network
from traffic.bandwidth import Corridor, Method, Network, Solved, Status, solve


@dataclass(frozen=True, slots=True)
class Bar:
    """What must be reached: a median of seconds to the proof, or a gap at the time limit."""

    most_s: float | None = None
    most_gap: float | None = None

    def verdict(self, runs: "Sequence[Run]") -> str:
        """Say whether our runs reach it."""
        if self.most_s is not None:
            reached = statistics.median(run.proven_s for run in runs)
            words = f"proven in a median of {self.most_s:g} s"
            return f"{words}: {reached:.2f} s, {_passed(reached <= self.most_s)}"
        assert self.most_gap is not None
        reached = max(run.solved.real.certificate.gap for run in runs)
        words = f"gap at most {self.most_gap:.0%}"
        return f"{words}: {reached:.2%}, {_passed(reached <= self.most_gap)}"


@dataclass(frozen=True, slots=True)
class Case:
    """Questions of one kind, and the bar for them."""

    name: str
    questions: tuple[Corridor | Network, ...]
    method: Method
    limit_s: float
    bar: Bar | None


@dataclass(frozen=True, slots=True)
class Run:
    """One question: our answer, the plain ones by solver."""

    solved: Solved
    total_s: float
    plain: dict[str, Plain]

    @property
    def proven_s(self) -> float:
        """Seconds to the proof; infinite without one."""
        certificate = self.solved.real.certificate
        return certificate.solve_s if certificate.status is Status.OPTIMAL else math.inf

    def check(self) -> None:
        """Stop where two answers contradict each other: no benchmark of wrong answers."""
        ours = self.solved.real.certificate
        for name, other in self.plain.items():
            if other.value > ours.bound + 1e-4 or ours.value > other.bound + 1e-4:
                raise SystemExit(f"{name} has {other}, we have {ours}: one of both is wrong")


def cases(*, quick: bool, seeds: int, limit_s: float) -> list[Case]:
    """What is run: MAXBAND by size and kind of speeds, MULTIBAND, Dongying's network."""
    bars = {10: 0.5, 20: 2.0} if quick else {10: 0.5, 20: 2.0, 40: 15.0}
    found = [
        Case(
            f"MAXBAND {n} {speeds}",
            tuple(random_corridor(n, speeds, seed) for seed in range(seeds)),
            "maxband",
            limit_s,
            Bar(most_s=most_s),
        )
        for n, most_s in bars.items()
        for speeds in SPEEDS
    ]
    size = 10 if quick else 40
    found.append(
        Case(
            f"MULTIBAND {size} fixed",
            tuple(random_corridor(size, "fixed", seed, volumes=True) for seed in range(seeds)),
            "multiband",
            limit_s if quick else 60.0,
            Bar(most_gap=0.10),
        )
    )
    networks = [((45.0, 60.0), 60.0, 0.02)]
    if not quick:
        networks.append(((60.0, 60.0), 120.0, 0.10))
    for speed_kmh, most_s, gap in networks:
        found.append(
            Case(
                f"Dongying {speed_kmh[0]:g}-{speed_kmh[1]:g} km/h",
                (band_network(speed_kmh=speed_kmh),),
                "maxband",
                limit_s if quick else most_s,
                Bar(most_gap=gap),
            )
        )
    return found


def run_case(case: Case, tell: Callable[[str], object]) -> list[Run]:
    """Answer every question of a case, by us and plainly."""
    runs = []
    for k, question in enumerate(case.questions):
        tell(f"{case.name}: {k + 1} of {len(case.questions)}")
        began = time.perf_counter()
        solved = solve(question, method=case.method, time_limit_s=case.limit_s, seed=0)
        total_s = time.perf_counter() - began
        plain = {
            name: solve_plain(plain_model(question, case.method), name, case.limit_s)
            for name in SOLVERS
        }
        run = Run(solved, total_s, plain)
        run.check()
        runs.append(run)
    return runs


def plain_model(question: Corridor | Network, method: Method) -> mathopt.Model:
    """Write the plain program of a question."""
    if isinstance(question, Network):
        return network_model(question)
    return corridor_model(question, method)


def row(case: Case, runs: Sequence[Run]) -> str:
    """Sum a case up: medians of seconds and gaps, and how much longer the plain ones take.

    A plain run that reached the limit counts with it, so the ratio is then a lower bound.
    """
    real_s = statistics.median(run.solved.real.certificate.solve_s for run in runs)
    total_s = statistics.median(run.total_s for run in runs)
    gap = statistics.median(run.solved.real.certificate.gap for run in runs)
    lost = statistics.median(_lost(run) for run in runs)
    cells = [case.name, f"{real_s:.2f}", f"{total_s:.2f}", _share(gap), _share(lost)]
    for name in SOLVERS:
        plain = [run.plain[name] for run in runs]
        solve_s = statistics.median(p.solve_s for p in plain)
        cells.append(f"{solve_s:.2f}")
        cells.append(_share(statistics.median(p.gap for p in plain)))
        at_least = "" if all(p.optimal for p in plain) else ">= "
        cells.append(f"{at_least}{solve_s / real_s:.1f}x")
    return "| " + " | ".join(cells) + " |"


def _lost(run: Run) -> float:
    """By which share the plan in whole seconds falls short of the real optimum."""
    if run.solved.whole is None:
        return math.nan
    real = run.solved.real.certificate.value
    return (real - run.solved.whole.certificate.value) / real


def _share(value: float) -> str:
    return "none" if math.isinf(value) else f"{value:.2%}"


def _passed(reached: bool) -> str:
    return "pass" if reached else "FAIL"


HEAD = (
    "| case | real s | total s | gap | whole s lose "
    "| HiGHS s | gap | ratio | SCIP s | gap | ratio |\n|" + " --- |" * 11
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.bands", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, two seeds, 10 s")
    parser.add_argument("--seeds", type=int, help="instances of each kind")
    parser.add_argument("--limit", type=float, help="seconds for each MAXBAND corridor")
    options = parser.parse_args(arguments)
    seeds = options.seeds or (2 if options.quick else 5)
    limit_s = options.limit or (10.0 if options.quick else 30.0)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"ortools {version('ortools')} (its HiGHS and SCIP), numpy {version('numpy')}; "
        f"seeds 0..{seeds - 1}, limit {limit_s:g} s\n"
    )
    # Compiled functions are loaded, or compiled at the first run of all, before the clock starts.
    for speeds in SPEEDS:
        solve(random_corridor(3, speeds, 0))
    solve(random_corridor(3, "fixed", 0), method="multiband")
    print(HEAD, flush=True)
    verdicts = []
    for case in cases(quick=options.quick, seeds=seeds, limit_s=limit_s):
        runs = run_case(case, lambda text: print(text, file=sys.stderr, flush=True))
        print(row(case, runs), flush=True)
        if case.bar is not None:
            verdicts.append(f"{case.name}: {case.bar.verdict(runs)}")
    print("\n" + "\n".join(verdicts))
    return int(any(verdict.endswith("FAIL") for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
