"""Delay, stops and queues of a whole network under given plans, in milliseconds."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from traffic.delay import kernel
from traffic.delay.flow_network import Floats, FlowNetwork, flow_network
from traffic.demand import Demand
from traffic.network import RoadGraph
from traffic.signals import Phase

Codes = NDArray[np.uint8]
CODE_OF = {"G": 1, "g": 2, "s": 3, "y": 4, "o": 2, "O": 2}


@dataclass(frozen=True, slots=True)
class Timing:
    """What one signal shows: phases of whole seconds, and when the first one begins.

    ``start_s`` counts from the master clock's zero, 0 <= start_s < cycle.
    """

    phases: tuple[Phase, ...]
    start_s: int

    @property
    def cycle_s(self) -> int:
        """Sum of the phases."""
        return round(sum(phase.duration_s for phase in self.phases))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan costs, by queue, (q,) each.

    Parameters
    ----------
    delay_veh_s
        Time that vehicles stand in queues, from the flow profiles.
    random_veh_s
        What random arrivals add (HCM's incremental delay without its deterministic part).
    stops
        Vehicles that had to stop.
    served
        Vehicles that passed.
    longest
        Longest queue, in vehicles.
    load
        Degree of saturation: vehicles that came over those that could have passed.
    stop_loss_s
        Cost of a stop in time.
    vehicles
        Trips of the demand.
    """

    delay_veh_s: Floats
    random_veh_s: Floats
    stops: Floats
    served: Floats
    longest: Floats
    load: Floats
    stop_loss_s: Floats
    vehicles: float

    @property
    def by_queue_veh_s(self) -> Floats:
        """All time lost at each queue."""
        return self.delay_veh_s + self.random_veh_s + self.stops * self.stop_loss_s

    @property
    def delay_s(self) -> float:
        """Mean time lost at signals, in s a trip."""
        return float(self.by_queue_veh_s.sum()) / max(self.vehicles, 1e-9)

    @property
    def stops_each(self) -> float:
        """Mean stops at signals a trip."""
        return float(self.stops.sum()) / max(self.vehicles, 1e-9)


class DelayModel:
    """A network and its demand, ready to judge plans.

    Parameters
    ----------
    graph, demand
        What is judged; signals without demand play no part.
    """

    def __init__(self, graph: RoadGraph, demand: Demand) -> None:
        self.graph = graph
        self.demand = demand
        self.network: FlowNetwork = flow_network(graph, demand)
        n = self.network
        # Queues of each signal and the characters of its state that they look at.
        self._queues = [np.flatnonzero(n.queue_signal == s) for s in range(len(n.signal_ids))]
        self._links = [n.queue_link[q] for q in self._queues]

    @property
    def signal_ids(self) -> tuple[str, ...]:
        """Signals with demand, sorted."""
        return self.network.signal_ids

    def queues_of(self, signal: int) -> NDArray[np.int64]:
        """Indices of a signal's queues."""
        return self._queues[signal]

    def codes(self, signal: int, timing: Timing) -> Codes:
        """What each queue of a signal sees in each second of the cycle, (queues, cycle).

        Second c begins when the clock's remainder by the cycle is c.
        """
        rows = np.array(
            [[CODE_OF.get(p.state[k], 0) for k in self._links[signal]] for p in timing.phases],
            dtype=np.uint8,
        )
        shown = np.repeat(rows, [round(p.duration_s) for p in timing.phases], axis=0)
        return np.roll(shown, timing.start_s, axis=0).T

    def blank(self, longest_s: int) -> tuple[Codes, NDArray[np.int64]]:
        """Return a plan for ``run`` in which only queues without a signal see anything."""
        codes = np.zeros((self.network.queues, longest_s), dtype=np.uint8)
        codes[:, 0] = self.network.fixed_code
        return codes, np.ones(len(self.signal_ids) + 1, dtype=np.int64)

    def evaluate(self, timings: Mapping[str, Timing]) -> Estimate:
        """Judge one plan; ``timings`` has every signal of ``signal_ids``."""
        return self.run(*self.encoded(timings))

    def encoded(self, timings: Mapping[str, Timing]) -> tuple[Codes, NDArray[np.int64]]:
        """Return a plan as ``run`` takes it: codes (q, longest cycle) and cycles (s + 1,)."""
        longest = max([timings[key].cycle_s for key in self.signal_ids], default=1)
        codes, cycles = self.blank(longest)
        for s, key in enumerate(self.signal_ids):
            own = self.codes(s, timings[key])
            codes[self._queues[s], : own.shape[1]] = own
            cycles[s] = own.shape[1]
        return codes, cycles

    def profiles(self, codes: Codes, cycles: NDArray[np.int64]) -> Floats:
        """Return the vehicles that leave each queue in each second of its cycle, a cycle.

        The mean over the last two thirds of the window, (q, longest cycle); 0 for queues without a
        signal.
        """
        n = self.network
        profile = np.zeros(codes.shape)
        self.run(codes, cycles, profile=profile)
        # Cycles of each queue in the part of the window that was recorded.
        rounds = (2 / 3) * n.duration_s / cycles[n.queue_signal]
        return profile / rounds[:, None]

    def run(
        self,
        codes: Codes,
        cycles: NDArray[np.int64],
        scale: float = 1.0,
        *,
        profile: Floats | None = None,
    ) -> Estimate:
        """Judge one plan given by codes (q, longest cycle) and cycles (s + 1,).

        ``scale`` multiplies the demand; ``profile`` is filled as in ``profiles``, before division.
        """
        n = self.network
        result = np.zeros((6, n.queues))
        blocked_s = np.zeros(len(n.groups))
        kernel.run(
            codes,
            cycles,
            n.begin_s,
            n.duration_s,
            n.group_first,
            n.group_lanes,
            n.queue_signal,
            n.saturation,
            n.start_loss_s,
            n.end_gain_s,
            n.foe_first,
            n.foe,
            n.way_first,
            n.way_to,
            n.way_group,
            n.way_share,
            n.way_lag_s,
            n.way_keep,
            n.storage,
            n.from_outside,
            n.slice_s,
            scale,
            result[0],
            result[1],
            result[2],
            result[3],
            result[4],
            result[5],
            blocked_s,
            np.zeros((0, 0)) if profile is None else profile,
        )
        delay, random, stops, served, longest, load = result
        return Estimate(
            delay, random, stops, served, longest, load, n.stop_loss_s, n.vehicles * scale
        )

    def run_many(
        self,
        plans: Sequence[tuple[Codes, NDArray[np.int64], float]],
        pool: ThreadPoolExecutor | None,
    ) -> list[Estimate]:
        """Judge several plans, side by side where a pool is given; answers in their order."""
        if pool is None:
            return [self.run(*plan) for plan in plans]
        return list(pool.map(lambda plan: self.run(*plan), plans))
