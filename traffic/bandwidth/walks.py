"""MAXBAND on one road with free speeds at a whole cycle, greens on whole seconds: compiled walks.

As in ``grid``, with fronts on a grid of time: then the phase v_i - u_i of both fronts takes
finitely many values, and over a link it falls by a step that the speeds bound. The best walk from
signal to signal, by its least band, is found by dynamic programming.
"""

import numba
import numpy as np

from traffic.bandwidth.grid import EPSILON, Ints, options, value_of
from traffic.bandwidth.problem import Floats


@numba.njit(cache=True)
def tents(  # pragma: no cover - compiled
    room_out: Floats,
    room_in: Floats,
    difference: Ints,
    counts: Ints,
    cycle: int,
    parts: int,
    k: float,
    side: int,
    least: float,
) -> tuple[Floats, Ints, Ints]:
    """Each signal's best value for fronts on a grid of 1 / ``parts`` s, (n, parts, C * parts).

    By the outbound front's fraction of a second and the phase v - u; with the pattern, and by how
    many whole seconds before the front's own second the outbound green starts. With ``least`` the
    value is the inbound band beside an outbound one of that width.
    """
    n = room_out.shape[0]
    shape = (n, parts, cycle * parts)
    value = np.full(shape, -1.0)
    pattern = np.zeros(shape, dtype=np.int64)
    early = np.zeros(shape, dtype=np.int64)
    limits = np.empty((2 * difference.shape[1], 4))
    for i in range(n):
        for part in range(parts):
            for phase in range(cycle * parts):
                u = part / parts
                found = options(
                    u,
                    u + phase / parts,
                    room_out[i],
                    room_in[i],
                    difference[i],
                    counts[i],
                    cycle,
                    limits,
                )
                for c in range(found):
                    if least > 0.0:
                        own = limits[c, 1] if limits[c, 0] >= least - EPSILON else -1.0
                    else:
                        own = value_of(limits[c, 0], limits[c, 1], k, side)
                    if own > value[i, part, phase]:
                        value[i, part, phase] = own
                        pattern[i, part, phase] = int(limits[c, 2])
                        early[i, part, phase] = -int(limits[c, 3])
    return value, pattern, early


@numba.njit(cache=True)
def walk(  # pragma: no cover - compiled
    tent: Floats,
    low_out: Ints,
    high_out: Ints,
    low_in: Ints,
    high_in: Ints,
    floor: float,
) -> tuple[float, Ints, Ints, Ints]:
    """Find the walk whose least tent is highest: (value, outbound fraction at 0, phases, steps).

    All in parts of a second. Over link i the outbound front goes on by a step in [low_out_i,
    high_out_i], the inbound one falls by one in [low_in_i, high_in_i], and so the phase falls by
    their sum. The steps are the outbound ones. The value is ``floor`` where nothing is better.
    """
    n, parts, phases = tent.shape
    best = np.full((n, parts, phases), -1.0)
    from_part = np.zeros((n, parts, phases), dtype=np.int64)
    from_phase = np.zeros((n, parts, phases), dtype=np.int64)
    best[0] = tent[0]
    for i in range(1, n):
        for part in range(parts):
            for old_part in range(parts):
                # Outbound steps that lead from the one fraction to the other.
                first = low_out[i - 1] + (part - old_part - low_out[i - 1]) % parts
                if first > high_out[i - 1]:
                    continue
                last = high_out[i - 1] - (high_out[i - 1] - first) % parts
                low, high = first + low_in[i - 1], last + high_in[i - 1]
                if high_in[i - 1] - low_in[i - 1] < parts - 1:
                    # The inbound steps leave gaps between: one outbound step alone is sure.
                    high = first + high_in[i - 1]
                span = min(high - low, phases - 1)
                for phase in range(phases):
                    here = tent[i, part, phase]
                    if here <= floor:
                        continue
                    top, at = -1.0, 0
                    for step in range(span + 1):
                        old = (phase + low + step) % phases
                        if best[i - 1, old_part, old] > top:
                            top, at = best[i - 1, old_part, old], old
                    if min(top, here) > best[i, part, phase]:
                        best[i, part, phase] = min(top, here)
                        from_part[i, part, phase] = old_part
                        from_phase[i, part, phase] = at
    flat = int(np.argmax(best[n - 1]))
    part, phase = flat // phases, flat % phases
    value = best[n - 1, part, phase]
    path = np.zeros(n, dtype=np.int64)
    steps = np.zeros(n - 1, dtype=np.int64)
    for i in range(n - 1, 0, -1):
        path[i] = phase
        old_part, old = from_part[i, part, phase], from_phase[i, part, phase]
        first = low_out[i - 1] + (part - old_part - low_out[i - 1]) % parts
        # The least outbound step whose inbound one is within its range.
        fall = first + low_in[i - 1] + (old - phase - first - low_in[i - 1]) % phases
        step = first
        while fall - step > high_in[i - 1] and step + parts <= high_out[i - 1]:
            step += parts
        steps[i - 1] = step
        part, phase = old_part, old
    path[0] = phase
    return max(value, floor), part, path, steps


