"""Dongying's drivers of a day: half of them to the known places, half to anywhere near a car park.

All assumed, like the car parks themselves (docs/data.md). The recipe: ``scenarios/parking_day.py``.
"""

from collections.abc import Sequence

from parking.inventory import Lot
from parking.io.geojson import lots_of_geojson
from scenarios.dongying import tables
from scenarios.dongying.car_parks import car_parks, geojson
from scenarios.dongying.recipe import PLACE_WEIGHTS
from scenarios.dongying.streets import street_plan
from scenarios.parking_day import Place, with_buffers

AT_PLACES_M, AT_LOTS_M = 280.0, 330.0
"""Scatter of destinations about a known place and about a car park."""


def dongying_lots(seed: int = 1) -> tuple[Lot, ...]:
    """Return the city's car parks, as free as in the early morning, with buffers for walk-ins."""
    return with_buffers(lots_of_geojson(geojson(car_parks(street_plan(), seed))))


def dongying_places(lots: Sequence[Lot]) -> tuple[Place, ...]:
    """Return where Dongying's drivers want to go, given its car parks."""
    known = [place for place in tables.places() if place.kind in PLACE_WEIGHTS]
    total = sum(PLACE_WEIGHTS[place.kind] for place in known)
    size = {lot.id: sum(pool.capacity for pool in lot.pools) for lot in lots}
    everywhere = sum(size.values())
    return (
        *(Place(p.lon, p.lat, PLACE_WEIGHTS[p.kind] / total, AT_PLACES_M, p.kind) for p in known),
        *(Place(t.lon, t.lat, size[t.id] / everywhere, AT_LOTS_M, t.kind) for t in lots),
    )
