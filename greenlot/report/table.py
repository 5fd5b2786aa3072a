"""The demo's tables on a terminal."""

import math

from rich.console import Console
from rich.table import Table

from greenlot.report.figures import DEFAULT, RANDOM, SEARCH, WAVE, DemoReport, Measure
from scenarios.spec import Spread


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
            unit = f", {measure.unit}" if measure.unit else ""
            table.add_row(
                label if k == 0 else "",
                f"{measure.name}{unit}",
                show(measure.by_arm[WAVE], measure.unit),
                show(measure.by_arm[RANDOM], measure.unit),
                change(measure),
                show(measure.by_arm[DEFAULT], measure.unit),
            )
    console.print(table)
    parking = Table(title="Drivers bound for a car park", title_justify="left")
    parking.add_column("")
    for head in ("greenlot parking", "SUMO's own search"):
        parking.add_column(head, justify="right", no_wrap=True)
    for line in report.parkers:
        unit = f", {line.unit}" if line.unit else ""
        parking.add_row(
            f"{line.name}{unit}",
            show(line.by_arm[WAVE], "s"),
            "" if line.name.startswith("refused") else show(line.by_arm[SEARCH], "s"),
        )
    console.print(parking)
    certificate = report.certificate
    console.print(
        f"cycle {report.cycle_s} s; bands {certificate['value']:.3f} cycles of at most "
        f"{certificate['bound']:.3f} ({certificate['status']}); "
        f"{report.warmup_s} s warm-up, {report.measured_s} s measured a run; "
        f"{report.wall_s:.0f} s in all",
        highlight=False,
    )


def show(value: Spread, unit: str) -> str:
    """Show mean and standard deviation, with the digits that the unit deserves."""
    digits = 0 if unit == "s" and abs(value.mean) >= 100 else 1 if unit == "s" else 2
    return f"{value.mean:.{digits}f} ± {value.sd:.{digits}f}"


def change(measure: Measure) -> str:
    """Change of the green wave against random offsets; a corridor that got worse says so."""
    share = measure.change(WAVE, RANDOM)
    if math.isnan(share):
        return "-"
    return f"{share:+.1%}" + (" worse" if share > 0 else "")
