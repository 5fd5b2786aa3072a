"""Builds Dongying's city directory: network, corridors, demand and car parks."""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyproj

from scenarios.dongying import tables
from scenarios.dongying.car_parks import CarPark, car_parks, geojson, sumo_parking
from scenarios.dongying.demand_model import PERIODS, Demand, model_demand
from scenarios.dongying.junctions import has_left_lane, signal_plan
from scenarios.dongying.netfiles import write_network
from scenarios.dongying.streets import PROJECTION, StreetPlan, street_plan
from traffic.io.sumo_net import read_network

STAMP = "recipe.sha256"
# Drivers an hour who look for a car park, by period.
DRIVERS_VPH = {"morning": 1100, "midday": 900, "evening": 800}
ORIGIN_DECAY_M = 2000.0
MEDIAN_STAY_S, STAY_SIGMA = 2.5 * 3600, 0.6
PLACE_WEIGHTS = {
    "hospital": 6.0,
    "mall": 4.0,
    "government": 5.0,
    "square": 2.0,
    "park": 1.0,
    "station": 1.5,
}


def build(directory: Path, *, seed: int = 1) -> Path:
    """Build the city directory, unless it is there already from this recipe and seed.

    The same recipe and seed give the same files, byte for byte. The directory appears whole or
    not at all.

    Raises
    ------
    RuntimeError
        ``netconvert`` failed.
    """
    stamp = _stamp(seed)
    if (directory / STAMP).is_file() and (directory / STAMP).read_text() == stamp:
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}."))
    try:
        _write(work, seed)
        (work / STAMP).write_text(stamp)
        shutil.rmtree(directory, ignore_errors=True)
        work.chmod(0o755)
        work.rename(directory)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return directory


def _stamp(seed: int) -> str:
    """Digest of the recipe's code and tables."""
    digest = hashlib.sha256(f"seed {seed}".encode())
    folder = Path(__file__).parent
    for path in sorted([*folder.glob("*.py"), *folder.glob("data/*.csv")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _write(work: Path, seed: int) -> None:
    plan = street_plan()
    signals = [signal_plan(plan, n.id) for n in plan.nodes.values() if n.kind == "signal"]
    write_network(plan, signals, work / "plain", work / "network.net.xml")
    shutil.rmtree(work / "plain")
    graph = read_network(work / "network.net.xml")
    demands = {period.name: model_demand(plan, signals, graph, period) for period in PERIODS}
    parks = car_parks(plan, seed)
    (work / "corridors.csv").write_text(_corridors(plan), encoding="utf-8")
    (work / "turn_counts.csv").write_text(_turn_counts(demands), encoding="utf-8")
    _json(work / "lots.geojson", geojson(parks))
    _json(work / "city.json", _manifest())
    folder = work / "demand"
    folder.mkdir()
    (folder / "parking.add.xml").write_text(sumo_parking(parks), encoding="utf-8")
    edges = [
        [s.id, f"{s.id}.in"] if has_left_lane(plan, s) else [s.id] for s in plan.segments.values()
    ]
    _json(folder / "segments.json", edges)
    _json(folder / "parkers.json", _parkers(plan, parks))
    for name, demand in demands.items():
        np.save(folder / f"{name}-trips.npy", demand.trips_vph.astype(np.float32))
        np.save(folder / f"{name}-before.npy", demand.before)


def _json(path: Path, document: Any) -> None:
    text = json.dumps(document, ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def _manifest() -> dict[str, Any]:
    return {
        "id": "dongying",
        "name": "东营",
        "timezone": "Asia/Shanghai",
        "network": "network.net.xml",
        "lots": "lots.geojson",
        "corridors": "corridors.csv",
        "turn_counts": "turn_counts.csv",
        "periods": [{"name": p.name, "begin_s": p.begin_s, "end_s": p.end_s} for p in PERIODS],
    }


def _corridors(plan: StreetPlan) -> str:
    """Signals of each corridor, outbound = eastwards or northwards."""
    lines = ["id,road,direction,signals"]
    for row in tables.corridors():
        keys = [plan.signal_at[frozenset((row.road, other))] for other in row.crossing_roads]
        first, last = plan.nodes[keys[0]], plan.nodes[keys[-1]]
        backwards = last.y_m < first.y_m if row.direction == "north-south" else last.x_m < first.x_m
        lines.append(
            f"{row.id},{row.road},{row.direction},{';'.join(keys[::-1] if backwards else keys)}"
        )
    return "\n".join([*lines, ""])


def _turn_counts(demands: dict[str, Demand]) -> str:
    lines = ["period,from_edge,to_edge,flow_vph,label"]
    for name, demand in demands.items():
        for (a, b), flow_vph in demand.turns.flows_vph.items():
            lines.append(f"{name},{a},{b},{flow_vph:.1f},assumed: gravity model")
    return "\n".join([*lines, ""])


def _parkers(plan: StreetPlan, parks: list[CarPark]) -> dict[str, Any]:
    projection = pyproj.Proj(PROJECTION)
    starts = []
    for segment in plan.segments.values():
        node = plan.nodes[segment.from_node]
        lon, lat = projection(node.x_m, node.y_m, inverse=True)
        starts.append([round(float(lon), 6), round(float(lat), 6)])
    places = [
        {"lon": p.lon, "lat": p.lat, "weight": PLACE_WEIGHTS[p.kind], "scatter_deg": 0.0025}
        for p in tables.places()
        if p.kind in PLACE_WEIGHTS
    ]
    # Half of the drivers want to go somewhere else: near any car park, by its size.
    total = sum(place["weight"] for place in places)
    size = sum(park.spaces for park in parks)
    places += [
        {"lon": p.lon, "lat": p.lat, "weight": total * p.spaces / size, "scatter_deg": 0.003}
        for p in parks
    ]
    return {
        "label": "assumed: who looks for a car park, where, and for how long",
        "drivers_vph": DRIVERS_VPH,
        "median_stay_s": MEDIAN_STAY_S,
        "stay_sigma": STAY_SIGMA,
        "origin_decay_m": ORIGIN_DECAY_M,
        "starts_lon_lat": starts,
        "destinations": places,
    }
