"""The comparison of timing plans as JSON, as a table for people, and as Markdown."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from scenarios.bars import bars, better_actuated
from scenarios.comparison import Comparison, Outcome
from traffic.io.sumo_additional import write_whole

PLAIN_WIDTH = 150
PACKAGES = ("greenlot", "eclipse-sumo", "sumo-rl", "ortools", "numpy", "numba")
COLUMNS = ("delay s", "to best static peer", "stops", "unfinished %", "made in s", "MB")


@dataclass(frozen=True, slots=True)
class Setting:
    """What a comparison was asked to do, and how long it took in all."""

    command: str
    seeds: tuple[int, ...]
    search_seed: int
    time_limit_s: float
    refine_s: float
    jobs: int
    wall_s: float


def report(comparisons: Sequence[Comparison], setting: Setting) -> dict[str, Any]:
    """Return a comparison as plain data."""
    return {
        **asdict(setting),
        "seeds": list(setting.seeds),
        "machine": f"{platform.system()} {platform.machine()}, {_processor()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": _versions(),
        "cases": [
            {
                "case": comparison.case,
                "begin_s": comparison.begin_s,
                "end_s": comparison.end_s,
                "best_static_peer": comparison.best_static_peer.method,
                "rows": [_row(comparison, outcome) for outcome in comparison.outcomes],
            }
            for comparison in comparisons
        ],
        "bars": [asdict(bar) for bar in bars(comparisons)],
        "actuated_better": [
            {"case": case, "plan": method} for case, method in better_actuated(comparisons)
        ],
    }


def _row(comparison: Comparison, outcome: Outcome) -> dict[str, Any]:
    row: dict[str, Any] = {
        "method": outcome.method,
        "static": outcome.is_static,
        "failed": outcome.failed,
        "broken_rules": list(outcome.broken),
        "unchecked_signals": outcome.unchecked,
        "made_s": outcome.made.seconds,
        "peak_mb": outcome.made.peak_mb,
    }
    if not outcome.runs:
        return row
    for name in ("delay_s", "stops", "travel_s", "demanded", "finished", "undeparted"):
        spread = outcome.spread(name)
        row[name] = {"mean": spread.mean, "sd": spread.sd}
    shares = outcome.unfinished_shares
    return {
        **row,
        "ratio": comparison.ratio(outcome),
        "unfinished_share": {"mean": sum(shares) / len(shares), "max": max(shares)},
        "run_wall_s": sum(run.wall_s for run in outcome.runs) / len(outcome.runs),
        "runs": [
            {"seed": run.seed, "delay_s": run.delay_s, "stops": run.stops} for run in outcome.runs
        ],
    }


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        # The data of the RESCO scenarios need not be there for Dongying.
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def _processor() -> str:
    try:
        rows = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [row.partition(":")[2].strip() for row in rows if row.startswith("model name")]
    return names[0] if names else "unknown processor"


def _cells(row: dict[str, Any]) -> list[str]:
    made = f"{row['made_s']:.1f}" if row["made_s"] else ""
    memory = f"{row['peak_mb']:.0f}" if row["peak_mb"] else ""
    if row["failed"]:
        return ["", "", "", "", made, memory]
    return [
        f"{row['delay_s']['mean']:.2f} ± {row['delay_s']['sd']:.2f}",
        f"{row['ratio']:.3f}",
        f"{row['stops']['mean']:.2f}",
        f"{100 * row['unfinished_share']['mean']:.1f}",
        made,
        memory,
    ]


def _remark(row: dict[str, Any]) -> str:
    if row["failed"]:
        return str(row["failed"])
    remarks = []
    if row["broken_rules"]:
        remarks.append("breaks " + ", ".join(row["broken_rules"]))
    if not row["static"]:
        remarks.append("not static")
    return "; ".join(remarks)


def _bar(bar: dict[str, Any]) -> tuple[str, str, str, str]:
    def show(value: float) -> str:
        return f"{100 * value:.1f}%" if "gain" in bar["name"] else f"{value:.1f}"

    sign = "≥" if "gain" in bar["name"] or "a plan" in bar["name"] else "≤"
    word = "pass" if bar["met"] else "MISS"
    return bar["name"], bar["case"], f"{show(bar['value'])} (bar {sign} {show(bar['limit'])})", word


def _lines(document: dict[str, Any]) -> list[str]:
    better = ", ".join(f"{row['case']} ({row['plan']})" for row in document["actuated_better"])
    seeds = document["seeds"]
    packages = ", ".join(f"{name} {number}" for name, number in document["versions"].items())
    refined = f", refinement {document['refine_s']:g} s" if document["refine_s"] else ""
    return [
        f"SUMO's actuated control is still better than: {better or 'none of our plans here'}",
        f"judging seeds {', '.join(map(str, seeds))}; search seed {document['search_seed']}, "
        f"{document['time_limit_s']:g} s{refined}; mean ± standard deviation",
        f"{document['machine']}, {document['cores']} cores, {document['jobs']} runs at a time, "
        f"Python {document['python']}; {packages}",
        f"{document['command']}: {document['wall_s']:.0f} s",
    ]


def print_report(document: dict[str, Any], *, as_json: bool) -> None:
    """Print a report on stdout."""
    if as_json:
        json.dump(document, sys.stdout, ensure_ascii=False, indent=2)
        print()
        return
    table = Table(box=None, pad_edge=False)
    for name in ("scenario", "method"):
        table.add_column(name, no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("remarks", overflow="fold")
    for case in document["cases"]:
        for k, row in enumerate(case["rows"]):
            name = "" if k else case["case"]
            last = k == len(case["rows"]) - 1
            remark = _remark(row)
            table.add_row(name, row["method"], *_cells(row), remark, end_section=last)
    cleared = Table(box=None, pad_edge=False)
    for name in ("bar", "scenario", "reached", ""):
        cleared.add_column(name, no_wrap=True)
    for bar in document["bars"]:
        cleared.add_row(*_bar(bar))
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=PLAIN_WIDTH)
    console.print(table)
    if document["bars"]:
        console.print()
        console.print(cleared)
    console.print()
    for line in _lines(document):
        print(line)


def write_markdown(document: dict[str, Any], path: Path) -> None:
    """Write a report as Markdown tables."""
    heads = ["scenario", "method", *COLUMNS, "remarks"]
    lines = [_markdown(heads), _markdown(["---", "---", *["---:"] * len(COLUMNS), "---"])]
    for case in document["cases"]:
        for k, row in enumerate(case["rows"]):
            name = "" if k else case["case"]
            lines.append(_markdown([name, row["method"], *_cells(row), _remark(row)]))
    if document["bars"]:
        lines += ["", _markdown(["bar", "scenario", "reached", ""]), _markdown(["---"] * 4)]
        lines += [_markdown(_bar(bar)) for bar in document["bars"]]
    lines += ["", *(f"- {line}" for line in _lines(document))]
    write_whole(path, "\n".join(lines) + "\n")


def _markdown(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
