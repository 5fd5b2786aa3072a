"""The compiled heart of the delay model: one pass over the window, second by second.

Cyclic flow profiles (Robertson 1969, TRANSYT) carried through the whole window instead of one
cycle, so that demand that changes, queues that outlast the green and links that fill up are part of
it. Every second, for each lane group, what arrives joins the queue of its turn; the group
discharges its queues as one line: at the harmonic mean of its turns' rates, up to the first driver
whose turn is red or whose link is full; yielding turns take the gaps that their foes leave.
"""

import math

import numba
import numpy as np

from traffic.delay.flow_network import AFTER_STOP, PROTECTED, RED, YELLOW, YIELDING
from traffic.delay.lane_groups import CRITICAL_GAP_OPEN_S, CRITICAL_GAP_S

# Vehicles a lane that wait inside the junction and clear when a yielding green ends.
SNEAKERS = 1.2
# The table of gaps: cells, and cells a vehicle a second.
GAP_CELLS, GAP_STEPS = 96, 64.0
# Share of the gaps that is left while foes discharge a queue, at a signal and without one.
BUSY_GAPS, BUSY_GAPS_OPEN = 0.2, 0.05
# On links that hold fewer vehicles a lane than this, the share of the gaps that is used.
SHORT_STORAGE, SHORT_LINK_GAPS = 3.0, 0.1
# Share of the saturation flow that is left where drivers look out for others.
YIELD_FACTOR = 0.9
# Share of the saturation flow at which drivers turn right after a stop.
STOP_FACTOR = 0.6
# A queue shorter than this is no queue.
NO_QUEUE = 0.3
# Ways with a smaller share do not hold their queue back when they are full.
BINDING_SHARE = 0.05
# Sums may be reordered.
FAST = {"nsz", "arcp", "contract", "afn", "reassoc"}
# HCM's k of pretimed signals.
RANDOM_K = 0.5


@numba.njit(cache=True)
def rates_of(code, cycle, start_loss_s, end_gain_s, protected, yielding, ends):  # type: ignore[no-untyped-def]
    """Fill the shares of each second in which a queue may discharge, (cycle,) each.

    ``ends`` marks the second in which a yielding green ends.
    """
    start = -1
    for c in range(cycle):
        before = code[c - 1] if c > 0 else code[cycle - 1]
        if (code[c] == RED or code[c] == YELLOW) and before != RED and before != YELLOW:
            start = c
            break
    if start < 0:
        # Always green, or never.
        for c in range(cycle):
            protected[c] = 1.0 if code[c] == PROTECTED else 0.0
            yielding[c] = 0.0
            if code[c] == YIELDING:
                yielding[c] = 1.0
            elif code[c] == AFTER_STOP:
                yielding[c] = STOP_FACTOR
            ends[c] = 0
        return
    last = code[start - 1] if start > 0 else code[cycle - 1]
    green = True
    since = 0.0
    over = 0.0
    for j in range(cycle):
        c = (start + j) % cycle
        now = code[c]
        protected[c] = 0.0
        yielding[c] = 0.0
        ends[c] = 0
        if now in (RED, YELLOW):
            if green:
                ends[c] = 1 if last == YIELDING else 0
                over = 0.0
            if now == RED:
                last = RED
            share = min(1.0, max(0.0, end_gain_s - over))
            over += 1.0
            if last == PROTECTED:
                protected[c] = share
            elif last != RED:
                yielding[c] = share
            green = False
            since = 0.0
            continue
        share = min(1.0, max(0.0, since + 1.0 - start_loss_s))
        since += 1.0
        if now == PROTECTED:
            protected[c] = share
        elif now == YIELDING:
            yielding[c] = share
        else:
            yielding[c] = share * STOP_FACTOR
        last = now
        green = True


@numba.njit(cache=True, error_model="numpy")
def gaps_of(follow_s, gap_s, share):  # type: ignore[no-untyped-def]
    """Tabulate the share of a yielding queue's own rate that random foes leave, by their flow.

    Cell k stands for k / GAP_STEPS vehicles a second: q exp(-q t_c) / (1 - exp(-q t_f)) gaps a
    second (HCM's potential capacity) times the follow-up time t_f.
    """
    share[0] = 1.0
    for k in range(1, share.size):
        flow = k / GAP_STEPS
        rate = flow * math.exp(-flow * gap_s) / (1.0 - math.exp(-flow * follow_s))
        share[k] = min(1.0, rate * follow_s)


