"""The figures of a demo: runs of several arms, summed up over seeds."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scenarios.spec import Flow, Parkers, RunResult, Spread

WAVE = "green-wave"
RANDOM = "random-offsets"
DEFAULT = "sumo-default"
SEARCH = "search"
REFUSED = "refused by the service"


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of one kind in every arm; ``unit`` is empty for counts.

    ``difference`` is the first arm less the one it is held against, run by run with the same
    seed: its spread is what seeds cannot explain.
    """

    name: str
    unit: str
    by_arm: Mapping[str, Spread]
    difference: Spread

    def change(self, arm: str, against: str) -> float:
        """Relative change of an arm's mean; NaN where the other's is 0."""
        other = self.by_arm[against].mean
        return (self.by_arm[arm].mean - other) / other if other else math.nan

    @property
    def is_clear(self) -> bool:
        """Whether the difference is more than two standard errors away from 0.

        False for a single seed, which has no spread to judge by.
        """
        if self.difference.n < 2:
            return False
        error = self.difference.sd / math.sqrt(self.difference.n)
        return abs(self.difference.mean) > 2 * error


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
    unmeasured
        Corridors and directions that no vehicle drove in some run: they have no row.
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
    parkers: tuple[Measure, ...]
    kept: Mapping[str, str]
    unmeasured: tuple[str, ...]
    wall_s: float

    def to_json(self) -> dict[str, Any]:
        """Return plain data for JSON; what is not a finite number is null."""
        plain = _plain(dataclasses.asdict(self))
        assert isinstance(plain, dict)
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def make_report(
    runs: Mapping[str, Sequence[RunResult]], corridor_names: Mapping[str, str], **facts: Any
) -> DemoReport:
    """Sum up the runs of each arm (each arm with the same seeds in the same order)."""
    rows = []
    unmeasured = []
    for key, name in corridor_names.items():
        for direction in ("both", "out", "in"):
            sides = ("out", "in") if direction == "both" else (direction,)
            pick = _corridor_picker(key, sides)
            if all(pick(run) is not None for arm in runs.values() for run in arm):
                rows.append(_comparison(runs, key, name, direction, pick))
            else:
                unmeasured.append(f"{key} {name} {direction}")
    return DemoReport(
        corridors=tuple(rows),
        city_wide=_comparison(runs, "city", "全城 city-wide", "city", lambda run: run.city),
        parkers=_parkers(runs),
        unmeasured=tuple(unmeasured),
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

    def measure(label: str, unit: str, field: str) -> Measure:
        values = {arm: [float(getattr(f, field)) for f in own] for arm, own in flows.items()}
        return _measure(label, unit, values, RANDOM)

    return Comparison(
        id=key,
        name=name,
        direction=direction,
        vehicles={arm: Spread.of([f.vehicles for f in own]) for arm, own in flows.items()},
        measures=(
            measure("travel time", "s", "travel_s"),
            measure("stops", "", "stops"),
            measure("delay", "s", "delay_s"),
        ),
    )


def _measure(name: str, unit: str, values: Mapping[str, Sequence[float]], against: str) -> Measure:
    pairs = zip(values[WAVE], values[against], strict=True)
    return Measure(
        name=name,
        unit=unit,
        by_arm={arm: Spread.of(own) for arm, own in values.items()},
        difference=Spread.of([a - b for a, b in pairs]),
    )


def _parkers(runs: Mapping[str, Sequence[RunResult]]) -> tuple[Measure, ...]:
    """Figures of the parkers with the parking service and with SUMO's own search."""
    kinds: tuple[tuple[str, str, Callable[[Parkers], float]], ...] = (
        ("search time", "s", lambda p: p.search_s),
        ("drive time", "s", lambda p: p.drive_s),
        ("walk", "s", lambda p: p.walk_s),
        ("parked", "%", lambda p: 100 * p.parked / p.drivers if p.drivers else 0.0),
        (REFUSED, "%", lambda p: 100 * p.refused / p.drivers if p.drivers else 0.0),
        ("drivers", "", lambda p: float(p.drivers)),
    )
    return tuple(
        _measure(
            name,
            unit,
            {arm: [read(run.parkers) for run in runs[arm]] for arm in (WAVE, SEARCH)},
            SEARCH,
        )
        for name, unit, read in kinds
    )
