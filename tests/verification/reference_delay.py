"""The delay model once more, in plain Python and as it is described: nothing here is compiled.

``run`` does what ``traffic.delay.kernel.run`` must do, second by second, and keeps its books open:
queues, vehicles on the way and vehicles on each link after every second.
"""

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from traffic.delay import kernel
from traffic.delay.flow_network import (
    AFTER_STOP,
    PROTECTED,
    RED,
    YELLOW,
    YIELDING,
    FlowNetwork,
)
from traffic.delay.lane_groups import CRITICAL_GAP_OPEN_S, CRITICAL_GAP_S

NONE = 1e-9


@dataclass
class Books:
    """Totals of each queue, and what stood where after each second."""

    delay: list[float]
    stops: list[float]
    served: list[float]
    longest: list[float]
    random: list[float]
    queues: list[list[float]] = field(default_factory=list)
    inside: list[list[float]] = field(default_factory=list)
    on_the_way: list[float] = field(default_factory=list)
    out: list[list[float]] = field(default_factory=list)


def shares(codes: list[int], start_loss_s: float, end_gain_s: float) -> list[tuple[float, float]]:
    """Protected and yielding share of each second of a cycle.

    A green begins ``start_loss_s`` late and lasts ``end_gain_s`` into what follows it.
    """
    green = [code not in (RED, YELLOW) for code in codes]
    found = []
    for c, code in enumerate(codes):
        back = next((j for j in range(1, len(codes)) if green[c - j] != green[c]), None)
        if green[c]:
            since_s = math.inf if back is None else back - 1
            share = min(1.0, max(0.0, since_s + 1 - start_loss_s))
            factor = {PROTECTED: 0.0, YIELDING: 1.0, AFTER_STOP: kernel.STOP_FACTOR}[code]
            found.append((share if code == PROTECTED else 0.0, share * factor))
            continue
        # Only yellow is driven, from the first second of it on.
        unbroken = back is not None and all(codes[c - j] == YELLOW for j in range(back))
        share = min(1.0, max(0.0, end_gain_s - (back - 1))) if unbroken else 0.0
        last = codes[c - back] if unbroken else RED
        found.append(
            (share if last == PROTECTED else 0.0, share if last in (YIELDING, AFTER_STOP) else 0.0)
        )
    return found


def ends_yielding(codes: list[int]) -> list[bool]:
    """Whether a green that yields (not one after a stop) ended right before each second."""
    return [
        code in (RED, YELLOW) and codes[c - 1] == YIELDING and YIELDING in codes
        for c, code in enumerate(codes)
    ]


def gap_share(flow: float, follow_s: float, gap_s: float, used: float) -> float:
    """Share of a yielding queue's rate that foes of this flow leave (HCM's potential capacity).

    ``used`` is the share of the gaps that drivers are there for.
    """

    def exact(q: float) -> float:
        if q <= 0:
            return 1.0
        return used * min(1.0, q * math.exp(-q * gap_s) / (1 - math.exp(-q * follow_s)) * follow_s)

    steps, cells = kernel.GAP_STEPS, kernel.GAP_CELLS
    if flow * steps >= cells - 1:
        return exact((cells - 1) / steps)
    low = math.floor(flow * steps)
    part = flow * steps - low
    return (1 - part) * exact(low / steps) + part * exact((low + 1) / steps)


