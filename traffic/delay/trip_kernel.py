"""The compiled heart of the vehicle-by-vehicle model: one pass over the window, second by second.

Every vehicle of a day drives its way freely from stop line to stop line, waits in its lane in the
order of arrival, and crosses when its signal lets it, a headway after the one before, when whoever
it yields to leaves a gap, and when there is room behind. A place that a vehicle leaves at the front
of a queue reaches the rear as slowly as vehicles move up (Newell's kinematic wave, 2002).
Within a second times are exact.

All that is compiled stands in this one file: numba keeps what it has compiled until the file of the
calling function changes, and would not see that a function or a constant of another one has.
"""

import numba
import numpy as np

from traffic.delay.flow_network import AFTER_STOP, PROTECTED, RED, YELLOW, YIELDING
from traffic.delay.trip_state import Streets
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
STANDS_S, CLEARS_S, LEAVES_S = 3.0, 2.0, 40.0
NEVER = -1.0e9


# The parts of the pass are put into it before it is compiled: calls that hand over all of these
# arrays, and count who holds them, would take many times as long as what is done in between.
_part = numba.njit(inline="always")


@numba.njit(cache=True, nogil=True)
def run(codes, cycles, begin_s, duration_s, queues, vehicles, books):  # type: ignore[no-untyped-def]
    """Drive a day under one plan; ``codes`` (q, longest cycle) holds each queue's signal by second.

    ``queues``, ``vehicles`` and ``books``, all zeros, which are filled, are tuples of
    ``trip_state``. Who still waits at the end is counted until then.
    """
    streets = _empty_streets(cycles, queues, vehicles)
    _drive(codes, cycles, begin_s, duration_s, queues, vehicles, streets, books)


# All arrays are the caller's and outlive the pass: none need be counted in it (_nrt).
@numba.njit(cache=True, nogil=True, error_model="numpy", _nrt=False)  # type: ignore[call-overload]
def _drive(codes, cycles, begin_s, duration_s, queues, vehicles, streets, books):  # type: ignore[no-untyped-def]
    trips = vehicles.depart_s.size
    next_trip = 0
    for t in range(duration_s):
        for s in range(cycles.size):
            streets.second[s] = (int(begin_s) + t) % cycles[s]
        while next_trip < trips and vehicles.depart_s[next_trip] < t + 1:
            _depart(next_trip, t, vehicles, streets)
            next_trip += 1
        _get_in_line(t, streets)
        for lane in range(streets.head.size):
            while streets.head[lane] >= 0:
                if not _served(lane, t, codes, cycles, queues, vehicles, streets, books):
                    break
    _count_waiting(duration_s, streets, books)


@numba.njit(cache=True, nogil=True)
def _empty_streets(cycles, queues, vehicles):  # type: ignore[no-untyped-def]
    """Nobody anywhere, every signal just begun."""
    lanes = vehicles.lane_room.size
    trips = vehicles.depart_s.size
    count = queues.signal.size
    most = 1
    for lane in range(lanes):
        if vehicles.lane_room[lane] < ENDLESS:
            most = max(most, vehicles.lane_room[lane] + vehicles.lane_extra[lane])
    farthest_s = 0.0
    for v in range(trips):
        for p in range(vehicles.trip_first[v], vehicles.trip_first[v + 1]):
            farthest_s = max(farthest_s, vehicles.passage_s[p] * vehicles.pace[v])
    targets = 1
    for c in range(vehicles.kind_to.size):
        targets = max(targets, vehicles.kind_to[c] + 1)
    return Streets(
        np.zeros(cycles.size, dtype=np.int64),  # second
        np.full(lanes, -1, dtype=np.int64),  # head
        np.full(lanes, -1, dtype=np.int64),  # tail
        np.full(trips, -1, dtype=np.int64),  # follows
        np.full(int(farthest_s) + 3, -1, dtype=np.int64),  # arriving
        np.zeros(lanes, dtype=np.int64),  # came
        np.zeros(lanes, dtype=np.int64),  # left
        np.zeros(lanes, dtype=np.int64),  # on_lane
        np.zeros(vehicles.edge_room.size, dtype=np.int64),  # on_edge
        np.full((lanes, most), NEVER),  # exits
        np.zeros(lanes),  # free_at
        np.zeros(lanes, dtype=np.uint8),  # met_red
        np.full(lanes, NEVER),  # cleared
        np.zeros(trips),  # ready
        np.zeros(trips, dtype=np.int64),  # passage
        np.zeros(trips, dtype=np.int64),  # waits_on
        np.zeros(trips, dtype=np.int64),  # on_queue
        np.zeros(trips, dtype=np.int64),  # goes_to
        np.zeros(trips, dtype=np.int64),  # reds
        np.full(targets, NEVER),  # target_free
        np.full(targets, -1, dtype=np.int64),  # target_from
        np.full(count, NEVER),  # last
        np.zeros(lanes, dtype=np.int64),  # inside
        np.zeros((lanes, most), dtype=np.int64),  # inside_from
        np.zeros(count, dtype=np.int64),  # standing_from
        np.full(count, NEVER),  # clear_at
    )


