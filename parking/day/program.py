"""The linear program of a stretch of time: who would be served if all of it were known.

Demands (single drivers, or kinds of drivers with a number) take pools over stays; time is cut into
slots, and in no slot may a pool be used more, on average, than it has::

    max   sum value[d, j] x[d, j]
    s.t.  sum_j x[d, j] <= weight[d]                      every demand d
          sum_d inside[d, t] x[d, j] <= capacity[j, t]    every pool j, slot t

``inside`` is the share of the slot that lies in the stay. What holds at every instant holds on
average, so the optimum is never below what can really be reached: it is an upper bound.

It is solved by its dual. With a price p[j, t] of every space and slot, 0 or more::

    D(p) = sum capacity p + sum_d weight[d] max(0, max_j(value[d, j] - sum_t inside[d, t] p[j, t]))

is never below the optimum either, *whatever* the prices, and the least D is the optimum. The
corners of D are rounded off (max -> soft maximum, Nesterov 2005) with a smoothing in fen, which
also makes the best prices unique where the program's duals are not; L-BFGS-B minimises. In the end
D itself is evaluated, without smoothing: the bound does not rest on how well that went.
"""

from typing import Any

import numba
import numpy as np
from scipy import optimize

from parking.allocation.tables import Floats, Ints
from parking.errors import InvalidInputError

SCALE_FEN = 30.0
"""What the minimiser counts as 1."""
NEGLIGIBLE = 20.0
"""Smoothings below the best at which a choice is left out: e^-20."""

_minimise: Any = optimize.minimize


class SlotProgram:
    """The program above.

    Parameters
    ----------
    capacity
        Spaces, shape (pools, slots), 0 or more.
    demand, pool, value
        Of each arc, sorted by demand; values in fen, those of 0 or less are of no use.
    weight
        Drivers of each demand, shape (demands,), 0 or more.
    begin, end
        Of each demand's stay, in slots from the first one's begin on; what lies outside of the
        slots does not count. Shape (demands,).
    """

    def __init__(
        self,
        capacity: Floats,
        demand: Ints,
        pool: Ints,
        value: Floats,
        weight: Floats,
        begin: Floats,
        end: Floats,
    ) -> None:
        if capacity.ndim != 2 or not capacity.shape[1] or (capacity < 0).any():
            raise InvalidInputError("expected 0 or more, (pools, slots)", where="capacity")
        slots = capacity.shape[1]
        self.capacity = np.ascontiguousarray(capacity, dtype=np.float64)
        self._first = np.searchsorted(demand, np.arange(len(weight) + 1))
        self._pool = pool
        self._value = np.asarray(value, dtype=np.float64)
        self._weight = np.asarray(weight, dtype=np.float64)
        begin, end = np.clip(begin, 0, slots), np.clip(end, 0, slots)
        # The last slot may be used up whole: then the stay ends with a share of 1 in it.
        self._begin = np.minimum(begin.astype(np.int64), slots - 1)
        self._end = np.minimum(end.astype(np.int64), slots - 1)
        self._into_begin, self._into_end = begin - self._begin, end - self._end
        self._slack = np.zeros_like(self.capacity)
        self._paid = np.zeros((len(capacity), slots + 1))

    def bound(self, price: Floats) -> float:
        """Return D at prices of 0 or more, shape (pools, slots): an upper bound of the optimum."""
        return self._dual(np.maximum(price, 0.0), 0.0)

    def _dual(self, price: Floats, smooth_fen: float) -> float:
        """Return D, smoothed or not, and leave its gradient in ``_slack``: what is left free."""
        value = _dual(
            price,
            self.capacity,
            self._first,
            self._pool,
            self._value,
            self._weight,
            self._begin,
            self._into_begin,
            self._end,
            self._into_end,
            smooth_fen,
            self._slack,
            self._paid,
        )
        return float(value)

    def prices(self, start: Floats, smooth_fen: float, steps: int) -> Floats:
        """Minimise the smoothed D from some prices on; shape (pools, slots), fen a slot.

        Parameters
        ----------
        start
            Where to begin: the nearer, the fewer steps.
        smooth_fen
            More than 0.
        steps
            Most steps of the minimiser.
        """
        shape = self.capacity.shape
        size = max(1.0, float(self._weight.sum()) * SCALE_FEN)

        def dual(scaled: Floats) -> tuple[float, Floats]:
            value = self._dual(scaled.reshape(shape) * SCALE_FEN, smooth_fen)
            return value / size, self._slack.ravel() * (SCALE_FEN / size)

        found = _minimise(
            dual,
            np.maximum(start, 0.0).ravel() / SCALE_FEN,
            jac=True,
            method="L-BFGS-B",
            bounds=optimize.Bounds(0.0, np.inf),
            options={"maxiter": steps, "maxfun": 2 * steps, "maxcor": 20, "ftol": 1e-10, "gtol": 0},
        )
        return np.asarray(found.x.reshape(shape) * SCALE_FEN)


@numba.njit(cache=True, nogil=True)
def _dual(  # type: ignore[no-untyped-def]
    price,
    capacity,
    first,
    pool,
    value,
    weight,
    begin,
    into_begin,
    end,
    into_end,
    smooth,
    slack,
    paid,
):
    pools, slots = price.shape
    total = 0.0
    # Until the last loop: how much more is used in a slot than in the one before.
    more = np.zeros((pools, slots + 1))
    for j in range(pools):
        for t in range(slots):
            paid[j, t + 1] = paid[j, t] + price[j, t]
            total += capacity[j, t] * price[j, t]
            slack[j, t] = capacity[j, t]
    widest = 1
    for d in range(len(weight)):
        widest = max(widest, first[d + 1] - first[d])
    net = np.empty(widest)
    for d in range(len(weight)):
        at, n = first[d], first[d + 1] - first[d]
        b, e = begin[d], end[d]
        best, chosen = 0.0, -1
        for k in range(n):
            j = pool[at + k]
            fee = paid[j, e] - paid[j, b] - into_begin[d] * price[j, b] + into_end[d] * price[j, e]
            net[k] = value[at + k] - fee
            if net[k] > best:
                best, chosen = net[k], k
        if smooth <= 0.0:
            total += weight[d] * best
            if chosen >= 0:
                _use(slack, more, pool[at + chosen], weight[d], b, into_begin[d], e, into_end[d])
            continue
        shares = np.exp(-best / smooth)
        for k in range(n):
            off = (net[k] - best) / smooth
            net[k] = np.exp(off) if off > -NEGLIGIBLE else 0.0
            shares += net[k]
        total += weight[d] * (best + smooth * np.log(shares))
        for k in range(n):
            if net[k] > 0.0:
                share = weight[d] * net[k] / shares
                _use(slack, more, pool[at + k], share, b, into_begin[d], e, into_end[d])
    for j in range(pools):
        used = 0.0
        for t in range(slots):
            used += more[j, t]
            slack[j, t] -= used
    return total


@numba.njit(cache=True, nogil=True, inline="always")
def _use(slack, more, j, drivers, b, into_begin, e, into_end):  # type: ignore[no-untyped-def]
    more[j, b] += drivers
    more[j, e] -= drivers
    slack[j, b] += drivers * into_begin
    slack[j, e] -= drivers * into_end
