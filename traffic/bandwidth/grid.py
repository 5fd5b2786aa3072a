"""MAXBAND on one road with fixed speeds at a whole cycle, greens on whole seconds: exact, compiled.

All in seconds. The outbound front passes signal i at u_i, the inbound front at v_i. The outbound
green starts at a whole second O_i <= u_i, the inbound one at O_i + D (D: the pattern's difference);
bands fit up to g_i - tau_i - (u_i - O_i) and gg_i - ttau_i - (v_i - O_i - D), taken modulo the
cycle. Of all O_i only two can be best: the last second before u_i, and that before v_i - D.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from traffic.bandwidth.problem import Floats

Ints = NDArray[np.int64]
EPSILON = 1e-9
ALWAYS = 1e6


@numba.njit(cache=True)
def value_of(b: float, bb: float, k: float, side: int) -> float:  # pragma: no cover - compiled
    """MAXBAND's objective; ``side`` 1 and 2 count one direction alone. Negative: no band."""
    if side == 1:
        return b
    if side == 2:
        return bb
    if b < 0.0 or bb < 0.0:
        return min(b, bb)
    if k == 1.0:
        return 2.0 * min(b, bb)
    if k > 1.0:
        bb = min(bb, k * b)
    elif k > 0.0:
        b = min(b, bb / k)
    return b + k * bb


@numba.njit(cache=True)
def options(  # pragma: no cover - compiled
    u: float,
    v: float,
    room_out: Floats,
    room_in: Floats,
    difference: Ints,
    count: int,
    cycle: int,
    limits: Floats,
) -> int:
    """Fill ``limits`` with (b, bb, pattern, O) of each choice at one signal; how many there are.

    Where a green never ends the cycle is the limit: no band is wider.
    """
    low_u, low_v = np.floor(u + EPSILON), np.floor(v + EPSILON)
    part_u, part_v = max(0.0, u - low_u), max(0.0, v - low_v)
    found = 0
    for p in range(count):
        late = int(low_v - low_u - difference[p]) % cycle
        # O as late as the outbound front allows.
        limits[found, 0] = room_out[p] - part_u
        limits[found, 1] = room_in[p] if room_in[p] >= ALWAYS else room_in[p] - part_v - late
        limits[found, 2] = p
        limits[found, 3] = low_u
        found += 1
        if late:
            early = cycle - late
            limits[found, 0] = room_out[p]
            if room_out[p] < ALWAYS:
                limits[found, 0] -= part_u + early
            limits[found, 1] = room_in[p] - part_v
            limits[found, 2] = p
            limits[found, 3] = low_u - early
            found += 1
    for c in range(found):
        limits[c, 0] = min(limits[c, 0], float(cycle))
        limits[c, 1] = min(limits[c, 1], float(cycle))
    return found


@numba.njit(cache=True)
def fixed_speeds(  # pragma: no cover - compiled
    reach_out: Floats,
    reach_in: Floats,
    room_out: Floats,
    room_in: Floats,
    difference: Ints,
    counts: Ints,
    cycle: int,
    k: float,
    side: int,
    floor: float,
) -> tuple[float, float, float, Ints, Ints]:
    """Find the best fronts of all, exactly; (value, u_0, v_0, patterns, O).

    An optimum exists whose fronts each meet some green's start: they could go earlier otherwise.
    That leaves as many fractions of a second as signals for u_0 and for v_0, and the cycle's
    seconds for v_0. The value is ``floor`` where nothing is better.
    """
    n = reach_out.size
    best = floor
    best_u = best_v = 0.0
    limits = np.empty((n, 2 * difference.shape[1], 4))
    found = np.zeros(n, dtype=np.int64)
    parts_u = np.unique(np.round((-reach_out) % 1.0, 9) % 1.0)
    parts_v = np.unique(np.round((-reach_in) % 1.0, 9) % 1.0)
    seconds = cycle
    if side == 1:
        parts_v, seconds = parts_v[:1], 1
    if side == 2:
        parts_u, seconds = parts_u[:1], 1
    # The signals that are most likely to forbid a candidate are asked first.
    order = np.argsort(np.minimum(room_out[:, 0], room_in[:, 0]))
    got = np.empty(2 * n * difference.shape[1])
    for part_u in parts_u:
        for part_v in parts_v:
            for second in range(seconds):
                v0 = part_v + second
                most = np.inf
                for i in order:
                    found[i] = options(
                        part_u + reach_out[i],
                        v0 + reach_in[i],
                        room_out[i],
                        room_in[i],
                        difference[i],
                        counts[i],
                        cycle,
                        limits[i],
                    )
                    own = -np.inf
                    for c in range(found[i]):
                        own = max(own, value_of(limits[i, c, 0], limits[i, c, 1], k, side))
                    most = min(most, own)
                    if most <= best + EPSILON:
                        break
                if most <= best + EPSILON:
                    continue
                if k != 1.0 and side == 0:
                    most = _both(limits, found, k, got)[0]
                    if most <= best + EPSILON:
                        continue
                best, best_u, best_v = most, part_u, v0
    pattern = np.zeros(n, dtype=np.int64)
    start = np.zeros(n, dtype=np.int64)
    if best > floor:
        for i in range(n):
            found[i] = options(
                best_u + reach_out[i],
                best_v + reach_in[i],
                room_out[i],
                room_in[i],
                difference[i],
                counts[i],
                cycle,
                limits[i],
            )
        least = -np.inf
        if k != 1.0 and side == 0:
            least = _both(limits, found, k, got)[1]
        for i in range(n):
            top = -np.inf
            for c in range(found[i]):
                own = value_of(limits[i, c, 0], limits[i, c, 1], k, side)
                if k != 1.0 and side == 0:
                    own = limits[i, c, 1] if limits[i, c, 0] >= least else -np.inf
                if own > top:
                    top = own
                    pattern[i] = int(limits[i, c, 2])
                    start[i] = int(limits[i, c, 3])
    return best, best_u, best_v, pattern, start


@numba.njit(cache=True)
def _both(  # pragma: no cover - compiled
    limits: Floats, found: Ints, k: float, got: Floats
) -> tuple[float, float]:
    """Best value over all signals' choices together, and the outbound band that it asks for.

    A wider outbound band leaves each signal fewer choices; every limit is tried as the band.
    """
    n = found.size
    total = 0
    for i in range(n):
        for c in range(found[i]):
            got[total] = limits[i, c, 0]
            total += 1
    best, width = -np.inf, -np.inf
    for t in range(total):
        b = got[t]
        if b < 0.0:
            continue
        bb = np.inf
        for i in range(n):
            own = -np.inf
            for c in range(found[i]):
                if limits[i, c, 0] >= b:
                    own = max(own, limits[i, c, 1])
            bb = min(bb, own)
            if bb < 0.0:
                break
        value = value_of(b, bb, k, 0)
        if value > best:
            best, width = value, b
    return best, width
