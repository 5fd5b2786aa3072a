"""Reads and writes a city's lots, whatever the format: the file's content says which."""

import json
import warnings
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from parking.errors import InvalidInputError, ParkingError
from parking.inventory import Lot
from parking.io.geojson import lots_of_geojson
from parking.io.geojson_document import geojson_of_lots
from parking.io.json_document import read_document
from parking.io.json_fields import shown
from parking.io.parkapi import lots_of_parkapi
from parking.io.whole_file import whole_files


class LotsWarning(UserWarning):
    """Something in a file of lots that could not be taken over, with its place."""


def read_lots(path: str | PathLike[str]) -> tuple[Lot, ...]:
    """Read lots from GeoJSON or from a ParkAPI v3 list of parking sites.

    What a ParkAPI file says and a lot cannot hold is reported through ``warnings`` as
    ``LotsWarning``; GeoJSON gives none.

    Raises
    ------
    InvalidInputError
        The file or one of its values is wrong; ``where`` is the file, the message begins with the
        feature and the property. Nothing is read by halves.
    """
    file = Path(path)
    document = read_document(file)
    if not isinstance(document, dict):
        raise InvalidInputError(f"{shown(document)}; expected an object", where=str(file))
    try:
        if document.get("type") == "FeatureCollection":
            return lots_of_geojson(document)
        if isinstance(document.get("items"), list):
            found = lots_of_parkapi(document)
            for warning in found.warnings:
                warnings.warn(f"{file}: {warning}", LotsWarning, stacklevel=2)
            return found.lots
    except ParkingError as error:
        raise InvalidInputError(str(error), where=str(file)) from None
    raise InvalidInputError(
        "expected a GeoJSON FeatureCollection or a ParkAPI list with items", where=str(file)
    )


def write_lots(lots: Sequence[Lot], path: str | PathLike[str]) -> None:
    """Write lots as GeoJSON; the file appears whole or not at all.

    What is written and read again is equal, and written again is the same byte for byte.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    document = geojson_of_lots(lots)
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
    with whole_files([Path(path)]) as (stream,):
        stream.write(f"{text}\n")
