"""A batch of drivers, from coordinate arrays in memory to assignment, beside its peers.

    python -m benchmarks.allocation [--quick] [--only PART ...] [--repeats N] [--seed N]

Prints Markdown tables: batches that share an instant (1,500 m of walking, and no limit; 60, 95 and
130 % load), the micro-batch of a server, growth from 1,000 to 100,000 requests, and batches whose
stays come and go. Ours is the median of the repeats, warm, with the proof; explanations are not
asked for. Peers run on the same arcs in the same run, found beforehand: the bare flow is OR-Tools'
SimpleMinCostFlow on all arcs, without prices or proof. Every exact method must serve as many at the
same cost; exit status 1 where one does not, or where an answer that shares an instant is unproven.
"""

import argparse
import os
import platform
import resource
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from benchmarks.allocation_instances import Instance, again, batch
from benchmarks.allocation_peers import (
    Method,
    Outcome,
    bare_flow,
    greedy,
    linear_program,
    linear_sum,
    network_simplex,
    timed,
)
from parking.allocation import Assignment, LotTable, assign, find_arcs

LOADS = (0.6, 0.95, 1.3)
NO_LIMIT = float("inf")
WALK_M = 1500.0
PARTS = ("city", "micro", "exact", "growth", "come-and-go")


@dataclass(frozen=True, slots=True)
class Ours:
    """Our answer and the times of its runs."""

    answer: Assignment
    seconds: float
    slowest_s: float

    @property
    def found(self) -> tuple[int, int]:
        """Served and cost."""
        return int((self.answer.pool >= 0).sum()), int(self.answer.cost_fen.sum())


def ours(instance: Instance, repeats: int, *, prepared: bool = False) -> Ours:
    """Allocate, warm; with ``prepared`` the city's table is made beforehand, as a server does."""
    assign(instance.requests, instance.city)
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        city = instance.city if prepared else LotTable.of(instance.lots)
        answer = assign(again(instance.requests), city)
        seconds.append(time.perf_counter() - began)
    return Ours(answer, float(np.median(seconds)), max(seconds))


class Report:
    """Prints rows and remembers what was wrong."""

    def __init__(self) -> None:
        self.wrong: list[str] = []

    def compare(self, name: str, found: tuple[int, int], peer: tuple[int, int]) -> None:
        """Note it where an exact peer has another answer."""
        if found != peer:
            self.wrong.append(f"{name}: {peer} beside ours {found}")

    def proven(self, name: str, mine: Ours) -> None:
        """Note it where ours is not proven."""
        if not mine.answer.proven:
            self.wrong.append(f"{name}: not proven")


