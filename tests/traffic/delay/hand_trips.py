"""Small streets written down by hand for the vehicle-by-vehicle model, and a way to drive them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from traffic.delay import trip_kernel
from traffic.delay.flow_network import PROTECTED, YIELDING
from traffic.delay.model import CODE_OF
from traffic.delay.trip_state import Books, Queues, Streets
from traffic.delay.trips import ENDLESS, HOLE_S, TripTable


@dataclass(frozen=True, slots=True)
class Turn:
    """A queue of the flow network; a negative signal = none."""

    signal: int = 0
    headway_s: float = 2.0
    start_loss_s: float = 0.0
    end_gain_s: float = 0.0
    foes: tuple[int, ...] = ()
    crossed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Lane:
    """Room for standing vehicles and for moving ones in the junction before it; its edge."""

    room: int = ENDLESS
    extra: int = 0
    edge: int = 0


@dataclass(frozen=True, slots=True)
class Stop:
    """A passage: choices of (lane, turn, lane behind), seconds since the stop line before."""

    choices: tuple[tuple[int, int, int], ...]
    since_s: float = 0.0
    edge_s: float | None = None


def at(lane: int, turn: int, since_s: float = 0.0, to: int | None = None) -> Stop:
    """A passage without a choice; unless said, nobody else turns into its lane behind."""
    return Stop(((lane, turn, 1000 + lane if to is None else to),), since_s)


@dataclass(frozen=True, slots=True)
class Driver:
    """Departure and way."""

    depart_s: float
    stops: tuple[Stop, ...]
    pace: float = 1.0


@dataclass(frozen=True, slots=True)
class Town:
    """What the kernel takes."""

    turns: tuple[Turn, ...]
    queues: Queues
    vehicles: TripTable


def town(
    turns: Sequence[Turn],
    lanes: Sequence[Lane],
    drivers: Sequence[Driver],
    edge_room: Mapping[int, int] | None = None,
) -> Town:
    """Lay it out; drivers in the order of their departures."""
    drivers = sorted(drivers, key=lambda driver: driver.depart_s)
    kinds: dict[tuple[tuple[int, int, int], ...], int] = {}
    targets: dict[int, int] = {}
    stops = [stop for driver in drivers for stop in driver.stops]
    for stop in stops:
        kinds.setdefault(stop.choices, len(kinds))
        for _, _, to in stop.choices:
            targets.setdefault(to, len(targets))
    flat = [choice for kind in kinds for choice in kind]
    pairs = sorted({(turn, lane) for lane, turn, _ in flat})
    edges = max(lane.edge for lane in lanes) + 1
    room = [(edge_room or {}).get(edge, 0) for edge in range(edges)]

    def ints(values: Sequence[int]) -> np.ndarray:
        return np.array(values, dtype=np.int64)

    def floats(values: Sequence[float]) -> np.ndarray:
        return np.array(values, dtype=float)

    signals = max([turn.signal for turn in turns] + [-1]) + 1
    queues = Queues(
        signal=ints([turn.signal if turn.signal >= 0 else signals for turn in turns]),
        headway_s=floats([turn.headway_s for turn in turns]),
        start_loss_s=floats([turn.start_loss_s for turn in turns]),
        end_gain_s=floats([turn.end_gain_s for turn in turns]),
        foe_first=ints(np.cumsum([0, *(len(turn.foes) for turn in turns)])),
        foe=ints([f for turn in turns for f in turn.foes]),
        crossed_first=ints(np.cumsum([0, *(len(turn.crossed) for turn in turns)])),
        crossed=ints([f for turn in turns for f in turn.crossed]),
        lane_first=ints([sum(turn < q for turn, _ in pairs) for q in range(len(turns) + 1)]),
        lane=ints([lane for _, lane in pairs]),
        signals=signals,
    )
    vehicles = TripTable(
        kind_first=ints(np.cumsum([0, *(len(kind) for kind in kinds)])),
        kind_lane=ints([lane for lane, _, _ in flat]),
        kind_queue=ints([turn for _, turn, _ in flat]),
        kind_to=ints([targets[to] for _, _, to in flat]),
        trip_first=ints(np.cumsum([0, *(len(driver.stops) for driver in drivers)])),
        depart_s=floats([driver.depart_s for driver in drivers]),
        pace=floats([driver.pace for driver in drivers]),
        passage_kind=ints([kinds[stop.choices] for stop in stops]),
        passage_s=floats([stop.since_s for stop in stops]),
        passage_edge_s=floats([s.since_s if s.edge_s is None else s.edge_s for s in stops]),
        lane_room=ints([lane.room for lane in lanes]),
        lane_extra=ints([lane.extra for lane in lanes]),
        lane_hole_s=floats([lane.room * HOLE_S if lane.room < ENDLESS else 0.0 for lane in lanes]),
        lane_edge=ints([lane.edge for lane in lanes]),
        edge_room=ints(room),
    )
    return Town(tuple(turns), queues, vehicles)


Plan = tuple[np.ndarray, np.ndarray]


def shown(own: Town, *states: str) -> Plan:
    """A plan from one text a turn, a letter a second as in SUMO; empty = no signal's."""
    codes = np.zeros((len(own.turns), max(1, *map(len, states))), dtype=np.uint8)
    cycles = np.ones(own.queues.signals + 1, dtype=np.int64)
    for q, state in enumerate(states):
        if not state:
            codes[q, 0] = YIELDING if own.turns[q].foes else PROTECTED
            continue
        codes[q, : len(state)] = [CODE_OF.get(letter, 0) for letter in state]
        cycles[own.turns[q].signal] = len(state)
    return codes, cycles


def drive(own: Town, plan: Plan, duration_s: int, begin_s: float = 0.0) -> Books:
    """Run the product's compiled pass."""
    books = Books(*np.zeros((4, len(own.turns))))
    trip_kernel.run(*plan, begin_s, duration_s, own.queues, own.vehicles, books)
    return books


def driven(own: Town, plan: Plan, duration_s: int, begin_s: float = 0.0) -> tuple[Books, Streets]:
    """The same, with where everybody is at the end."""
    books = Books(*np.zeros((4, len(own.turns))))
    streets = trip_kernel._empty_streets(plan[1], own.queues, own.vehicles)
    trip_kernel._drive(*plan, begin_s, duration_s, own.queues, own.vehicles, streets, books)
    return books, streets
