"""The files that ``greenlot signals bandwidth`` writes: each whole or not at all."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from traffic.bandwidth import Corridor, Network
from traffic.errors import InvalidInputError
from traffic.io.diagram import draw_time_spaces
from traffic.io.diagram_html import write_time_space_html
from traffic.timespace import TimeSpace
from traffic.timespace_document import time_space_of_document

DIAGRAMS = (".png", ".svg", ".html")
# More would be a picture that few programs open.
MAX_DRAWN = 40


def check_outputs(
    question: Corridor | Network, file: Path, *, diagram: Path | None, output: Path | None
) -> None:
    """Refuse what could not be written before time is spent on the answer.

    Raises
    ------
    InvalidInputError
        ``where`` is the option.
    """
    if diagram is not None and diagram.suffix not in DIAGRAMS:
        raise InvalidInputError(
            f"{diagram.name}; expected {', '.join(DIAGRAMS)}", where="--diagram"
        )
    many = isinstance(question, Network) and len(question.corridors) > MAX_DRAWN
    if many and diagram is not None and diagram.suffix != ".html":
        raise InvalidInputError(
            f"more than {MAX_DRAWN} corridors are drawn as .html", where="--diagram"
        )
    taken = {file.resolve(): "the question"}
    for path, name in ((output, "-o"), (diagram, "--diagram")):
        if path is None:
            continue
        if path.resolve() in taken:
            raise InvalidInputError(f"{path} is {taken[path.resolve()]}", where=name)
        taken[path.resolve()] = "the answer"
        check_writable(path, name)


def check_writable(path: Path, name: str) -> None:
    """Raise InvalidInputError, ``where`` the option's name, where a file cannot be written."""
    if path.is_dir():
        raise InvalidInputError(f"{path} is a directory", where=name)
    if not path.absolute().parent.is_dir():
        raise InvalidInputError(f"no directory {path.parent}", where=name)
    try:
        if not _special(path):
            part = _part(path)
            part.touch()
            part.unlink()
        if path.exists() and not os.access(path, os.W_OK):
            raise InvalidInputError(f"{path} must not be written", where=name)
    except OSError as error:
        raise InvalidInputError(f"{path}: {error.strerror}", where=name) from error


def _special(path: Path) -> bool:
    """Whether a path is a device or a pipe, which nothing can take the place of."""
    return path.exists() and not path.is_file()


def _part(path: Path) -> Path:
    """Name the file beside ``path`` that is written first; it keeps the ending."""
    path = path.resolve()
    return path.with_name(f".{path.stem}.part{path.suffix}")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a file to write, which takes the place of ``path`` when all went well."""
    if _special(path):
        yield path
        return
    part = _part(path)
    try:
        yield part
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.replace(path.resolve())
    finally:
        part.unlink(missing_ok=True)


def draw(
    question: Corridor | Network, document: Mapping[str, Any], path: Path, *, title: str
) -> None:
    """Draw the whole-second plan, or the real one without it; its parts where it is parted."""
    shown = document["parted"] or document
    plan = shown["integer_plan"] or shown
    if plan["cycle_s"] is None:
        print(f"greenlot: no plan to draw: {document['status']}", file=sys.stderr)
        return
    diagrams = _diagrams(question, plan, title)
    with whole_file(path) as part:
        if path.suffix == ".html":
            write_time_space_html(diagrams, part, title=title)
        else:
            draw_time_spaces(diagrams, part)


def _diagrams(question: Corridor | Network, plan: Mapping[str, Any], title: str) -> list[TimeSpace]:
    if isinstance(question, Corridor):
        name = question.name or question.id or title
        return [time_space_of_document(_shown(question), plan, title=name)]
    return [
        time_space_of_document(
            _shown(item.corridor),
            {"cycle_s": plan["cycle_s"], **road},
            title=f"{item.corridor.id} {item.corridor.name}".rstrip(),
        )
        for item, road in zip(question.corridors, plan["corridors"], strict=True)
    ]


def _shown(corridor: Corridor) -> dict[str, Any]:
    """What a diagram needs of a corridor."""
    return {
        "direction": corridor.direction,
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
        ],
    }
