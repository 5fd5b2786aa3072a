"""Which pool could take which request, at what cost: the arcs of the allocation.

An arc is a feasible pair, capacity aside. Everything is judged in columns, the cheap facts first,
so that travel times are asked only for pairs that nothing else speaks against.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from parking.allocation.measure import measure
from parking.allocation.reach import Reach
from parking.allocation.tables import Flags, Ints, LotTable, RequestTable
from parking.inventory import Lot, Pool
from parking.opening import is_open_many
from parking.requests import ParkingRequest
from parking.travel import GreatCircle, TravelTimes, unit_vectors


def cost_fen(
    value_of_time_fen_per_h: Ints, drive_s: Ints, walking_s: Ints, price_fen: Ints
) -> Ints:
    """Cost of a space for a driver, in whole fen: time, walking counted twice, and the price.

    ``(v * (drive_s + 2 * walk_s) + 1800) // 3600 + price_fen``, v in fen an hour.
    """
    time_fen = (value_of_time_fen_per_h * (drive_s + 2 * walking_s) + 1800) // 3600
    return np.asarray(time_fen + price_fen, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Arcs:
    """Every feasible pair of request and pool, capacity aside; sorted by request, then pool.

    Parameters
    ----------
    pools
        ``(lot, pool)`` of each pool number.
    request, pool
        Numbers, shape (arcs,).
    drive_s, walk_s, price_fen, cost_fen
        Whole numbers, shape (arcs,).
    """

    pools: tuple[tuple[Lot, Pool], ...]
    request: Ints
    pool: Ints
    drive_s: Ints
    walk_s: Ints
    price_fen: Ints
    cost_fen: Ints

    def __len__(self) -> int:
        return len(self.request)

    def take(self, chosen: Ints | Flags) -> "Arcs":
        """Return some of the arcs, by number or by flag."""
        return Arcs(
            self.pools,
            self.request[chosen],
            self.pool[chosen],
            self.drive_s[chosen],
            self.walk_s[chosen],
            self.price_fen[chosen],
            self.cost_fen[chosen],
        )


def find_arcs(
    requests: Sequence[ParkingRequest] | RequestTable,
    lots: Sequence[Lot] | LotTable,
    *,
    travel: TravelTimes | None = None,
) -> Arcs:
    """Find every feasible pair of request and pool, capacity aside.

    Parameters
    ----------
    requests, lots
        Objects, or tables prepared from them.
    travel
        Travel times; None = great circles.
    """
    asked = requests if isinstance(requests, RequestTable) else RequestTable.of(requests)
    city = lots if isinstance(lots, LotTable) else LotTable.of(lots)
    request, lot = reach(asked, city, travel or GreatCircle()).pairs()
    return arcs_of(asked, city, *with_pools(city, request, lot), travel or GreatCircle())


def reach(asked: RequestTable, city: LotTable, travel: TravelTimes) -> Reach:
    """Look up the lots that may lie within each request's walking limit."""
    points = unit_vectors(asked.dest_lon, asked.dest_lat)
    return Reach(points, asked.max_walk_m / travel.least_detour, city.position)


def with_pools(city: LotTable, request: Ints, lot: Ints) -> tuple[Ints, Ints]:
    """Turn pairs of request and lot into pairs of request and pool."""
    count = np.diff(city.first_pool)[lot]
    if len(city.pools) == len(city.lots) and (count == 1).all():
        return request, city.first_pool[lot]
    ends = np.cumsum(count)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - count, count)
    return np.repeat(request, count), np.repeat(city.first_pool[lot], count) + within


def arcs_of(
    asked: RequestTable, city: LotTable, request: Ints, pool: Ints, travel: TravelTimes
) -> Arcs:
    """Judge pairs of request and pool; the feasible ones come back, in order, with their costs."""
    for speaks_against in (_unfit, _shut):
        bad = speaks_against(asked, city, request, pool)
        if bad is not None and bad.any():
            request, pool = request[~bad], pool[~bad]
    drive, walking, walk_m = measure(asked, city, request, city.lot_of[pool], travel)
    price = stay_prices(asked, city, request, pool)
    cost = cost_fen(asked.value_of_time_fen_per_h[request], drive, walking, price)
    arcs = Arcs(city.pools, request, pool, drive, walking, price, cost)
    near = (walk_m <= asked.max_walk_m[request]) & (price <= asked.max_price_fen[request])
    return arcs if near.all() else arcs.take(near)


