"""Reads the questions of ``signals bandwidth`` and writes its answers: JSON documents.

The schemas stand in ``schemas/``: corridor, network, band_plan. What a schema cannot say (rising
positions, equal blocks, blocks that overlap) the data classes check; both name the field.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from traffic.bandwidth.corridor import Corridor, CorridorLink, CorridorSignal, Range
from traffic.bandwidth.measure import LinkBand, Measured
from traffic.bandwidth.network import JunctionBlock, Network, NetworkCorridor, NetworkJunction
from traffic.bandwidth.partition import Parted
from traffic.bandwidth.plan import RoadPlan
from traffic.bandwidth.solve import BandPlan, Solved
from traffic.errors import InvalidInputError

MAX_FILE_BYTES = 64 * 2**20
Document = Mapping[str, Any]


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
        document = json.loads(path.read_bytes(), parse_constant=_no_constant)
    except OSError as error:
        raise InvalidInputError(error.strerror or str(error), where=str(path)) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"not JSON: {error}", where=str(path)) from error
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"not JSON: {error.msg}", where=f"{path}:{error.lineno}") from error
    except ValueError as error:
        raise InvalidInputError(str(error), where=str(path)) from error
    try:
        return question(document)
    except InvalidInputError as error:
        where = f"{path}: {error.where}" if error.where else str(path)
        raise InvalidInputError(error.message, where=where) from error


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number that JSON knows")


def question(document: object) -> Corridor | Network:
    """Build a corridor or a network from its document.

    Raises
    ------
    InvalidInputError
        ``where`` is the path of the field, such as ``signals[3].green_out``.
    """
    network = isinstance(document, dict) and "corridors" in document
    _validate(document, "network" if network else "corridor")
    assert isinstance(document, dict), "validated"
    return _network(document) if network else _corridor(document, "")


def _validate(document: object, name: str) -> None:
    error = best_match(Draft202012Validator(schema(name)).iter_errors(document))
    if error is not None:
        raise InvalidInputError(_said(error), where=_where(error))


def _where(error: ValidationError) -> str:
    path = ""
    for key in (*error.absolute_path, *_missing_or_extra(error)[:1]):
        path += f"[{key}]" if isinstance(key, int) else f".{key}" if path else str(key)
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
    limits: dict[object, str] = {
        "minimum": "at least {}",
        "maximum": "at most {}",
        "exclusiveMinimum": "more than {}",
        "exclusiveMaximum": "less than {}",
        "type": "a {}",
        "enum": "one of {}",
        "minItems": "{} or more",
        "maxItems": "{} or fewer",
    }
    if error.validator in limits:
        return f"{shown}; expected {limits[error.validator].format(error.validator_value)}"
    if error.validator == "oneOf":
        return f"{shown}; expected a number in range or [low, high]"
    return f"{shown}: {error.message[:200]}"


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


def answer(solved: Solved, *, parted: Parted | None = None) -> dict[str, Any]:
    """Write an answer down, unrounded, as its schema ``band_plan`` says."""
    document = _plan_document(solved, solved.real)
    if solved.proof:
        document["proof"] = solved.proof
    document["integer_plan"] = _plan_document(solved, solved.whole) if solved.whole else None
    document["parted"] = _parted_document(parted) if parted else None
    return document


def _parted_document(parted: Parted) -> dict[str, Any]:
    inner = answer(parted.solved)
    del inner["parted"]
    return inner


def _plan_document(solved: Solved, band_plan: BandPlan) -> dict[str, Any]:
    certificate = band_plan.certificate
    has_plan = bool(band_plan.measured)
    document: dict[str, Any] = {
        "status": certificate.status.value,
        "method": solved.method,
        "cycle_s": float(band_plan.plan.cycle_s) if has_plan else None,
        "objective": _number(certificate.value),
        "bound": _number(certificate.bound),
        "gap": _number(certificate.gap),
        "solve_s": float(certificate.solve_s),
    }
    empty: dict[str, Any] = {
        "band_out_s": None,
        "band_in_s": None,
        "efficiency": None,
        "attainability": None,
        "links": [],
        "signals": [],
    }
    roads = [_road_document(solved, band_plan, r) if has_plan else empty for r in range(_n(solved))]
    if solved.lone:
        return document | roads[0]
    document["corridors"] = [
        {"id": corridor.id, **road} for corridor, road in zip(solved.corridors, roads, strict=True)
    ]
    document["junctions"] = [
        {"id": key, "offset_s": float(offset_s)}
        for key, offset_s in zip(
            solved.problem.junctions, band_plan.plan.offset_s if has_plan else (), strict=False
        )
    ]
    return document


def _n(solved: Solved) -> int:
    return len(solved.corridors)


def _road_document(solved: Solved, band_plan: BandPlan, r: int) -> dict[str, Any]:
    corridor, cycle_s = solved.corridors[r], float(band_plan.plan.cycle_s)
    own, seen = band_plan.plan.roads[r], band_plan.measured[r]
    lines = solved.method != "maxband" and not own.dropped
    both_s = seen.out.width_s + seen.back.width_s
    shortest_s = min(g.length_s for g in own.green_out) + min(g.length_s for g in own.green_in)
    road: dict[str, Any] = {
        "band_out_s": float(seen.out.width_s),
        "band_in_s": float(seen.back.width_s),
        "efficiency": float(both_s / (2 * cycle_s)),
        "attainability": float(both_s / shortest_s),
        "links": [
            _link_document(corridor, own, seen, k, cycle_s) for k in range(len(seen.links_out))
        ],
        "signals": [
            _signal_document(corridor, own, i, cycle_s, lines) for i in range(len(own.patterns))
        ],
    }
    if _n(solved) > 1:
        road["served"] = not own.dropped
    return road


def _link_document(
    corridor: Corridor, own: RoadPlan, seen: Measured, k: int, cycle_s: float
) -> dict[str, Any]:
    link, length_m = corridor.link(k), corridor.lengths_m[k]
    document: dict[str, Any] = {}
    sides = (
        ("out", seen.links_out[k], own.travel_out_s[k], link.volume_out_vph),
        ("in", seen.links_in[k], own.travel_in_s[k], link.volume_in_vph),
    )
    for side, band, travel_s, volume_vph in sides:
        flow = link.saturation_vph
        document |= {
            f"band_{side}_s": float(band.width_s),
            f"speed_{side}_mps": float(length_m / travel_s),
            f"band_{side}_veh": None if flow is None else float(band.width_s * flow / 3600),
            f"volume_{side}_veh": None if volume_vph is None else volume_vph * cycle_s / 3600,
            **_around(side, band),
        }
    return document


def _around(side: str, band: LinkBand) -> dict[str, float]:
    if band.before_s is None or band.after_s is None:
        return {}
    return {f"before_{side}_s": float(band.before_s), f"after_{side}_s": float(band.after_s)}


def _signal_document(
    corridor: Corridor, own: RoadPlan, i: int, cycle_s: float, lines: bool
) -> dict[str, Any]:
    out, back = own.green_out[i], own.green_in[i]
    document: dict[str, Any] = {
        "id": corridor.signals[i].id,
        "offset_s": float(out.start_s % cycle_s),
        "pattern": own.patterns[i],
        "green_out": [float(out.start_s), float(out.start_s + out.length_s)],
        "green_in": [float(back.start_s), float(back.start_s + back.length_s)],
    }
    if lines:
        document["line_out_s"] = float(own.line_out_s[i])
        document["line_in_s"] = float(own.line_in_s[i])
    return document


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
