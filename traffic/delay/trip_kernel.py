"""The compiled heart of the vehicle-by-vehicle model: one pass over the window, second by second.

Every vehicle of a day drives its way freely from stop line to stop line, waits in its lane in the
order of arrival, and crosses when its signal lets it, a headway after the one before, when whoever
it yields to leaves a gap, and when there is room behind. A place that a vehicle leaves at the front
of a queue reaches the rear as slowly as vehicles move up (Newell's kinematic wave, 2002).
Within a second times are exact.
"""

from typing import NamedTuple

import numba
import numpy as np

from traffic.delay.flow_network import AFTER_STOP, PROTECTED, RED, YELLOW, YIELDING, Floats, Ints
from traffic.delay.trips import ENDLESS

# Least time in s between a vehicle with right of way and one that yields, behind and before it, at
# a signal and without one. Together with a foe's own passing they make SUMO's gaps of 6 to 8 s.
AFTER_FOE_S, BEFORE_FOE_S = 2.5, 4.0
AFTER_FOE_OPEN_S, BEFORE_FOE_OPEN_S = 2.5, 5.0
# Vehicles of a lane that are looked at for one that comes.
SEEN = 3
# A waiting driver looks again so often.
LOOK_S = 0.5
# Who waits no longer than this slows down and does not stop.
NO_STOP_S = 2.0
# Of a yielding green one driver who waits inside the junction clears it in the yellow.
CLEARED_EVERY_S = 8.0
# Stop before turning on red.
STOPPED_S = 2.0
# Who has not got out of a junction after so long stands in it, in the way of those who cross; once
# there is room, it takes so long to be out of it. After the last of these, ways round are found.
STANDS_S, CLEARS_S, LEAVES_S = 3.0, 2.0, 15.0
# Seconds ahead for which arrivals at approaches are kept apart.
RING = 512
NEVER = -1.0e9


class Queues(NamedTuple):
    """What the pass reads of the flow network, (q,) each; foes and lanes by (q + 1,) and index.

    ``foe`` goes first, the ways of ``crossed`` cross the queue's own. ``signals`` is the number of
    signals: a queue whose signal is that has none.
    """

    signal: Ints
    headway_s: Floats
    start_loss_s: Floats
    end_gain_s: Floats
    foe_first: Ints
    foe: Ints
    crossed_first: Ints
    crossed: Ints
    lane_first: Ints
    lane: Ints
    signals: int


class Vehicles(NamedTuple):
    """A ``TripTable`` as the compiled code takes it."""

    kind_first: Ints
    kind_lane: Ints
    kind_queue: Ints
    kind_to: Ints
    trip_first: Ints
    depart_s: Floats
    pace: Floats
    passage_kind: Ints
    passage_s: Floats
    passage_edge_s: Floats
    lane_room: Ints
    lane_extra: Ints
    lane_hole_s: Floats
    lane_edge: Ints
    edge_room: Ints


@numba.njit(cache=True, nogil=True)
def _must_wait(  # type: ignore[no-untyped-def]
    q, lane, at, t, codes, second, head, follows, ready, free_at, on_queue, last, queues
):
    """Whether somebody with right of way over queue ``q`` has just passed, or is about to."""
    opened = queues.signal[q] >= queues.signals
    after_s = AFTER_FOE_OPEN_S if opened else AFTER_FOE_S
    before_s = BEFORE_FOE_OPEN_S if opened else BEFORE_FOE_S
    for i in range(queues.foe_first[q], queues.foe_first[q + 1]):
        f = queues.foe[i]
        if last[f] + after_s > at:
            return True
        code = codes[f, second[queues.signal[f]]]
        if code in (RED, YELLOW):
            continue
        for j in range(queues.lane_first[f], queues.lane_first[f + 1]):
            other = queues.lane[j]
            if other == lane:
                continue
            n = head[other]
            when = free_at[other]
            for _ in range(SEEN):
                if n < 0:
                    break
                when = max(ready[n], when, float(t))
                if when > at + before_s:
                    break
                if on_queue[n] == f:
                    return True
                when += queues.headway_s[on_queue[n]]
                n = follows[n]
    return False


