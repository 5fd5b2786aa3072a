"""``greenlot signals day``: plans by time of day, and the way from each to the next."""

import json
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table

from greenlot.cli.evaluate import PLAIN_WIDTH, parse_paths
from greenlot.cli.optimize import parse_cycle
from greenlot.cli.searches import interruptible
from traffic.errors import InvalidInputError
from traffic.schedule import DAY_S, Part, Timetable
from traffic.transition import METHODS, Method

if TYPE_CHECKING:
    from greenlot.day_plans import DayPlan
    from traffic.delay.model import Estimate
    from traffic.timing.search import Step


def day(
    net: Annotated[Path, typer.Option(help="SUMO network, .net.xml or .net.xml.gz.")],
    routes: Annotated[str, typer.Option(help="Route files: FILE,FILE,...")],
    begin: Annotated[int, typer.Option(help="Begin of the window, s after midnight.")],
    end: Annotated[int, typer.Option(help="End of the window, s after midnight, up to 86400.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="SUMO additional file to write.")],
    additional: Annotated[str, typer.Option(help="The scenario's own: FILE,FILE,...")] = "",
    periods: Annotated[
        str, typer.Option(help="How many periods, or auto: as the demand asks for, up to 8.")
    ] = "auto",
    min_period: Annotated[int, typer.Option(help="Shortest period in s.")] = 1800,
    cycle: Annotated[str, typer.Option(help="Cycle in s: 60:120, or 90.")] = "40:120",
    transition: Annotated[
        str, typer.Option(help=f"How signals get into step: {', '.join(METHODS)}.")
    ] = "short-way",
    time_limit: Annotated[float, typer.Option(help="Seconds of search for each period.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Same input and seed, same plans.")] = 0,
    schedule: Annotated[
        Path | None, typer.Option(help="JSON file to write: what each controller runs all day.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print that schedule as JSON.")] = False,
) -> None:
    """Time a network's signals by time of day.

    Finds the periods of the demand, times all signals for each, and plans how every signal gets
    from one plan into step with the next without breaking a minimum green or skipping an
    intergreen. Load the file after the scenario's own files, in a run from --begin to --end.
    """
    # Other commands run without SUMO and the scenarios being loaded.
    from greenlot.day_plans import plan_day, write_day
    from scenarios.simulation import Inputs
    from traffic.io.sumo_additional import write_whole

    for path, name in ((output, "-o"), (schedule, "--schedule")):
        if path is not None and not path.absolute().parent.is_dir():
            raise InvalidInputError(f"no directory {path.parent}", where=name)
        if path is not None and path.is_dir():
            raise InvalidInputError(f"{path} is a directory; expected a file", where=name)
    if not (math.isfinite(time_limit) and time_limit > 0):
        raise InvalidInputError(f"{time_limit}; expected more than 0", where="--time-limit")
    method = parse_method(transition)
    count = parse_periods(periods)
    cycle_s = parse_cycle(cycle)
    inputs = Inputs(net, parse_paths(routes), parse_paths(additional), begin, end)
    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("periods", total=1.0)

        def show(step: "Step") -> None:
            bar.update(
                task,
                completed=step.done_share,
                description=f"{step.message}: {step.delay_s:.1f} s a trip",
            )

        planned = interruptible(
            lambda stopped: plan_day(
                inputs,
                periods=count,
                min_period_s=min_period,
                cycle_s=cycle_s,
                method=method,
                time_limit_s=time_limit,
                seed=seed,
                progress=show,
                should_stop=stopped,
            )
        )
    write_day(planned, output)
    document = day_document(planned, method)
    if schedule is not None:
        write_whole(schedule, json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    if as_json:
        json.dump(document, sys.stdout, ensure_ascii=False, indent=2)
        print()
    else:
        _print(planned, method, output)


def parse_method(text: str) -> Method:
    """Return the way of getting into step that a text names."""
    for method in METHODS:
        if text == method:
            return method
    raise InvalidInputError(f"{text!r}; expected {', '.join(METHODS)}", where="--transition")


def parse_periods(text: str) -> int | None:
    """Return how many periods are asked for; None = auto."""
    if text == "auto":
        return None
    if not re.fullmatch(r"\d{1,2}", text) or int(text) < 1:
        raise InvalidInputError(f"{text!r}; expected a number, or auto", where="--periods")
    return int(text)


def worst_transition(days: Sequence[Timetable]) -> tuple[str, Part] | None:
    """Return the longest transition, the earliest of equals; None where all are in step."""
    rows = [(day.signal_id, part) for day in days for part in day.parts if part.transition.phases]
    return max(
        rows,
        key=lambda row: (row[1].in_step_s - row[1].begin_s, -row[1].begin_s),
        default=None,
    )


def day_document(planned: "DayPlan", method: str) -> dict[str, Any]:
    """Return periods, their plans and every signal's day as plain data for JSON."""
    worst = worst_transition(planned.days)
    return {
        "begin_s": planned.periods[0].begin_s,
        "end_s": planned.periods[-1].end_s,
        "transition": method,
        "variation_left": planned.deviation,
        "signal_delay_s": planned.delay_s,
        "one_plan_signal_delay_s": planned.one_plan_s,
        "seed": planned.seed,
        "seconds": planned.seconds,
        "periods": [
            {
                "begin_s": period.begin_s,
                "end_s": period.end_s,
                "vehicles": period.vehicles,
                "plan": period.plan,
                "cycle_s": planned.plans[period.plan].cycle_s,
                "estimate": _figures(period.estimate),
                "own_programs": _figures(period.own),
                "oversaturated": list(period.oversaturated),
            }
            for period in planned.periods
        ],
        "worst_transition": None
        if worst is None
        else {
            "signal": worst[0],
            "begin_s": worst[1].begin_s,
            "seconds": worst[1].in_step_s - worst[1].begin_s,
        },
        "signals": [_signal_document(own) for own in planned.days],
        "kept": dict(planned.kept),
    }


def _signal_document(own: Timetable) -> dict[str, Any]:
    """Return what one controller runs all day."""
    from greenlot.cli.optimize_report import plan_documents

    plans = list(dict.fromkeys(part.plan for part in own.parts))
    ends_s = [*(part.begin_s for part in own.parts[1:]), DAY_S]
    return {
        "signal": own.signal_id,
        "plans": plan_documents(plans),
        "day": [
            {
                "begin_s": part.begin_s,
                "in_step_s": part.in_step_s,
                "end_s": end_s,
                "plan": plans.index(part.plan),
                "transition": [
                    [int(phase.duration_s), phase.state] for phase in part.transition.phases
                ],
            }
            for part, end_s in zip(own.parts, ends_s, strict=True)
        ],
    }


def _figures(estimate: "Estimate | None") -> dict[str, float] | None:
    if estimate is None:
        return None
    return {"signal_delay_s": estimate.delay_s, "stops": estimate.stops_each}


def _clock(t_s: int) -> str:
    text = f"{t_s // 3600:02}:{t_s // 60 % 60:02}"
    return text if t_s % 60 == 0 else f"{text}:{t_s % 60:02}"


def _print(planned: "DayPlan", method: str, output: Path) -> None:
    print(
        f"{_many(len(planned.periods), 'period')}, {_many(len(planned.plans), 'plan')} -> {output}"
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("period")
    names = (
        "vehicles/h",
        "plan",
        "cycle s",
        "lost at signals s/trip",
        "stops/trip",
        "own programs",
    )
    for name in names:
        table.add_column(name, justify="right")
    for period in planned.periods:
        hours = (period.end_s - period.begin_s) / 3600
        table.add_row(
            f"{_clock(period.begin_s)}-{_clock(period.end_s)}",
            f"{period.vehicles / hours:.0f}",
            str(period.plan + 1),
            str(planned.plans[period.plan].cycle_s),
            "-" if period.estimate is None else f"{period.estimate.delay_s:.1f}",
            "-" if period.estimate is None else f"{period.estimate.stops_each:.2f}",
            "-" if period.own is None else f"{period.own.delay_s:.1f}",
        )
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=PLAIN_WIDTH)
    console.print(table)
    print(
        f"estimated time lost at signals: {planned.delay_s:.1f} s a trip; "
        f"with one plan all the time: {planned.one_plan_s:.1f} s"
    )
    worst = worst_transition(planned.days)
    if worst is not None:
        print(
            f"longest transition ({method}): {worst[1].in_step_s - worst[1].begin_s} s, "
            f"{worst[0]} at {_clock(worst[1].begin_s)}"
        )
    for period in planned.periods:
        if period.oversaturated:
            print(
                f"{_clock(period.begin_s)}: no plan found serves in time all that comes from "
                f"{', '.join(period.oversaturated)}"
            )
    for key, reason in planned.kept.items():
        print(f"kept as it is: {key}: {reason}")
    print(f"{planned.seconds:.1f} s")


def _many(count: int, name: str) -> str:
    return f"{count} {name if count == 1 else name + 's'}"