@_part
def _depart(v, t, vehicles, streets):  # type: ignore[no-untyped-def]
    """Let a vehicle set out on its way; whatever is full, it finds a place on its first lane."""
    p = vehicles.trip_first[v]
    choice = _emptiest(vehicles.passage_kind[p], vehicles, streets.on_lane)
    enters = _heads_for(v, p, choice, vehicles.depart_s[v], vehicles, streets)
    _arrives(v, max(enters, t), streets)


@_part
def _emptiest(kind, vehicles, on_lane):  # type: ignore[no-untyped-def]
    """Choice of a kind whose lane has the fewest vehicles, the first of equals."""
    best = vehicles.kind_first[kind]
    for c in range(best + 1, vehicles.kind_first[kind + 1]):
        if on_lane[vehicles.kind_lane[c]] < on_lane[vehicles.kind_lane[best]]:
            best = c
    return best


@_part
def _heads_for(v, p, choice, from_s, vehicles, streets):  # type: ignore[no-untyped-def]
    """Put a vehicle on the lane of its next passage; return the second in which it gets in line."""
    lane = vehicles.kind_lane[choice]
    streets.passage[v] = p
    streets.waits_on[v] = lane
    streets.on_queue[v] = vehicles.kind_queue[choice]
    streets.goes_to[v] = vehicles.kind_to[choice]
    streets.came[lane] += 1
    streets.on_lane[lane] += 1
    streets.on_edge[vehicles.lane_edge[lane]] += 1
    streets.ready[v] = from_s + vehicles.passage_s[p] * vehicles.pace[v]
    return int(streets.ready[v] - vehicles.passage_edge_s[p] * vehicles.pace[v])


@_part
def _arrives(v, enters, streets):  # type: ignore[no-untyped-def]
    slot = enters % streets.arriving.size
    streets.follows[v] = streets.arriving[slot]
    streets.arriving[slot] = v


@_part
def _get_in_line(t, streets):  # type: ignore[no-untyped-def]
    """Who reaches an approach gets in line; a slot's list is last in, first out: turn it round."""
    slot = t % streets.arriving.size
    v = streets.arriving[slot]
    streets.arriving[slot] = -1
    first = -1
    while v >= 0:
        n = streets.follows[v]
        streets.follows[v] = first
        first = v
        v = n
    v = first
    while v >= 0:
        n = streets.follows[v]
        streets.follows[v] = -1
        _append(v, streets.waits_on[v], streets)
        v = n


@_part
def _append(v, lane, streets):  # type: ignore[no-untyped-def]
    if streets.tail[lane] < 0:
        streets.head[lane] = v
    else:
        streets.follows[streets.tail[lane]] = v
    streets.tail[lane] = v