def _unfit(asked: RequestTable, city: LotTable, request: Ints, pool: Ints) -> Flags | None:
    """Whether class, plug, height or permit speak against each pair; None = nowhere."""
    found: list[Flags] = []
    lot = city.lot_of[pool]
    if len(np.unique(np.concatenate([asked.space_class, city.space_class]))) > 1:
        found.append(asked.space_class[request] != city.space_class[pool])
    if (asked.connector >= 0).any():
        wanted = asked.connector[request]
        found.append((wanted >= 0) & (wanted != city.connector[pool]))
    if (asked.min_power_kw > 0).any():
        found.append(asked.min_power_kw[request] > city.power_kw[pool])
    if len(asked) and len(city) and asked.height_cm.max() > city.max_height_cm.min():
        found.append(asked.height_cm[request] > city.max_height_cm[lot])
    if any(city.permit_sets):
        found.append(~permitted(asked, city)[asked.permit_set[request], city.permit_set[lot]])
    return np.logical_or.reduce(found) if found else None


def permitted(asked: RequestTable, city: LotTable) -> Flags:
    """Whether a driver with one set of permits may enter lots that ask for another.

    Shape (``asked.permit_sets``, ``city.permit_sets``).
    """
    return np.array(
        [
            [not wanted or bool(wanted & held) for wanted in city.permit_sets]
            for held in asked.permit_sets
        ],
        dtype=np.bool_,
    ).reshape(len(asked.permit_sets), len(city.permit_sets))


def _shut(asked: RequestTable, city: LotTable, request: Ints, pool: Ints) -> Flags | None:
    """Whether each pair's lot is closed at some time of the stay; None = nowhere."""
    lot = city.lot_of[pool]
    shut = city.closed[lot] if city.closed.any() else None
    if any(city.openings):
        is_open = _by_stay(
            asked,
            request,
            city.opening[lot],
            len(city.openings),
            lambda k, arrive, leave: is_open_many(city.openings[k], arrive, leave),
        )
        shut = ~is_open.astype(np.bool_) if shut is None else shut | ~is_open.astype(np.bool_)
    return shut


def stay_prices(asked: RequestTable, city: LotTable, request: Ints, pool: Ints) -> Ints:
    """Price of each pair's stay, fen, shape of the pairs."""
    return _by_stay(
        asked,
        request,
        city.tariff[city.lot_of[pool]],
        len(city.tariffs),
        lambda k, arrive, leave: city.tariffs[k].prices_fen(arrive, leave),
    )


@lru_cache(maxsize=2)
def different_stays(asked: RequestTable) -> tuple[Ints, Ints]:
    """Return the different stays, shape (stays, 2), and the number of each request's."""
    arrive, leave = asked.arrive_ms, asked.leave_ms
    order = np.lexsort((leave, arrive))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (np.diff(arrive[order]) != 0) | (np.diff(leave[order]) != 0)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(first) - 1
    return np.column_stack([arrive[order][first], leave[order][first]]), number


def _by_stay(
    asked: RequestTable,
    request: Ints,
    kind: Ints,
    kinds: int,
    question: Callable[[int, Ints, Ints], Ints | Flags],
) -> Ints:
    """Ask a question about (kind of lot, stay) for each pair, once for each different one."""
    stays, stay_of = different_stays(asked)
    arrive, leave = stays[:, 0], stays[:, 1]
    if kinds * len(stays) <= 2 * len(request) + 1000:
        table = [question(k, arrive, leave).astype(np.int64) for k in range(kinds)]
        flat = np.concatenate(table) if table else np.zeros(0, dtype=np.int64)
        answer: Ints = flat[kind * len(stays) + stay_of[request]]
        return answer
    answer = np.zeros(len(request), dtype=np.int64)
    order = np.argsort(kind, kind="stable")
    cuts = np.searchsorted(kind[order], np.arange(kinds + 1))
    for k in range(kinds):
        own = order[cuts[k] : cuts[k + 1]]
        if len(own):
            answer[own] = question(k, asked.arrive_ms[request[own]], asked.leave_ms[request[own]])
    return answer
