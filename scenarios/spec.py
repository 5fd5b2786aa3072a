"""What a simulated run is asked to do, and what it answers."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SignalMode = Literal["service", "random-offsets", "default"]
ParkingMode = Literal["service", "search"]


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One simulated run.

    Parameters
    ----------
    city_dir
        The city directory.
    city_id
        The ``{city}`` of resource names.
    period
        A demand period of the city.
    begin_s
        Begin of the simulation, s after local midnight.
    seed
        Of demand and simulation.
    signals
        ``service``: every controller fetches its plan from the signal service. ``random-offsets``:
        it does too, but shows it at an offset drawn at random. ``default``: the network's own
        programs.
    parking
        ``service``: drivers ask the parking service. ``search``: they drive to the car park that
        is nearest to where they want to be, and search on (SUMO's parking search) when it is full.
    signals_target, parking_target
        ``HOST:PORT`` of the servers; empty where not needed.
    midnight_ms
        Local midnight of the simulated day, UTC epoch milliseconds.
    work_dir
        For the run's files; made if missing.
    warmup_s, measured_s
        Whole seconds.
    """

    city_dir: Path
    city_id: str
    period: str
    begin_s: int
    seed: int
    signals: SignalMode
    parking: ParkingMode
    signals_target: str
    parking_target: str
    midnight_ms: int
    work_dir: Path
    warmup_s: int = 900
    measured_s: int = 1800

    @property
    def measured_from_s(self) -> int:
        """Begin of the measured time."""
        return self.begin_s + self.warmup_s

    @property
    def end_s(self) -> int:
        """End of the run."""
        return self.measured_from_s + self.measured_s


@dataclass(frozen=True, slots=True)
class Flow:
    """What vehicles experienced, per vehicle.

    ``delay_s`` is time lost against driving freely; ``stops`` are halts.
    """

    vehicles: int
    travel_s: float
    delay_s: float
    stops: float


@dataclass(frozen=True, slots=True)
class Parkers:
    """What the drivers bound for a car park experienced.

    Parameters
    ----------
    drivers
        Who set out in the measured time, up to 900 s before its end.
    parked
        Of them, who found a space before the end.
    refused
        Of them, whom the parking service had no space for (they searched).
    drive_s
        From setting out to parking, mean; for who has not parked, until the end.
    search_s
        From reaching the entrance of the first car park they went for until parking, mean over
        all; 0 for who parked there at once or never got there.
    walk_s
        From the car park to where they wanted to be, mean over the parked.
    reports_refused
        Arrivals and departures that the ledger would not take (too early at a full car park, too
        late), in the whole run.
    """

    drivers: int
    parked: int
    refused: int
    drive_s: float
    search_s: float
    walk_s: float
    reports_refused: int = 0


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run's figures.

    ``corridors`` maps ``(corridor id, "out" | "in")`` to through traffic from before the first
    signal to behind the last. ``city`` is over all trips demanded in the measured time, also
    unfinished and undeparted ones; its delay includes waiting to depart.
    """

    seed: int
    signals: SignalMode
    parking: ParkingMode
    city: Flow
    corridors: dict[tuple[str, str], Flow]
    parkers: Parkers
    teleports: int
    wall_s: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and standard deviation over runs; ``sd`` is 0 for a single one."""

    mean: float
    sd: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise one value a run."""
        sd = statistics.stdev(values) if len(values) > 1 else 0.0
        return cls(statistics.fmean(values), sd, len(values))
