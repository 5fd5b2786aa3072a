"""Dongying's seven green-wave corridors as the question of a band model.

``python -m scenarios.dongying.band_network > dongying.json`` writes the document of all seven,
``--corridor C6`` that of one. Distances come from the crossings' approximate positions. Greens,
lefts and permitted patterns are assumed, and the same everywhere: each road has half of the cycle,
a tenth of it for its lefts.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace

from pyproj import Geod

from scenarios.dongying import tables
from traffic.bandwidth.corridor import PATTERNS, Corridor, CorridorSignal, Range
from traffic.bandwidth.network import (
    JunctionBlock,
    Network,
    NetworkCorridor,
    NetworkJunction,
)
from traffic.io.band_question_document import question_document

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


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the document to stdout."""
    parser = argparse.ArgumentParser(description="Dongying's corridors as a band document.")
    parser.add_argument("--corridor", help="one of them alone, such as C6")
    parser.add_argument("--cycle", type=_pair, default=(60.0, 120.0), help="s: 90, or 60:120")
    parser.add_argument("--speed-kmh", type=_pair, default=(60.0, 60.0), help="60, or 45:60")
    options = parser.parse_args(arguments)
    network = band_network(cycle_s=options.cycle, speed_kmh=options.speed_kmh)
    question: Corridor | Network = network
    if options.corridor is not None:
        found = {item.corridor.id: item.corridor for item in network.corridors}
        if options.corridor not in found:
            parser.error(f"no corridor {options.corridor!r}; there are {', '.join(found)}")
        question = replace(found[options.corridor], cycle_s=network.cycle_s)
    json.dump(question_document(question), sys.stdout, ensure_ascii=False, indent=1)
    print()


def _pair(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    return float(low), float(high or low)


if __name__ == "__main__":
    main()