@_part
def _served(lane, t, codes, cycles, queues, vehicles, streets, books):  # type: ignore[no-untyped-def]
    """Look at the first of a lane; return whether there is more to see in this second."""
    v = streets.head[lane]
    q = streets.on_queue[v]
    s = queues.signal[q]
    at = max(streets.ready[v], streets.free_at[lane], float(t))
    if at >= t + 1:
        return False
    code = codes[q, streets.second[s]]
    if code in (RED, YELLOW):
        if code == RED or not _goes_in_yellow(
            q, lane, at, t, codes, streets.second[s], cycles[s], queues, streets
        ):
            streets.met_red[lane] = 1
            return False
    elif streets.met_red[lane] == 1:
        _starts(lane, t, q, queues, streets, books)
        return True
    if code == AFTER_STOP and at < streets.ready[v] + STOPPED_S:
        streets.free_at[lane] = streets.ready[v] + STOPPED_S
        return True
    if code in (YIELDING, AFTER_STOP) and _must_wait(q, lane, at, t, codes, queues, streets):
        streets.free_at[lane] = at + LOOK_S
        return True
    at = max(at, _way_is_free_at(q, at, t, queues, streets))
    if at >= t + 1:
        return False
    to = streets.goes_to[v]
    if streets.target_from[to] != lane and streets.target_free[to] > at:
        # Somebody of another lane has just turned into the same one.
        at = streets.target_free[to]
        if at >= t + 1:
            return False
    p = streets.passage[v] + 1
    choice = -1
    if p < vehicles.trip_first[v + 1]:
        choice = _emptiest(vehicles.passage_kind[p], vehicles, streets.on_lane)
        at = max(at, _has_room_at(vehicles.kind_lane[choice], at, t, vehicles, streets))
        if at >= t + 1:
            return False
    _cross(v, lane, at, queues, vehicles, streets, books)
    if choice >= 0:
        _goes_on(v, q, p, choice, at, t, vehicles, streets)
    return True


@_part
def _goes_in_yellow(q, lane, at, t, codes, c, cycle, queues, streets):  # type: ignore[no-untyped-def]
    """Whether a driver still crosses in second ``c`` of a cycle, which is yellow."""
    passed = 0
    while codes[q, c] == YELLOW and passed < cycle:
        passed += 1
        c = c - 1 if c > 0 else cycle - 1
    before = codes[q, c]
    if before == RED or at - t > queues.end_gain_s[q] - (passed - 1):
        return False
    if before == PROTECTED:
        return True
    if t - streets.cleared[lane] > CLEARED_EVERY_S:
        streets.cleared[lane] = t
        return True
    return False


@_part
def _starts(lane, t, q, queues, streets, books):  # type: ignore[no-untyped-def]
    """The queue of a lane starts: everybody in it has stopped once more."""
    streets.met_red[lane] = 0
    streets.free_at[lane] = max(streets.free_at[lane], t + queues.start_loss_s[q])
    v = streets.head[lane]
    place = 0
    while v >= 0 and streets.ready[v] < t + NO_STOP_S * (place + 1):
        streets.reds[v] += 1
        place += 1
        v = streets.follows[v]
    books.longest[q] = max(books.longest[q], place)


@_part
def _must_wait(q, lane, at, t, codes, queues, streets):  # type: ignore[no-untyped-def]
    """Whether somebody with right of way over queue ``q`` has just passed, or is about to."""
    opened = queues.signal[q] >= queues.signals
    after_s = AFTER_FOE_OPEN_S if opened else AFTER_FOE_S
    before_s = BEFORE_FOE_OPEN_S if opened else BEFORE_FOE_S
    for i in range(queues.foe_first[q], queues.foe_first[q + 1]):
        f = queues.foe[i]
        if streets.last[f] + after_s > at:
            return True
        code = codes[f, streets.second[queues.signal[f]]]
        if code in (RED, YELLOW):
            continue
        for j in range(queues.lane_first[f], queues.lane_first[f + 1]):
            other = queues.lane[j]
            if other == lane:
                continue
            n = streets.head[other]
            when = streets.free_at[other]
            for _ in range(SEEN):
                if n < 0:
                    break
                when = max(streets.ready[n], when, float(t))
                if when > at + before_s:
                    break
                if streets.on_queue[n] == f:
                    return True
                when += queues.headway_s[streets.on_queue[n]]
                n = streets.follows[n]
    return False


@_part
def _way_is_free_at(q, at, t, queues, streets):  # type: ignore[no-untyped-def]
    """When nobody stands in the junction across queue ``q``'s way; the next second = not yet."""
    free = at
    for i in range(queues.crossed_first[q], queues.crossed_first[q + 1]):
        f = queues.crossed[i]
        if (
            streets.standing_from[f] > 0
            and streets.last[f] + STANDS_S <= at < streets.last[f] + LEAVES_S
        ):
            return t + 1.0
        free = max(free, streets.clear_at[f])
    return free