@numba.njit(cache=True)
def limited_walk(  # pragma: no cover - compiled
    tent: Floats,
    low_out: Ints,
    high_out: Ints,
    low_in: Ints,
    high_in: Ints,
    waits_out: Floats,
    waits_in: Floats,
    length_m: Floats,
    change: float,
    floor: float,
) -> tuple[float, Ints, Ints]:
    """Find the best walk when the slowness changes little; (value, phases, outbound steps).

    ``tent`` is that of whole fronts, (n, C). The steps of the link before are part of the state: a
    step s takes s + wait seconds of travel, and neighbours' slowness may differ by ``change``. The
    outbound step is chosen first, then the inbound one.
    """
    n, cycle = tent.shape
    most_a = int((high_out - low_out).max()) + 1
    most_c = int((high_in - low_in).max()) + 1
    best = np.full((cycle, most_a, most_c), -1.0)
    middle = np.full((cycle, most_a, most_c), -1.0)
    from_a = np.zeros((n - 1, cycle, most_a, most_c), dtype=np.int16)
    from_c = np.zeros((n - 1, cycle, most_a, most_c), dtype=np.int16)
    new = np.empty((cycle, most_a, most_c))
    for link in range(n - 1):
        count_a = high_out[link] - low_out[link] + 1
        count_c = high_in[link] - low_in[link] + 1
        old_a = 1 if link == 0 else high_out[link - 1] - low_out[link - 1] + 1
        old_c = 1 if link == 0 else high_in[link - 1] - low_in[link - 1] + 1
        if link == 0:
            for phase in range(cycle):
                best[phase, 0, 0] = tent[0, phase]
        middle[:] = -1.0
        for a in range(count_a):
            slow = (low_out[link] + a + waits_out[link]) / length_m[link]
            first, last = 0, old_a - 1
            if link:
                length = length_m[link - 1]
                base = low_out[link - 1] + waits_out[link - 1]
                first = max(0, int(np.ceil((slow - change) * length - base - 1e-9)))
                last = min(old_a - 1, int(np.floor((slow + change) * length - base + 1e-9)))
            for phase in range(cycle):
                for c in range(old_c):
                    top, at = -1.0, 0
                    for old in range(first, last + 1):
                        if best[phase, old, c] > top:
                            top, at = best[phase, old, c], old
                    middle[phase, a, c] = top
                    from_a[link, phase, a, c] = at
        new[:] = -1.0
        for c in range(count_c):
            slow = (low_in[link] + c + waits_in[link]) / length_m[link]
            first, last = 0, old_c - 1
            if link:
                length = length_m[link - 1]
                base = low_in[link - 1] + waits_in[link - 1]
                first = max(0, int(np.ceil((slow - change) * length - base - 1e-9)))
                last = min(old_c - 1, int(np.floor((slow + change) * length - base + 1e-9)))
            for a in range(count_a):
                step = low_out[link] + a + low_in[link] + c
                for phase in range(cycle):
                    here = tent[link + 1, (phase - step) % cycle]
                    if here <= floor:
                        continue
                    top, at = -1.0, 0
                    for old in range(first, last + 1):
                        if middle[phase, a, old] > top:
                            top, at = middle[phase, a, old], old
                    new[(phase - step) % cycle, a, c] = min(top, here)
                    from_c[link, (phase - step) % cycle, a, c] = at
        best[:] = new
    flat = int(np.argmax(best))
    phase, a, c = flat // (most_a * most_c), flat // most_c % most_a, flat % most_c
    value = best[phase, a, c]
    phases = np.zeros(n, dtype=np.int64)
    steps_out = np.zeros(n - 1, dtype=np.int64)
    steps_in = np.zeros(n - 1, dtype=np.int64)
    for link in range(n - 2, -1, -1):
        phases[link + 1] = phase
        steps_out[link] = low_out[link] + a
        steps_in[link] = low_in[link] + c
        old_c = from_c[link, phase, a, c]
        phase = (phase + steps_out[link] + steps_in[link]) % cycle
        a = from_a[link, phase, a, old_c]
        c = old_c
    phases[0] = phase
    return max(value, floor), phases, steps_out
