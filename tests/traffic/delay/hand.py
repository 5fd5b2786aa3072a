"""Small flow networks written down by hand, and a way to judge plans on them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from traffic.delay.flow_network import FlowNetwork
from traffic.delay.lane_groups import LaneGroup
from traffic.delay.model import CODE_OF, DelayModel, Estimate


@dataclass(frozen=True, slots=True)
class Way:
    """An onward way: target queue, share of the drivers, whole seconds, dispersion a second."""

    to: int
    share: float = 1.0
    lag_s: int = 1
    keep: float = 0.0


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of a group; ``outside`` are vehicles a slice, one number = the same in each."""

    group: int = 0
    signal: int = 0
    saturation: float = 0.5
    start_loss_s: float = 0.0
    end_gain_s: float = 0.0
    foes: tuple[int, ...] = ()
    ways: tuple[Way, ...] = field(default=())
    outside: Sequence[float] | float = 0.0


def hand_network(
    queues: Sequence[Queue],
    *,
    duration_s: int,
    slice_s: float = 1.0,
    begin_s: float = 0.0,
    lanes: Sequence[int] = (),
    storage: Sequence[float] = (),
) -> FlowNetwork:
    """Queues in the order of their groups; those of a negative signal always see green."""
    groups = max(queue.group for queue in queues) + 1
    assert [q.group for q in queues] == sorted(q.group for q in queues)
    lanes = lanes or (1,) * groups
    signals = max([queue.signal for queue in queues], default=-1) + 1
    slices = int(np.ceil(duration_s / slice_s))
    outside = np.array([np.broadcast_to(np.asarray(q.outside, float), (slices,)) for q in queues])
    ways = [way for queue in queues for way in queue.ways]
    return FlowNetwork(
        signal_ids=tuple(f"s{k}" for k in range(signals)),
        fixed_code=np.array([0 if q.signal >= 0 else 2 if q.foes else 1 for q in queues], np.uint8),
        groups=tuple(LaneGroup(f"g{g}", tuple(range(lanes[g])), ()) for g in range(groups)),
        group_first=np.array(
            [*(next(k for k, q in enumerate(queues) if q.group == g) for g in range(groups)), 0]
        )
        + np.array([0] * groups + [len(queues)]),
        group_lanes=np.array(lanes, dtype=float),
        queue_signal=np.array([q.signal if q.signal >= 0 else signals for q in queues]),
        queue_link=np.arange(len(queues)),
        saturation=np.array([q.saturation for q in queues]),
        start_loss_s=np.array([q.start_loss_s for q in queues]),
        end_gain_s=np.array([q.end_gain_s for q in queues]),
        foe_first=np.cumsum([0, *(len(q.foes) for q in queues)]),
        foe=np.array([f for q in queues for f in q.foes], dtype=np.int64),
        way_first=np.cumsum([0, *(len(q.ways) for q in queues)]),
        way_to=np.array([way.to for way in ways], dtype=np.int64),
        way_group=np.array([queues[way.to].group for way in ways], dtype=np.int64),
        way_share=np.array([way.share for way in ways], dtype=float),
        way_lag_s=np.array([way.lag_s for way in ways], dtype=np.int64),
        way_keep=np.array([way.keep for way in ways], dtype=float),
        storage=np.array(storage or (np.inf,) * groups, dtype=float),
        edge_m=np.full(groups, 200.0),
        from_outside=outside,
        slice_s=slice_s,
        begin_s=begin_s,
        duration_s=duration_s,
        vehicles=float(outside.sum()),
        flow_veh=outside.sum(axis=1),
        stop_loss_s=np.full(len(queues), 3.0),
    )


Plan = tuple[np.ndarray, np.ndarray]


def shown(network: FlowNetwork, *states: str) -> Plan:
    """A plan from one text a queue, a letter a second as in SUMO; empty = no signal's."""
    codes = np.zeros((network.queues, max(1, *(len(state) for state in states))), dtype=np.uint8)
    cycles = np.ones(len(network.signal_ids) + 1, dtype=np.int64)
    for q, state in enumerate(states):
        if not state:
            codes[q, 0] = network.fixed_code[q]
            continue
        codes[q, : len(state)] = [CODE_OF.get(letter, 0) for letter in state]
        cycles[network.queue_signal[q]] = len(state)
    return codes, cycles


def judge(network: FlowNetwork, plan: Plan, scale: float = 1.0) -> Estimate:
    """Run the product's compiled model on a network that no road graph stands behind."""
    model = object.__new__(DelayModel)
    model.network = network
    return model.run(*plan, scale)
