"""Which pool could take which request, at what cost, and why the others could not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parking.inventory import Lot, Pool
from parking.opening import is_open
from parking.requests import ParkingRequest
from parking.travel import TravelTimes, walk_s

REASONS = (
    "ok",
    "wrong_class",
    "beyond_walk",
    "too_high",
    "no_permit",
    "no_connector",
    "closed",
    "over_price",
)
(OK, WRONG_CLASS, BEYOND_WALK, TOO_HIGH, NO_PERMIT, NO_CONNECTOR, CLOSED, OVER_PRICE) = range(
    len(REASONS)
)


def cost_fen(
    value_of_time_fen_per_h: NDArray[np.int64],
    drive_s: NDArray[np.int64],
    walking_s: NDArray[np.int64],
    price_fen: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Cost of a space for a driver, in whole fen: time, walking counted twice, and the price.

    ``(v * (drive_s + 2 * walk_s) + 1800) // 3600 + price_fen``, v in fen an hour.
    """
    time_fen = (value_of_time_fen_per_h * (drive_s + 2 * walking_s) + 1800) // 3600
    return np.asarray(time_fen + price_fen, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Every pair of request and pool, as matrices of shape (requests, pools).

    Parameters
    ----------
    pools
        ``(lot, pool)`` for each column.
    reason
        Index into ``REASONS``; 0 = the pair is feasible, capacity aside.
    drive_s, walk_s, price_fen, cost_fen
        Whole numbers; price and cost are 0 where the pair is not feasible.
    """

    pools: tuple[tuple[Lot, Pool], ...]
    reason: NDArray[np.int8]
    drive_s: NDArray[np.int64]
    walk_s: NDArray[np.int64]
    price_fen: NDArray[np.int64]
    cost_fen: NDArray[np.int64]

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Whether a pool could take a request, capacity aside."""
        return np.asarray(self.reason == OK)


def find_candidates(
    requests: Sequence[ParkingRequest], lots: Sequence[Lot], travel: TravelTimes
) -> Candidates:
    """Judge every pair. Lots are measured once, pools of a lot share that."""
    pools = tuple((lot, pool) for lot in lots for pool in lot.pools)
    lot_of = np.array([k for k, lot in enumerate(lots) for _ in lot.pools], dtype=np.int64)
    drive, walk_m = _travel(requests, lots, travel)
    no_way = (drive < 0) | np.isinf(walk_m)
    walk_m, walking = np.where(no_way, np.inf, walk_m), walk_s(np.where(no_way, 0.0, walk_m))
    reason_lot = _lot_reasons(requests, lots, walk_m)
    reason_lot[no_way] = BEYOND_WALK
    reason = reason_lot[:, lot_of]
    reason = np.where(_pool_reasons(requests, pools), _pool_reasons(requests, pools), reason)
    prices = np.zeros(reason.shape, dtype=np.int64)
    _close_and_price(requests, pools, lot_of, reason, prices)
    drive, walking = drive[:, lot_of], walking[:, lot_of]
    value = np.array([[r.value_of_time_fen_per_h] for r in requests], dtype=np.int64)
    value = value.reshape(len(requests), 1)
    costs = np.where(reason == OK, cost_fen(value, drive, walking, prices), 0)
    return Candidates(pools, reason, drive, walking, prices, costs)


def _travel(
    requests: Sequence[ParkingRequest], lots: Sequence[Lot], travel: TravelTimes
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    columns = [
        np.array([[getattr(request, name)] for request in requests]).reshape(len(requests), 1)
        for name in ("origin_lon", "origin_lat", "dest_lon", "dest_lat")
    ]
    lon = np.array([lot.lon for lot in lots]).reshape(1, len(lots))
    lat = np.array([lot.lat for lot in lots]).reshape(1, len(lots))
    drive = travel.drive_s(columns[0], columns[1], lon, lat)
    return drive, travel.walk_m(lon, lat, columns[2], columns[3])


def _lot_reasons(
    requests: Sequence[ParkingRequest], lots: Sequence[Lot], walk_m: NDArray[np.float64]
) -> NDArray[np.int8]:
    limit = np.array([r.max_walk_m for r in requests]).reshape(-1, 1)
    height = np.array([r.height_cm for r in requests]).reshape(-1, 1)
    highest = np.array(
        [np.inf if lot.max_height_cm is None else lot.max_height_cm for lot in lots]
    ).reshape(1, -1)
    no_permit = np.array(
        [[bool(lot.permits) and not lot.permits & r.permits for lot in lots] for r in requests],
        dtype=bool,
    ).reshape(len(requests), len(lots))
    reason = np.zeros((len(requests), len(lots)), dtype=np.int8)
    reason[no_permit] = NO_PERMIT
    reason[height > highest] = TOO_HIGH
    reason[walk_m > limit] = BEYOND_WALK
    return reason


def _pool_reasons(
    requests: Sequence[ParkingRequest], pools: Sequence[tuple[Lot, Pool]]
) -> NDArray[np.int8]:
    """What speaks against a pool whatever its lot; many requests ask alike."""
    reason = np.zeros((len(requests), len(pools)), dtype=np.int8)
    asked: dict[tuple[object, ...], NDArray[np.int8]] = {}
    for k, request in enumerate(requests):
        key = (request.space_class, request.connector, request.min_power_kw)
        if key not in asked:
            asked[key] = np.array([_pool_reason(request, pool) for _, pool in pools], dtype=np.int8)
        reason[k] = asked[key]
    return reason


def _pool_reason(request: ParkingRequest, pool: Pool) -> int:
    if pool.space_class is not request.space_class:
        return WRONG_CLASS
    wrong_plug = request.connector is not None and pool.connector is not request.connector
    if wrong_plug or (pool.power_kw or 0.0) < request.min_power_kw:
        return NO_CONNECTOR
    return OK


def _close_and_price(
    requests: Sequence[ParkingRequest],
    pools: Sequence[tuple[Lot, Pool]],
    lot_of: NDArray[np.int64],
    reason: NDArray[np.int8],
    prices: NDArray[np.int64],
) -> None:
    """Fill in closing times and prices of the pairs that nothing else speaks against."""
    known: dict[tuple[int, int, int], tuple[bool, int]] = {}
    for k, j in zip(*np.nonzero(reason == OK), strict=True):
        request, lot = requests[k], pools[j][0]
        key = (int(lot_of[j]), request.arrive_ms, request.leave_ms)
        if key not in known:
            is_closed = lot.closed or not is_open(lot.opening, request.arrive_ms, request.leave_ms)
            price = lot.tariff.price_fen(request.arrive_ms, request.leave_ms)
            known[key] = (is_closed, price)
        closed, price = known[key]
        if closed:
            reason[k, j] = CLOSED
        elif request.max_price_fen is not None and price > request.max_price_fen:
            reason[k, j] = OVER_PRICE
        else:
            prices[k, j] = price
