"""A city as the server serves it, loaded from its directory (see docs/city.md)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from greenlot.errors import CityError
from parking.inventory import Lot
from parking.io.lots import read_lots
from traffic.corridors import Corridor
from traffic.errors import InvalidInputError
from traffic.io.city_tables import read_corridors, read_safety, read_turn_counts
from traffic.io.sumo_net import read_network
from traffic.network import RoadGraph
from traffic.splits import TurnFlows
from traffic.street.settings import StreetSettings

MANIFEST = "city.json"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Period:
    """A time of day with a demand of its own, in seconds after local midnight."""

    name: str
    begin_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class City:
    """Everything that is known of a city before the first request.

    ``corridors`` and ``turn_flows`` are by id and by period name.
    """

    id: str
    name: str
    directory: Path
    graph: RoadGraph
    corridors: Mapping[str, Corridor]
    periods: tuple[Period, ...]
    turn_flows: Mapping[str, TurnFlows]
    lots: tuple[Lot, ...]
    street: StreetSettings = field(default_factory=StreetSettings)


def load_city(directory: Path | None = None, *, cache: Path) -> City:
    """Load a city directory; None means Dongying, built from its recipe below ``cache``.

    Raises
    ------
    CityError
        The manifest is missing, broken, or names a file that is not there.
    traffic.errors.TrafficError, parking.errors.ParkingError
        A mistake in one of the files, with its place.
    """
    if directory is None:
        # The recipe drives netconvert: a server of another city never needs it.
        from scenarios import dongying

        directory = dongying.build(cache / "city" / "dongying")
    manifest = _read_manifest(directory / MANIFEST)
    graph = read_network(_file(directory, manifest, "network"))
    if "safety" in manifest:
        graph = graph.with_signals(read_safety(_file(directory, manifest, "safety"), graph))
    periods = tuple(
        Period(
            name=_get(row, "name", str),
            begin_s=_get(row, "begin_s", int),
            end_s=_get(row, "end_s", int),
        )
        for row in manifest.get("periods", [])
    )
    turn_flows = read_turn_counts(_file(directory, manifest, "turn_counts"), graph)
    return City(
        id=_get(manifest, "id", str),
        name=_get(manifest, "name", str),
        directory=directory,
        graph=graph,
        corridors=read_corridors(_file(directory, manifest, "corridors"), graph),
        periods=periods,
        # In the order of the day, so that "the first" is the same for every reader.
        turn_flows={p.name: turn_flows[p.name] for p in periods if p.name in turn_flows},
        lots=read_lots(_file(directory, manifest, "lots")),
        street=_street(manifest.get("street", {})),
    )


def _street(given: Any) -> StreetSettings:
    if not isinstance(given, dict):
        raise CityError(f"{MANIFEST}: street: {given!r}; expected an object")
    try:
        return StreetSettings.of(given)
    except InvalidInputError as error:
        raise CityError(f"{MANIFEST}: street.{error}") from None


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CityError(f"{path}: {error.strerror}; expected the manifest of a city") from error
    except ValueError as error:
        raise CityError(f"{path}: not JSON: {error}") from error
    if not isinstance(manifest, dict):
        raise CityError(f"{path}: expected an object")
    return manifest


def _get(row: Mapping[str, Any], key: str, kind: type[T]) -> T:
    value = row.get(key)
    if not isinstance(value, kind):
        raise CityError(f"{MANIFEST}: {key}: {value!r}; expected {kind.__name__}")
    return value


def _file(directory: Path, manifest: Mapping[str, Any], key: str) -> Path:
    path = directory / _get(manifest, key, str)
    if not path.is_file():
        raise CityError(f"{path}: no such file; {MANIFEST} names it as {key!r}")
    return path
