"""Routes trips once over the empty network with SUMO's ``duarouter``."""

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import sumo

from traffic.errors import InvalidInputError
from traffic.io.demand_files import Journey, Row
from traffic.io.demand_types import VehicleType

SEED = 42
_ERROR = re.compile(r"^Error: (.*)$", re.MULTILINE)
_VEHICLE = re.compile(r"'r(\d+)'")

Wish = tuple[str, float, Journey]
"""Class, top speed in m/s and journey: trips that share them share a route."""


def wish_of(kind: VehicleType, journey: Journey) -> Wish:
    """Return what decides a trip's route."""
    return kind.vehicle_class, kind.max_speed_mps, journey


def route(
    net: Path, wishes: Mapping[Wish, Row], additional: Sequence[Path]
) -> dict[Wish, tuple[str, ...]]:
    """Route every wish once, by free-flow travel times, as SUMO routes a trip when it departs.

    ``wishes`` names one row that has each wish, for messages. ``additional`` files are given to
    the router only where a trip needs them, for zones or stopping places.

    Raises
    ------
    InvalidInputError
        A trip has no route, or the router fails for another reason; its words are in the message.
    """
    if not wishes:
        return {}
    with tempfile.TemporaryDirectory(prefix="trips.") as directory:
        trips, routes = Path(directory) / "trips.xml", Path(directory) / "routes.xml"
        trips.write_text(_trips(list(wishes)), encoding="utf-8")
        needs = {key for _, _, journey in wishes for key in _keys(journey)}
        # An option twice is an error to SUMO; a file that is not needed may be one too.
        zones = ["--with-taz"] if needs & {"fromTaz", "toTaz"} else []
        if any("Junction" in key for key in needs):
            zones.append("--junction-taz")
        plain = {"from", "to", "via", "edge", "lane"}
        if additional and needs - plain:
            zones += ["--additional-files", ",".join(str(path.absolute()) for path in additional)]
        _run([*("-n", str(net.absolute()), "-r", str(trips), "-o", str(routes)), *zones], wishes)
        found = {
            vehicle.attrib["id"]: tuple(row.attrib["edges"].split())
            for vehicle in ET.parse(routes).getroot().iter("vehicle")
            for row in vehicle.iter("route")
        }
    ways = {}
    for k, (wish, row) in enumerate(wishes.items()):
        if f"r{k}" not in found:
            raise InvalidInputError(f"{row.name} has no route", where=row.where)
        ways[wish] = found[f"r{k}"]
    return ways


def _keys(journey: Journey) -> list[str]:
    pairs = [*journey.places, *(pair for stop in journey.stops for pair in stop)]
    return [key for key, _ in pairs]


def _trips(wishes: Sequence[Wish]) -> str:
    root = ET.Element("routes")
    kinds = {kind: f"t{k}" for k, kind in enumerate(dict.fromkeys(wish[:2] for wish in wishes))}
    for (vehicle_class, max_speed_mps), name in kinds.items():
        ET.SubElement(root, "vType", id=name, vClass=vehicle_class, maxSpeed=f"{max_speed_mps:g}")
    for k, (vehicle_class, max_speed_mps, journey) in enumerate(wishes):
        kind = kinds[vehicle_class, max_speed_mps]
        places = dict(journey.places)
        trip = ET.SubElement(root, "trip", {"id": f"r{k}", "type": kind, "depart": "0", **places})
        for stop in journey.stops:
            ET.SubElement(trip, "stop", {**dict(stop), "duration": "0"})
    return ET.tostring(root, encoding="unicode")


def _run(options: list[str], wishes: Mapping[Wish, Row]) -> None:
    home = Path(sumo.SUMO_HOME)
    fixed = ("--seed", str(SEED), "--no-step-log", "--xml-validation", "never")
    done = subprocess.run(
        [str(home / "bin" / "duarouter"), *options, *fixed],
        capture_output=True,
        text=True,
        env={**os.environ, "SUMO_HOME": str(home)},
        check=False,
    )
    if done.returncode == 0:
        return
    message = "; ".join(_ERROR.findall(done.stderr)) or done.stderr.strip() or "no message"
    about = _VEHICLE.search(message)
    if about is None:
        raise InvalidInputError(f"duarouter: {message}", where="routes")
    row = list(wishes.values())[int(about[1])]
    said = message.replace(f"'r{about[1]}'", repr(row.attributes.get("id", "")))
    raise InvalidInputError(f"{row.name} cannot be routed: {said}", where=row.where)
