"""Bounds on MULTIBAND's objective along a road with fixed speeds.

As in ``tents``, the cycle and one phase F fix by how much each signal's greens miss being centred
together: d_i cycles, with the pattern that misses least. If the progression line passes e_i before
(and after) it in the outbound green and f_i in the inbound one, then

    0 <= e_i <= g_i / 2,    0 <= f_i <= gg_i / 2,    e_i + f_i <= (g_i + gg_i) / 2 - d_i,

and a link's band is twice the lesser of its two ends' rooms. What is left is a chain: it is solved
by dynamic programming over e_i on a grid, with e_i rounded up and f_i taken at the lower end, which
makes the result a bound. On a box of (F, z) d_i moves by no more than its radius.
"""

import math
from collections.abc import Callable

import numba
import numpy as np

from traffic.bandwidth.problem import ALWAYS_GREEN, Floats, Road
from traffic.bandwidth.tents import Tents

LEVELS = 48
# F is cut into so many steps at first; the most promising ones again, so many times.
STEPS, HALVINGS = 24, 4


class FixedLines:
    """Bounds a road's MULTIBAND objective, weights of links included, in ranges of z.

    Parameters
    ----------
    road
        The road.
    cheapest
        A bound that holds everywhere.
    over
        Asked before each range; from then on the cheapest bound stands for the others.
    """

    def __init__(
        self, road: Road, cheapest: float = math.inf, over: Callable[[], bool] = lambda: False
    ) -> None:
        self.road = road
        self.cheapest = cheapest
        self.over = over
        self.tents = Tents(road)
        self.reach_s = self.tents.reach_s

    def most(self, z0: Floats, z1: Floats) -> Floats:
        """Bound the objective in each range [z0, z1], (m,); negative where no line exists."""
        bound = np.full(z0.shape, self.cheapest)
        for k, (a, b) in enumerate(zip(z0, z1, strict=True)):
            if self.over():
                break
            bound[k] = self.peak(float(a), float(b))[0]
        return bound

    def peak(self, z0: float, z1: float) -> tuple[float, float]:
        """Bound the objective, and say at which F.

        F is cut where the bound is largest, as finely as the range of z makes sense.
        """
        half = np.full(STEPS, 0.5 / STEPS)
        f = (np.arange(STEPS) + 0.5) / STEPS
        value = self.bound(f, half, z0, z1)
        moved = self.reach_s * (z1 - z0) / 2
        for _ in range(HALVINGS):
            most = float(value.max())
            cut = (value >= most - 1e-3 * abs(most)) & (half > moved / 2)
            if not cut.any():
                break
            quarter = half[cut] / 2
            halves_f = np.concatenate([f[cut] - quarter, f[cut] + quarter])
            halves = np.concatenate([quarter, quarter])
            f = np.concatenate([f[~cut], halves_f])
            half = np.concatenate([half[~cut], halves])
            value = np.concatenate([value[~cut], self.bound(halves_f, halves, z0, z1)])
        top = int(value.argmax())
        return float(value[top]), float(f[top])

    def bound(self, f: Floats, half_f: Floats, z0: float, z1: float) -> Floats:
        """Bound the objective for phases within ``half_f`` of ``f`` and z in [z0, z1], (m,)."""
        road, d = self.road, self.tents.d
        z = (z0 + z1) / 2
        radius = half_f[:, None] + np.abs(d) * (z1 - z0) / 2
        green_out = np.where(
            road.green_out >= ALWAYS_GREEN, 1.0, road.green_out - road.queue_out_s * z0
        )
        green_in = np.where(
            road.green_in >= ALWAYS_GREEN, 1.0, road.green_in - road.queue_in_s * z0
        )
        middle = (green_in - green_out) / 2
        x = (f[:, None] - d * z)[:, :, None] - self.tents.delta - middle[:, None]
        missed = np.maximum(np.abs(x - np.round(x)).min(axis=2) - radius, 0.0)
        missed[:, self.tents.free] = 0.0
        return _chains(
            missed, green_out / 2, green_in / 2, 2 * road.weight_out, 2 * road.weight_in, LEVELS
        )


@numba.njit(cache=True)
def _chains(  # pragma: no cover - compiled
    missed: Floats,
    most_e: Floats,
    most_f: Floats,
    weight_out: Floats,
    weight_in: Floats,
    levels: int,
) -> Floats:
    """Solve each chain; -1 where some signal's greens miss each other altogether."""
    count, n = missed.shape
    found = np.empty(count)
    e = np.empty((n, levels))
    f = np.empty((n, levels))
    best = np.empty(levels)
    new = np.empty(levels)
    for row in range(count):
        dead = False
        for i in range(n):
            room = most_e[i] + most_f[i] - missed[row, i]
            if room < 0.0 or most_e[i] < 0.0 or most_f[i] < 0.0:
                dead = True
                break
            least = max(0.0, room - most_f[i])
            top = min(most_e[i], room)
            step = (top - least) / levels
            for k in range(levels):
                e[i, k] = least + (k + 1) * step
                f[i, k] = min(most_f[i], room - least - k * step)
        if dead:
            found[row] = -1.0
            continue
        for k in range(levels):
            best[k] = 0.0
        for i in range(n - 1):
            a, aa = weight_out[i], weight_in[i]
            for k in range(levels):
                new[k] = -math.inf
            for j in range(levels):
                ej, fj, vj = e[i, j], f[i, j], best[j]
                for k in range(levels):
                    ek, fk = e[i + 1, k], f[i + 1, k]
                    value = vj + a * (ej if ej < ek else ek) + aa * (fj if fj < fk else fk)
                    if value > new[k]:
                        new[k] = value
            for k in range(levels):
                best[k] = new[k]
        found[row] = best.max()
    return found
