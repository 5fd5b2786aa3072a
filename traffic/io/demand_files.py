"""Reads what SUMO's route files say, element by element: types, routes, vehicles, trips, flows.

Nothing is routed or counted here; ``sumo_demand`` does that.
"""

import gzip
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from traffic.errors import InvalidInputError
from traffic.io.demand_types import DEFAULT_TYPE, VehicleType, known_type, type_of

# What a trip may say about where it goes; duarouter reads all of it.
PLACES = (
    *("from", "to", "via", "fromTaz", "toTaz", "fromJunction", "toJunction", "viaJunctions"),
    *("fromXY", "toXY", "viaXY", "fromLonLat", "toLonLat", "viaLonLat"),
)
STOPS = ("edge", "lane", "busStop", "trainStop", "containerStop", "chargingStation", "parkingArea")

Attributes = Mapping[str, str]
Ways = tuple[tuple[float, tuple[str, ...]], ...]
"""Routes with their weights; weights of 1 in all."""


@dataclass(frozen=True, slots=True)
class Journey:
    """Where a trip wants to go: attributes of ``PLACES``, and stops in order."""

    places: tuple[tuple[str, str], ...]
    stops: tuple[tuple[tuple[str, str], ...], ...] = ()


@dataclass(slots=True)
class Row:
    """A vehicle, trip or flow as it stands in a file; ``where`` is FILE:LINE."""

    tag: str
    where: str
    attributes: Attributes
    ways: list[tuple[float, str, str]] = field(default_factory=list)
    stops: list[tuple[tuple[str, str], ...]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """For people: ``vehicle 'x'``."""
        return f"{self.tag} {self.attributes.get('id', '')!r}"

    @property
    def journey(self) -> Journey:
        """Where it wants to go; empty places where a route says it."""
        places = tuple((key, self.attributes[key]) for key in PLACES if key in self.attributes)
        return Journey(places, tuple(self.stops))


@dataclass(slots=True)
class RouteFiles:
    """All of several files, in the order of their elements."""

    rows: list[Row] = field(default_factory=list)
    types: dict[str, VehicleType] = field(default_factory=dict)
    # id -> types with weights, routes with weights: names, resolved when asked for.
    type_mixes: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    routes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    route_mixes: dict[str, list[tuple[float, str, str]]] = field(default_factory=dict)

    def types_of(self, row: Row) -> tuple[tuple[float, VehicleType], ...]:
        """Return the types that a row's vehicles have, with weights of 1 in all."""
        type_id = row.attributes.get("type", DEFAULT_TYPE)
        mix = self.type_mixes.get(type_id, [(1.0, type_id)])
        total = sum(weight for weight, _ in mix)
        found = []
        for weight, name in mix:
            kind = self.types.get(name) or known_type(name)
            if kind is None or not total > 0:
                raise InvalidInputError(
                    f"{row.name} has the unknown type {name!r}", where=row.where
                )
            found.append((weight / total, kind))
        return tuple(found)

    def ways_of(self, row: Row) -> Ways:
        """Return the routes that a row names or holds; empty where it must be routed."""
        mix = row.ways
        if not mix and "route" in row.attributes:
            mix = self.route_mixes.get(row.attributes["route"]) or [
                (1.0, row.attributes["route"], "")
            ]
        total = sum(weight for weight, _, _ in mix)
        ways = []
        for weight, name, edges in mix:
            way = tuple(edges.split()) or self.routes.get(name, ())
            if not way or not total > 0:
                raise InvalidInputError(
                    f"{row.name} has the unknown route {name!r}", where=row.where
                )
            ways.append((weight / total, way))
        return tuple(ways)


def read_route_files(routes: Sequence[Path], additional: Sequence[Path]) -> RouteFiles:
    """Read files as SUMO does: additional ones first.

    Raises
    ------
    InvalidInputError
        A file is missing or broken.
    """
    found = RouteFiles()
    for path in (*additional, *routes):
        reader = _Reader(path, found)
        walk(path, reader.start, reader.end)
    return found


def walk(
    path: Path, start: Callable[[str, Attributes, int], None], end: Callable[[str], None]
) -> None:
    """Walk through the elements of an XML file, plain or gzipped, each with its line.

    Raises
    ------
    InvalidInputError
        The file is missing or no well-formed XML; ``where`` is FILE or FILE:LINE.
    """
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda tag, attributes: start(
        tag, attributes, parser.CurrentLineNumber
    )
    parser.EndElementHandler = end
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            parser.ParseFile(stream)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise InvalidInputError(
            f"not well-formed XML: {reason}", where=f"{path}:{error.lineno}"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidInputError(f"cannot be read: {reason}", where=str(path)) from None


class _Reader:
    """Puts the elements of one file into their places."""

    def __init__(self, path: Path, into: RouteFiles) -> None:
        self._path = path
        self._into = into
        self._open: list[str] = []
        self._row: Row | None = None
        self._interval: Attributes = {}
        self._type_mix: list[tuple[float, str]] | None = None
        self._route_mix: list[tuple[float, str, str]] | None = None

    def start(self, tag: str, attributes: Attributes, line: int) -> None:
        where = f"{self._path}:{line}"
        if not self._open and tag == "net":
            raise InvalidInputError("<net>; expected a SUMO route file", where=where)
        self._open.append(tag)
        if tag in {"vehicle", "trip", "flow"} and "person" not in self._open:
            self._row = Row(tag, where, {**self._interval, **attributes})
            self._into.rows.append(self._row)
        elif tag == "interval":
            self._interval = {k: attributes[k] for k in ("begin", "end") if k in attributes}
        elif tag == "stop" and self._row is not None:
            stop = tuple((key, attributes[key]) for key in STOPS if key in attributes)
            self._row.stops.append(stop)
        elif tag in {"vType", "vTypeDistribution"}:
            self._kind(tag, attributes, where)
        elif tag in {"route", "routeDistribution"}:
            self._way(tag, attributes, where)

    def end(self, tag: str) -> None:
        self._open.pop()
        if self._row is not None and tag == self._row.tag:
            self._row = None
        elif tag == "interval":
            self._interval = {}
        elif tag == "vTypeDistribution":
            self._type_mix = None
        elif tag == "routeDistribution":
            self._route_mix = None

    def _kind(self, tag: str, attributes: Attributes, where: str) -> None:
        name = attributes.get("id", "")
        if tag == "vType":
            self._into.types[name] = type_of(attributes, where)
            if self._type_mix is not None:
                self._type_mix.append((_weight(attributes, where), name))
            return
        self._type_mix = self._into.type_mixes.setdefault(name, [])
        listed = attributes.get("vTypes", "").split()
        shares = _weights(attributes, len(listed), where)
        self._type_mix.extend(zip(shares, listed, strict=True))

    def _way(self, tag: str, attributes: Attributes, where: str) -> None:
        name = attributes.get("id", "")
        if tag == "routeDistribution":
            mix = self._row.ways if self._row else self._into.route_mixes.setdefault(name, [])
            self._route_mix = mix
            listed = attributes.get("routes", "").split()
            shares = _weights(attributes, len(listed), where)
            mix.extend((share, route, "") for share, route in zip(shares, listed, strict=True))
            return
        edges = attributes.get("edges", "")
        if "refId" in attributes:
            name = attributes["refId"]
        elif not edges.split():
            raise InvalidInputError(f"route {name!r} has no edges", where=where)
        if self._route_mix is not None:
            self._route_mix.append((_weight(attributes, where), name, edges))
        elif self._row is not None:
            self._row.ways.append((1.0, name, edges))
        if edges and name:
            self._into.routes[name] = tuple(edges.split())


def _weight(attributes: Attributes, where: str) -> float:
    return _weights({"probabilities": attributes.get("probability", "1")}, 1, where)[0]


def _weights(attributes: Attributes, count: int, where: str) -> list[float]:
    texts = attributes.get("probabilities", "1 " * count).replace(",", " ").split()
    try:
        weights = [float(text) for text in texts]
    except ValueError:
        weights = []
    if len(weights) != count or not all(0 <= weight < float("inf") for weight in weights):
        raise InvalidInputError(
            f"probabilities {' '.join(texts)!r}; expected {count} numbers of 0 or more", where=where
        )
    return weights
