"""Checks an answer about bands from the two JSON documents alone.

It shares no code with the engine: bands are found by asking of every stretch between two ends of
greens whether a car that leaves in its middle meets every green.
"""

import itertools
import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

import traffic.io

Document = dict[str, Any]
SIDES = ("out", "in")
CLOSE = 2e-5


def validator(name: str) -> Draft202012Validator:
    folder = Path(traffic.io.__file__).parent / "schemas"
    text = (folder / f"{name}.schema.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


def check_answer(question: Document, answer: Document, *, cycle_s: Any = None) -> None:
    """Hold an answer against its schema, and every claim of its plans against the question."""
    validator("band_plan").validate(answer)
    cycles = _pair(question["cycle_s"] if cycle_s is None else cycle_s)
    if answer["cycle_s"] is None:
        assert answer["status"] in ("no_band", "unknown")
        assert answer["integer_plan"] is None
        return
    _check_plan(question, answer, cycles, whole=False)
    if answer["integer_plan"] is not None:
        _check_plan(question, answer["integer_plan"], cycles, whole=True)
        assert answer["integer_plan"]["objective"] <= answer["bound"] + 1e-5


def _check_plan(question: Document, plan: Document, cycles: Any, *, whole: bool) -> None:
    low, high = cycles
    c = plan["cycle_s"]
    assert low - 1e-6 <= c <= high + 1e-6
    assert plan["bound"] >= plan["objective"] - 1e-9
    if plan["objective"] > 0:
        gap = (plan["bound"] - plan["objective"]) / plan["objective"]
        assert abs(plan["gap"] - gap) < 1e-6
    if plan["status"] == "optimal":
        assert plan["gap"] < 1e-4
    roads = question.get("corridors", [question])
    told = plan.get("corridors", [plan])
    value = 0.0
    for road, own in zip(roads, told, strict=True):
        value += road.get("weight", 1) * _check_road(road, own, plan["method"], c, whole=whole)
    assert abs(value - plan["objective"]) < CLOSE
    if whole:
        assert c == int(c)
    if "corridors" in question:
        _check_junctions(question, plan, whole=whole)


def _check_road(road: Document, own: Document, method: str, c: float, *, whole: bool) -> float:
    """Check one road; return its objective in cycles."""
    for asked, told in zip(road["signals"], own["signals"], strict=True):
        _check_signal(asked, told, c, whole=whole)
    _check_speeds(road, own)
    ways = {side: Way(road, own, side, c) for side in SIDES}
    for side, way in ways.items():
        assert abs(own[f"band_{side}_s"] - way.widest(range(way.n))) < CLOSE, side
    b, bb = own["band_out_s"], own["band_in_s"]
    shortest = [
        min(s[f"green_{side}"][1] - s[f"green_{side}"][0] for s in own["signals"]) for side in SIDES
    ]
    assert abs(own["efficiency"] - (b + bb) / (2 * c)) < 1e-9
    assert abs(own["attainability"] - (b + bb) / sum(shortest)) < 1e-9
    served = own.get("served", True)
    for way in ways.values():
        for k, link in enumerate(own["links"]):
            _check_link(road, own, way, k, link, method if served else "maxband", c)
    if not served:
        return 0.0
    return _maxband(road, b / c, bb / c) if method == "maxband" else _multiband(road, own, c)


def _check_signal(asked: Document, told: Document, c: float, *, whole: bool) -> None:
    assert told["id"] == asked["id"]
    assert told["pattern"] in asked.get("patterns", ["lead-lead"])
    assert told["offset_s"] == told["green_out"][0]
    for side in SIDES:
        start, end = told[f"green_{side}"]
        assert 0 <= start < c
        share = asked[f"green_{side}"] * c
        if whole:
            assert start == int(start)
            assert end == int(end)
            # Rounded down; one second more may go where the block needs it.
            assert max(1, int(share + 1e-9) - 1) <= end - start <= max(1, share + 1e-6)
        else:
            assert abs(end - start - share) < 1e-6
    left = {side: asked.get(f"left_{side}", 0) * c for side in SIDES}
    if left["out"] or left["in"]:
        out_leads, in_leads = (part == "lead" for part in told["pattern"].split("-"))
        later = (left["out"] if out_leads else 0) - (left["in"] if in_leads else 0)
    else:
        later = asked.get("center_offset_share", 0) * c
        later += (asked["green_out"] - asked["green_in"]) * c / 2
    seen = told["green_in"][0] - told["green_out"][0]
    # In whole seconds both starts may move, by less than a second each.
    assert _round_the_clock(seen - later, c) < (1.5 if whole else 1e-6)


def _round_the_clock(time_s: float, c: float) -> float:
    return min(time_s % c, -time_s % c)


def _check_speeds(road: Document, own: Document) -> None:
    given = road.get("links") or [{}] * len(own["links"])
    change = road.get("slowness_change_s_per_m")
    for side in SIDES:
        key = f"speed_{side}_mps"
        for asked, told in zip(given, own["links"], strict=True):
            wanted = asked.get(key)
            low, high = _pair(road["speed_mps"] if wanted is None else wanted)
            assert low - 1e-6 <= told[key] <= high + 1e-6
        if change is not None:
            for a, b in itertools.pairwise(own["links"]):
                assert abs(1 / a[key] - 1 / b[key]) < change + 1e-6


def _pair(value: Any) -> tuple[float, float]:
    return tuple(value) if isinstance(value, list) else (value, value)


class Way:
    """One direction in driving order."""

    def __init__(self, road: Document, own: Document, side: str, c: float) -> None:
        order = slice(None, None, 1 if side == "out" else -1)
        signals, asked = own["signals"][order], road["signals"][order]
        x = [abs(s["position_m"] - asked[0]["position_m"]) for s in asked]
        speeds = [link[f"speed_{side}_mps"] for link in own["links"]][order]
        self.c, self.n, self.side = c, len(signals), side
        self.tau = [s.get(f"queue_{side}_s", 0) for s in asked]
        self.tau[0] = 0
        self.t = [(b - a) / v for a, b, v in zip(x, x[1:], speeds, strict=False)]
        self.green = [s[f"green_{side}"] for s in signals]
        self.line = [s.get(f"line_{side}_s") for s in signals]

    def widest(self, run: range) -> float:
        """Widest band through neighbouring signals: u[j+1] = u[j] + t[j] - tau[j+1]."""
        arcs, u = [], 0.0
        for j in run:
            if j != run[0]:
                u += self.t[j - 1] - self.tau[j]
            start, end = self.green[j]
            if end - start < self.c - 1e-9:
                arcs.append(((start - u) % self.c, end - start - self.tau[j]))
        if not arcs:
            return self.c
        if min(length for _, length in arcs) <= 0:
            return 0.0
        ends = sorted({t % self.c for a, length in arcs for t in (a, a + length)})
        stretches = [(a, b) for a, b in zip(ends, [*ends[1:], ends[0] + self.c], strict=True)]
        good = [
            all(((a + b) / 2 - start) % self.c < length for start, length in arcs)
            for a, b in stretches
        ]
        best = along = 0.0
        # Twice round, so that a run across the end of the cycle is seen whole.
        for (a, b), passes in zip(stretches * 2, good * 2, strict=True):
            along = along + (b - a) if passes else 0.0
            best = max(best, along)
        return min(best, self.c)

    def room(self, j: int) -> tuple[float, float]:
        """How long before and after the line it is green at a signal, less the queue's time."""
        start, end = self.green[j]
        if end - start >= self.c - 1e-9:
            return self.c, self.c
        since = (self.line[j] - start + 1e-6) % self.c - 1e-6
        return since, end - start - self.tau[j] - since


def _check_link(
    road: Document, own: Document, way: Way, k: int, link: Document, method: str, c: float
) -> None:
    side = way.side
    width = link[f"band_{side}_s"]
    j = k if side == "out" else way.n - 2 - k
    if method == "maxband":
        assert abs(width - way.widest(range(j, j + 2))) < CLOSE
        assert f"before_{side}_s" not in link
        assert way.line[j] is None
    else:
        arrives = way.line[j] + way.t[j] - way.tau[j + 1]
        assert abs(arrives - way.line[j + 1]) < 1e-5, "the line runs at the link's speed"
        before = min(way.room(j)[0], way.room(j + 1)[0])
        after = min(way.room(j)[1], way.room(j + 1)[1])
        if method == "multiband":
            before = after = min(before, after)
        if min(before, after) < -1e-5:
            before = after = 0.0
        assert abs(link[f"before_{side}_s"] - max(before, 0)) < CLOSE
        assert abs(link[f"after_{side}_s"] - max(after, 0)) < CLOSE
        assert abs(width - link[f"before_{side}_s"] - link[f"after_{side}_s"]) < 1e-9
    given = (road.get("links") or [{}] * len(own["links"]))[k]
    for name, during, flow in (
        ("band", width, given.get("saturation_vph")),
        ("volume", c, given.get(f"volume_{side}_vph")),
    ):
        vehicles = link[f"{name}_{side}_veh"]
        assert vehicles is None if flow is None else abs(vehicles - during * flow / 3600) < 1e-9


def _maxband(road: Document, b: float, bb: float) -> float:
    """B + k bb with bb = b at k = 1, else (1 - k) bb >= (1 - k) k b; what is wider is cut."""
    direction, k = road.get("direction", "both"), road.get("inbound_weight", 1)
    if direction != "both":
        return b if direction == "out" else bb
    if k == 1:
        return 2 * min(b, bb)
    if k < 1:
        return (min(b, bb / k) if k else b) + k * bb
    return b + k * min(bb, k * b)


def _multiband(road: Document, own: Document, c: float) -> float:
    """Mean over the links of (V/S)^p times the band, the inbound one times k."""
    direction, k, p = (
        road.get(key, usual)
        for key, usual in (("direction", "both"), ("inbound_weight", 1), ("p", 1))
    )
    given = road.get("links") or [{}] * len(own["links"])
    total = 0.0
    for asked, link in zip(given, own["links"], strict=True):
        for side, times in (("out", 1), ("in", k if direction == "both" else 1)):
            if direction not in ("both", side):
                continue
            volume, saturation = asked.get(f"volume_{side}_vph"), asked.get("saturation_vph")
            weight = 1.0 if volume is None or saturation is None else (volume / saturation) ** p
            total += times * weight * link[f"band_{side}_s"]
    return total / c / len(own["links"])


def _check_junctions(question: Document, plan: Document, *, whole: bool) -> None:
    c = plan["cycle_s"]
    offsets = {item["id"]: item["offset_s"] for item in plan["junctions"]}
    starts = {
        (junction["id"], block["corridor"]): block["start_share"]
        for junction in question.get("junctions", [])
        for block in junction["blocks"]
    }
    ids = {signal["id"] for road in question["corridors"] for signal in road["signals"]}
    assert set(offsets) == ids
    for road, own in zip(question["corridors"], plan["corridors"], strict=True):
        for asked, told in zip(road["signals"], own["signals"], strict=True):
            assert 0 <= offsets[told["id"]] < c
            begin = told["green_out"][0]
            if asked.get("left_in") or asked.get("left_out"):
                if told["pattern"].endswith("-lead"):
                    begin -= asked.get("left_in", 0) * c
            else:
                lag = _round_signed(told["green_in"][0] - begin, c)
                begin += min(0.0, lag)
            due = offsets[told["id"]] + starts.get((told["id"], road["id"]), 0) * c
            # Whole-second blocks start up to a second later, and greens in them move by as much.
            assert _round_the_clock(begin - due, c) < (2.0 if whole else 1e-5)


def _round_signed(time_s: float, c: float) -> float:
    return (time_s + c / 2) % c - c / 2
