"""What nobody can reach: the day's value if every request had been known from the beginning.

The linear program of all true requests on the same pools with the same buffers (``program.py``),
spaces divisible, on slots of a few minutes: an upper bound of what any policy reaches, with or
without knowledge of the future. It is solved on long slots first, which are then cut.
"""

from dataclasses import dataclass

import numpy as np

from parking.allocation import LotTable, RequestTable, find_arcs
from parking.allocation.tables import Floats
from parking.day.bid_prices import OUTSIDE_FEN
from parking.day.program import SlotProgram
from parking.errors import InvalidInputError
from parking.travel import TravelTimes

SLOT_MS = 300_000
CUTS = 3
"""How often slots are halved on the way to ``SLOT_MS``."""
SMOOTH_FEN = (100.0, 20.0, 5.0, 1.0)
STEPS = 150


@dataclass(frozen=True, slots=True, eq=False)
class Clairvoyant:
    """An upper bound of a day's value.

    Parameters
    ----------
    bound_fen
        Proven by ``price_fen``: the dual program's value at them.
    price_fen
        Of a space of each pool over each slot; shape (pools, slots).
    begin_ms, slot_ms
        Of the first slot, and its length.
    """

    bound_fen: float
    price_fen: Floats
    begin_ms: int
    slot_ms: int


def clairvoyant(
    asked: RequestTable,
    city: LotTable,
    *,
    travel: TravelTimes | None = None,
    outside_fen: int = OUTSIDE_FEN,
    slot_ms: int = SLOT_MS,
    steps: int = STEPS,
) -> Clairvoyant:
    """Bound the value of all requests together.

    Parameters
    ----------
    slot_ms
        1 or more; the shorter, the nearer to what holds at every instant.
    steps
        Most steps of the minimiser for each smoothing.
    """
    if slot_ms < 1:
        raise InvalidInputError(f"{slot_ms}; expected 1 or more", where="slot_ms")
    if not len(asked):
        return Clairvoyant(0.0, np.zeros((len(city.pools), 1)), 0, slot_ms)
    arcs = find_arcs(asked, city, travel=travel)
    arcs = arcs.take(arcs.cost_fen < outside_fen)
    begin_ms = int(asked.arrive_ms.min())
    coarsest = slot_ms << CUTS
    slots = -(-(int(asked.leave_ms.max()) - begin_ms) // coarsest)

    def program(length_ms: int, count: int) -> SlotProgram:
        return SlotProgram(
            np.repeat(city.bookable[:, None].astype(np.float64), count, axis=1),
            arcs.request,
            arcs.pool,
            (outside_fen - arcs.cost_fen).astype(np.float64),
            np.ones(len(asked)),
            (asked.arrive_ms - begin_ms) / length_ms,
            (asked.leave_ms - begin_ms) / length_ms,
        )

    price = np.zeros((len(city.pools), slots))
    for cut in range(CUTS + 1):
        if cut:
            price = np.repeat(price / 2, 2, axis=1)
        finest = program(coarsest >> cut, slots << cut)
        for smooth_fen in SMOOTH_FEN if cut in (0, CUTS) else SMOOTH_FEN[2:3]:
            price = finest.prices(price, smooth_fen, steps)
    return Clairvoyant(finest.bound(price), price, begin_ms, slot_ms)
