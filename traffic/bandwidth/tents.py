"""Exact bands of a road with fixed speeds, and bounds for many ranges of the cycle at once.

With fixed speeds only two numbers are free along a whole road: z = 1 / cycle, and the phase F by
which the inbound front passes a reference signal after the outbound one. At signal i the phase is

    psi_i = F - z D_i,    D_i = travel there and back from the reference, less queue clearance.

Let x = psi_i - delta_p modulo 1 be its distance from pattern p's difference of the two greens'
starts. Both bands fit when b <= g - tau z + min(x, 0) and bb <= gg - ttau z - max(x, 0). For equal
bands that is a tent over the circle for each pattern, and the band is the least of all signals'
highest tents. On a box of (F, z) psi_i moves by no more than its radius, and the tents by no more
than psi_i, which gives a bound.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from traffic.bandwidth.problem import ALWAYS_GREEN, Floats, Road, travel_sums

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes of (F, z): centres and half widths, (m,) each."""

    f: Floats
    z: Floats
    half_f: Floats
    half_z: Floats

    def take(self, index: NDArray[np.intp]) -> "Boxes":
        """Pick some of them."""
        return Boxes(self.f[index], self.z[index], self.half_f[index], self.half_z[index])


class Tents:
    """A road with fixed speeds, prepared; distances are (signals, patterns and whole turns)."""

    def __init__(self, road: Road) -> None:
        self.road = road
        queue_s = road.queue_out_s[1:] + road.queue_in_s[:-1]
        reached_s = travel_sums(road.fast_out_s + road.fast_in_s - queue_s)
        self.d = reached_s - (reached_s[0] + reached_s[-1]) / 2
        self.free = (road.green_out >= ALWAYS_GREEN) | (road.green_in >= ALWAYS_GREEN)
        most = max(len(starts) for starts in road.starts)
        self.delta = np.zeros((road.n, most))
        for i, starts in enumerate(road.starts):
            deltas = [back - out for out, back in starts]
            self.delta[i] = deltas + deltas[:1] * (most - len(deltas))

    @property
    def reach_s(self) -> float:
        """By how much the phase of the farthest signal moves with z."""
        return float(np.abs(self.d).max())

    def integers(self, f: float, z: float) -> list[int]:
        """Choose patterns and whole turns at one point, in the order of ``BandModel.integers``."""
        road = self.road
        middle = (road.green_in - road.queue_in_s * z - road.green_out + road.queue_out_s * z) / 2
        x = (f - self.d * z)[:, None] - self.delta - middle[:, None]
        pick = np.abs(x - np.round(x)).argmin(axis=1)
        turn = np.round(x[np.arange(road.n), pick]).astype(int)
        whole: list[int] = []
        for i, starts in enumerate(road.starts):
            # Rows of ``delta`` that are too short were filled with their first pattern.
            chosen = int(pick[i]) if pick[i] < len(starts) else 0
            whole += [int(p == chosen) for p in range(len(starts))]
        return whole + [int(turn[i] - turn[i + 1]) for i in range(road.n - 1)]

    def value(self, boxes: Boxes, *, slack: bool) -> Floats:
        """Objective at each box's centre, or with ``slack`` a bound on it in the whole box.

        Negative where no band exists. Exact for equal bands; for others a bound either way.
        """
        size = self.delta.size
        step = max(1, CHUNK // size)
        parts = [
            self._value(boxes.take(np.arange(k, min(k + step, boxes.f.size))), slack)
            for k in range(0, boxes.f.size, step)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _value(self, boxes: Boxes, slack: bool) -> Floats:
        road = self.road
        z = boxes.z
        radius = np.zeros((z.size, road.n))
        least_z = z
        if slack:
            radius = boxes.half_f[:, None] + np.abs(self.d) * boxes.half_z[:, None]
            least_z = z - boxes.half_z
        phase = boxes.f[:, None] - self.d * z[:, None]
        green_out = road.green_out - road.queue_out_s * least_z[:, None]
        green_in = road.green_in - road.queue_in_s * least_z[:, None]
        green_out[:, road.green_out >= ALWAYS_GREEN] = 1.0
        green_in[:, road.green_in >= ALWAYS_GREEN] = 1.0
        # The turn that puts the phase nearest to the tent's middle.
        middle = (green_in - green_out) / 2
        x = phase[:, :, None] - self.delta - middle[:, :, None]
        x -= np.round(x)
        if road.inbound_weight == 1:
            away = np.abs(x).min(axis=2)
            away = np.maximum(away - radius, 0.0)
            tent = (green_out + green_in) / 2 - away
            tent = np.minimum(tent, np.minimum(green_out, green_in))
            tent[:, self.free] = np.minimum(green_out, green_in)[:, self.free]
            equal: Floats = 2 * tent.min(axis=1)
            return equal
        return self._weighted(x + middle[:, :, None], radius, green_out, green_in)

    def _weighted(self, x: Floats, radius: Floats, green_out: Floats, green_in: Floats) -> Floats:
        """Bound b + k bb by what each signal alone would allow."""
        k = self.road.inbound_weight
        best = np.full(radius.shape, -1.0)
        for turn in (-1.0, 0.0, 1.0):
            shifted = x + turn
            b = np.minimum(
                green_out[:, :, None], green_out[:, :, None] + shifted + radius[:, :, None]
            )
            bb = np.minimum(
                green_in[:, :, None], green_in[:, :, None] - shifted + radius[:, :, None]
            )
            b[:, self.free] = green_out[:, self.free, None]
            bb[:, self.free] = green_in[:, self.free, None]
            fits = (b >= 0) & (bb >= 0)
            if k > 1:
                bb = np.minimum(bb, k * b)
            elif k > 0:
                b = np.minimum(b, bb / k)
            best = np.maximum(best, np.where(fits, b + k * bb, -1.0).max(axis=2))
        least: Floats = best.min(axis=1)
        return least
