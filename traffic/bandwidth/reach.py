"""Upper bounds on a road's two-way band for many ranges of the cycle at once.

The outbound front passes signal i at u_i, the inbound front at v_i. The signal's own start is free,
so both bands fit exactly when the phase psi_i = v_i - u_i lies, modulo 1, on an arc

    [ delta_p - (g_i - b - tau_i z),  delta_p + (gg_i - bb - ttau_i z) ]

of one of its patterns p, delta_p = inbound minus outbound green start. Along the road
psi_{i+1} = psi_i - (t_i + tt_i) + (tau_{i+1} + ttau_i) z, so what remains of the whole program is a
walk on a circle from arc to arc. For a range of z every step is taken to be free in its own range,
and the part of an arc that can be reached is kept as one interval: both only widen the bands, which
makes the result a bound. It is exact for one z, speeds free within ranges and arcs reached once.
"""

import numpy as np
from numpy.typing import NDArray

from traffic.bandwidth.problem import ALWAYS_GREEN, Floats, Road

Bools = NDArray[np.bool_]
EPSILON = 1e-12


class Reach:
    """A road prepared for walking; arcs are padded to the largest number of patterns."""

    def __init__(self, road: Road) -> None:
        self.road = road
        n = road.n
        most = max(len(starts) for starts in road.starts)
        self.delta = np.zeros((n, most))
        self.real = np.zeros((n, most), dtype=bool)
        self.free = (road.green_out >= ALWAYS_GREEN) | (road.green_in >= ALWAYS_GREEN)
        for i, starts in enumerate(road.starts):
            found = sorted({round((back - out + 0.5) % 1.0 - 0.5, 12) for out, back in starts})
            if self.free[i]:
                found = found[:1]
            self.delta[i, : len(found)] = found
            self.real[i, : len(found)] = True
        queue_s = road.queue_out_s[1:] + road.queue_in_s[:-1]
        self.short_s = road.fast_out_s + road.fast_in_s - queue_s
        self.long_s = road.slow_out_s + road.slow_in_s - queue_s

    def most_equal(self, z0: Floats, z1: Floats, top: Floats, *, steps: int = 14) -> Floats:
        """Bound the equal two-way band, (m,); negative where not even a zero one exists."""
        low = np.full(z0.shape, -1.0)
        high: Floats = np.minimum(top, self.caps(z0).min(axis=1))
        done = self.feasible(z0, z1, high, high)
        low[done] = high[done]
        zero = np.zeros_like(z0)
        some = ~done & self.feasible(z0, z1, zero, zero)
        low[some] = 0.0
        high[~done & ~some] = -1.0
        for _ in range(steps):
            open_ = np.flatnonzero(high - low > EPSILON)
            if open_.size == 0:
                break
            middle = (low[open_] + high[open_]) / 2
            fits = self.feasible(z0[open_], z1[open_], middle, middle)
            low[open_[fits]] = middle[fits]
            high[open_[~fits]] = middle[~fits]
        return high

    def most_in(self, z0: Floats, z1: Floats, b: Floats, top: Floats, *, steps: int = 12) -> Floats:
        """Bound the inbound band beside an outbound one of width b; negative where none fits."""
        high = top.copy()
        low = np.full(z0.shape, -1.0)
        done = self.feasible(z0, z1, b, high)
        low[done] = high[done]
        zero = np.zeros_like(z0)
        some = ~done & self.feasible(z0, z1, b, zero)
        low[some] = 0.0
        high[~done & ~some] = -1.0
        for _ in range(steps):
            open_ = np.flatnonzero(high - low > EPSILON)
            if open_.size == 0:
                break
            middle = (low[open_] + high[open_]) / 2
            fits = self.feasible(z0[open_], z1[open_], b[open_], middle)
            low[open_[fits]] = middle[fits]
            high[open_[~fits]] = middle[~fits]
        return high

    def caps(self, z0: Floats) -> Floats:
        """Widest outbound and inbound band that each green leaves after its queue, (m, 2)."""
        road = self.road
        out = road.green_out - road.queue_out_s * z0[:, None]
        back = road.green_in - road.queue_in_s * z0[:, None]
        out[:, road.green_out >= ALWAYS_GREEN] = 1.0
        back[:, road.green_in >= ALWAYS_GREEN] = 1.0
        return np.stack([out.min(axis=1), back.min(axis=1)], axis=1)

    def feasible(
        self, z0: Floats, z1: Floats, b: Floats, bb: Floats, mask: Bools | None = None
    ) -> Bools:
        """Whether bands of these widths may exist in each range of z, (m,)."""
        low, high = self._arcs(z0, b, bb, mask)
        least, most = self._steps(z0, z1)
        from_, to = low[:, 0], high[:, 0]
        for i in range(1, self.road.n):
            from_, to = _step(from_, to, low[:, i], high[:, i], -most[:, i - 1], -least[:, i - 1])
        fits: Bools = np.any(to >= from_, axis=1)
        return fits

    def _arcs(self, z0: Floats, b: Floats, bb: Floats, mask: Bools | None) -> tuple[Floats, Floats]:
        """Ends of every arc, (m, n, p); an empty arc ends before it begins."""
        road = self.road
        out = road.green_out - b[:, None] - road.queue_out_s * z0[:, None]
        back = road.green_in - bb[:, None] - road.queue_in_s * z0[:, None]
        short = (out < -EPSILON) | (back < -EPSILON)
        low = self.delta - np.maximum(out, 0.0)[:, :, None]
        high = self.delta + np.maximum(back, 0.0)[:, :, None]
        low[:, self.free], high[:, self.free] = -0.5, 0.5
        short[:, self.free] = False
        dead = short[:, :, None] | ~self.real
        if mask is not None:
            dead = dead | ~mask
        high[dead] = -9.0
        low[dead] = 9.0
        return low, high

    def _steps(self, z0: Floats, z1: Floats) -> tuple[Floats, Floats]:
        ends = np.stack([z0, z1])[:, :, None]
        return (self.short_s * ends).min(axis=0), (self.long_s * ends).max(axis=0)


def _step(
    from_: Floats, to: Floats, low: Floats, high: Floats, least: Floats, most: Floats
) -> tuple[Floats, Floats]:
    """Parts of the arcs [low, high] reached from [from_, to] by a step in [least, most].

    Arrays (m, p) and (m,); an interval that ends before it begins is empty.
    """
    empty = to < from_
    start = (from_ + least[:, None])[:, :, None] - low[:, None, :]
    length = ((to - from_) + (most - least)[:, None])[:, :, None]
    width = (high - low)[:, None, :]
    turn = np.floor(start)
    start = start - turn
    stop = start + length
    around = stop >= 1.0
    begin = np.where(around, 0.0, start)
    end = np.where(start <= width, np.minimum(stop, width), np.minimum(stop - 1.0, width))
    hit = (around | (start <= width + EPSILON)) & ~empty[:, :, None] & (width >= 0)
    begin = np.where(hit, np.minimum(begin, width), 9.0).min(axis=1)
    end = np.where(hit, np.maximum(end, 0.0), -9.0).max(axis=1)
    return low + begin, low + end
