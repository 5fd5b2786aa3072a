"""Requests and lots as columns: the form in which a batch is computed.

A city of 2,000 lots and 100,000 requests is too much for one Python object at a time; these
tables hold the same facts as ``ParkingRequest`` and ``Lot``, one NumPy array a fact.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from parking.errors import InvalidInputError
from parking.inventory import Connector, Lot, Pool, SpaceClass
from parking.opening import OpeningWindow
from parking.requests import MAX_WALK_M, VALUE_OF_TIME_FEN_PER_H, ParkingRequest
from parking.tariff import Tariff
from parking.travel import unit_vectors

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Codes = NDArray[np.int8]
Flags = NDArray[np.bool_]

NO_LIMIT = np.iinfo(np.int64).max // 4
"""Stands for "no limit" in whole-number columns."""
CLASS_CODE = {kind: code for code, kind in enumerate(SpaceClass)}
CONNECTOR_CODE: dict[Connector | None, int] = {None: -1} | {
    kind: code for code, kind in enumerate(Connector)
}

Thing = TypeVar("Thing", bound=Hashable)


@dataclass(frozen=True, slots=True, eq=False)
class RequestTable:
    """Requests as columns, all of shape (requests,).

    Parameters
    ----------
    origin_lon, origin_lat, dest_lon, dest_lat
        WGS84 degrees.
    arrive_ms, leave_ms
        UTC epoch milliseconds.
    space_class, connector
        Codes (``CLASS_CODE``, ``CONNECTOR_CODE``); connector -1 = any.
    height_cm, min_power_kw, max_walk_m, value_of_time_fen_per_h
        As in ``ParkingRequest``.
    max_price_fen
        ``NO_LIMIT`` = any.
    permit_set
        Index into ``permit_sets``.
    permit_sets
        The different sets of permits that drivers hold.
    """

    origin_lon: Floats
    origin_lat: Floats
    dest_lon: Floats
    dest_lat: Floats
    arrive_ms: Ints
    leave_ms: Ints
    space_class: Codes
    height_cm: Ints
    connector: Codes
    min_power_kw: Floats
    max_walk_m: Floats
    max_price_fen: Ints
    value_of_time_fen_per_h: Ints
    permit_set: Ints
    permit_sets: tuple[frozenset[str], ...] = (frozenset(),)

    def __post_init__(self) -> None:
        for field in fields(self):
            column = getattr(self, field.name)
            if field.name != "permit_sets" and column.shape != self.arrive_ms.shape:
                raise InvalidInputError(
                    f"shape {column.shape}; expected {self.arrive_ms.shape}", where=field.name
                )
        if not (self.leave_ms > self.arrive_ms).all():
            raise InvalidInputError("a stay ends before it begins", where="leave_ms")

    def __len__(self) -> int:
        return len(self.arrive_ms)

    @classmethod
    def of(cls, requests: Sequence[ParkingRequest]) -> Self:
        """Lay requests out as columns."""
        sets, permit_set = _numbered([r.permits for r in requests])
        return cls(
            origin_lon=np.array([r.origin_lon for r in requests], dtype=np.float64),
            origin_lat=np.array([r.origin_lat for r in requests], dtype=np.float64),
            dest_lon=np.array([r.dest_lon for r in requests], dtype=np.float64),
            dest_lat=np.array([r.dest_lat for r in requests], dtype=np.float64),
            arrive_ms=np.array([r.arrive_ms for r in requests], dtype=np.int64),
            leave_ms=np.array([r.leave_ms for r in requests], dtype=np.int64),
            space_class=np.array([CLASS_CODE[r.space_class] for r in requests], dtype=np.int8),
            height_cm=np.array([r.height_cm for r in requests], dtype=np.int64),
            connector=np.array([CONNECTOR_CODE[r.connector] for r in requests], dtype=np.int8),
            min_power_kw=np.array([r.min_power_kw for r in requests], dtype=np.float64),
            max_walk_m=np.array([r.max_walk_m for r in requests], dtype=np.float64),
            max_price_fen=np.array(
                [NO_LIMIT if r.max_price_fen is None else r.max_price_fen for r in requests],
                dtype=np.int64,
            ),
            value_of_time_fen_per_h=np.array(
                [r.value_of_time_fen_per_h for r in requests], dtype=np.int64
            ),
            permit_set=permit_set,
            permit_sets=sets,
        )

    @classmethod
    def of_coordinates(
        cls,
        origin_lon: Floats,
        origin_lat: Floats,
        dest_lon: Floats,
        dest_lat: Floats,
        arrive_ms: Ints,
        leave_ms: Ints,
        *,
        max_walk_m: float = MAX_WALK_M,
    ) -> Self:
        """Make a table of plain requests: standard spaces, no further wishes."""
        n = len(arrive_ms)
        return cls(
            origin_lon,
            origin_lat,
            dest_lon,
            dest_lat,
            arrive_ms,
            leave_ms,
            space_class=np.full(n, CLASS_CODE[SpaceClass.STANDARD], dtype=np.int8),
            height_cm=np.zeros(n, dtype=np.int64),
            connector=np.full(n, -1, dtype=np.int8),
            min_power_kw=np.zeros(n),
            max_walk_m=np.full(n, float(max_walk_m)),
            max_price_fen=np.full(n, NO_LIMIT),
            value_of_time_fen_per_h=np.full(n, VALUE_OF_TIME_FEN_PER_H, dtype=np.int64),
            permit_set=np.zeros(n, dtype=np.int64),
        )


@dataclass(frozen=True, slots=True, eq=False)
class LotTable:
    """Lots and their pools as columns; prepared once, used for many batches.

    Parameters
    ----------
    lots
        The lots themselves.
    pools
        ``(lot, pool)`` of each pool, lots in order: the pools of lot k are
        ``first_pool[k]`` to ``first_pool[k + 1] - 1``.
    lon, lat, max_height_cm, closed, tariff, opening, permit_set
        Shape (lots,); the last three are indices into ``tariffs``, ``openings``, ``permit_sets``.
    position
        Shape (lots, 3): unit vectors from the earth's centre.
    lot_of, space_class, connector, power_kw, bookable
        Shape (pools,).
    """

    lots: tuple[Lot, ...]
    pools: tuple[tuple[Lot, Pool], ...]
    lon: Floats
    lat: Floats
    position: Floats
    max_height_cm: Ints
    closed: Flags
    tariff: Ints
    opening: Ints
    permit_set: Ints
    tariffs: tuple[Tariff, ...]
    openings: tuple[tuple[OpeningWindow, ...], ...]
    permit_sets: tuple[frozenset[str], ...]
    first_pool: Ints
    lot_of: Ints
    space_class: Codes
    connector: Codes
    power_kw: Floats
    bookable: Ints

    @classmethod
    def of(cls, lots: Sequence[Lot]) -> Self:
        """Lay lots out as columns.

        Raises
        ------
        InvalidInputError
            A pool id stands twice in the city.
        """
        pools = tuple((lot, pool) for lot in lots for pool in lot.pools)
        if len({pool.id for _, pool in pools}) != len(pools):
            raise InvalidInputError("a pool id stands twice in the city", where="lots")
        tariffs, tariff = _numbered([lot.tariff for lot in lots])
        openings, opening = _numbered([lot.opening for lot in lots])
        permit_sets, permit_set = _numbered([lot.permits for lot in lots])
        counts = np.array([len(lot.pools) for lot in lots], dtype=np.int64)
        lon = np.array([lot.lon for lot in lots], dtype=np.float64)
        lat = np.array([lot.lat for lot in lots], dtype=np.float64)
        heights = [NO_LIMIT if lot.max_height_cm is None else lot.max_height_cm for lot in lots]
        return cls(
            lots=tuple(lots),
            pools=pools,
            lon=lon,
            lat=lat,
            position=unit_vectors(lon, lat),
            max_height_cm=np.array(heights, dtype=np.int64),
            closed=np.array([lot.closed for lot in lots], dtype=np.bool_),
            tariff=tariff,
            opening=opening,
            permit_set=permit_set,
            tariffs=tariffs,
            openings=openings,
            permit_sets=permit_sets,
            first_pool=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            lot_of=np.repeat(np.arange(len(lots)), counts),
            space_class=np.array([CLASS_CODE[p.space_class] for _, p in pools], dtype=np.int8),
            connector=np.array([CONNECTOR_CODE[p.connector] for _, p in pools], dtype=np.int8),
            power_kw=np.array([p.power_kw or 0.0 for _, p in pools], dtype=np.float64),
            bookable=np.array([p.bookable for _, p in pools], dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.lots)


def _numbered(things: Sequence[Thing]) -> tuple[tuple[Thing, ...], Ints]:
    """Return the different things and each one's number."""
    known: dict[Thing, int] = {}
    numbers = np.array([known.setdefault(thing, len(known)) for thing in things], dtype=np.int64)
    return tuple(known), numbers
