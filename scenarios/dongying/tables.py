"""The scenario's tables in ``data/``: what is known of Dongying and what is assumed."""

import csv
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Road:
    """A main road; lanes and limit are assumed by class."""

    name: str
    slug: str
    axis: str
    ref: str
    lanes: int
    speed_kmh: int
    label: str

    @property
    def street_name(self) -> str:
        """The name on the sign; empty where none is known."""
        return "" if self.name.startswith("unnamed") else self.name


@dataclass(frozen=True, slots=True)
class CrossingRow:
    """A crossing of a north-south and an east-west road."""

    ns_road: str
    ew_road: str
    lon: float
    lat: float


@dataclass(frozen=True, slots=True)
class Stub:
    """A road's way on beyond its last crossing: ``gate`` leads out of the city."""

    road: str
    end: str
    kind: str
    length_m: float
    label: str


@dataclass(frozen=True, slots=True)
class OuterNode:
    """A point of a road outside the grid; ``lon`` is None at a known crossing."""

    ref: str
    road: str
    node: str
    lon: float | None
    lat: float | None
    kind: str
    label: str
    lanes: int
    speed_kmh: int


@dataclass(frozen=True, slots=True)
class CorridorRow:
    """A green-wave corridor: its road and the roads that cross it, in order."""

    id: str
    road: str
    direction: str
    crossing_roads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A known place, good to 100-400 m."""

    name: str
    lon: float
    lat: float
    kind: str


def rows_of(name: str) -> list[dict[str, str]]:
    """Return the rows of a table in ``data/``."""
    with (DATA / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def roads() -> dict[str, Road]:
    """Return the main roads by name."""
    return {
        row["road"]: Road(
            row["road"],
            row["slug"],
            row["axis"],
            row["ref"],
            int(row["lanes_each_way"]),
            int(row["speed_kmh"]),
            row["label"],
        )
        for row in rows_of("roads.csv")
    }


def crossings() -> list[CrossingRow]:
    """Return the 107 crossings."""
    return [
        CrossingRow(row["ns_road"], row["ew_road"], float(row["lon"]), float(row["lat"]))
        for row in rows_of("crossings.csv")
    ]


def stubs() -> list[Stub]:
    """Return the roads' ways on beyond their last crossings."""
    return [
        Stub(row["road"], row["end"], row["kind"], float(row["length_m"]), row["label"])
        for row in rows_of("stubs.csv")
    ]


def outer_nodes() -> list[OuterNode]:
    """Return the points of the roads outside the grid, each road's in order."""
    return [
        OuterNode(
            row["ref"],
            row["road"],
            row["node"],
            float(row["lon"]) if row["lon"] else None,
            float(row["lat"]) if row["lat"] else None,
            row["kind"],
            row["position_label"],
            int(row["lanes_each_way"]),
            int(row["speed_kmh"]),
        )
        for row in rows_of("outer_roads.csv")
    ]


def corridors() -> list[CorridorRow]:
    """Return the seven corridors."""
    return [
        CorridorRow(
            row["id"],
            row["road"],
            row["direction"],
            tuple(row["crossings_in_order"].split(";")),
        )
        for row in rows_of("corridors.csv")
    ]


def places() -> list[Place]:
    """Return the known places."""
    return [
        Place(row["name"], float(row["lon"]), float(row["lat"]), row["kind"])
        for row in rows_of("places.csv")
    ]
