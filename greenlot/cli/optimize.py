"""``greenlot signals optimize``: timing plans for a network."""

import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress as Bar

from greenlot.cli.evaluate import parse_paths
from greenlot.cli.searches import interruptible
from traffic.corridors import find_corridor
from traffic.errors import InvalidInputError, NotFoundError
from traffic.greenwave import optimize
from traffic.io.city_tables import read_turn_counts
from traffic.io.sumo_additional import write_plans
from traffic.io.sumo_net import read_network
from traffic.splits import TurnFlows

if TYPE_CHECKING:
    from traffic.timing.search import Step

METHODS = ("delay", "mixed", "band")
DELAY_CYCLE, BAND_CYCLE = "40:120", "60:120"


def optimize_signals(
    net: Annotated[Path, typer.Option(help="SUMO network, .net.xml or .net.xml.gz.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="SUMO additional file to write.")],
    routes: Annotated[str, typer.Option(help="Route files: FILE,FILE,...")] = "",
    additional: Annotated[str, typer.Option(help="The scenario's own: FILE,FILE,...")] = "",
    begin: Annotated[int, typer.Option(help="Begin of the window, s of the route files.")] = 0,
    end: Annotated[int | None, typer.Option(help="End of the window, s.")] = None,
    method: Annotated[
        str,
        typer.Option(help="delay, mixed (delay and bands) or band; default: delay with routes."),
    ] = "",
    corridor: Annotated[
        list[str] | None,
        typer.Option(help="Road name, route number, or signal,signal,... Repeatable."),
    ] = None,
    cycle: Annotated[
        str,
        typer.Option(help="Cycle in s: 60:120, or 90; default 40:120, for bands 60:120."),
    ] = "",
    min_green: Annotated[int, typer.Option(help="Least vehicle green in s.")] = 5,
    stop_penalty: Annotated[
        float, typer.Option(help="Seconds that a stop counts beside the time that it costs.")
    ] = 0.0,
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds of search; default 30, for bands 60.")
    ] = None,
    refine: Annotated[
        float, typer.Option(help="Further seconds of search with SUMO in the loop.")
    ] = 0.0,
    speed_kmh: Annotated[
        float | None, typer.Option(help="Band: progression speed; default: each link's limit.")
    ] = None,
    max_link_m: Annotated[
        float, typer.Option(help="Band: a longer link parts its corridor.")
    ] = 1200.0,
    turn_counts: Annotated[
        Path | None,
        typer.Option(help="CSV period,from_edge,to_edge,flow_vph instead of routes."),
    ] = None,
    period: Annotated[
        str, typer.Option(help="Period of the turn counts; default: the first.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Same input and seed, same plans.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Time a network's signals and write the plans as a SUMO additional file.

    With routes (or turn counts): cycle, stage sequences, splits and offsets of all signals for the
    least delay. Without: green waves of the chosen corridors. Load the file after the scenario's
    own files: its programs become the active ones.
    """
    has_demand = bool(routes) or (turn_counts is not None and method in ("delay", "mixed"))
    chosen = method or ("delay" if has_demand else "band")
    if chosen not in METHODS:
        raise InvalidInputError(f"{method!r}; expected {', '.join(METHODS)}", where="--method")
    limit_s = time_limit if time_limit is not None else (60.0 if chosen == "band" else 30.0)
    if not (math.isfinite(limit_s) and limit_s > 0):
        raise InvalidInputError(f"{limit_s}; expected more than 0", where="--time-limit")
    if not (math.isfinite(refine) and refine >= 0):
        raise InvalidInputError(f"{refine}; expected 0 or more", where="--refine")
    if not output.absolute().parent.is_dir():
        raise InvalidInputError(f"no directory {output.parent}", where="-o")
    if output.is_dir():
        raise InvalidInputError(f"{output} is a directory; expected a file", where="-o")
    cycle_s = parse_cycle(cycle or (BAND_CYCLE if chosen == "band" else DELAY_CYCLE))
    if chosen == "band":
        if not corridor:
            raise InvalidInputError("needs a --corridor, or --routes", where="--method band")
        _bands(
            net,
            output,
            corridor,
            cycle_s,
            speed_kmh,
            max_link_m,
            _flows(turn_counts, period),
            limit_s,
            seed,
            as_json,
        )
        return
    if not has_demand:
        raise InvalidInputError("needs --routes or --turn-counts", where=f"--method {chosen}")
    _delay(
        net,
        output,
        routes=parse_paths(routes),
        additional=parse_paths(additional),
        begin_s=begin,
        end_s=end,
        turn_counts=turn_counts,
        period=period,
        as_json=as_json,
        method=chosen,
        corridors=tuple(corridor or ()),
        cycle_s=cycle_s,
        min_green_s=min_green,
        stop_penalty_s=stop_penalty,
        time_limit_s=limit_s,
        refine_s=refine,
        seed=seed,
    )


def parse_cycle(text: str) -> tuple[int, int]:
    """Parse ``90`` or ``60:120`` into the shortest and the longest cycle."""
    match = re.fullmatch(r"(\d{1,4})(?::(\d{1,4}))?", text)
    if not match:
        raise InvalidInputError(f"{text!r}; expected 90 or 60:120", where="--cycle")
    return int(match[1]), int(match[2] or match[1])


def _delay(
    net: Path,
    output: Path,
    *,
    routes: tuple[Path, ...],
    additional: tuple[Path, ...],
    begin_s: int,
    end_s: int | None,
    turn_counts: Path | None,
    period: str,
    as_json: bool,
    method: str,
    **settings: Any,
) -> None:
    # The other methods run without SUMO and the scenarios being loaded.
    from greenlot.cli.optimize_report import network_document, print_network
    from greenlot.plans import optimize_to_file
    from scenarios.simulation import Inputs

    if routes and turn_counts is not None:
        raise InvalidInputError("give routes or turn counts, not both", where="--turn-counts")
    if end_s is None:
        if routes:
            raise InvalidInputError("is needed with --routes", where="--end")
        end_s = begin_s + 3600
    sources = routes if routes else (turn_counts,) if turn_counts is not None else ()
    inputs = Inputs(net, sources, additional, begin_s, end_s)
    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("plans", total=1.0)

        def show(step: "Step") -> None:
            bar.update(
                task,
                completed=step.done_share,
                description=f"{step.message}: {step.delay_s:.1f} s a trip",
            )

        report = interruptible(
            lambda stopped: optimize_to_file(
                inputs,
                output,
                turn_count_period=None if routes else period,
                bands=method == "mixed",
                progress=show,
                should_stop=stopped,
                **settings,
            )
        )
    if as_json:
        _print_json(network_document(report, method))
    else:
        print_network(report, output)


def _bands(
    net: Path,
    output: Path,
    corridor: list[str],
    cycle_s: tuple[int, int],
    speed_kmh: float | None,
    max_link_m: float,
    turn_flows: TurnFlows | None,
    time_limit_s: float,
    seed: int,
    as_json: bool,
) -> None:
    from greenlot.cli.optimize_report import print_wave, wave_document

    graph = read_network(net)
    corridors = [find_corridor(graph, text) for text in corridor]
    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("green waves", total=1.0)
        wave = optimize(
            graph,
            corridors,
            turn_flows=turn_flows,
            cycle_s=cycle_s,
            speed_mps=speed_kmh / 3.6 if speed_kmh is not None else None,
            max_link_m=max_link_m,
            time_limit_s=time_limit_s,
            seed=seed,
            progress=_shown(bar, task),
        )
    write_plans(wave.plans, output)
    if as_json:
        _print_json(wave_document(wave, corridors))
    else:
        print_wave(wave, corridors, output)


def _shown(bar: Bar, task: Any) -> Callable[[Any], object]:
    def show(step: Any) -> None:
        bar.update(task, completed=step.done_share, description=step.message)

    return show


def _print_json(document: dict[str, Any]) -> None:
    json.dump(document, sys.stdout, ensure_ascii=False, indent=2)
    print()


def _flows(path: Path | None, period: str) -> TurnFlows | None:
    if path is None:
        return None
    flows = read_turn_counts(path)
    name = period or next(iter(flows), "")
    if name not in flows:
        known = ", ".join(flows) or "none"
        raise NotFoundError(f"no period {name!r} in {path}; it has {known}", where="--period")
    return flows[name]
