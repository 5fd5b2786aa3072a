"""How many are served in each district: whether the big lot is fair to all of the city."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from parking.inventory import Lot
from parking.requests import ParkingRequest
from parking.travel import unit_vectors


@dataclass(frozen=True, slots=True)
class DistrictShare:
    """The drivers bound for a district; ``district`` is empty where lots name none."""

    district: str
    requests: int
    served: int

    @property
    def share(self) -> float:
        """Served of all, 0 to 1."""
        return self.served / self.requests


def served_by_district(
    requests: Sequence[ParkingRequest], lots: Sequence[Lot], served: Collection[str]
) -> tuple[DistrictShare, ...]:
    """Count requests and served ones by the district of their destination, in order of names.

    A destination lies in the district of the lot nearest to it (great circle).

    Parameters
    ----------
    served
        Ids of the requests that are served.
    """
    if not requests:
        return ()
    lon, lat = _columns([(r.dest_lon, r.dest_lat) for r in requests])
    return served_near(lon, lat, lots, np.array([r.id in served for r in requests]))


def served_near(
    dest_lon: NDArray[np.float64],
    dest_lat: NDArray[np.float64],
    lots: Sequence[Lot],
    served: NDArray[np.bool_],
) -> tuple[DistrictShare, ...]:
    """Count as ``served_by_district`` does, from columns of shape (requests,)."""
    if not len(dest_lon) or not lots:
        return ()
    tree = cKDTree(unit_vectors(*_columns([(lot.lon, lot.lat) for lot in lots])))
    _, nearest = tree.query(unit_vectors(dest_lon, dest_lat))
    names = sorted({lot.district for lot in lots})
    number = np.array([names.index(lot.district) for lot in lots])[np.asarray(nearest)]
    asked = np.bincount(number, minlength=len(names))
    given = np.bincount(number[served], minlength=len(names))
    return tuple(
        DistrictShare(name, int(asked[k]), int(given[k]))
        for k, name in enumerate(names)
        if asked[k]
    )


def _columns(points: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(points, dtype=np.float64)
    return table[:, 0], table[:, 1]