class _State:
    def __init__(self, network: FlowNetwork, codes: np.ndarray, cycles: np.ndarray) -> None:
        n = self.n = network
        count = n.queues
        self.groups = [
            list(range(n.group_first[g], n.group_first[g + 1])) for g in range(len(n.groups))
        ]
        self.group_of = {q: g for g, own in enumerate(self.groups) for q in own}
        self.foes = [list(n.foe[n.foe_first[q] : n.foe_first[q + 1]]) for q in range(count)]
        self.ways = [list(range(n.way_first[q], n.way_first[q + 1])) for q in range(count)]
        self.cycle = [int(cycles[n.queue_signal[q]]) for q in range(count)]
        own = [[int(x) for x in codes[q, : self.cycle[q]]] for q in range(count)]
        self.share = [
            shares(own[q], n.start_loss_s[q], n.end_gain_s[q])
            if self._changes(own[q])
            else [
                (float(c == PROTECTED), {YIELDING: 1.0, AFTER_STOP: kernel.STOP_FACTOR}.get(c, 0.0))
                for c in own[q]
            ]
            for q in range(count)
        ]
        self.ended = [ends_yielding(codes) for codes in own]
        self.queue = [0.0] * count
        self.out = [0.0] * count
        self.busy = [False] * count
        self.coming = [deque([0.0] * (int(max([1, *n.way_lag_s])) + 1)) for _ in range(count)]
        self.spread = [0.0] * n.way_to.size
        self.inside = [0.0] * len(self.groups)
        self.pass_left: list[float | None] = [None] * len(self.groups)
        self.open_left: list[float | None] = [None] * len(self.groups)

    @staticmethod
    def _changes(codes: list[int]) -> bool:
        green = [code not in (RED, YELLOW) for code in codes]
        return any(green) and not all(green)

    def rate(self, q: int, t: int) -> float:
        """Vehicles that could leave a queue in a second."""
        n = self.n
        c = (int(n.begin_s) + t) % self.cycle[q]
        protected, yielding = self.share[q][c]
        rate = protected * n.saturation[q]
        at_signal = n.queue_signal[q] < len(n.signal_ids)
        if yielding > 0:
            slow = n.saturation[q] * kernel.YIELD_FACTOR
            flow = sum(self.out[f] for f in self.foes[q])
            gaps = 1.0
            if flow > 1e-4:
                lanes = n.group_lanes[self.group_of[q]]
                gap_s = CRITICAL_GAP_S if at_signal else CRITICAL_GAP_OPEN_S
                short = n.storage[self.group_of[q]] < kernel.SHORT_STORAGE * lanes
                used = kernel.SHORT_LINK_GAPS if short else 1.0
                gaps = gap_share(flow, lanes / slow, gap_s, used)
                if any(self.busy[f] for f in self.foes[q]):
                    gaps *= kernel.BUSY_GAPS if at_signal else kernel.BUSY_GAPS_OPEN
            rate += yielding * slow * gaps
        if self.ended[q][c]:
            rate += kernel.SNEAKERS * n.group_lanes[self.group_of[q]]
        return rate

    def leaving(self, g: int, rate: dict[int, float]) -> float:
        """Vehicles that leave a group in this second."""
        n, own = self.n, self.groups[g]
        able = [q for q in own if rate[q] > NONE]
        moving = sum(self.queue[q] for q in able)
        held = sum(self.queue[q] for q in own) - moving
        takes_s = sum(self.queue[q] / rate[q] for q in able)
        most = moving / takes_s if takes_s > 1e-12 else 0.0
        if held > 1e-6 and len(own) > 1:
            if self.pass_left[g] is None:
                self.pass_left[g] = n.group_lanes[g] * moving / held
            most = min(most, self.pass_left[g])
        else:
            self.pass_left[g] = None
        most = min(most, moving)
        return self._let_in(g, most, moving, able) if most > 0 else most

    def _let_in(self, g: int, most: float, moving: float, able: list[int]) -> float:
        """What links have room for; beyond, a lane is open until its first driver to a full one."""
        n = self.n
        free, to_full = 1.0, 0.0
        for q in able:
            if self.queue[q] <= 1e-12:
                continue
            for w in self.ways[q]:
                if n.way_share[w] < kernel.BINDING_SHARE:
                    continue
                wanted = most * self.queue[q] / moving * n.way_share[w]
                room = max(0.0, n.storage[n.way_group[w]] - self.inside[n.way_group[w]])
                if room < wanted:
                    free = min(free, room / wanted)
                    to_full += wanted
        if free >= 1:
            self.open_left[g] = None
            return most
        if self.open_left[g] is None:
            self.open_left[g] = n.group_lanes[g] * max(0.0, most - to_full) / to_full
        leaving = max(free * most, min(most, self.open_left[g]))
        self.open_left[g] = max(0.0, self.open_left[g] - leaving)
        return leaving


