"""The rules of the vehicle-by-vehicle model once more, in plain Python and other structures.

Shares nothing with ``traffic.delay.trip_kernel`` but its constants and the tables that both read:
lines are deques, arrivals a dict by second, departures of a lane a growing list.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field

import numpy as np

from traffic.delay import trip_kernel as rules
from traffic.delay.flow_network import AFTER_STOP, PROTECTED, RED, YELLOW, YIELDING
from traffic.delay.trip_state import Queues
from traffic.delay.trips import ENDLESS, TripTable


@dataclass(slots=True)
class Driver:
    """Where somebody is; ``crossed_s`` are the times at which stop lines were crossed."""

    number: int
    passage: int = -1
    lane: int = -1
    queue: int = -1
    target: int = -1
    ready_s: float = 0.0
    reds: int = 0
    crossed_s: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Lane:
    """``line`` are those who have reached the approach; ``inside`` the queues of who may stand."""

    room: int
    extra: int
    hole_s: float
    edge: int
    line: deque[Driver] = field(default_factory=deque)
    came: int = 0
    exits_s: list[float] = field(default_factory=list)
    inside: list[int] = field(default_factory=list)
    free_s: float = 0.0
    met_red: bool = False
    cleared_s: float = -np.inf

    @property
    def count(self) -> int:
        return self.came - len(self.exits_s)


class Simulation:
    """One day under one plan."""

    def __init__(
        self, codes: np.ndarray, cycles: np.ndarray, begin_s: float, q: Queues, v: TripTable
    ) -> None:
        self.codes, self.cycles, self.begin_s, self.q, self.v = codes, cycles, begin_s, q, v
        self.lanes = [
            Lane(int(room), int(extra), float(hole_s), int(edge))
            for room, extra, hole_s, edge in zip(
                v.lane_room, v.lane_extra, v.lane_hole_s, v.lane_edge, strict=True
            )
        ]
        count = q.signal.size
        self.drivers = [Driver(k) for k in range(v.depart_s.size)]
        self.departed = 0
        self.coming: dict[int, list[Driver]] = defaultdict(list)
        self.merges: dict[int, tuple[int, float]] = {}
        self.last_s = [-np.inf] * count
        self.clear_s = [-np.inf] * count
        self.delay, self.stops = [0.0] * count, [0] * count
        self.served, self.longest = [0] * count, [0] * count
        self.most_on = [0] * len(self.lanes)

    def code(self, queue: int, t: int) -> int:
        signal = self.q.signal[queue]
        return int(self.codes[queue, (int(self.begin_s) + t) % self.cycles[signal]])

    def on_edge(self, edge: int) -> int:
        return sum(lane.count for lane in self.lanes if lane.edge == edge)

    def run(self, duration_s: int) -> None:
        for t in range(duration_s):
            self._second(t)
        for lane in self.lanes:
            waiting = [d for d in lane.line if d.ready_s < duration_s]
            for place, driver in enumerate(waiting, 1):
                self.delay[driver.queue] += duration_s - driver.ready_s
                self.stops[driver.queue] += 1 + driver.reds
                self.longest[driver.queue] = max(self.longest[driver.queue], place)

    def _second(self, t: int) -> None:
        while self.departed < len(self.drivers) and self.v.depart_s[self.departed] < t + 1:
            driver = self.drivers[self.departed]
            first = int(self.v.trip_first[driver.number])
            from_s = float(self.v.depart_s[driver.number])
            enters = self._send(driver, first, self._choice(first), from_s)
            self.coming[max(enters, t)].append(driver)
            self.departed += 1
        for driver in self.coming.pop(t, []):
            self.lanes[driver.lane].line.append(driver)
        for number, lane in enumerate(self.lanes):
            while lane.line and self._look(number, lane, t):
                pass
            self.most_on[number] = max(self.most_on[number], lane.count)

    def _choice(self, passage: int) -> int:
        kind = self.v.passage_kind[passage]
        choices = range(self.v.kind_first[kind], self.v.kind_first[kind + 1])
        return min(choices, key=lambda c: (self.lanes[self.v.kind_lane[c]].count, c))

    def _look(self, number: int, lane: Lane, t: int) -> bool:
        """The first of a lane; whether to look at it, or the next one, again."""
        driver = lane.line[0]
        queue = driver.queue
        at_s = max(driver.ready_s, lane.free_s, float(t))
        if at_s >= t + 1:
            return False
        code = self.code(queue, t)
        if code == RED or (code == YELLOW and not self._in_yellow(lane, queue, at_s, t)):
            lane.met_red = True
            return False
        if code != YELLOW and lane.met_red:
            lane.met_red = False
            lane.free_s = max(lane.free_s, t + self.q.start_loss_s[queue])
            stopped = 0
            for d in lane.line:
                if d.ready_s >= t + rules.NO_STOP_S * (stopped + 1):
                    break
                d.reds += 1
                stopped += 1
            self.longest[queue] = max(self.longest[queue], stopped)
            return True
        if code == AFTER_STOP and at_s < driver.ready_s + rules.STOPPED_S:
            lane.free_s = driver.ready_s + rules.STOPPED_S
            return True
        if code in (YIELDING, AFTER_STOP) and self._somebody_first(queue, number, at_s, t):
            lane.free_s = at_s + rules.LOOK_S
            return True
        when_s = self._when(driver, number, at_s, t)
        if when_s is None or when_s >= t + 1:
            return False
        self._cross(driver, number, lane, when_s, t)
        return True

    def _in_yellow(self, lane: Lane, queue: int, at_s: float, t: int) -> bool:
        before = t
        while self.code(queue, before) == YELLOW:
            before -= 1
            if t - before >= self.cycles[self.q.signal[queue]]:
                break
        shown = self.code(queue, before)
        if shown == RED or at_s - t > self.q.end_gain_s[queue] - (t - before - 1):
            return False
        if shown == PROTECTED:
            return True
        if t - lane.cleared_s > rules.CLEARED_EVERY_S:
            lane.cleared_s = t
            return True
        return False

    def _somebody_first(self, queue: int, number: int, at_s: float, t: int) -> bool:
        at_signal = self.q.signal[queue] < self.q.signals
        after_s = rules.AFTER_FOE_S if at_signal else rules.AFTER_FOE_OPEN_S
        before_s = rules.BEFORE_FOE_S if at_signal else rules.BEFORE_FOE_OPEN_S
        for foe in self.q.foe[self.q.foe_first[queue] : self.q.foe_first[queue + 1]]:
            if at_s < self.last_s[foe] + after_s:
                return True
            if self.code(foe, t) in (RED, YELLOW):
                continue
            for other in self.q.lane[self.q.lane_first[foe] : self.q.lane_first[foe + 1]]:
                if other != number and self._comes(self.lanes[other], foe, at_s + before_s, t):
                    return True
        return False

    def _comes(self, lane: Lane, foe: int, until_s: float, t: int) -> bool:
        when_s = lane.free_s
        for driver in list(lane.line)[: rules.SEEN]:
            when_s = max(when_s, driver.ready_s, float(t))
            if when_s > until_s:
                return False
            if driver.queue == foe:
                return True
            when_s += self.q.headway_s[driver.queue]
        return False

    def _when(self, driver: Driver, number: int, at_s: float, t: int) -> float | None:
        """When the way is free, across the junction and behind it; None = not in this second."""
        q = driver.queue
        clear_s = at_s
        for f in self.q.crossed[self.q.crossed_first[q] : self.q.crossed_first[q + 1]]:
            stands = any(int(f) in lane.inside for lane in self.lanes)
            since_s = at_s - self.last_s[f]
            if stands and since_s >= rules.STANDS_S and since_s < rules.LEAVES_S:
                return None
            clear_s = max(clear_s, self.clear_s[f])
        if clear_s >= t + 1:
            return None
        by, until_s = self.merges.get(driver.target, (number, 0.0))
        if by != number:
            clear_s = max(clear_s, until_s)
        following = driver.passage + 1
        if clear_s >= t + 1 or following == self.v.trip_first[driver.number + 1]:
            return clear_s
        ahead = self.lanes[self.v.kind_lane[self._choice(following)]]
        if ahead.room >= ENDLESS:
            return clear_s
        places = ahead.room + ahead.extra
        if ahead.count >= ahead.room and self.on_edge(ahead.edge) >= self.v.edge_room[ahead.edge]:
            standing = sum(d.ready_s <= clear_s for d in ahead.line)
            if ahead.count >= places or standing >= ahead.room:
                return None
        # The driver whose place it was; where others' lanes stand in, the one before on it.
        before = ahead.came - places
        while before >= len(ahead.exits_s):
            before -= places
        return max(clear_s, ahead.exits_s[before] + ahead.hole_s) if before >= 0 else clear_s

    def _cross(self, driver: Driver, number: int, lane: Lane, at_s: float, t: int) -> None:
        q = driver.queue
        following = driver.passage + 1
        goes_on = following < self.v.trip_first[driver.number + 1]
        wait_s = at_s - driver.ready_s
        self.delay[q] += wait_s
        self.stops[q] += driver.reds or int(wait_s > rules.NO_STOP_S)
        self.served[q] += 1
        driver.reds = 0
        driver.crossed_s.append(at_s)
        self.last_s[q] = at_s
        lane.free_s = at_s + self.q.headway_s[q]
        self.merges[driver.target] = (number, lane.free_s)
        # Chosen with the driver still on this lane.
        choice = self._choice(following) if goes_on else -1
        lane.line.popleft()
        lane.exits_s.append(at_s)
        if lane.inside and lane.count - lane.room < len(lane.inside):
            self.clear_s[lane.inside.pop(0)] = at_s + lane.hole_s + rules.CLEARS_S
        if not goes_on:
            driver.lane = -1
            return
        enters = self._send(driver, following, choice, at_s)
        ahead = self.lanes[driver.lane]
        if ahead.count > ahead.room and self.on_edge(ahead.edge) > self.v.edge_room[ahead.edge]:
            ahead.inside.append(q)
        if enters <= t:
            ahead.line.append(driver)
        else:
            self.coming[enters].append(driver)

    def _send(self, driver: Driver, passage: int, choice: int, from_s: float) -> int:
        driver.passage = passage
        driver.lane = int(self.v.kind_lane[choice])
        driver.queue = int(self.v.kind_queue[choice])
        driver.target = int(self.v.kind_to[choice])
        self.lanes[driver.lane].came += 1
        pace = self.v.pace[driver.number]
        driver.ready_s = float(from_s + self.v.passage_s[passage] * pace)
        return int(driver.ready_s - self.v.passage_edge_s[passage] * pace)
