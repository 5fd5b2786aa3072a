"""Offsets over the whole network at once: the link-additive problem, with its lower bound.

Between two signals with one cycle the delay at the second depends on the difference of their
offsets alone, when what leaves the first is taken as it is: its cyclic flow profile moves along,
and the vertical queue behind the second one's greens follows from it. The sum of these costs over
all links is a combination problem over a graph (Gartner, Little & Gabbay 1975). The sum of each
link's least cost is a lower bound, tight on trees; loops cause the gap. The problem is searched by
moving one signal at a time to its best offset given its neighbours, from several starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np

from traffic.delay.flow_network import Floats, FlowNetwork, Ints
from traffic.delay.model import Codes

RESTARTS = 12
MOST_SWEEPS = 60
# Shares of a queue's drivers below this do not make a link.
LEAST_LINK_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class OffsetLinks:
    """Costs of the links between signals with a common cycle.

    Parameters
    ----------
    cycle_s
        Whole seconds.
    before, after
        Signals at both ends, (l,); ``before`` != ``after``.
    cost_veh_s
        Vehicle seconds lost a cycle when the second signal's offset exceeds the first one's by so
        many seconds, (l, cycle).
    """

    cycle_s: int
    before: Ints
    after: Ints
    cost_veh_s: Floats

    @property
    def bound_veh_s(self) -> float:
        """Sum of each link's least cost: no offsets cost less."""
        return float(self.cost_veh_s.min(axis=1).sum()) if self.before.size else 0.0

    def value_veh_s(self, offsets_s: Ints) -> float:
        """Cost of offsets, (signals,), in vehicle seconds a cycle."""
        apart = (offsets_s[self.after] - offsets_s[self.before]) % self.cycle_s
        return float(self.cost_veh_s[np.arange(self.before.size), apart].sum())


@dataclass(frozen=True, slots=True)
class OffsetResult:
    """Shifts of the signals in s, (signals,), their cost and its lower bound, in veh s a cycle."""

    offsets_s: Ints
    value_veh_s: float
    bound_veh_s: float

    @property
    def gap(self) -> float:
        """``(value - bound) / value``; 0 where there is nothing to lose."""
        return (self.value_veh_s - self.bound_veh_s) / self.value_veh_s if self.value_veh_s else 0.0


