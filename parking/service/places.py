"""The lots as the ledger has them, in the form that the allocation reads."""

import json
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parking.allocation import LotTable
from parking.errors import InvalidInputError, ParkingError
from parking.inventory import Lot, Pool
from parking.io.geojson import lots_of_geojson
from parking.io.geojson_document import geojson_of_lots
from parking.ledger import ChangeLot, LedgerState, LotRules, PoolTerms
from parking.travel import EARTH_RADIUS_M, TravelTimes, unit_vectors

SMALL_CITY = 100
"""With so many lots at most, all are looked at: laying out anew those near costs more."""
TABLES_KEPT = 256
NEAREST = 3
"""So many lots are looked at however far they are, so that a refusal can name them."""


_LAYING_OUT = threading.Lock()


def lot_document(lot: Lot) -> str:
    """Return a lot as the text that the ledger keeps: a GeoJSON Feature."""
    return json.dumps(
        geojson_of_lots([lot])["features"][0], ensure_ascii=False, separators=(",", ":")
    )


def lot_of_document(text: str) -> Lot:
    """Return the lot that ``lot_document`` wrote."""
    return lot_of_feature(json.loads(text))


def lot_of_feature(feature: Mapping[str, Any]) -> Lot:
    """Return the lot of a GeoJSON Feature, or raise InvalidInputError with the property."""
    try:
        (lot,) = lots_of_geojson({"type": "FeatureCollection", "features": [feature]})
    except ParkingError as error:
        # Its place names the feature by number and id, which the caller knows better.
        raise InvalidInputError(error.message, where="feature") from None
    return lot


def change_lot(lot: Lot, rules: LotRules | None, source: str) -> ChangeLot:
    """Return the command that brings a lot into the ledger."""
    return ChangeLot(
        lot_id=lot.id,
        document=lot_document(lot),
        pools=tuple(_terms(pool) for pool in lot.pools),
        rules=rules,
        source=source,
    )


def _terms(pool: Pool) -> PoolTerms:
    return PoolTerms(
        pool_id=pool.id,
        spaces=pool.capacity,
        quota=pool.quota,
        walk_in_buffer=min(pool.walk_in_buffer, pool.capacity),
        # What the inventory says is free of the opened spaces; the rest counts as taken.
        occupied=pool.capacity - pool.free,
        bays=pool.bays,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """All lots at one moment; immutable, so that other threads may read it.

    Parameters
    ----------
    lots
        By id, in the order of the ids.
    listed
        The same in a list.
    vectors
        Where they are, on a sphere of radius 1, shape (lots, 3).
    own_rules
        The lots with rules of their own.
    tables
        Those laid out for the allocation lately, by which lots are in them.
    """

    lots: Mapping[str, Lot]
    listed: tuple[Lot, ...]
    vectors: NDArray[np.float64]
    own_rules: frozenset[str]
    tables: OrderedDict[bytes, LotTable] = field(default_factory=OrderedDict)

    def near(self, points: Sequence[tuple[float, float, float]], travel: TravelTimes) -> list[Lot]:
        """Return the lots that can be in walking reach of one of some ``(lon, lat, limit_m)``.

        In the order of the ids. A few nearest ones are among them, whatever the limit.
        """
        return [self.listed[k] for k in np.nonzero(self._near(points, travel))[0]]

    def table(
        self,
        points: Sequence[tuple[float, float, float]],
        travel: TravelTimes,
        shut: Collection[str] = (),
    ) -> LotTable:
        """Return the lots near some points, laid out for the allocation, without some."""
        if len(self.listed) <= SMALL_CITY:
            chosen = np.ones(len(self.listed), dtype=np.bool_)
        else:
            chosen = self._near(points, travel)
        if shut:
            chosen &= np.array([lot.id not in shut for lot in self.listed], dtype=np.bool_)
        key = chosen.tobytes()
        with _LAYING_OUT:
            found = self.tables.get(key)
            if found is None:
                found = LotTable.of([self.listed[k] for k in np.nonzero(chosen)[0]])
                self.tables[key] = found
                if len(self.tables) > TABLES_KEPT:
                    self.tables.popitem(last=False)
        return found

    def _near(
        self, points: Sequence[tuple[float, float, float]], travel: TravelTimes
    ) -> NDArray[np.bool_]:
        if not self.listed:
            return np.zeros(0, dtype=np.bool_)
        places = np.array(points)
        targets = unit_vectors(places[:, 0], places[:, 1])
        cosines = self.vectors @ targets.T
        reach = np.minimum(np.pi, places[:, 2] / (travel.least_detour * EARTH_RADIUS_M))
        chosen = np.asarray((cosines >= np.cos(reach) - 1e-12).any(axis=1))
        few = min(NEAREST, len(self.listed))
        chosen[np.argpartition(-cosines, few - 1, axis=0)[:few].ravel()] = True
        return chosen


def places_of(
    state: LedgerState, before: Places | None = None, changed: Collection[str] | None = None
) -> Places:
    """Return the lots of a state.

    Parameters
    ----------
    state
        The ledger's state.
    before, changed
        The lots before, and the ids of those that have changed since; None = all.
    """
    lots: dict[str, Lot] = dict(before.lots) if before is not None else {}
    ids: Iterable[str] = state.lots.keys() if before is None or changed is None else changed
    for lot_id in ids:
        book = state.lots[lot_id]
        if not book.document:
            lots.pop(lot_id, None)
            continue
        lot = lot_of_document(book.document)
        lots[lot_id] = replace(lot, closed=True) if book.closed else lot
    listed = tuple(lots[lot_id] for lot_id in sorted(lots))
    degrees = np.array([[lot.lon, lot.lat] for lot in listed], dtype=np.float64).reshape(-1, 2)
    return Places(
        lots={lot.id: lot for lot in listed},
        listed=listed,
        vectors=unit_vectors(degrees[:, 0], degrees[:, 1]),
        own_rules=frozenset(
            lot_id for lot_id, book in state.lots.items() if book.rules is not None
        ),
    )
