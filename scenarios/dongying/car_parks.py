"""Dongying's car parks: none are known, so all are assumed, around the known places.

Positions, sizes, tariffs, opening hours and free counts are drawn with a seed; the file says
``assumed`` at every lot. The city has exactly 3,500 charging spaces, as its 2022 plan asks for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyproj

from scenarios.dongying import tables
from scenarios.dongying.junctions import approach_length_m
from scenarios.dongying.streets import PROJECTION, Segment, StreetPlan

CHARGERS = 3500
SEEN_AT = "2026-11-23T06:00:00+08:00"
MIN_SPACES, MAX_SPACES = 20, 1500
MIN_ENTRANCE_M = 160.0
LABEL = "assumed: position, size, tariff, hours and free count"

# kind: median spaces, sigma of the logarithm, share of spaces opened, share of those free.
SIZES = {
    "government": (220, 0.6, 0.5, 0.30),
    "hospital": (380, 0.5, 0.9, 0.06),
    "mall": (650, 0.5, 1.0, 0.10),
    "kerbside": (60, 0.5, 1.0, 0.25),
    "residential": (260, 0.6, 0.3, 0.45),
}
NAMES = {
    "government": "机关停车场",
    "hospital": "医院停车场",
    "mall": "商场停车场",
    "kerbside": "路侧泊位",
    "residential": "小区共享泊位",
}
TARIFFS: dict[str, dict[str, Any]] = {
    "government": {"free_minutes": 60, "per_started_minutes": 60, "fen": 200, "day_cap_fen": 1000},
    "hospital": {
        "free_minutes": 30,
        "steps": [{"upto_minutes": 60, "fen": 300}],
        "per_started_minutes": 60,
        "fen": 200,
        "day_cap_fen": 2000,
    },
    "mall": {
        "free_minutes": 30,
        "steps": [{"upto_minutes": 60, "fen": 500}],
        "per_started_minutes": 30,
        "fen": 200,
        "day_cap_fen": 4000,
    },
    "kerbside": {
        "free_minutes": 15,
        "steps": [{"upto_minutes": 60, "fen": 400}],
        "per_started_minutes": 30,
        "fen": 200,
        "day_cap_fen": 3000,
    },
    "residential": {"free_minutes": 15, "per_started_minutes": 60, "fen": 200, "day_cap_fen": 1200},
}
OPENING: dict[str, list[dict[str, Any]]] = {
    # Shared by day while the residents are at work, and at weekends not at all.
    "residential": [{"days": [1, 2, 3, 4, 5], "from": "06:00", "to": "23:00"}],
}
AROUND = {"government": 3, "hospital": 3, "mall": 3, "square": 2, "park": 1, "station": 2}
CITY_WIDE = {"kerbside": 22, "residential": 20, "government": 6, "mall": 4, "hospital": 1}


@dataclass(frozen=True, slots=True)
class CarPark:
    """A car park with its entrance.

    ``spaces`` is everything, chargers too; ``quota`` and ``free`` count standard spaces.
    """

    id: str
    name: str
    kind: str
    district: str
    lon: float
    lat: float
    edge: str
    edge_length_m: float
    spaces: int
    quota: int
    free: int
    chargers: int


def car_parks(plan: StreetPlan, seed: int) -> list[CarPark]:
    """Draw the city's car parks."""
    rng = np.random.default_rng([seed, 3500])
    projection = pyproj.Proj(PROJECTION)
    places = [p for p in tables.places() if p.kind != "airport"]
    wanted: list[tuple[str, str, float, float, bool]] = []
    for place in places:
        x_m, y_m = projection(place.lon, place.lat)
        kinds = {"square": "government", "park": "kerbside", "station": "kerbside"}
        first = kinds.get(place.kind, place.kind)
        for k in range(AROUND[place.kind]):
            kind = first if k == 0 else ("kerbside" if k == 1 else first)
            spread_m = 90 + 170 * k
            wanted.append(
                (
                    kind,
                    place.name,
                    x_m + rng.normal(0, spread_m),
                    y_m + rng.normal(0, spread_m),
                    True,
                )
            )
    inner = [s for s in plan.segments.values() if _can_hold(plan, s)]
    for kind, count in CITY_WIDE.items():
        for k in rng.choice(len(inner), size=count, replace=False):
            a, b = plan.nodes[inner[k].from_node], plan.nodes[inner[k].to_node]
            wanted.append((kind, "", (a.x_m + b.x_m) / 2, (a.y_m + b.y_m) / 2, False))
    taken: set[str] = set()
    parks: list[CarPark] = []
    for kind, place_name, x_m, y_m, busy in wanted:
        segment = _nearest(plan, inner, taken, x_m, y_m)
        taken.add(segment.id)
        parks.append(_draw(plan, segment, kind, place_name, busy, len(parks), rng, projection))
    return _with_chargers(parks)


def _can_hold(plan: StreetPlan, segment: Segment) -> bool:
    """Whether a segment between crossings has room for an entrance before its left-turn lane."""
    ends = {plan.nodes[segment.from_node].kind, plan.nodes[segment.to_node].kind}
    return ends == {"signal"} and MIN_ENTRANCE_M < _base_m(plan, segment) < 2500


def _base_m(plan: StreetPlan, segment: Segment) -> float:
    """Length of a segment's edge before the turn lanes begin, less the junction's mouth."""
    length_m = plan.length_m(segment)
    return length_m - approach_length_m(plan, segment) - 25.0


def _nearest(
    plan: StreetPlan, segments: Sequence[Segment], taken: set[str], x_m: float, y_m: float
) -> Segment:
    def away_m(segment: Segment) -> float:
        a, b = plan.nodes[segment.from_node], plan.nodes[segment.to_node]
        return math.hypot((a.x_m + b.x_m) / 2 - x_m, (a.y_m + b.y_m) / 2 - y_m)

    return min((s for s in segments if s.id not in taken), key=lambda s: (away_m(s), s.id))