def offset_links(
    network: FlowNetwork, codes: Codes, cycles_s: Ints, profiles: Floats, cycle_s: int
) -> OffsetLinks:
    """Tabulate the links between signals that run the cycle ``cycle_s``.

    Parameters
    ----------
    codes, cycles_s
        A plan, as the delay model takes it.
    profiles
        What leaves each queue under this plan, (q, at least cycle).
    """
    signals = len(network.signal_ids)
    in_step = np.append(cycles_s[:signals] == cycle_s, False)
    source = np.repeat(np.arange(network.queues), np.diff(network.way_first))
    before = network.queue_signal[source]
    after = network.queue_signal[network.way_to]
    way = np.flatnonzero(
        in_step[before]
        & in_step[after]
        & (before != after)
        & (network.way_share >= LEAST_LINK_SHARE)
    )
    # A link is a signal and a queue that it feeds.
    keys, link = np.unique(before[way] * network.queues + network.way_to[way], return_inverse=True)
    to = keys % network.queues
    cost = np.zeros((keys.size, cycle_s))
    _tabulate(
        way,
        link.astype(np.int64),
        source,
        network.way_share,
        network.way_lag_s,
        network.way_keep,
        profiles,
        to,
        codes,
        network.saturation,
        network.start_loss_s,
        # Vehicles a cycle of each queue.
        network.flow_veh / network.duration_s * cycle_s,
        cost,
    )
    return OffsetLinks(cycle_s, keys // network.queues, network.queue_signal[to], cost)


def best_offsets(
    links: OffsetLinks, signals: int, fixed: Sequence[int], *, seed: int
) -> OffsetResult:
    """Search shifts of signals for the least cost; those of ``fixed`` stay 0."""
    rng = np.random.default_rng(seed)
    movable = np.array(
        [
            s
            for s in np.unique(np.concatenate([links.before, links.after]))
            if int(s) not in set(fixed)
        ],
        dtype=np.int64,
    )
    best = np.zeros(signals, dtype=np.int64)
    least = links.value_veh_s(best)
    first, order, ends = _incidence(links, signals)
    for start in range(RESTARTS if movable.size else 0):
        offsets = np.zeros(signals, dtype=np.int64)
        if start:
            offsets[movable] = rng.integers(0, links.cycle_s, movable.size)
        _descend(
            offsets,
            rng.permutation(movable),
            first,
            order,
            ends,
            links.before,
            links.after,
            links.cost_veh_s,
            MOST_SWEEPS,
        )
        value = links.value_veh_s(offsets)
        if value < least - 1e-9:
            best, least = offsets, value
    return OffsetResult(best, least, links.bound_veh_s)


@numba.njit(cache=True)
def _tabulate(  # type: ignore[no-untyped-def]
    way, link, source, share, lag_s, keep, profiles, to, codes, saturation, start_loss_s, flow, cost
):
    """Fill each link's delay a cycle for every shift of its second signal's greens.

    What arrives along the link moves with the first signal; what comes from elsewhere is taken to
    be even. The queue is vertical. Drivers from elsewhere wait anyway, so the link is charged with
    its own drivers' part.
    """
    links, cycle = cost.shape
    arriving = np.zeros((links, cycle))
    for k in range(way.size):
        w = way[k]
        q = source[w]
        state = 0.0
        # Round the cycle three times, so that what is spread over its end is complete.
        for t in range(3 * cycle):
            state = (1 - keep[w]) * profiles[q, t % cycle] * share[w] + keep[w] * state
            if t >= 2 * cycle:
                arriving[link[k], (t + lag_s[w]) % cycle] += state
    rate = np.zeros(cycle)
    for i in range(links):
        q = to[i]
        own = 0.0
        for c in range(cycle):
            own += arriving[i, c]
        even = max(0.0, flow[q] - own) / cycle
        loss = start_loss_s[q]
        # Twice round, so that a green over the end of the cycle starts where it does.
        for t in range(2 * cycle):
            c = t % cycle
            code = codes[q, c]
            if code < 1 or code > 3:
                loss = start_loss_s[q]
                rate[c] = 0.0
            else:
                part = min(1.0, max(0.0, 1.0 - loss))
                loss = max(0.0, loss - 1.0)
                rate[c] = part * saturation[q]
        for shift in range(cycle):
            queue = 0.0
            lost = 0.0
            for t in range(3 * cycle):
                queue += arriving[i, t % cycle] + even
                gone = rate[(t - shift) % cycle]
                queue = queue - gone if queue > gone else 0.0
                if t >= 2 * cycle:
                    lost += queue
            cost[i, shift] = lost * own / max(1e-9, own + even * cycle)


def _incidence(links: OffsetLinks, signals: int) -> tuple[Ints, Ints, Ints]:
    """Links of each signal: first index, link, and which end the signal is (0 before, 1 after)."""
    owner = np.concatenate([links.before, links.after])
    ends = np.repeat([0, 1], links.before.size).astype(np.int64)
    link = np.tile(np.arange(links.before.size), 2).astype(np.int64)
    order = np.argsort(owner, kind="stable")
    first = np.searchsorted(owner[order], np.arange(signals + 1)).astype(np.int64)
    return first, link[order], ends[order]


@numba.njit(cache=True)
def _descend(offsets, movable, first, link, ends, before, after, cost, most):  # type: ignore[no-untyped-def]
    """Move each signal to its best offset given the others, until nothing moves."""
    cycle = cost.shape[1]
    total = np.zeros(cycle)
    for _ in range(most):
        moved = False
        for s in movable:
            for c in range(cycle):
                total[c] = 0.0
            for k in range(first[s], first[s + 1]):
                own = link[k]
                if ends[k] == 1:
                    other = offsets[before[own]]
                    for c in range(cycle):
                        total[c] += cost[own, (c - other) % cycle]
                else:
                    other = offsets[after[own]]
                    for c in range(cycle):
                        total[c] += cost[own, (other - c) % cycle]
            now = total[offsets[s]]
            best = offsets[s]
            for c in range(cycle):
                if total[c] < now - 1e-9:
                    now = total[c]
                    best = c
            if best != offsets[s]:
                offsets[s] = best
                moved = True
        if not moved:
            break
