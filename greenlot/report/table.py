"""The demo's tables on a terminal."""

import math

from rich.console import Console
from rich.table import Table

from greenlot.report.figures import (
    DEFAULT,
    RANDOM,
    REFUSED,
    SEARCH,
    WAVE,
    Comparison,
    DemoReport,
    Measure,
)
from scenarios.spec import Spread

# Of these more is better, or it is no matter.
NOT_A_COST = frozenset({"parked", "drivers", REFUSED})


def print_tables(report: DemoReport, console: Console) -> None:
    """Print signals, then parking, then how it was measured."""
    seeds = ", ".join(str(seed) for seed in report.seeds)
    table = Table(
        title=f"{report.city}, {report.period}: along the corridors and city-wide, per vehicle "
        f"(mean ± sd over seeds {seeds})",
        title_justify="left",
    )
    table.add_column("")
    table.add_column("")
    for head in ("green wave", "random offsets", "change", "SUMO default"):
        table.add_column(head, justify="right", no_wrap=True)
    rows = [c for c in report.corridors if c.direction == "both"]
    for row in (*rows, report.city_wide):
        table.add_section()
        for k, measure in enumerate(row.measures):
            label = f"{row.id} {row.name}" if row.direction == "both" else row.name
            table.add_row(
                label if k == 0 else "",
                label_of(measure),
                show(measure.by_arm[WAVE], measure.unit),
                show(measure.by_arm[RANDOM], measure.unit),
                change(measure),
                show(measure.by_arm[DEFAULT], measure.unit),
            )
    console.print(table)
    parking = Table(title="Drivers bound for a car park", title_justify="left")
    parking.add_column("")
    for head in ("greenlot parking", "SUMO's own search", "change"):
        parking.add_column(head, justify="right", no_wrap=True)
    for measure in report.parkers:
        parking.add_row(
            label_of(measure),
            show(measure.by_arm[WAVE], measure.unit),
            "" if measure.name == REFUSED else show(measure.by_arm[SEARCH], measure.unit),
            change(measure, SEARCH),
        )
    console.print(parking)
    worse = worse_corridors(report)
    if worse:
        console.print("worse than with random offsets: " + "; ".join(worse), highlight=False)
    if report.unmeasured:
        console.print(
            "no vehicle drove it in some run: " + "; ".join(report.unmeasured), highlight=False
        )
    if len(report.seeds) > 1:
        console.print(
            "≈: within two standard errors of the differences between runs of the same seed",
            highlight=False,
        )
    certificate = report.certificate
    console.print(
        f"cycle {report.cycle_s} s; bands {certificate['value']:.3f} cycles of at most "
        f"{certificate['bound']:.3f} ({certificate['status']}); "
        f"{report.warmup_s} s warm-up, {report.measured_s} s measured a run; "
        f"{report.wall_s:.0f} s in all",
        highlight=False,
    )


def label_of(measure: Measure) -> str:
    """Name and unit."""
    return f"{measure.name}, {measure.unit}" if measure.unit else measure.name


def show(value: Spread, unit: str) -> str:
    """Show mean and standard deviation, with the digits that the figure deserves.

    A single run has no spread: it is shown without one.
    """
    if unit == "s":
        digits = 0 if abs(value.mean) >= 100 else 1
    elif unit == "%":
        digits = 1
    else:
        digits = 0 if abs(value.mean) >= 100 else 2
    mean = f"{value.mean:,.{digits}f}"
    return mean if value.n < 2 else f"{mean} ± {value.sd:,.{digits}f}"


def change(measure: Measure, against: str = RANDOM) -> str:
    """Change of the first arm against another; what got worse says so, what is unclear too."""
    if measure.name in NOT_A_COST:
        return ""
    share = measure.change(WAVE, against)
    if math.isnan(share):
        return "-"
    unclear = "≈ " if measure.difference.n > 1 and not measure.is_clear else ""
    return f"{unclear}{share:+.1%}" + (" worse" if is_worse(measure, against) else "")


def is_worse(measure: Measure, against: str = RANDOM) -> bool:
    """Whether a cost grew by as much as the table can show."""
    share = measure.change(WAVE, against)
    return measure.name not in NOT_A_COST and round(share, 3) > 0


def worse_corridors(report: DemoReport, *, by_direction: bool = False) -> list[str]:
    """Name every corridor (or each of its directions) where a figure got worse."""
    rows = [c for c in report.corridors if (c.direction != "both") == by_direction]
    return [
        f"{_name(row)} ({', '.join(bad)})"
        for row in (*rows, *(() if by_direction else (report.city_wide,)))
        if (bad := [f"{m.name} {change(m)}" for m in row.measures if is_worse(m)])
    ]


def _name(row: Comparison) -> str:
    if row.direction == "city":
        return row.name
    side = {"both": "", "out": " out", "in": " in"}[row.direction]
    return f"{row.id} {row.name}{side}"
