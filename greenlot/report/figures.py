"""The figures of a demo: runs of several arms, summed up over seeds."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scenarios.spec import Flow, RunResult, Spread

WAVE = "green-wave"
RANDOM = "random-offsets"
DEFAULT = "sumo-default"
SEARCH = "search"


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of one kind in every arm; ``unit`` is empty for counts."""

    name: str
    unit: str
    by_arm: Mapping[str, Spread]

    def change(self, arm: str, against: str) -> float:
        """Relative change of an arm's mean; NaN where the other's is 0."""
        other = self.by_arm[against].mean
        return (self.by_arm[arm].mean - other) / other if other else math.nan


@dataclass(frozen=True, slots=True)
class Comparison:
    """A corridor, one of its directions, or the whole city.

    ``direction`` is ``both``, ``out`` or ``in``; ``city`` for the city.
    """

    id: str
    name: str
    direction: str
    vehicles: Mapping[str, Spread]
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class ParkerRow:
    """A figure of the parkers with the parking service and with SUMO's own search."""

    name: str
    unit: str
    by_arm: Mapping[str, Spread]


@dataclass(frozen=True, slots=True)
class DemoReport:
    """Everything that the demo prints and writes.

    Parameters
    ----------
    city, period, seeds, warmup_s, measured_s
        What was run.
    command, versions, machine
        How it was run.
    cycle_s, certificate
        Of the plans.
    bands
        For each corridor part: corridor, first and last signal's names, widths in s.
    corridors, city_wide, parkers
        The figures; ``corridors`` has three rows each: both directions, out, in.
    kept
        Signals that keep their own program, with the reason.
    wall_s
        Seconds that the demo took.
    """

    city: str
    period: str
    seeds: tuple[int, ...]
    warmup_s: int
    measured_s: int
    command: str
    versions: Mapping[str, str]
    machine: str
    cycle_s: int
    certificate: Mapping[str, Any]
    bands: tuple[Mapping[str, Any], ...]
    corridors: tuple[Comparison, ...]
    city_wide: Comparison
    parkers: tuple[ParkerRow, ...]
    kept: Mapping[str, str]
    wall_s: float

    def to_json(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return dataclasses.asdict(self)


def make_report(
    runs: Mapping[str, Sequence[RunResult]], corridor_names: Mapping[str, str], **facts: Any
) -> DemoReport:
    """Sum up the runs of each arm (each arm with the same seeds in the same order)."""
    rows = []
    for key, name in corridor_names.items():
        for direction in ("both", "out", "in"):
            sides = ("out", "in") if direction == "both" else (direction,)
            pick = _corridor_picker(key, sides)
            if all(pick(run) is not None for arm in runs.values() for run in arm):
                rows.append(_comparison(runs, key, name, direction, pick))
    return DemoReport(
        corridors=tuple(rows),
        city_wide=_comparison(runs, "city", "全城 city-wide", "city", lambda run: run.city),
        parkers=_parkers(runs),
        **facts,
    )


def _corridor_picker(key: str, sides: tuple[str, ...]) -> Callable[[RunResult], Flow | None]:
    def pick(run: RunResult) -> Flow | None:
        flows = [run.corridors[key, side] for side in sides if (key, side) in run.corridors]
        if len(flows) != len(sides):
            return None
        n = len(flows)
        # The plain mean of both directions: neither tide hides the other.
        return Flow(
            vehicles=sum(flow.vehicles for flow in flows),
            travel_s=sum(flow.travel_s for flow in flows) / n,
            delay_s=sum(flow.delay_s for flow in flows) / n,
            stops=sum(flow.stops for flow in flows) / n,
        )

    return pick


def _comparison(
    runs: Mapping[str, Sequence[RunResult]],
    key: str,
    name: str,
    direction: str,
    pick: Callable[[RunResult], Flow | None],
) -> Comparison:
    flows = {
        arm: [flow for run in results if (flow := pick(run)) is not None]
        for arm, results in runs.items()
        if arm != SEARCH
    }

    def spread(field: str) -> dict[str, Spread]:
        return {arm: Spread.of([getattr(f, field) for f in own]) for arm, own in flows.items()}

    return Comparison(
        id=key,
        name=name,
        direction=direction,
        vehicles=spread("vehicles"),
        measures=(
            Measure("travel time", "s", spread("travel_s")),
            Measure("stops", "", spread("stops")),
            Measure("delay", "s", spread("delay_s")),
        ),
    )


def _parkers(runs: Mapping[str, Sequence[RunResult]]) -> tuple[ParkerRow, ...]:
    arms = {arm: [run.parkers for run in runs[arm]] for arm in (WAVE, SEARCH) if arm in runs}
    kinds: tuple[tuple[str, str, Callable[[Any], float]], ...] = (
        ("search time", "s", lambda p: p.search_s),
        ("drive time", "s", lambda p: p.drive_s),
        ("walk", "s", lambda p: p.walk_s),
        ("parked", "%", lambda p: 100 * p.parked / p.drivers if p.drivers else 0.0),
        (
            "refused by the service",
            "%",
            lambda p: 100 * p.refused / p.drivers if p.drivers else 0.0,
        ),
        ("drivers", "", lambda p: p.drivers),
    )
    return tuple(
        ParkerRow(name, unit, {arm: Spread.of([read(p) for p in own]) for arm, own in arms.items()})
        for name, unit, read in kinds
    )
