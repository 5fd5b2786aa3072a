"""``greenlot signals bandwidth``: the green bands of a corridor or network document."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress as Bar

from greenlot.cli.band_outputs import check_outputs, draw, whole_file
from greenlot.cli.searches import interruptible, quiet_solvers
from traffic.band_answer import BandAnswer, answer_bands
from traffic.bandwidth import Corridor, Method, Network, Range
from traffic.bandwidth.problem import METHODS
from traffic.bandwidth.search import Progress
from traffic.errors import InvalidInputError
from traffic.io.band_documents import read_question
from traffic.io.band_plan_document import answer_document

# How the engine names what these options give.
OPTIONS = {"time_limit_s": "--time-limit", "max_link_m": "--max-link-m", "seed": "--seed"}


def bandwidth(
    file: Annotated[Path, typer.Argument(help="Corridor or network document (JSON).")],
    method: Annotated[str, typer.Option(help="maxband, multiband or amband.")] = "maxband",
    cycle: Annotated[str, typer.Option(help="60:120, or 90; beats the file's cycle_s.")] = "",
    time_limit: Annotated[float, typer.Option(help="Seconds of search.")] = 60.0,
    max_link_m: Annotated[
        float | None, typer.Option(help="Also part a corridor at longer links.")
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
    question = read_question(file)
    chosen, cycle_s = _method(method), _cycle(cycle)
    check_outputs(question, file, diagram=diagram, output=output)
    answer = _searched(
        question,
        method=chosen,
        cycle_s=cycle_s,
        max_link_m=max_link_m,
        time_limit_s=time_limit,
        seed=seed,
    )
    document = answer_document(answer)
    text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    if output is None:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    else:
        with whole_file(output) as part:
            part.write_text(text, encoding="utf-8")
        print(_summary(document, output))
    if diagram is not None:
        draw(question, document, diagram, title=file.stem)


def _searched(question: Corridor | Network, **options: Any) -> BandAnswer:
    """Search with a bar on stderr; Ctrl-C ends it."""
    with quiet_solvers(), Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("bands", total=1.0)

        def show(step: Progress) -> None:
            bar.update(task, completed=step.done_share, description=step.message)

        def work(should_stop: Callable[[], bool]) -> BandAnswer:
            return answer_bands(question, **options, progress=show, should_stop=should_stop)

        try:
            return interruptible(work)
        except InvalidInputError as error:
            where = OPTIONS.get(error.where, error.where)
            raise InvalidInputError(error.message, where=where) from error


def _method(text: str) -> Method:
    for method in METHODS:
        if method == text:
            return method
    raise InvalidInputError(f"{text!r}; expected {', '.join(METHODS)}", where="--method")


def _cycle(text: str) -> Range | None:
    if not text:
        return None
    match = re.fullmatch(r"(\d{1,4}(?:\.\d+)?)(?::(\d{1,4}(?:\.\d+)?))?", text)
    low, high = (float(match[1]), float(match[2] or match[1])) if match else (0.0, 0.0)
    if not 1 < low <= high <= 3600:
        raise InvalidInputError(f"{text!r}; expected 90 or 60:120, in s", where="--cycle")
    return Range(low, high)


def _summary(document: dict[str, Any], path: Path) -> str:
    if document["cycle_s"] is None:
        return f"{document['status']} -> {path}"
    return (
        f"{document['status']}: cycle {document['cycle_s']:.2f} s, "
        f"{document['objective']:.4f} of at most {document['bound']:.4f} cycles, "
        f"{document['solve_s']:.1f} s -> {path}"
    )
