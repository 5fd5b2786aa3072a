"""What the vehicle-by-vehicle model holds while it drives a day, as arrays for compiled code."""

from typing import NamedTuple

from traffic.delay.flow_network import Bytes, Floats, Ints


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


class Streets(NamedTuple):
    """Where everybody is: lanes (l), edges (e), vehicles (v), queues (q).

    Parameters
    ----------
    second
        Of each signal's cycle, and 0 for queues without one, (signals + 1,).
    head, tail, follows
        Who is first and last in line, (l,), and who comes behind whom, (v,); -1 = nobody. Before
        they get in line, ``follows`` chains those of an ``arriving`` slot.
    arriving
        The last of those who reach their approach in each second to come, by second modulo its
        length, which is more than any way to a stop line takes.
    came, left, on_lane, on_edge
        Vehicles that have come into and out of each lane, those on it, (l,), and on each edge,
        (e,).
    exits
        When the last vehicles left each lane, by number modulo its room, (l, most).
    free_at
        When the next vehicle of a lane may cross at the soonest, (l,).
    met_red
        Whether the first of a lane has stood at red, (l,).
    cleared
        When somebody who waited inside the junction last cleared it in the yellow, (l,).
    ready, passage, waits_on, on_queue, goes_to
        Of each vehicle: when it is at its stop line, had it free way; its passage, lane, queue and
        lane behind the junction, (v,).
    reds
        How often a vehicle has stopped for its passage, (v,).
    target_free, target_from
        When a lane behind a junction is free for somebody of another lane than the last one, and
        that lane.
    last
        When somebody last left each queue, (q,).
    inside, inside_from
        Vehicles that may have to stand inside the junction, by the lane that they want to enter,
        (l,), and the queues that they came from, (l, most).
    standing_from, clear_at
        How many of them came from each queue, and when the last one was out of the way, (q,).
    """

    second: Ints
    head: Ints
    tail: Ints
    follows: Ints
    arriving: Ints
    came: Ints
    left: Ints
    on_lane: Ints
    on_edge: Ints
    exits: Floats
    free_at: Floats
    met_red: Bytes
    cleared: Floats
    ready: Floats
    passage: Ints
    waits_on: Ints
    on_queue: Ints
    goes_to: Ints
    reds: Ints
    target_free: Floats
    target_from: Ints
    last: Floats
    inside: Ints
    inside_from: Ints
    standing_from: Ints
    clear_at: Floats


class Books(NamedTuple):
    """What is counted of each queue, (q,): vehicle seconds lost, stops, vehicles, longest line."""

    delay: Floats
    stops: Floats
    served: Floats
    longest: Floats
