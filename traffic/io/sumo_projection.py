"""The projection of a SUMO network: from WGS84 degrees to its own metres and back."""

import gzip
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self
from xml.etree import ElementTree as ET

import numpy as np
import pyproj
from numpy.typing import ArrayLike, NDArray

from traffic.errors import InvalidInputError

Floats = NDArray[np.float64]

# Making one takes longer than projecting some hundred points.
_proj = lru_cache(maxsize=16)(pyproj.Proj)


@dataclass(frozen=True, slots=True)
class SumoProjection:
    """A network's ``<location>``.

    Parameters
    ----------
    parameters
        As PROJ writes them, such as ``+proj=utm +zone=50 ...``.
    dx_m, dy_m
        Added to what the projection gives.
    """

    parameters: str
    dx_m: float
    dy_m: float

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it from a ``.net.xml``, also gzipped.

        Raises
        ------
        InvalidInputError
            The file cannot be read, or the network has no projection.
        """
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
                for _, element in ET.iterparse(stream, events=("start",)):
                    if element.tag == "location":
                        return cls._of(element.attrib, path)
                    if element.tag in {"edge", "junction"}:
                        break
        except ET.ParseError as error:
            raise InvalidInputError(f"not well-formed XML: {error}", where=str(path)) from None
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InvalidInputError(f"cannot be read: {reason}", where=str(path)) from None
        raise InvalidInputError("no <location>; expected a projection", where=str(path))

    @classmethod
    def _of(cls, attributes: dict[str, str], path: Path) -> Self:
        parameters = attributes.get("projParameter", "!")
        if parameters in {"!", "-", "."}:
            raise InvalidInputError(
                "the network has no projection; expected one made from a map", where=str(path)
            )
        try:
            dx_m, dy_m = (float(part) for part in attributes["netOffset"].split(","))
            pyproj.Proj(parameters)
        except (KeyError, ValueError, pyproj.exceptions.CRSError) as error:
            raise InvalidInputError(f"unusable projection: {error}", where=str(path)) from None
        return cls(parameters, dx_m, dy_m)

    def to_metres(self, lon: ArrayLike, lat: ArrayLike) -> tuple[Floats, Floats]:
        """Return ``x_m, y_m`` in the network; infinite where the projection ends."""
        x_m, y_m = _proj(self.parameters)(np.asarray(lon), np.asarray(lat))
        return np.asarray(x_m) + self.dx_m, np.asarray(y_m) + self.dy_m

    def to_degrees(self, x_m: ArrayLike, y_m: ArrayLike) -> tuple[Floats, Floats]:
        """Return ``lon, lat`` of points in the network."""
        lon, lat = _proj(self.parameters)(
            np.asarray(x_m) - self.dx_m, np.asarray(y_m) - self.dy_m, inverse=True
        )
        return np.asarray(lon), np.asarray(lat)