@numba.njit(cache=True, nogil=True)
def _way_is_free_at(q, at, t, queues, standing_from, last, clear_at):  # type: ignore[no-untyped-def]
    """When nobody stands in the junction across queue ``q``'s way; the next second = not yet."""
    free = at
    for i in range(queues.crossed_first[q], queues.crossed_first[q + 1]):
        f = queues.crossed[i]
        if standing_from[f] > 0 and last[f] + STANDS_S <= at < last[f] + LEAVES_S:
            return t + 1.0
        free = max(free, clear_at[f])
    return free


@numba.njit(cache=True, nogil=True)
def _emptiest(kind, vehicles, on_lane):  # type: ignore[no-untyped-def]
    """Choice of a kind whose lane has the fewest vehicles, the first of equals."""
    best = vehicles.kind_first[kind]
    for c in range(best + 1, vehicles.kind_first[kind + 1]):
        if on_lane[vehicles.kind_lane[c]] < on_lane[vehicles.kind_lane[best]]:
            best = c
    return best


@numba.njit(cache=True, nogil=True)
def _yellow_left_s(codes, q, c, cycle):  # type: ignore[no-untyped-def]
    """Seconds of yellow before this one, and what was shown before it."""
    passed = 0
    while codes[q, c] == YELLOW and passed < cycle:
        passed += 1
        c = c - 1 if c > 0 else cycle - 1
    return passed - 1, codes[q, c]


