"""Delay of plans, vehicle by vehicle, over days that a demand stands for."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor

import numpy as np

from traffic.delay import trip_kernel
from traffic.delay.flow_network import Ints
from traffic.delay.model import Codes, DelayModel, Estimate, Timing
from traffic.delay.trip_samples import Day
from traffic.delay.trip_state import Books, Queues
from traffic.delay.trips import TripLayout

# The day as the demand has it, one with other departures, and one with more of them: counts are
# uncertain, and a plan should outlast a busier day.
DAYS = (Day(0, weight=0.5), Day(1, shift_s=60.0, weight=0.25), Day(2, 1.2, 60.0, weight=0.25))

Plan = tuple[Codes, Ints]


class TripModel:
    """A network and its demand, ready to judge plans by driving every vehicle.

    Parameters
    ----------
    model
        Of flows, for the same network and demand.
    days
        At least one.
    """

    def __init__(self, model: DelayModel, days: Sequence[Day] = DAYS) -> None:
        self.model = model
        self.days = tuple(days)
        n = model.network
        layout = TripLayout(model.graph, model.demand, n)
        self.tables = layout.tables(self.days)
        group = np.searchsorted(n.group_first, np.arange(n.queues), side="right") - 1
        crossed_first, crossed = _crossed(model)
        self._days = []
        for table in self.tables:
            lane_first, lane = table.lanes_of_queues(n.queues)
            queues = Queues(
                signal=n.queue_signal,
                headway_s=n.group_lanes[group] / n.saturation,
                start_loss_s=n.start_loss_s,
                end_gain_s=n.end_gain_s,
                foe_first=n.foe_first,
                foe=n.foe,
                crossed_first=crossed_first,
                crossed=crossed,
                lane_first=lane_first,
                lane=lane,
                signals=len(n.signal_ids),
            )
            self._days.append((queues, table))

    @property
    def work(self) -> float:
        """What judging a plan takes, about, in steps of 5 ns."""
        n = self.model.network
        passages = sum(table.passage_kind.size for table in self.tables)
        lanes = sum(table.lane_room.size for table in self.tables)
        return float(lanes * n.duration_s + 15 * passages)

    def day(self, k: int, codes: Codes, cycles: Ints) -> Estimate:
        """Judge a plan on one day; codes and cycles as in ``DelayModel.run``."""
        n = self.model.network
        queues, vehicles = self._days[k]
        books = Books(*np.zeros((4, n.queues)))
        trip_kernel.run(codes, cycles, n.begin_s, n.duration_s, queues, vehicles, books)
        none = np.zeros(n.queues)
        return Estimate(
            delay_veh_s=books.delay,
            random_veh_s=none,
            stops=books.stops,
            served=books.served,
            longest=books.longest,
            load=none,
            stop_loss_s=n.stop_loss_s,
            vehicles=n.vehicles * self.days[k].scale,
        )

    def judge(self, plans: Sequence[Plan], pool: Executor | None = None) -> list[Estimate]:
        """Judge plans over all days, side by side where a pool is given: means by weight."""
        jobs = [(k, *plan) for plan in plans for k in range(len(self.days))]
        if pool is None:
            found = [self.day(*job) for job in jobs]
        else:
            found = list(pool.map(lambda job: self.day(*job), jobs))
        count = len(self.days)
        return [self._mean(found[k * count : (k + 1) * count]) for k in range(len(plans))]

    def evaluate(self, timings: Mapping[str, Timing]) -> Estimate:
        """Judge one plan; ``timings`` has every signal of ``signal_ids``."""
        return self.judge([self.model.encoded(timings)])[0]

    def _mean(self, found: Sequence[Estimate]) -> Estimate:
        total = sum(day.weight for day in self.days)
        weights = [day.weight / total for day in self.days]

        def mean(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
            rows = [w * getattr(own, name) for w, own in zip(weights, found, strict=True)]
            return np.asarray(np.sum(rows, axis=0))

        return Estimate(
            delay_veh_s=mean("delay_veh_s"),
            random_veh_s=mean("random_veh_s"),
            stops=mean("stops"),
            served=mean("served"),
            longest=mean("longest"),
            load=mean("load"),
            stop_loss_s=found[0].stop_loss_s,
            vehicles=float(np.dot(weights, [own.vehicles for own in found])),
        )


def _crossed(model: DelayModel) -> tuple[Ints, Ints]:
    """Queues whose ways through the junction cross each queue's: (queues + 1,) and indices."""
    queues = [queue for group in model.network.groups for queue in group.queues]
    at = {k: q for q, queue in enumerate(queues) for k in queue.connections}
    first, crossed = [0], []
    for queue in queues:
        foes = {
            at[other]
            for k in queue.connections
            for other in model.graph.connections[k].foes
            if other in at and queues[at[other]].to_edge != queue.to_edge
        }
        crossed += sorted(foes)
        first.append(len(crossed))
    return np.array(first, dtype=np.int64), np.array(crossed, dtype=np.int64)