# Not all of fastmath: links without a limit have an infinite storage.
@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def run(  # type: ignore[no-untyped-def]
    codes,
    cycles,
    begin_s,
    duration_s,
    group_first,
    group_lanes,
    queue_signal,
    saturation,
    start_loss_s,
    end_gain_s,
    foe_first,
    foe,
    way_first,
    way_to,
    way_group,
    way_share,
    way_lag_s,
    way_keep,
    storage,
    from_outside,
    slice_s,
    scale,
    delay,
    random_delay,
    stops,
    served,
    longest,
    load,
    blocked_s,
    profile,
):
    """Simulate one plan; ``codes`` (q, longest cycle) holds each queue's signal by second.

    Second c of a cycle is the one that begins at a time whose remainder by the cycle is c. Fills
    ``delay``, ``random_delay`` (vehicle seconds), ``stops``, ``served``, ``longest`` (vehicles) and
    ``load`` (degree of saturation) of each queue, (q,), and ``blocked_s`` (g,). ``scale``
    multiplies the demand. ``profile`` (q, longest cycle), or nothing (0, 0), is filled with the
    vehicles that leave each queue in each second of its cycle, over the last two thirds of the
    window.
    """
    count = queue_signal.size
    groups = group_lanes.size
    signals = cycles.size - 1
    recorded = profile.size > 0
    width = codes.shape[1]
    # By second first: the queues of a signal, which look at the same second, lie side by side.
    protected = np.zeros((width, count))
    yielding = np.zeros((width, count))
    extra = np.zeros((width, count))
    p = np.zeros(width)
    y = np.zeros(width)
    e = np.zeros(width, dtype=np.int64)
    for g in range(groups):
        for q in range(group_first[g], group_first[g + 1]):
            cycle = cycles[queue_signal[q]]
            rates_of(codes[q], cycle, start_loss_s[q], end_gain_s[q], p, y, e)
            for c in range(cycle):
                protected[c, q] = p[c] * saturation[q]
                yielding[c, q] = y[c] * saturation[q] * YIELD_FACTOR
                extra[c, q] = e[c] * SNEAKERS * group_lanes[g]
    outside = from_outside.T * scale
    gap_share = np.ones((count, GAP_CELLS))
    for g in range(groups):
        for q in range(group_first[g], group_first[g + 1]):
            if foe_first[q + 1] > foe_first[q]:
                follow_s = group_lanes[g] / (saturation[q] * YIELD_FACTOR)
                gap_s = CRITICAL_GAP_S if queue_signal[q] < signals else CRITICAL_GAP_OPEN_S
                gaps_of(follow_s, gap_s, gap_share[q])
                if storage[g] < SHORT_STORAGE * group_lanes[g]:
                    # Gaps pass unused while the link behind has nobody to send.
                    for k in range(1, GAP_CELLS):
                        gap_share[q, k] *= SHORT_LINK_GAPS
    ring = 2
    for w in range(way_lag_s.size):
        ring = max(ring, way_lag_s[w] + 1)
    coming = np.zeros((ring, count))
    spread = np.zeros(way_to.size)
    queue = np.zeros(count)
    out = np.zeros(count)
    busy = np.zeros(count, dtype=np.int64)
    rate = np.zeros(count)
    pass_left = np.full(groups, -1.0)
    open_left = np.full(groups, -1.0)
    inside = np.zeros(storage.size)
    could = np.zeros(count)
    came = np.zeros(count)
    outside_share = np.zeros(count)
    second = np.zeros(cycles.size, dtype=np.int64)
    for q in range(count):
        delay[q] = 0.0
        stops[q] = 0.0
        served[q] = 0.0
        longest[q] = 0.0
    for g in range(groups):
        blocked_s[g] = 0.0
    first_second = int(begin_s)
    for t in range(duration_s):
        slot = t % ring
        piece = min(int(t / slice_s), outside.shape[0] - 1)
        wide = min(slice_s, duration_s - piece * slice_s)
        for s in range(cycles.size):
            second[s] = (first_second + t) % cycles[s]
        for g in range(groups):
            low, high = group_first[g], group_first[g + 1]
            total = 0.0
            held = 0.0
            some = False
            for q in range(low, high):
                c = second[queue_signal[q]]
                fresh = outside[piece, q] / wide
                outside_share[q] += fresh
                inside[g] += fresh
                fresh += coming[slot, q]
                coming[slot, q] = 0.0
                r = protected[c, q]
                if yielding[c, q] > 0.0:
                    flow = 0.0
                    queued = False
                    busy_share = BUSY_GAPS if queue_signal[q] < signals else BUSY_GAPS_OPEN
                    for k in range(foe_first[q], foe_first[q + 1]):
                        f = foe[k]
                        flow += out[f]
                        if busy[f] == 1:
                            queued = True
                    if flow > 1e-4:
                        place = flow * GAP_STEPS
                        cell = int(place)
                        if cell >= GAP_CELLS - 1:
                            gaps = gap_share[q, GAP_CELLS - 1]
                        else:
                            low_gap = gap_share[q, cell]
                            gaps = low_gap + (place - cell) * (gap_share[q, cell + 1] - low_gap)
                        if queued:
                            gaps *= busy_share
                    else:
                        gaps = 1.0
                    r += yielding[c, q] * gaps
                r += extra[c, q]
                rate[q] = r
                could[q] += r
                came[q] += fresh
                if queue[q] > NO_QUEUE or r <= 1e-9:
                    stops[q] += fresh
                queue[q] += fresh
                if r > 1e-9:
                    some = True
                else:
                    held += queue[q]
                total += queue[q]
            if total <= 1e-9 or not some:
                for q in range(low, high):
                    out[q] = 0.0
                    busy[q] = 1 if (queue[q] > NO_QUEUE and rate[q] > 1e-9) else 0
                    delay[q] += queue[q]
                    longest[q] = max(longest[q], queue[q])
                pass_left[g] = -1.0
                continue
            # One line of drivers: the time that one of each turn takes, in their proportion.
            moving = total - held
            takes = 0.0
            for q in range(low, high):
                if rate[q] > 1e-9:
                    takes += queue[q] / rate[q]
            most = moving / takes if takes > 1e-12 else 0.0
            if held > 1e-6 and high - low > 1:
                lanes = group_lanes[g]
                if pass_left[g] < 0.0:
                    pass_left[g] = lanes * moving / held
                if most > pass_left[g]:
                    most = pass_left[g]
            else:
                pass_left[g] = -1.0
            if most > moving:
                most = moving
            # A full link lets nobody in; the lane is open until its first driver who wants to.
            if most > 0.0:
                free = 1.0
                full = 0.0
                for q in range(low, high):
                    if rate[q] <= 1e-9 or queue[q] <= 1e-12:
                        continue
                    part = most * queue[q] / moving
                    for w in range(way_first[q], way_first[q + 1]):
                        if way_share[w] < BINDING_SHARE:
                            continue
                        b = way_group[w]
                        room = storage[b] - inside[b]
                        if room < part * way_share[w]:
                            free = min(free, max(0.0, room) / (part * way_share[w]))
                            full += part * way_share[w]
                if free < 1.0:
                    if open_left[g] < 0.0:
                        open_left[g] = group_lanes[g] * max(0.0, most - full) / full
                    may = max(free * most, min(most, open_left[g]))
                    blocked_s[g] += 1.0 - may / most
                    most = may
                    open_left[g] = max(0.0, open_left[g] - most)
                else:
                    open_left[g] = -1.0
            gone = 0.0
            for q in range(low, high):
                o = 0.0
                if rate[q] > 1e-9 and moving > 1e-12:
                    o = most * queue[q] / moving
                queue[q] -= o
                if queue[q] < 0.0:
                    queue[q] = 0.0
                out[q] = o
                gone += o
                if recorded and 3 * t >= duration_s:
                    profile[q, second[queue_signal[q]]] += o
                busy[q] = 1 if (queue[q] > NO_QUEUE and rate[q] > 1e-9) else 0
                delay[q] += queue[q]
                served[q] += o
                if queue[q] > longest[q]:
                    longest[q] = queue[q]
            if pass_left[g] >= 0.0:
                pass_left[g] = max(0.0, pass_left[g] - gone)
            inside[g] -= gone
        for q in range(count):
            o = out[q]
            for w in range(way_first[q], way_first[q + 1]):
                x = spread[w]
                if o <= 1e-12:
                    if x <= 1e-6:
                        continue
                    x *= way_keep[w]
                else:
                    x = o + way_keep[w] * (x - o)
                    inside[way_group[w]] += o * way_share[w]
                spread[w] = x
                at = slot + way_lag_s[w]
                if at >= ring:
                    at -= ring
                coming[at, way_to[w]] += x * way_share[w]
    hours = duration_s / 3600.0
    for g in range(groups):
        low, high = group_first[g], group_first[g + 1]
        x = 0.0
        flow = 0.0
        fresh = 0.0
        for q in range(low, high):
            if came[q] > 0.0:
                x += came[q] / max(could[q], 1e-6)
                flow += came[q]
                fresh += outside_share[q]
        for q in range(low, high):
            random_delay[q] = 0.0
            load[q] = came[q] / max(could[q], 1e-6)
        if flow <= 0.0 or x <= 0.0:
            continue
        capacity_vph = flow / x / hours
        # Upstream signals have smoothed part of the arrivals (HCM's I).
        even = 0.5 + 0.5 * fresh / flow
        both = math.sqrt((x - 1.0) ** 2 + 8.0 * RANDOM_K * even * x / (capacity_vph * hours))
        each_s = 900.0 * hours * (both - abs(x - 1.0))
        for q in range(low, high):
            random_delay[q] = each_s * came[q]
