"""Drivers who have a place already: they move only to one that is no worse for them.

What is locked is not part of a batch at all: its spaces are in the committed profiles. A tentative
place is part of the batch and must not be in them.
"""

from dataclasses import dataclass

import numpy as np

from parking.allocation.arcs import arcs_of, cost_fen, stay_prices
from parking.allocation.measure import measure
from parking.allocation.rows import Rows
from parking.allocation.tables import Ints, LotTable, RequestTable
from parking.requests import ParkingRequest
from parking.travel import TravelTimes


@dataclass(frozen=True, slots=True)
class Tentative:
    """A request with the pool that was promised to it, not yet for good.

    It keeps its place or gets one whose cost, walk and price are each no higher; as long as
    capacities still hold what was promised, it never becomes unserved.
    """

    request: ParkingRequest
    pool_id: str


def held_rows(
    rows: Rows, asked: RequestTable, city: LotTable, held: Ints, travel: TravelTimes
) -> Rows:
    """Return the rows in which those who hold a pool have only it and what is no worse.

    The pool held stays open to its driver whatever speaks against it now (it closed, say).
    """
    request, entry = rows.entries()
    free = held[request] < 0
    who = np.flatnonzero(held >= 0)
    drive, walk, _ = measure(asked, city, who, city.lot_of[held[who]], travel)
    price = stay_prices(asked, city, who, held[who])
    cost = cost_fen(asked.value_of_time_fen_per_h[who], drive, walk, price)
    worst = np.zeros((3, len(asked)), dtype=np.int64)
    worst[:, who] = walk, price, cost
    others = (held[request] >= 0) & (held[request] != rows.pool[entry])
    arcs = arcs_of(asked, city, request[others], rows.pool[entry[others]], travel)
    no_worse = arcs.take(
        (arcs.walk_s <= worst[0, arcs.request])
        & (arcs.price_fen <= worst[1, arcs.request])
        & (arcs.cost_fen <= worst[2, arcs.request])
    )
    requests = np.concatenate([request[free], no_worse.request, who])
    pools = np.concatenate([rows.pool[entry[free]], no_worse.pool, held[who]])
    weights = np.concatenate([rows.weight[entry[free]], no_worse.cost_fen, cost])
    order = np.argsort(requests, kind="stable")
    cuts = np.searchsorted(requests[order], np.arange(len(asked) + 1))
    return Rows(cuts[:-1], cuts[1:], pools[order], weights[order], rows.pools)