def batches(report: Report, sizes: list[tuple[int, int, float]], repeats: int, seed: int) -> None:
    """Batches that share an instant, beside greedy and the bare flow."""
    print()
    print(
        "| requests x lots | walk | load | arcs | **ours** s (slowest) | rounds | arcs used "
        "| bare flow s | ours / bare | served | greedy served | greedy cost |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for requests, lots, walk_m in sizes:
        for load in LOADS:
            name = f"{requests:,} x {lots:,}"
            instance = batch(requests, lots, load, walk_m, seed)
            mine = ours(instance, repeats)
            arcs = find_arcs(instance.requests, instance.city)
            capacity = instance.city.bookable
            few = max(1, min(repeats, int(3_000_000 / max(1, len(arcs)))))
            bare = timed(bare_flow, arcs, requests, capacity, few)
            first_come = timed(greedy, arcs, requests, capacity, 1)
            report.compare(f"bare flow, {name}", mine.found, (bare.served, bare.cost_fen))
            report.proven(name, mine)
            walk = "none" if walk_m == NO_LIMIT else f"{walk_m:,.0f} m"
            print(
                f"| {name} | {walk} | {load:.0%} | {len(arcs):,} "
                f"| **{mine.seconds:.3f}** ({mine.slowest_s:.3f}) | {mine.answer.rounds} "
                f"| {mine.answer.arcs_used:,} | {bare.seconds:.3f} "
                f"| {mine.seconds / bare.seconds:.2f} | {mine.found[0]:,} "
                f"| {first_come.served:,} | {_dearer(first_come, mine)} |",
                flush=True,
            )


def _dearer(peer: Outcome, mine: Ours) -> str:
    """A peer's cost beside ours, where it serves as many."""
    served, cost = mine.found
    if peer.served < served:
        return f"{served - peer.served:,} more unserved"
    return f"{peer.cost_fen / cost - 1:+.1%}"


def small(report: Report, sizes: list[tuple[int, int]], repeats: int, seed: int) -> None:
    """Exact peers where their size permits."""
    peers: dict[str, tuple[Method, int]] = {
        "bare flow": (bare_flow, 10**9),
        "SciPy linear_sum_assignment": (linear_sum, 4000),
        "HiGHS LP": (linear_program, 10**9),
        "networkx": (network_simplex, 400),
    }
    print()
    print("| requests x lots | **ours** s | " + " | ".join(f"{p} s (x ours)" for p in peers) + " |")
    print("|---|---|" + "---|" * len(peers))
    for requests, lots in sizes:
        instance = batch(requests, lots, 0.95, WALK_M, seed)
        mine = ours(instance, repeats)
        arcs = find_arcs(instance.requests, instance.city)
        cells = []
        for name, (method, most) in peers.items():
            if requests > most:
                cells.append("too large")
                continue
            peer = timed(method, arcs, requests, instance.city.bookable, 1)
            report.compare(f"{name}, {requests}", mine.found, (peer.served, peer.cost_fen))
            cells.append(f"{peer.seconds:.3f} ({peer.seconds / mine.seconds:.0f})")
        print(
            f"| {requests:,} x {lots:,} | **{mine.seconds:.4f}** | " + " | ".join(cells) + " |",
            flush=True,
        )


def micro(report: Report, repeats: int, seed: int) -> None:
    """The batch of a few milliseconds that a server solves, its city's table prepared."""
    print()
    print("| micro-batch | load | **ours** ms (slowest) |")
    print("|---|---|---|")
    for lots in (80, 1000):
        for load in LOADS:
            mine = ours(batch(350, lots, load, WALK_M, seed), max(20, repeats), prepared=True)
            report.proven("micro-batch", mine)
            print(
                f"| 350 x {lots} | {load:.0%} | **{mine.seconds * 1000:.1f}** "
                f"({mine.slowest_s * 1000:.1f}) |",
                flush=True,
            )


def come_and_go(sizes: list[tuple[int, int, int]]) -> None:
    """Batches whose stays come and go: how many are proven, and the gap of the others.

    ``sizes``: requests, lots, seeds.
    """
    print()
    print(
        "| requests x lots | arrivals over | spaces | proven | median s (of the processor) "
        "| unproven: cost above the bound, served below it |"
    )
    print("|---|---|---|---|---|---|")
    all_proven = answers = 0
    for requests, lots, seeds in sizes:
        for spread_h in (2.0, 8.0):
            for load in (1.0, 2.0):
                proven, seconds, of_cpu, others = 0, [], [], []
                for seed in range(seeds):
                    instance = batch(requests, lots, load, WALK_M, seed, spread_h)
                    began, of_cpu_before = time.perf_counter(), time.process_time()
                    answer = assign(instance.requests, instance.city)
                    seconds.append(time.perf_counter() - began)
                    of_cpu.append(time.process_time() - of_cpu_before)
                    proven += answer.proven
                    if not answer.proven:
                        gap = int(answer.cost_fen.sum()) / max(1, answer.bound_fen) - 1
                        short = answer.served_bound - int((answer.pool >= 0).sum())
                        others.append(f"{gap:.3%}, <= {short}")
                print(
                    f"| {requests:,} x {lots} | {spread_h:.0f} h | requests / {load:.0f} "
                    f"| {proven} of {seeds} | {np.median(seconds):.2f} ({np.median(of_cpu):.2f}) "
                    f"| {'; '.join(others) or '-'} |",
                    flush=True,
                )
                all_proven, answers = all_proven + proven, answers + seeds
    print(f"\nproven: {all_proven} of {answers}, {all_proven / answers:.1%}")


def main() -> int:
    """Run and print; 1 where an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="tables to print")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    report = Report()
    cpu = os.cpu_count()
    load = os.getloadavg()[0]
    print(f"`python -m benchmarks.allocation {' '.join(sys.argv[1:])}`".replace(" `", "`"))
    print(
        f"{platform.machine()}, {cpu} cores (load {load:.1f} at the start), Python "
        f"{platform.python_version()}, "
        + ", ".join(f"{p} {version(p)}" for p in ("ortools", "scipy", "numpy", "numba", "networkx"))
        + f"; seed {asked.seed}; median of {asked.repeats}, warm."
    )
    big = [(10_000, 1_000, WALK_M), (10_000, 1_000, NO_LIMIT)]
    growth = [(1_000, 200, WALK_M), (3_000, 400, WALK_M), (30_000, 1_500, WALK_M)]
    growth += [(100_000, 2_000, WALK_M)]
    if asked.quick:
        big, growth = [(500, 60, WALK_M), (500, 60, NO_LIMIT)], [(1_000, 100, WALK_M)]
    exact = [(100, 20), (300, 50)] if asked.quick else [(300, 50), (2_000, 300), (10_000, 1_000)]
    if "city" in asked.only:
        batches(report, big, asked.repeats, asked.seed)
    if "micro" in asked.only:
        micro(report, asked.repeats, asked.seed)
    if "exact" in asked.only:
        small(report, exact, asked.repeats, asked.seed)
    if "growth" in asked.only:
        batches(report, growth, min(3, asked.repeats), asked.seed)
    if "come-and-go" in asked.only:
        come_and_go(
            [(60, 10, 2)] if asked.quick else [(200, 30, 50), (700, 80, 15), (2_000, 200, 3)]
        )
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"\npeak memory of the process {peak_mb:,.0f} MB; load {os.getloadavg()[0]:.1f} at the end"
    )
    for line in report.wrong:
        print(f"WRONG {line}", file=sys.stderr)
    return 1 if report.wrong else 0


class _Raw(argparse.RawDescriptionHelpFormatter):
    """Keeps the text as it is written."""


if __name__ == "__main__":
    sys.exit(main())