@numba.njit(cache=True, nogil=True)
def run(codes, cycles, begin_s, duration_s, queues, vehicles, delay, stops, served, longest):  # type: ignore[no-untyped-def]
    """Drive a day under one plan; ``codes`` (q, longest cycle) holds each queue's signal by second.

    Fills vehicle seconds lost at stop lines ``delay``, ``stops``, vehicles ``served`` and the
    ``longest`` queue of a lane, of each queue, (q,). Who still waits at the end is counted until
    then.
    """
    lanes = vehicles.lane_room.size
    trips = vehicles.depart_s.size
    head = np.full(lanes, -1, dtype=np.int64)
    tail = np.full(lanes, -1, dtype=np.int64)
    # Vehicles that have come into and out of each lane; their difference is on it.
    came = np.zeros(lanes, dtype=np.int64)
    left = np.zeros(lanes, dtype=np.int64)
    on_lane = np.zeros(lanes, dtype=np.int64)
    on_edge = np.zeros(vehicles.edge_room.size, dtype=np.int64)
    most = 1
    for lane in range(lanes):
        if vehicles.lane_room[lane] < ENDLESS:
            most = max(most, vehicles.lane_room[lane] + vehicles.lane_extra[lane])
    exits = np.full((lanes, most), NEVER)
    free_at = np.zeros(lanes)
    met_red = np.zeros(lanes, dtype=np.uint8)
    cleared = np.full(lanes, NEVER)
    follows = np.full(trips, -1, dtype=np.int64)
    ready = np.zeros(trips)
    passage = np.zeros(trips, dtype=np.int64)
    waits_on = np.zeros(trips, dtype=np.int64)
    on_queue = np.zeros(trips, dtype=np.int64)
    goes_to = np.zeros(trips, dtype=np.int64)
    reds = np.zeros(trips, dtype=np.int64)
    targets = 1
    for c in range(vehicles.kind_to.size):
        targets = max(targets, vehicles.kind_to[c] + 1)
    target_free = np.full(targets, NEVER)
    target_from = np.full(targets, -1, dtype=np.int64)
    arriving = np.full(RING, -1, dtype=np.int64)
    last = np.full(queues.signal.size, NEVER)
    # Vehicles that may have to stand inside the junction, by lane that they want to enter, and by
    # the queue that they came from; when the last of these was out of the way.
    inside = np.zeros(lanes, dtype=np.int64)
    inside_from = np.zeros((lanes, most), dtype=np.int64)
    standing_from = np.zeros(queues.signal.size, dtype=np.int64)
    clear_at = np.full(queues.signal.size, NEVER)
    second = np.zeros(cycles.size, dtype=np.int64)
    next_trip = 0
    for q in range(queues.signal.size):
        delay[q] = 0.0
        stops[q] = 0.0
        served[q] = 0.0
        longest[q] = 0.0
    for t in range(duration_s):
        for s in range(cycles.size):
            second[s] = (int(begin_s) + t) % cycles[s]
        while next_trip < trips and vehicles.depart_s[next_trip] < t + 1:
            v = next_trip
            next_trip += 1
            p = vehicles.trip_first[v]
            passage[v] = p
            choice = _emptiest(vehicles.passage_kind[p], vehicles, on_lane)
            lane = vehicles.kind_lane[choice]
            waits_on[v] = lane
            on_queue[v] = vehicles.kind_queue[choice]
            goes_to[v] = vehicles.kind_to[choice]
            came[lane] += 1
            on_lane[lane] += 1
            on_edge[vehicles.lane_edge[lane]] += 1
            ready[v] = vehicles.depart_s[v] + vehicles.passage_s[p] * vehicles.pace[v]
            enters = int(ready[v] - vehicles.passage_edge_s[p] * vehicles.pace[v])
            slot = min(max(enters, t), t + RING - 1) % RING
            follows[v] = arriving[slot]
            arriving[slot] = v
        # Who reaches an approach gets in line. The list is last in, first out: turn it round.
        v = arriving[t % RING]
        arriving[t % RING] = -1
        first = -1
        while v >= 0:
            n = follows[v]
            follows[v] = first
            first = v
            v = n
        v = first
        while v >= 0:
            n = follows[v]
            follows[v] = -1
            lane = waits_on[v]
            if tail[lane] < 0:
                head[lane] = v
            else:
                follows[tail[lane]] = v
            tail[lane] = v
            v = n
        for lane in range(lanes):
            v = head[lane]
            while v >= 0:
                q = on_queue[v]
                s = queues.signal[q]
                at = max(ready[v], free_at[lane], float(t))
                if at >= t + 1:
                    break
                code = codes[q, second[s]]
                if code in (RED, YELLOW):
                    goes = False
                    if code == YELLOW:
                        passed, before = _yellow_left_s(codes, q, second[s], cycles[s])
                        if before != RED and at - t <= queues.end_gain_s[q] - passed:
                            goes = before == PROTECTED
                            if not goes and t - cleared[lane] > CLEARED_EVERY_S:
                                cleared[lane] = t
                                goes = True
                    if not goes:
                        met_red[lane] = 1
                        break
                elif met_red[lane] == 1:
                    # The queue starts: everybody in it has stopped once more.
                    met_red[lane] = 0
                    free_at[lane] = max(free_at[lane], t + queues.start_loss_s[q])
                    n = v
                    place = 0
                    while n >= 0 and ready[n] < t + NO_STOP_S * (place + 1):
                        reds[n] += 1
                        place += 1
                        n = follows[n]
                    longest[q] = max(longest[q], place)
                    continue
                if code == AFTER_STOP and at < ready[v] + STOPPED_S:
                    free_at[lane] = ready[v] + STOPPED_S
                    continue
                if (code in (YIELDING, AFTER_STOP)) and _must_wait(
                    q, lane, at, t, codes, second, head, follows, ready, free_at, on_queue, last,
                    queues,
                ):  # fmt: skip
                    free_at[lane] = at + LOOK_S
                    continue
                at = max(at, _way_is_free_at(q, at, t, queues, standing_from, last, clear_at))
                if at >= t + 1:
                    break
                to = goes_to[v]
                if target_from[to] != lane and target_free[to] > at:
                    # Somebody of another lane has just turned into the same one.
                    at = target_free[to]
                    if at >= t + 1:
                        break
                p = passage[v] + 1
                choice = -1
                if p < vehicles.trip_first[v + 1]:
                    choice = _emptiest(vehicles.passage_kind[p], vehicles, on_lane)
                    ahead = vehicles.kind_lane[choice]
                    room = vehicles.lane_room[ahead]
                    if room < ENDLESS:
                        edge = vehicles.lane_edge[ahead]
                        more = room + vehicles.lane_extra[ahead]
                        if on_lane[ahead] >= room and on_edge[edge] >= vehicles.edge_room[edge]:
                            if on_lane[ahead] >= more:
                                break
                            standing = 0
                            n = head[ahead]
                            while n >= 0:
                                if ready[n] <= at:
                                    standing += 1
                                n = follows[n]
                            if standing >= room:
                                break
                        if came[ahead] >= more:
                            freed = exits[ahead, came[ahead] % more] + vehicles.lane_hole_s[ahead]
                            if freed >= t + 1:
                                break
                            at = max(at, freed)
                wait_s = at - ready[v]
                delay[q] += wait_s
                stops[q] += 1 if reds[v] == 0 and wait_s > NO_STOP_S else reds[v]
                reds[v] = 0
                served[q] += 1
                last[q] = at
                head[lane] = follows[v]
                if head[lane] < 0:
                    tail[lane] = -1
                follows[v] = -1
                free_at[lane] = at + queues.headway_s[q]
                target_free[to] = at + queues.headway_s[q]
                target_from[to] = lane
                if vehicles.lane_room[lane] < ENDLESS:
                    exits[
                        lane, left[lane] % (vehicles.lane_room[lane] + vehicles.lane_extra[lane])
                    ] = at
                left[lane] += 1
                on_lane[lane] -= 1
                if inside[lane] > 0 and on_lane[lane] - vehicles.lane_room[lane] < inside[lane]:
                    f = inside_from[lane, 0]
                    inside[lane] -= 1
                    for i in range(inside[lane]):
                        inside_from[lane, i] = inside_from[lane, i + 1]
                    standing_from[f] -= 1
                    clear_at[f] = at + vehicles.lane_hole_s[lane] + CLEARS_S
                on_edge[vehicles.lane_edge[lane]] -= 1
                if choice >= 0:
                    ahead = vehicles.kind_lane[choice]
                    passage[v] = p
                    waits_on[v] = ahead
                    on_queue[v] = vehicles.kind_queue[choice]
                    goes_to[v] = vehicles.kind_to[choice]
                    came[ahead] += 1
                    on_lane[ahead] += 1
                    on_edge[vehicles.lane_edge[ahead]] += 1
                    if on_lane[ahead] > vehicles.lane_room[ahead]:
                        inside_from[ahead, inside[ahead]] = q
                        inside[ahead] += 1
                        standing_from[q] += 1
                    ready[v] = at + vehicles.passage_s[p] * vehicles.pace[v]
                    enters = int(ready[v] - vehicles.passage_edge_s[p] * vehicles.pace[v])
                    if enters <= t:
                        if tail[ahead] < 0:
                            head[ahead] = v
                        else:
                            follows[tail[ahead]] = v
                        tail[ahead] = v
                    else:
                        slot = min(enters, t + RING - 1) % RING
                        follows[v] = arriving[slot]
                        arriving[slot] = v
                v = head[lane]
    for lane in range(lanes):
        v = head[lane]
        place = 0
        while v >= 0:
            if ready[v] < duration_s:
                q = on_queue[v]
                delay[q] += duration_s - ready[v]
                stops[q] += 1 + reds[v]
                place += 1
                longest[q] = max(longest[q], place)
            v = follows[v]
