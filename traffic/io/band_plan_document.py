"""Writes the answers about green bands: ``schemas/band_plan.schema.json`` says what they hold."""

import math
from typing import Any

from traffic.band_answer import BandAnswer
from traffic.bandwidth.corridor import Corridor
from traffic.bandwidth.measure import LinkBand, Measured, Window
from traffic.bandwidth.plan import RoadPlan
from traffic.bandwidth.solve import BandPlan, Solved

ROUND_OFF_S = 1e-6


def answer_document(answer: BandAnswer) -> dict[str, Any]:
    """Write an answer down, unrounded, as the schema ``band_plan`` says."""
    document = _solved_document(answer.solved)
    document["parted"] = _solved_document(answer.parted.solved) if answer.parted else None
    return document


def _solved_document(solved: Solved) -> dict[str, Any]:
    document = _plan_document(solved, solved.real)
    if solved.proof:
        document["proof"] = solved.proof
    document["integer_plan"] = (
        _plan_document(solved, solved.whole, whole=True) if solved.whole else None
    )
    return document


def _plan_document(solved: Solved, band_plan: BandPlan, *, whole: bool = False) -> dict[str, Any]:
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
    roads = [
        _road_document(solved, band_plan, r, whole) if has_plan else empty
        for r in range(len(solved.corridors))
    ]
    if solved.lone:
        return document | roads[0]
    document["corridors"] = [
        {"id": corridor.id, **road} for corridor, road in zip(solved.corridors, roads, strict=True)
    ]
    document["junctions"] = [
        {"id": key, "offset_s": _on_clock(offset_s, float(band_plan.plan.cycle_s), whole)}
        for key, offset_s in zip(
            solved.problem.junctions, band_plan.plan.offset_s if has_plan else (), strict=False
        )
    ]
    return document


def _road_document(solved: Solved, band_plan: BandPlan, r: int, whole: bool) -> dict[str, Any]:
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
            _signal_document(corridor, own, i, cycle_s, lines, whole)
            for i in range(len(own.patterns))
        ],
    }
    if own.dropped or not solved.lone:
        road["served"] = not own.dropped
    return road


def _link_document(
    corridor: Corridor, own: RoadPlan, seen: Measured, k: int, cycle_s: float
) -> dict[str, Any]:
    link, length_m = corridor.link(k), corridor.lengths_m[k]
    out, back = seen.links_out[k], seen.links_in[k]
    return {
        "band_out_s": float(out.width_s),
        "band_in_s": float(back.width_s),
        "speed_out_mps": float(length_m / own.travel_out_s[k]),
        "speed_in_mps": float(length_m / own.travel_in_s[k]),
        "band_out_veh": _vehicles(out.width_s, link.saturation_vph),
        "band_in_veh": _vehicles(back.width_s, link.saturation_vph),
        "volume_out_veh": _vehicles(cycle_s, link.volume_out_vph),
        "volume_in_veh": _vehicles(cycle_s, link.volume_in_vph),
        **_around("out", out),
        **_around("in", back),
    }


def _vehicles(during_s: float, flow_vph: float | None) -> float | None:
    return None if flow_vph is None else float(during_s * flow_vph / 3600)


def _around(side: str, band: LinkBand) -> dict[str, float]:
    if band.before_s is None or band.after_s is None:
        return {}
    return {f"before_{side}_s": float(band.before_s), f"after_{side}_s": float(band.after_s)}


def _signal_document(
    corridor: Corridor, own: RoadPlan, i: int, cycle_s: float, lines: bool, whole: bool
) -> dict[str, Any]:
    out, back = (_window(green[i], cycle_s, whole) for green in (own.green_out, own.green_in))
    document: dict[str, Any] = {
        "id": corridor.signals[i].id,
        "offset_s": out[0],
        "pattern": own.patterns[i],
        "green_out": out,
        "green_in": back,
    }
    if lines:
        document["line_out_s"] = float(own.line_out_s[i])
        document["line_in_s"] = float(own.line_in_s[i])
    return document


def _window(green: Window, cycle_s: float, whole: bool) -> list[float]:
    start_s = _on_clock(green.start_s, cycle_s, whole)
    return [start_s, start_s + (_whole(green.length_s) if whole else float(green.length_s))]


def _on_clock(time_s: float, cycle_s: float, whole: bool) -> float:
    """Put a time into [0, cycle), which the modulo of a tiny negative number misses."""
    within_s = float((_whole(time_s) if whole else time_s) % cycle_s)
    return within_s if within_s < cycle_s else 0.0


def _whole(time_s: float) -> float:
    """Take round-off, and nothing else, away from a time in whole seconds."""
    nearest_s = round(time_s)
    assert abs(time_s - nearest_s) < ROUND_OFF_S, "the whole-second plan is in whole seconds"
    return float(nearest_s)


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