def _draw(
    plan: StreetPlan,
    segment: Segment,
    kind: str,
    place_name: str,
    busy: bool,
    number: int,
    rng: np.random.Generator,
    projection: pyproj.Proj,
) -> CarPark:
    median, sigma, opened, free_share = SIZES[kind]
    spaces = int(
        np.clip(round(math.exp(rng.normal(math.log(median), sigma))), MIN_SPACES, MAX_SPACES)
    )
    quota = max(10, round(spaces * opened))
    # In the morning the places that everybody wants are nearly full; elsewhere there is room.
    share = free_share * (0.6 if busy else 1.6)
    free = int(np.clip(round(quota * share * rng.uniform(0.6, 1.4)), 4, quota))
    a, b = plan.nodes[segment.from_node], plan.nodes[segment.to_node]
    length_m = plan.length_m(segment)
    east, north = (b.x_m - a.x_m) / length_m, (b.y_m - a.y_m) / length_m
    # Beside the road, on its right, a third of the way along.
    along_m = _base_m(plan, segment) * 0.6
    side_m = 15.0 if kind == "kerbside" else 60.0
    x_m, y_m = a.x_m + east * along_m + north * side_m, a.y_m + north * along_m - east * side_m
    lon, lat = projection(x_m, y_m, inverse=True)
    district = "西城 west" if lon < 118.555 else "东城 east" if lon > 118.6 else "中部 middle"
    title = place_name or segment.name or "无名路"
    return CarPark(
        id=f"lot-{number + 1:02d}",
        name=f"{title}{NAMES[kind]}",
        kind=kind,
        district=district,
        lon=round(float(lon), 6),
        lat=round(float(lat), 6),
        edge=segment.id,
        edge_length_m=_base_m(plan, segment),
        spaces=spaces,
        quota=quota,
        free=free,
        chargers=0,
    )


def _with_chargers(parks: list[CarPark]) -> list[CarPark]:
    """Give every car park but the kerbside ones chargers in proportion, 3,500 in all."""
    sizes = [0 if park.kind == "kerbside" else park.spaces for park in parks]
    exact = [CHARGERS * size / sum(sizes) for size in sizes]
    counts = [math.floor(value) for value in exact]
    order = sorted(range(len(parks)), key=lambda k: (counts[k] - exact[k], k))
    for k in order[: CHARGERS - sum(counts)]:
        counts[k] += 1
    return [_charged(park, count) for park, count in zip(parks, counts, strict=True)]


def _charged(park: CarPark, count: int) -> CarPark:
    """Turn some of a car park's spaces into charging ones; the others keep what they can."""
    quota = min(park.quota, park.spaces - count)
    return replace(park, chargers=count, quota=quota, free=min(park.free, quota))


def geojson(parks: Sequence[CarPark]) -> dict[str, Any]:
    """Return the lots document."""
    return {
        "type": "FeatureCollection",
        "description": "Car parks of Dongying. All of them are assumed; see docs/data.md.",
        "features": [_feature(park) for park in parks],
    }


def _feature(park: CarPark) -> dict[str, Any]:
    pools: list[dict[str, Any]] = [
        {
            "id": f"{park.id}-standard",
            "class": "standard",
            "capacity": park.spaces - park.chargers,
            "quota": park.quota,
            "free": park.free,
            "walk_in_buffer": 0,
            "seen_at": SEEN_AT,
        }
    ]
    if park.chargers:
        fast = park.kind in {"mall", "hospital"}
        pools.append(
            {
                "id": f"{park.id}-charging",
                "class": "charging",
                "capacity": park.chargers,
                "quota": park.chargers,
                "free": max(1, park.chargers // 3),
                "seen_at": SEEN_AT,
                "connector": "gbt_dc" if fast else "gbt_ac",
                "power_kw": 60 if fast else 7,
            }
        )
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [park.lon, park.lat]},
        "properties": {
            "id": park.id,
            "name": park.name,
            "operator": "assumed",
            "kind": park.kind,
            "district": park.district,
            "entrance_edge": park.edge,
            "max_height_cm": 210 if park.kind == "mall" else None,
            "tariff": TARIFFS[park.kind],
            "opening": OPENING.get(park.kind),
            "label": LABEL,
            "pools": pools,
        },
    }


def sumo_parking(parks: Sequence[CarPark]) -> str:
    """Return parking areas and rerouters as a SUMO additional file.

    A driver who finds an area full learns of the others only there (``visible="false"``) and
    drives on to the nearest of them.
    """
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<additional>"]
    for park in parks:
        start_m, end_m = park.edge_length_m * 0.45, park.edge_length_m * 0.75
        lines.append(
            f'  <parkingArea id="{park.id}" lane="{park.edge}_0" startPos="{start_m:.1f}" '
            f'endPos="{end_m:.1f}" roadsideCapacity="{park.free}" onRoad="false" '
            'friendlyPos="true"/>'
        )
    for park in parks:
        near = sorted(parks, key=lambda o: (_away(park, o), o.id))[:14]
        lines.append(f'  <rerouter id="rr-{park.id}" edges="{park.edge}">')
        lines.append('    <interval begin="0" end="86400">')
        lines += [f'      <parkingAreaReroute id="{o.id}" visible="false"/>' for o in near]
        lines += ["    </interval>", "  </rerouter>"]
    return "\n".join([*lines, "</additional>", ""])


def _away(a: CarPark, b: CarPark) -> float:
    return math.hypot((a.lon - b.lon) * math.cos(math.radians(a.lat)), a.lat - b.lat)