def run(network: FlowNetwork, codes: np.ndarray, cycles: np.ndarray, scale: float = 1.0) -> Books:
    """Judge one plan."""
    n = network
    count = n.queues
    state = _State(n, codes, cycles)
    books = Books(*([0.0] * count for _ in range(5)))
    came, could, fresh_outside = [0.0] * count, [0.0] * count, [0.0] * count
    for t in range(n.duration_s):
        piece = min(int(t / n.slice_s), n.from_outside.shape[1] - 1)
        wide_s = min(n.slice_s, n.duration_s - piece * n.slice_s)
        for g, own in enumerate(state.groups):
            rate = {}
            for q in own:
                outside = n.from_outside[q, piece] * scale / wide_s
                fresh = outside + state.coming[q][0]
                rate[q] = state.rate(q, t)
                if state.queue[q] > kernel.NO_QUEUE or rate[q] <= NONE:
                    books.stops[q] += fresh
                state.queue[q] += fresh
                state.inside[g] += outside
                fresh_outside[q] += outside
                came[q] += fresh
                could[q] += rate[q]
            _discharge(state, books, g, rate)
        for q in range(count):
            state.coming[q].popleft()
            state.coming[q].append(0.0)
        _send(state)
        books.queues.append(list(state.queue))
        books.inside.append(list(state.inside))
        books.out.append(list(state.out))
        # Each way's platoon that is still to set off, and what is between the stop lines.
        tails = sum(
            state.spread[w] * n.way_keep[w] / (1 - n.way_keep[w]) * n.way_share[w]
            for w in range(len(state.spread))
        )
        books.on_the_way.append(sum(sum(line) for line in state.coming) + tails)
    _random(state, books, came, could, fresh_outside)
    return books


def _discharge(state: _State, books: Books, g: int, rate: dict[int, float]) -> None:
    own = state.groups[g]
    able = [q for q in own if rate[q] > NONE]
    moving = sum(state.queue[q] for q in able)
    if able and sum(state.queue[q] for q in own) > NONE:
        leaving = state.leaving(g, rate)
        left = state.pass_left[g]
    else:
        leaving, left = 0.0, None
    for q in own:
        out = leaving * state.queue[q] / moving if q in able and moving > 1e-12 else 0.0
        state.queue[q] = max(0.0, state.queue[q] - out)
        state.out[q] = out
        state.busy[q] = busy(state, q, rate)
        books.served[q] += out
        books.delay[q] += state.queue[q]
        books.longest[q] = max(books.longest[q], state.queue[q])
    state.inside[g] -= leaving
    state.pass_left[g] = None if left is None else max(0.0, left - leaving)


def busy(state: _State, q: int, rate: dict[int, float]) -> bool:
    """Whether a queue discharges, so that it leaves few gaps."""
    return state.queue[q] > kernel.NO_QUEUE and rate[q] > NONE


def _send(state: _State) -> None:
    """Those who left set off, dispersed as Robertson's platoons."""
    n = state.n
    for q, ways in enumerate(state.ways):
        for w in ways:
            keep, was = n.way_keep[w], state.spread[w]
            if state.out[q] <= 1e-12 and was <= 1e-6:
                continue
            state.spread[w] = (1 - keep) * state.out[q] + keep * was
            line = state.coming[n.way_to[w]]
            # The next second stands first.
            line[n.way_lag_s[w] - 1] += state.spread[w] * n.way_share[w]
            state.inside[n.way_group[w]] += state.out[q] * n.way_share[w]


def _random(
    state: _State, books: Books, came: list[float], could: list[float], outside: list[float]
) -> None:
    """HCM's incremental delay, less what the queues of the fluid model have already."""
    hours = state.n.duration_s / 3600
    for own in state.groups:
        used = [q for q in own if came[q] > 0]
        x = sum(came[q] / max(could[q], 1e-6) for q in used)
        flow = sum(came[q] for q in used)
        if flow <= 0 or x <= 0:
            continue
        capacity_vph = flow / x / hours
        even = 0.5 + 0.5 * sum(outside[q] for q in used) / flow
        root = math.sqrt((x - 1) ** 2 + 8 * kernel.RANDOM_K * even * x / (capacity_vph * hours))
        for q in own:
            books.random[q] = 900 * hours * (root - abs(x - 1)) * came[q]