@_part
def _has_room_at(lane, at, t, vehicles, streets):  # type: ignore[no-untyped-def]
    """When a place on a lane is free for one more; the next second or later = not yet."""
    room = vehicles.lane_room[lane]
    if room >= ENDLESS:
        return at
    edge = vehicles.lane_edge[lane]
    more = room + vehicles.lane_extra[lane]
    if streets.on_lane[lane] >= room and streets.on_edge[edge] >= vehicles.edge_room[edge]:
        if streets.on_lane[lane] >= more:
            return t + 1.0
        standing = 0
        n = streets.head[lane]
        while n >= 0:
            if streets.ready[n] <= at:
                standing += 1
            n = streets.follows[n]
        if standing >= room:
            return t + 1.0
    if streets.came[lane] >= more:
        return streets.exits[lane, streets.came[lane] % more] + vehicles.lane_hole_s[lane]
    return at


@_part
def _cross(v, lane, at, queues, vehicles, streets, books):  # type: ignore[no-untyped-def]
    """Let the first of a lane leave it over the stop line, and write down what it has cost."""
    q = streets.on_queue[v]
    wait_s = at - streets.ready[v]
    books.delay[q] += wait_s
    books.stops[q] += 1 if streets.reds[v] == 0 and wait_s > NO_STOP_S else streets.reds[v]
    books.served[q] += 1
    streets.reds[v] = 0
    streets.last[q] = at
    streets.head[lane] = streets.follows[v]
    if streets.head[lane] < 0:
        streets.tail[lane] = -1
    streets.follows[v] = -1
    streets.free_at[lane] = at + queues.headway_s[q]
    to = streets.goes_to[v]
    streets.target_free[to] = at + queues.headway_s[q]
    streets.target_from[to] = lane
    room = vehicles.lane_room[lane]
    if room < ENDLESS:
        streets.exits[lane, streets.left[lane] % (room + vehicles.lane_extra[lane])] = at
    streets.left[lane] += 1
    streets.on_lane[lane] -= 1
    streets.on_edge[vehicles.lane_edge[lane]] -= 1
    if streets.inside[lane] > 0 and streets.on_lane[lane] - room < streets.inside[lane]:
        # The first of those inside the junction gets in.
        f = streets.inside_from[lane, 0]
        streets.inside[lane] -= 1
        for i in range(streets.inside[lane]):
            streets.inside_from[lane, i] = streets.inside_from[lane, i + 1]
        streets.standing_from[f] -= 1
        streets.clear_at[f] = at + vehicles.lane_hole_s[lane] + CLEARS_S


@_part
def _goes_on(v, q, p, choice, at, t, vehicles, streets):  # type: ignore[no-untyped-def]
    """Send a vehicle that has left queue ``q`` on to its next passage."""
    enters = _heads_for(v, p, choice, at, vehicles, streets)
    lane = streets.waits_on[v]
    edge = vehicles.lane_edge[lane]
    # On an edge that has room he stands beside the others, and not in the junction.
    if (
        streets.on_lane[lane] > vehicles.lane_room[lane]
        and streets.on_edge[edge] > vehicles.edge_room[edge]
    ):
        streets.inside_from[lane, streets.inside[lane]] = q
        streets.inside[lane] += 1
        streets.standing_from[q] += 1
    if enters <= t:
        _append(v, lane, streets)
    else:
        _arrives(v, enters, streets)


@_part
def _count_waiting(duration_s, streets, books):  # type: ignore[no-untyped-def]
    """Count those who still wait at the end of the window."""
    for lane in range(streets.head.size):
        v = streets.head[lane]
        place = 0
        while v >= 0:
            if streets.ready[v] < duration_s:
                q = streets.on_queue[v]
                books.delay[q] += duration_s - streets.ready[v]
                books.stops[q] += 1 + streets.reds[v]
                place += 1
                books.longest[q] = max(books.longest[q], place)
            v = streets.follows[v]
