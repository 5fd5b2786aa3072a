"""Dongying's seven green-wave corridors as the question of a band model.

Distances come from the crossings' approximate positions. Greens, lefts and permitted patterns are
assumed, and the same everywhere: each road has half of the cycle, a tenth of it for its lefts.
"""

from pyproj import Geod

from scenarios.dongying import tables
from traffic.bandwidth.corridor import PATTERNS, Corridor, CorridorSignal, Range
from traffic.bandwidth.network import (
    JunctionBlock,
    Network,
    NetworkCorridor,
    NetworkJunction,
)

# Assumed, in shares of the cycle.
GREEN = 0.4
LEFT = 0.1


def band_network(
    *,
    cycle_s: tuple[float, float] = (60.0, 120.0),
    speed_kmh: tuple[float, float] = (60.0, 60.0),
) -> Network:
    """Lay the seven corridors out: 65 signals at 56 junctions, nine of which two roads share."""
    rows = tables.corridors()
    speed_mps = Range(speed_kmh[0] / 3.6, speed_kmh[1] / 3.6)
    corridors = tuple(NetworkCorridor(_corridor(row, speed_mps)) for row in rows)
    users: dict[str, list[str]] = {}
    for item in corridors:
        for signal in item.corridor.signals:
            users.setdefault(signal.id, []).append(item.corridor.id)
    junctions = tuple(
        NetworkJunction(key, tuple(JunctionBlock(road, k / 2) for k, road in enumerate(roads)))
        for key, roads in users.items()
        if len(roads) > 1
    )
    return Network(Range(*cycle_s), corridors, junctions)


def _corridor(row: tables.CorridorRow, speed_mps: Range) -> Corridor:
    places = {(c.ns_road, c.ew_road): (c.lon, c.lat) for c in tables.crossings()}
    geod = Geod(ellps="WGS84")
    signals: list[CorridorSignal] = []
    position_m = 0.0
    before: tuple[float, float] | None = None
    for other in row.crossing_roads:
        pair = (row.road, other) if row.direction == "north-south" else (other, row.road)
        place = places[pair]
        if before is not None:
            position_m += geod.inv(*before, *place)[2]
        before = place
        signals.append(
            CorridorSignal(
                id="/".join(pair),
                name=other,
                position_m=round(position_m, 1),
                green_out=GREEN,
                green_in=GREEN,
                left_out=LEFT,
                left_in=LEFT,
                patterns=PATTERNS,
            )
        )
    return Corridor(tuple(signals), speed_mps=speed_mps, id=row.id, name=row.road)
