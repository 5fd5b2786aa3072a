"""How many are served in each district: whether the big lot is fair to all of the city."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
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
    if not requests or not lots:
        return ()
    tree = cKDTree(unit_vectors(*_columns([(lot.lon, lot.lat) for lot in lots])))
    goals = unit_vectors(*_columns([(r.dest_lon, r.dest_lat) for r in requests]))
    _, nearest = tree.query(goals)
    counts: dict[str, list[int]] = {}
    for request, k in zip(requests, np.asarray(nearest).tolist(), strict=True):
        count = counts.setdefault(lots[k].district, [0, 0])
        count[0] += 1
        count[1] += request.id in served
    return tuple(DistrictShare(name, *counts[name]) for name in sorted(counts))


def _columns(points: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(points, dtype=np.float64)
    return table[:, 0], table[:, 1]
