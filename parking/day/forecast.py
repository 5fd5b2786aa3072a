"""What is to come: expected drivers by zone, class and arrival slot, with examples of each.

A *cell* is a zone of the city, a space class and a slot of arrivals. How many drivers it brings is
a number that can be corrected; what they are like (where exactly, how long, how early they ask,
what their time is worth) is taken from the drivers of past days, who stand in it as examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from parking.allocation import RequestTable
from parking.allocation.tables import Floats, Ints
from parking.day.bookings import Bookings
from parking.errors import InvalidInputError
from parking.inventory import Lot

ARRIVAL_SLOT_MS = 1_800_000
ZONE_EDGE_M = 500.0
METRES_A_DEGREE = 111_195.0
_SIDE = 1_000_000


@dataclass(frozen=True, slots=True)
class Zones:
    """Squares of a grid over the city.

    Parameters
    ----------
    lon, lat
        A corner of the grid, WGS84 degrees.
    step_lon, step_lat
        Size of a square, degrees, more than 0.
    """

    lon: float
    lat: float
    step_lon: float
    step_lat: float

    def __post_init__(self) -> None:
        if not (self.step_lon > 0 and self.step_lat > 0):
            raise InvalidInputError("expected steps of more than 0", where="zones")

    @classmethod
    def around(cls, lots: Sequence[Lot], *, edge_m: float = ZONE_EDGE_M) -> Self:
        """Lay a grid of squares of ``edge_m`` metres over a city's lots; at least one lot."""
        if not lots:
            raise InvalidInputError("expected a lot", where="lots")
        lon, lat = min(lot.lon for lot in lots), min(lot.lat for lot in lots)
        step = edge_m / METRES_A_DEGREE
        return cls(lon, lat, step / max(0.01, float(np.cos(np.radians(lat)))), step)

    def of(self, lon: Floats, lat: Floats) -> Ints:
        """Return the number of each point's square, shape of the points."""
        x = np.floor((lon - self.lon) / self.step_lon).astype(np.int64)
        y = np.floor((lat - self.lat) / self.step_lat).astype(np.int64)
        return np.asarray(x * _SIDE + y)


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Expected drivers of a day.

    Parameters
    ----------
    zones
        Where a zone is.
    zone, space_class, slot
        Of each cell, shape (cells,): square, class code, arrival / ``ARRIVAL_SLOT_MS``.
    expected
        Drivers to be expected in each cell, 0 or more; shape (cells,).
    examples
        Past drivers, on the day's date, with the instants at which they asked.
    cell
        Cell of each example, shape (examples,); every cell has one.
    """

    zones: Zones
    zone: Ints
    space_class: Ints
    slot: Ints
    expected: Floats
    examples: Bookings
    cell: Ints

    def __post_init__(self) -> None:
        if not ((self.expected >= 0) & np.isfinite(self.expected)).all():
            raise InvalidInputError("expected 0 or more", where="expected")
        if len(np.unique(self.cell)) != len(self.expected):
            raise InvalidInputError("a cell has no example", where="cell")

    @classmethod
    def of_past(cls, past: Sequence[Bookings], zones: Zones) -> Self:
        """Count past days: each cell is expected to bring their mean.

        Parameters
        ----------
        past
            Days that were like the one to come, on its date (``Bookings.later``).
        """
        examples = Bookings.together(past)
        asked = examples.asked
        keys = (
            zones.of(asked.dest_lon, asked.dest_lat),
            asked.space_class.astype(np.int64),
            asked.arrive_ms // ARRIVAL_SLOT_MS,
        )
        cells, cell, count = np.unique(
            np.column_stack(keys), axis=0, return_inverse=True, return_counts=True
        )
        return cls(
            zones, cells[:, 0], cells[:, 1], cells[:, 2], count / len(past), examples, cell.ravel()
        )

    def scaled(self, factor: Floats | float) -> Self:
        """Return it with other expectations: times a factor for each cell, or one for all."""
        return replace(self, expected=self.expected * factor)

    def thinned(self, most: int, seed: int) -> Self:
        """Return it with at most so many examples, or one a cell; expectations stay the same.

        Parameters
        ----------
        seed
            Of the choice; nothing is drawn where there are no more than ``most``.
        """
        count = len(self.cell)
        if count <= most:
            return self
        order = np.random.default_rng([seed, 30]).permutation(count)
        _, first = np.unique(self.cell[order], return_index=True)
        kept = np.zeros(count, dtype=np.bool_)
        kept[order[first]] = True
        others = order[~kept[order]]
        kept[others[: max(0, most - int(kept.sum()))]] = True
        return replace(self, examples=self.examples.take(kept), cell=self.cell[kept])

    @property
    def weight(self) -> Floats:
        """How many drivers each example stands for, shape (examples,)."""
        count = np.bincount(self.cell, minlength=len(self.expected))
        return np.asarray((self.expected / count)[self.cell])

    def market(self) -> tuple[Ints, Ints]:
        """Return zone and class of each *market*, shape (markets, 2), and the examples' markets.

        A market is what the day's pace is watched for: a zone and a class at all times.
        """
        pairs = np.column_stack([self.zone, self.space_class])
        markets, market = np.unique(pairs, axis=0, return_inverse=True)
        return markets, np.asarray(market.reshape(-1)[self.cell])

    def market_of(self, asked: RequestTable, markets: Ints) -> Ints:
        """Return the markets of requests, -1 where none is known; shape (requests,)."""
        zone = self.zones.of(asked.dest_lon, asked.dest_lat)
        number = {tuple(pair): k for k, pair in enumerate(markets.tolist())}
        pairs = zip(zone.tolist(), asked.space_class.tolist(), strict=True)
        return np.array([number.get(pair, -1) for pair in pairs], dtype=np.int64)
