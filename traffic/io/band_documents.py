"""Reads the questions about green bands: corridor and network documents (JSON).

The schemas stand in ``schemas/``. What a schema cannot say (rising positions, equal blocks, blocks
that overlap) the data classes check; both name the field.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from traffic.bandwidth.corridor import Corridor, CorridorLink, CorridorSignal, Range
from traffic.bandwidth.network import JunctionBlock, Network, NetworkCorridor, NetworkJunction
from traffic.errors import InvalidInputError

MAX_FILE_BYTES = 64 * 2**20
Document = Mapping[str, Any]
TYPES = {
    "number": "a number",
    "string": "a text",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


@cache
def schema(name: str) -> dict[str, Any]:
    """Return a schema: ``corridor``, ``network`` or ``band_plan``."""
    text = files("traffic.io").joinpath(f"schemas/{name}.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def read_question(path: Path) -> Corridor | Network:
    """Read a corridor or network document.

    Raises
    ------
    InvalidInputError
        No such file, no JSON, or a field that is wrong: ``where`` is ``FILE: field``.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidInputError("larger than 64 MiB", where=str(path))
        document = json.loads(
            path.read_bytes(), object_pairs_hook=_once, parse_int=_whole, parse_constant=float
        )
    except OSError as error:
        raise InvalidInputError(error.strerror or str(error), where=str(path)) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"not JSON: {error}", where=str(path)) from error
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"not JSON: {error.msg}", where=f"{path}:{error.lineno}") from error
    except InvalidInputError as error:
        raise _within(path, error) from error
    try:
        return question(document)
    except InvalidInputError as error:
        raise _within(path, error) from error


def _within(path: Path, error: InvalidInputError) -> InvalidInputError:
    where = f"{path}: {error.where}" if error.where else str(path)
    return InvalidInputError(error.message, where=where)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that gives a field twice, of which JSON readers keep either."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInputError("stands twice in one object", where=_joined("", twice))
    return fields


def _whole(digits: str) -> int | float:
    """Read an integer; one that no float holds becomes infinite, and is refused as such."""
    return int(digits) if len(digits) < 18 else float(digits)


def question(document: object) -> Corridor | Network:
    """Build a corridor or a network from its document.

    Raises
    ------
    InvalidInputError
        ``where`` is the path of the field, such as ``signals[3].green_out``.
    """
    _check_values(document)
    network = isinstance(document, dict) and "corridors" in document
    _validate(document, "network" if network else "corridor")
    assert isinstance(document, dict), "validated"
    return _network(document) if network else _corridor(document, "")


def _validate(document: object, name: str) -> None:
    error = best_match(Draft202012Validator(schema(name)).iter_errors(document))
    if error is not None:
        raise InvalidInputError(_said(error), where=_where(error))


def _check_values(document: object) -> None:
    """Refuse numbers and texts that JSON readers let through, but that are none."""
    todo: list[tuple[str, object]] = [("", document)]
    while todo:
        where, value = todo.pop()
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidInputError(f"{value}; expected a finite number", where=where)
        if isinstance(value, str) and not _encodable(value):
            raise InvalidInputError(f"{value!a}; expected Unicode text", where=where)
        if isinstance(value, dict):
            todo += [(_joined(where, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            todo += [(_joined(where, k), item) for k, item in enumerate(value)]


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _joined(where: str, key: str | int) -> str:
    """Append a step to a field's path; a name that would break the line is quoted."""
    if isinstance(key, int):
        return f"{where}[{key}]"
    if not re.fullmatch(r"\w{1,60}", key):
        return f"{where}[{json.dumps(key[:60])}]"
    return f"{where}.{key}" if where else key


def _where(error: ValidationError) -> str:
    path = ""
    for key in (*error.absolute_path, *_missing_or_extra(error)[:1]):
        path = _joined(path, key)
    return path


def _missing_or_extra(error: ValidationError) -> list[str]:
    """Fields that an object lacks, or has too many."""
    value: Any = error.validator_value
    instance: Any = error.instance
    if error.validator == "required":
        return [key for key in value if key not in instance]
    if error.validator == "additionalProperties":
        return [key for key in instance if key not in _fields(error)]
    return []


def _fields(error: ValidationError) -> list[str]:
    schema_: Any = error.schema
    return list(schema_["properties"])


def _said(error: ValidationError) -> str:
    if error.validator == "required":
        return "is missing"
    if error.validator == "additionalProperties":
        return f"no such field; expected one of {', '.join(_fields(error))}"
    shown = json.dumps(error.instance, ensure_ascii=False)
    if len(shown) > 60:
        shown = shown[:57] + "..."
    return f"{shown}; expected {_expected(error)}"


def _expected(error: ValidationError) -> str:
    value: Any = error.validator_value
    limits: dict[object, str] = {
        "minimum": "at least {}",
        "maximum": "at most {}",
        "exclusiveMinimum": "more than {}",
        "exclusiveMaximum": "less than {}",
        "minItems": "{} or more",
        "maxItems": "{} or fewer",
        "minLength": "{} characters or more",
        "maxLength": "{} characters or fewer",
        "uniqueItems": "each once",
        "oneOf": "a number in range or [low, high]",
    }
    if error.validator == "type":
        kinds = value if isinstance(value, list) else [value]
        return " or ".join(TYPES[kind] for kind in kinds)
    if error.validator == "enum":
        return f"one of {', '.join(value)}"
    return limits.get(error.validator, str(error.validator)).format(value)


def _corridor(document: Document, where: str, *, in_network: bool = False) -> Corridor:
    signals, links = [], []
    for k, item in enumerate(document["signals"]):
        with _at(f"{where}signals[{k}]."):
            signals.append(_signal(item))
    for k, item in enumerate(document.get("links", ())):
        with _at(f"{where}links[{k}]."):
            links.append(_link(item))
    plain = {
        key: document[key]
        for key in ("direction", "inbound_weight", "p", "slowness_change_s_per_m", "id", "name")
        if key in document
    }
    with _at(where):
        return Corridor(
            signals=tuple(signals),
            links=tuple(links),
            cycle_s=None if in_network else _range(document["cycle_s"]),
            speed_mps=_range(document.get("speed_mps")),
            **plain,
        )


def _network(document: Document) -> Network:
    corridors = []
    for k, item in enumerate(document["corridors"]):
        corridor = _corridor(item, f"corridors[{k}].", in_network=True)
        with _at(f"corridors[{k}]."):
            corridors.append(NetworkCorridor(corridor, item.get("weight", 1.0)))
    junctions = [
        NetworkJunction(
            item["id"],
            tuple(JunctionBlock(b["corridor"], b["start_share"]) for b in item["blocks"]),
        )
        for item in document.get("junctions", ())
    ]
    cycle_s = _range(document["cycle_s"])
    assert cycle_s is not None, "validated"
    return Network(cycle_s, tuple(corridors), tuple(junctions))


@contextmanager
def _at(where: str) -> Iterator[None]:
    """Put the field of an error after the place of its object."""
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(error.message, where=f"{where}{error.where}") from error


def _signal(item: Document) -> CorridorSignal:
    fields = dict(item)
    if "patterns" in fields:
        fields["patterns"] = tuple(fields["patterns"])
    return CorridorSignal(**fields)


def _link(item: Document) -> CorridorLink:
    fields = dict(item)
    for key in ("speed_out_mps", "speed_in_mps"):
        fields[key] = _range(fields.get(key))
    return CorridorLink(**fields)


def _range(value: Any) -> Range | None:
    if value is None:
        return None
    if isinstance(value, list):
        return Range(float(value[0]), float(value[1]))
    return Range(float(value), float(value))
