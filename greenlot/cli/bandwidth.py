"""``greenlot signals bandwidth``: the green bands of a corridor or network document."""

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress as Bar

from traffic.bandwidth import Corridor, Method, Network, Range, Solved, Status, solve
from traffic.bandwidth.partition import Parted, solve_parted, worst_pair
from traffic.bandwidth.search import Progress
from traffic.errors import InvalidInputError
from traffic.io.band_documents import answer, read_question
from traffic.io.diagram import draw_time_space
from traffic.io.diagram_html import write_time_space_html
from traffic.timespace import TimeSpace
from traffic.timespace_document import time_space_of_document

DIAGRAMS = (".png", ".svg", ".html")


def bandwidth(
    file: Annotated[Path, typer.Argument(help="Corridor or network document (JSON).")],
    method: Annotated[str, typer.Option(help="maxband, multiband or amband.")] = "maxband",
    cycle: Annotated[str, typer.Option(help="60:120, or 90; beats the file's cycle_s.")] = "",
    time_limit: Annotated[float, typer.Option(help="Seconds of search.")] = 60.0,
    max_link_m: Annotated[
        float | None, typer.Option(help="Part a corridor at longer links.")
    ] = None,
    diagram: Annotated[
        Path | None, typer.Option(help="Time-space diagram: .png, .svg or .html.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same input and seed, same plan.")] = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the JSON here, not to stdout.")
    ] = None,
) -> None:
    """Find the widest green bands of a corridor or network, with proof.

    Prints the answer as JSON, unrounded: the real optimum with its certificate, and the plan in
    whole seconds with its measured bands. "No band exists" is an answer, exit status 0.
    """
    asked = read_question(file)
    _check_outputs(asked, diagram, output)
    cycle_s = _cycle(cycle)
    chosen = _method(method)
    if max_link_m is not None and isinstance(asked, Network):
        raise InvalidInputError("parts a corridor, not a network", where="--max-link-m")
    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("bands", total=1.0)

        def show(step: Progress) -> None:
            bar.update(task, completed=step.done_share, description=step.message)

        solved = solve(
            asked,
            method=chosen,
            cycle_s=cycle_s,
            time_limit_s=time_limit,
            seed=seed,
            progress=show,
        )
        parted = _parted(asked, solved, chosen, cycle_s, max_link_m, time_limit, seed)
    document = answer(_with_pair(asked, solved, cycle_s), parted=parted)
    text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    if diagram is not None:
        _draw(asked, document, diagram, file)
    if output is None:
        sys.stdout.write(text)
    else:
        _write(output, text)
        _summary(document, output)


def _check_outputs(asked: Corridor | Network, diagram: Path | None, output: Path | None) -> None:
    """Refuse what could not be written before time is spent on the answer."""
    if diagram is not None and diagram.suffix not in DIAGRAMS:
        raise InvalidInputError(
            f"{diagram.name}; expected {', '.join(DIAGRAMS)}", where="--diagram"
        )
    if diagram is not None and isinstance(asked, Network) and diagram.suffix != ".html":
        raise InvalidInputError(
            "the diagrams of a network are one page; expected .html", where="--diagram"
        )
    for path, name in ((diagram, "--diagram"), (output, "-o")):
        if path is not None and not path.absolute().parent.is_dir():
            raise InvalidInputError(f"no directory {path.parent}", where=name)


def _method(text: str) -> Method:
    methods: dict[str, Method] = {m: m for m in ("maxband", "multiband", "amband")}
    if text not in methods:
        raise InvalidInputError(f"{text!r}; expected {', '.join(methods)}", where="--method")
    return methods[text]


def _cycle(text: str) -> Range | None:
    if not text:
        return None
    match = re.fullmatch(r"(\d{1,4}(?:\.\d+)?)(?::(\d{1,4}(?:\.\d+)?))?", text)
    low, high = (float(match[1]), float(match[2] or match[1])) if match else (0.0, 0.0)
    if not 1 <= low <= high <= 3600:
        raise InvalidInputError(f"{text!r}; expected 90 or 60:120, in s", where="--cycle")
    return Range(low, high)


def _parted(
    asked: Corridor | Network,
    solved: Solved,
    method: Method,
    cycle_s: Range | None,
    max_link_m: float | None,
    time_limit: float,
    seed: int,
) -> Parted | None:
    """Part a corridor where it was asked, or where no band runs through."""
    if isinstance(asked, Network):
        return None
    none = solved.real.certificate.status is Status.NO_BAND
    if max_link_m is None and (not none or len(asked.signals) == 2):
        return None
    return solve_parted(
        asked,
        method=method,
        cycle_s=cycle_s,
        max_link_m=max_link_m,
        time_limit_s=time_limit,
        seed=seed,
    )


def _with_pair(asked: Corridor | Network, solved: Solved, cycle_s: Range | None) -> Solved:
    """Name two signals that alone rule a band out, where there are such."""
    if not solved.proof or isinstance(asked, Network):
        return solved
    bound, first, last = worst_pair(asked, cycle_s)
    if bound > 0:
        return solved
    return replace(solved, proof=f"{solved.proof}; pair bound: {first} and {last} alone allow none")


def _diagrams(asked: Corridor | Network, document: dict[str, Any], file: Path) -> list[TimeSpace]:
    """Lay out the whole-second plan, or the real one without it."""
    plan = document["integer_plan"] or document
    if isinstance(asked, Network):
        corridors = [item.corridor for item in asked.corridors]
        plans = [{"cycle_s": plan["cycle_s"], **road} for road in plan["corridors"]]
    else:
        corridors, plans = [asked], [plan]
    return [
        time_space_of_document(
            _shown(corridor), own, title=corridor.name or corridor.id or file.stem
        )
        for corridor, own in zip(corridors, plans, strict=True)
    ]


def _shown(corridor: Corridor) -> dict[str, Any]:
    """What a diagram needs of a corridor."""
    return {
        "signals": [
            {
                "id": signal.id,
                "name": signal.name or signal.id,
                "position_m": signal.position_m - corridor.signals[0].position_m,
                "left_out": signal.left_out,
                "left_in": signal.left_in,
                "queue_out_s": signal.queue_out_s,
                "queue_in_s": signal.queue_in_s,
            }
            for signal in corridor.signals
        ]
    }


def _draw(asked: Corridor | Network, document: dict[str, Any], path: Path, file: Path) -> None:
    if document["cycle_s"] is None:
        print(f"greenlot: no plan to draw: {document['status']}", file=sys.stderr)
        return
    diagrams = _diagrams(asked, document, file)
    if path.suffix == ".html":
        write_time_space_html(diagrams, path, title=file.stem)
    else:
        draw_time_space(diagrams[0], path)


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _summary(document: dict[str, Any], path: Path) -> None:
    if document["objective"] is None or document["cycle_s"] is None:
        print(f"{document['status']} -> {path}")
        return
    print(
        f"{document['status']}: cycle {document['cycle_s']:.2f} s, "
        f"{document['objective']:.4f} of at most {document['bound']:.4f} cycles, "
        f"{document['solve_s']:.1f} s -> {path}"
    )
