"""``greenlot signals``: plans for the signals of any SUMO network."""

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress as Bar

from greenlot.cli.bandwidth import bandwidth
from greenlot.cli.evaluate import evaluate
from traffic.corridors import Corridor, find_corridor
from traffic.errors import InvalidInputError, NotFoundError
from traffic.greenwave import GreenWave, Progress, optimize
from traffic.io.city_tables import read_turn_counts
from traffic.io.sumo_additional import write_plans
from traffic.io.sumo_net import read_network
from traffic.splits import TurnFlows

app = typer.Typer(no_args_is_help=True)
app.command("bandwidth")(bandwidth)
app.command("evaluate")(evaluate)


@app.callback()
def _signals() -> None:
    """Time traffic signals."""


@app.command("optimize")
def optimize_signals(
    net: Annotated[Path, typer.Option(help="SUMO network, .net.xml or .net.xml.gz.")],
    corridor: Annotated[
        list[str],
        typer.Option(help="Road name, route number, or signal,signal,... Repeatable."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="SUMO additional file to write.")],
    cycle: Annotated[
        str, typer.Option(help="Common cycle in s: 60:120, or 90 for a fixed one.")
    ] = ("60:120"),
    speed_kmh: Annotated[
        float | None, typer.Option(help="Progression speed; default: each link's limit.")
    ] = None,
    max_link_m: Annotated[float, typer.Option(help="A longer link parts its corridor.")] = 1200.0,
    turn_counts: Annotated[
        Path | None,
        typer.Option(help="CSV period,from_edge,to_edge,flow_vph for cycle and splits."),
    ] = None,
    period: Annotated[
        str, typer.Option(help="Period of the turn counts; default: the first.")
    ] = "",
    time_limit: Annotated[float, typer.Option(help="Seconds of search.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Same input and seed, same plans.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Time corridors into green waves and write the plans as a SUMO additional file.

    Load the file after the network's own programs: its programs become the active ones.
    """
    if time_limit <= 0:
        raise InvalidInputError(f"{time_limit}; expected more than 0", where="--time-limit")
    graph = read_network(net)
    corridors = [find_corridor(graph, text) for text in corridor]
    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("green waves", total=1.0)

        def show(step: Progress) -> None:
            bar.update(task, completed=step.done_share, description=step.message)

        wave = optimize(
            graph,
            corridors,
            turn_flows=_flows(turn_counts, period),
            cycle_s=parse_cycle(cycle),
            speed_mps=speed_kmh / 3.6 if speed_kmh is not None else None,
            max_link_m=max_link_m,
            time_limit_s=time_limit,
            seed=seed,
            progress=show,
        )
    if not output.parent.is_dir():
        raise InvalidInputError(f"no directory {output.parent}", where="-o")
    write_plans(wave.plans, output)
    if as_json:
        json.dump(wave_document(wave, corridors), sys.stdout, ensure_ascii=False, indent=2)
        print()
    else:
        _print_wave(wave, corridors, output)


def parse_cycle(text: str) -> tuple[int, int]:
    """Parse ``90`` or ``60:120`` into the shortest and the longest cycle."""
    match = re.fullmatch(r"(\d{1,4})(?::(\d{1,4}))?", text)
    if not match:
        raise InvalidInputError(f"{text!r}; expected 90 or 60:120", where="--cycle")
    return int(match[1]), int(match[2] or match[1])


def _flows(path: Path | None, period: str) -> TurnFlows | None:
    if path is None:
        return None
    flows = read_turn_counts(path)
    name = period or next(iter(flows), "")
    if name not in flows:
        known = ", ".join(flows) or "none"
        raise NotFoundError(f"no period {name!r} in {path}; it has {known}", where="--period")
    return flows[name]


def wave_document(wave: GreenWave, corridors: list[Corridor]) -> dict[str, Any]:
    """Return a green wave as plain data for JSON."""
    certificate = wave.certificate
    return {
        "cycle_s": wave.cycle_s,
        "status": certificate.status.value,
        "value": certificate.value,
        "bound": certificate.bound,
        "gap": certificate.gap,
        "solve_s": certificate.solve_s,
        "seed": certificate.seed,
        "corridors": [
            {
                "id": corridor.id,
                "parts": [
                    {
                        "signals": list(corridor.signal_ids[part.first : part.last + 1]),
                        "band_out_s": part.band_out_s,
                        "band_in_s": part.band_in_s,
                    }
                    for part in wave.bands[corridor.id]
                ],
            }
            for corridor in corridors
        ],
        "plans": [
            {
                "signal": plan.signal_id,
                "cycle_s": plan.cycle_s,
                "offset_s": plan.offset_s,
                "coordinated_stage": plan.coordinated_stage,
                "stages": [
                    {
                        "name": stage.name,
                        "green_state": stage.green_state,
                        "green_s": stage.green_s,
                        "intergreen": [[p.duration_s, p.state] for p in stage.intergreen],
                    }
                    for stage in plan.stages
                ],
            }
            for plan in wave.plans
        ],
        "kept": dict(wave.kept),
    }


def _print_wave(wave: GreenWave, corridors: list[Corridor], output: Path) -> None:
    certificate = wave.certificate
    print(
        f"cycle {wave.cycle_s} s, {len(wave.plans)} plans -> {output}\n"
        f"bands {certificate.value:.3f} cycles of at most {certificate.bound:.3f} "
        f"({certificate.status.value}, {certificate.solve_s:.1f} s)"
    )
    for corridor in corridors:
        parts = wave.bands[corridor.id]
        for part in parts:
            ends = f"{corridor.signal_ids[part.first]} - {corridor.signal_ids[part.last]}"
            print(
                f"  {corridor.id}: {ends}: out {part.band_out_s:.1f} s, in {part.band_in_s:.1f} s"
            )
        if not parts:
            print(f"  {corridor.id}: no two signals that can be coordinated")
    for key, reason in wave.kept.items():
        print(f"  kept as it is: {key}: {reason}")
