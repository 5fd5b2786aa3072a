"""Random batches: hot-spot demand, lognormal lot sizes, spaces = requests / load."""

from dataclasses import dataclass, replace

import numpy as np

from parking.allocation import LotTable, RequestTable
from parking.inventory import Lot, Pool, SpaceClass

HOUR_MS = 3_600_000
NOON_MS = 1_795_363_200_000 + 12 * HOUR_MS
CENTRE_LON, CENTRE_LAT = 118.6, 37.43
HALF_LON, HALF_LAT = 0.05, 0.04
"""Half a city, degrees: 8.8 km x 8.9 km in all."""
HOT_SPOTS = 8
SPREAD_LON, SPREAD_LAT = 0.006, 0.005
"""Standard deviation of destinations around their hot spot, about 550 m."""


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """A batch, as arrays and as lots."""

    requests: RequestTable
    lots: tuple[Lot, ...]
    city: LotTable
    load: float
    walk_m: float


def batch(
    requests: int, lots: int, load: float, walk_m: float, seed: int, spread_h: float = 0.0
) -> Instance:
    """Draw a batch.

    Parameters
    ----------
    load
        Requests over spaces, in all.
    spread_h
        0: everybody comes at once for an hour; otherwise arrivals over so many hours and stays
        of 10 min to 4 h.
    """
    rng = np.random.default_rng(seed)
    sizes = rng.lognormal(0, 0.8, lots)
    spaces = np.maximum(1, np.round(sizes * requests / load / sizes.sum())).astype(int)
    x = CENTRE_LON + rng.uniform(-HALF_LON, HALF_LON, lots)
    y = CENTRE_LAT + rng.uniform(-HALF_LAT, HALF_LAT, lots)
    there = tuple(
        Lot(f"l{k}", "", float(x[k]), float(y[k]), (_pool(f"p{k}", int(spaces[k])),))
        for k in range(lots)
    )
    spot = rng.integers(0, HOT_SPOTS, requests)
    hot_x = CENTRE_LON + rng.uniform(-0.8, 0.8, HOT_SPOTS) * HALF_LON
    hot_y = CENTRE_LAT + rng.uniform(-0.75, 0.75, HOT_SPOTS) * HALF_LAT
    start = NOON_MS + (rng.uniform(0, spread_h, requests) * HOUR_MS).astype(np.int64)
    stay = rng.integers(10, 240, requests) * 60_000 if spread_h else HOUR_MS
    asked = RequestTable.of_coordinates(
        CENTRE_LON + rng.uniform(-1.6, 1.6, requests) * HALF_LON,
        CENTRE_LAT + rng.uniform(-1.5, 1.5, requests) * HALF_LAT,
        hot_x[spot] + rng.normal(0, SPREAD_LON, requests),
        hot_y[spot] + rng.normal(0, SPREAD_LAT, requests),
        start,
        start + stay,
        max_walk_m=walk_m,
    )
    return Instance(asked, there, LotTable.of(there), load, walk_m)


def _pool(key: str, spaces: int) -> Pool:
    return Pool(key, SpaceClass.STANDARD, spaces, spaces, 0, spaces)


def again(requests: RequestTable) -> RequestTable:
    """Return the table made anew from its arrays, as a caller with arrays would."""
    return replace(requests)
