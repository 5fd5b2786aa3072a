"""One signal by itself: Webster's and HCM's delay of a sequence, and the splits that make it least.

Uniform delay of a queue with several reds r_i in a cycle C: sum r_i^2 / (2 C (1 - q/s)) while its
degree of saturation is below 1 (Webster 1958; for one red, HCM 2000 eq. 15-2), plus HCM's
incremental delay 900 T [(x - 1) + sqrt((x - 1)^2 + 8 k I x / (c T))]. Yielding turns take the gaps
of their foes after these have cleared their own queues, and a few at the end of the green. Lane
groups that several turns share are filled by the sum of their turns' degrees of saturation.
"""

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from traffic.delay.flow_network import Floats, FlowNetwork, Ints
from traffic.delay.kernel import SHORT_STORAGE, SNEAKERS, STOP_FACTOR
from traffic.delay.lane_groups import CRITICAL_GAP_S
from traffic.delay.model import CODE_OF
from traffic.plan import TimingPlan
from traffic.timing.sequences import Sequence_

CROSS_PRODUCT_PER_LANE = 50_000.0
# Who waits on a shorter approach stands in the junction behind it, signal or not.
SHORT_EDGE_M = 15.0


@dataclass(frozen=True, slots=True)
class SignalFlows:
    """The queues of one signal, cut out of the flow network; arrays as there.

    ``short`` marks queues on links that hold hardly anybody.
    """

    queues: Ints
    group: Ints
    link: Ints
    saturation: Floats
    lanes: Floats
    start_loss_s: Floats
    end_gain_s: Floats
    flow: Floats
    stop_loss_s: Floats
    foe_first: Ints
    foe: Ints
    short: NDArray[np.bool_]
    hours: float

    def to_protect(self) -> frozenset[int]:
        """Links whose drivers yield to so many that a stage of their own must stay.

        The cross product of a left turn's flow and the opposing one exceeds 50,000 (veh/h)^2 for
        each opposing lane (the warrant of HCM and of most manuals), or the link behind it is so
        short that whoever waits for a gap stands in the junction before.
        """
        links = set()
        for q in range(self.queues.size):
            foes = self.foe[self.foe_first[q] : self.foe_first[q + 1]]
            if not foes.size:
                continue
            opposing_vph = float(self.flow[foes].sum()) * 3600
            lanes = sum({int(self.group[f]): float(self.lanes[f]) for f in foes}.values())
            product = float(self.flow[q]) * 3600 * opposing_vph
            if self.short[q] or product > CROSS_PRODUCT_PER_LANE * lanes:
                links.add(int(self.link[q]))
        return frozenset(links)


def signal_flows(network: FlowNetwork, signal: int) -> SignalFlows:
    """Cut one signal out; flows in vehicles a second."""
    queues = np.flatnonzero(network.queue_signal == signal)
    at = {int(q): k for k, q in enumerate(queues)}
    group = np.searchsorted(network.group_first, queues, side="right") - 1
    first, foe = [0], []
    for q in queues:
        own = network.foe[network.foe_first[q] : network.foe_first[q + 1]]
        foe += [at[int(f)] for f in own if int(f) in at]
        first.append(len(foe))
    return SignalFlows(
        queues=queues,
        group=np.unique(group, return_inverse=True)[1].astype(np.int64),
        link=network.queue_link[queues],
        saturation=network.saturation[queues],
        lanes=network.group_lanes[group],
        start_loss_s=network.start_loss_s[queues],
        end_gain_s=network.end_gain_s[queues],
        flow=network.flow_veh[queues] / network.duration_s,
        stop_loss_s=network.stop_loss_s[queues],
        foe_first=np.array(first, dtype=np.int64),
        foe=np.array(foe, dtype=np.int64),
        short=(network.storage[group] < SHORT_STORAGE * network.group_lanes[group])
        | (network.edge_m[group] < SHORT_EDGE_M),
        hours=network.duration_s / 3600,
    )


@dataclass(frozen=True, slots=True)
class Rows:
    """A sequence as its signal's queues see it: a row a phase.

    ``stage`` is the stage whose green the row is, -1 for a part of an intergreen of ``fixed_s``;
    ``code`` (rows, queues) as in the delay model; ``least_s`` greens, (stages,).
    """

    stage: Ints
    fixed_s: Ints
    code: Ints
    least_s: Ints


def rows_of(flows: SignalFlows, sequence: Sequence_) -> Rows:
    """Lay a sequence out for one signal's queues."""
    rows = [
        (k if phase.min_duration_s is not None else -1, int(phase.duration_s), phase.state)
        for k, stage in enumerate(sequence.stages)
        for phase in TimingPlan.phases_of(stage)
    ]
    code = [[CODE_OF.get(state[link], 0) for link in flows.link] for _, _, state in rows]
    return Rows(
        stage=np.array([row[0] for row in rows], dtype=np.int64),
        fixed_s=np.array([row[1] for row in rows], dtype=np.int64),
        code=np.array(code, dtype=np.int64).reshape(len(rows), flows.link.size),
        least_s=np.array([stage.min_green_s for stage in sequence.stages], dtype=np.int64),
    )


def best_splits(
    flows: SignalFlows, sequence: Sequence_, cycle_s: int, *, rows: Rows | None = None
) -> tuple[float, NDArray[np.int64]] | None:
    """Find greens with the least delay at a cycle; None where the sequence does not fit.

    Parameters
    ----------
    rows
        What ``rows_of`` gives, where it is at hand.

    Returns
    -------
    (float, (stages,))
        Vehicle seconds lost a second of time, and whole seconds of green.
    """
    if sequence.least_cycle_s > cycle_s:
        return None
    rows = rows or rows_of(flows, sequence)
    greens = np.zeros(rows.least_s.size, dtype=np.int64)
    cost = _best_splits(
        greens,
        rows.least_s,
        cycle_s,
        rows.stage,
        rows.fixed_s,
        rows.code,
        flows.group,
        flows.saturation,
        flows.lanes,
        flows.start_loss_s,
        flows.end_gain_s,
        flows.flow,
        flows.stop_loss_s,
        flows.foe_first,
        flows.foe,
        flows.hours,
    )
    return float(cost), greens


@numba.njit(cache=True)
def _cost(  # type: ignore[no-untyped-def]
    greens,
    cycle,
    stage,
    fixed_s,
    code,
    group,
    saturation,
    lanes,
    start_loss_s,
    end_gain_s,
    flow,
    stop_loss_s,
    foe_first,
    foe,
    hours,
    protected,
    yielding,
    reds,
    red_sq,
    ended,
):
    """Vehicle seconds lost a second of time."""
    rows, count = code.shape
    for q in range(count):
        protected[q] = 0.0
        yielding[q] = 0.0
        reds[q] = 0.0
        red_sq[q] = 0.0
        ended[q] = 0.0
        # Begin with a row at which the queue has just lost its green.
        begin = -1
        any_green = False
        for r in range(rows):
            before = code[r - 1, q]
            now = code[r, q]
            if 1 <= now <= 3:
                any_green = True
            if not (1 <= now <= 3) and 1 <= before <= 3:
                begin = r
        if begin < 0:
            if any_green:
                if code[0, q] == 1:
                    protected[q] = cycle
                elif code[0, q] == 2:
                    yielding[q] = cycle
                else:
                    yielding[q] = cycle * STOP_FACTOR
            else:
                reds[q] = cycle
                red_sq[q] = cycle * cycle
            continue
        last = code[begin - 1, q]
        red = 0.0
        wait = 0.0
        in_green = True
        for j in range(rows):
            r = (begin + j) % rows
            now = code[r, q]
            length = float(greens[stage[r]]) if stage[r] >= 0 else float(fixed_s[r])
            if now < 1 or now > 3:
                if in_green:
                    red = -end_gain_s[q]
                    if last == 1:
                        protected[q] += end_gain_s[q]
                    else:
                        yielding[q] += end_gain_s[q]
                        ended[q] += 1.0 if last == 2 else 0.0
                in_green = False
                red += length
                continue
            if not in_green:
                wait = start_loss_s[q]
                red += wait
                reds[q] += red
                red_sq[q] += red * red
            in_green = True
            last = now
            use = max(0.0, length - wait)
            wait = max(0.0, wait - length)
            if now == 1:
                protected[q] += use
            elif now == 2:
                yielding[q] += use
            else:
                yielding[q] += use * STOP_FACTOR
    total = 0.0
    groups = group[count - 1] + 1 if count else 0
    for g in range(groups):
        x = 0.0
        some = 0.0
        for q in range(count):
            if group[q] != g or flow[q] <= 0.0:
                continue
            capacity = protected[q] * saturation[q]
            if yielding[q] > 0.0:
                other = 0.0
                clear = 0.0
                for k in range(foe_first[q], foe_first[q + 1]):
                    f = foe[k]
                    other += flow[f]
                    if flow[f] < saturation[f]:
                        clear = max(clear, flow[f] * reds[f] / (saturation[f] - flow[f]))
                    else:
                        clear = cycle
                free = max(0.0, yielding[q] - clear)
                follow = lanes[q] / saturation[q]
                # Foes come in their green only, which is about when this queue may go.
                if other > 1e-6:
                    dense = min(other * cycle / max(yielding[q], 1.0), 1.5)
                    gaps = (
                        dense * math.exp(-dense * CRITICAL_GAP_S) / (1 - math.exp(-dense * follow))
                    )
                    gaps = min(gaps * follow, 1.0)
                else:
                    gaps = 1.0
                capacity += free * saturation[q] * gaps + SNEAKERS * lanes[q] * ended[q]
            load = flow[q] * cycle / max(capacity, 1e-3)
            x += load
            some += flow[q]
        if some <= 0.0:
            continue
        c_vph = some / x * 3600.0
        each = (
            900.0
            * hours
            * ((x - 1.0) + math.sqrt((x - 1.0) ** 2 + 8.0 * 0.5 * x / (c_vph * hours)))
        )
        for q in range(count):
            if group[q] != g or flow[q] <= 0.0:
                continue
            y = min(flow[q] / saturation[q], 0.95)
            uniform = red_sq[q] / (2.0 * cycle * (1.0 - y))
            stop = min(1.0, reds[q] / (cycle * (1.0 - y)))
            total += flow[q] * (uniform + each + stop * stop_loss_s[q])
    return total


@numba.njit(cache=True, nogil=True)
def _best_splits(  # type: ignore[no-untyped-def]
    greens,
    least,
    cycle,
    stage,
    fixed_s,
    code,
    group,
    saturation,
    lanes,
    start_loss_s,
    end_gain_s,
    flow,
    stop_loss_s,
    foe_first,
    foe,
    hours,
):
    """Give seconds one by one where they help most, then exchange them while that helps."""
    count = code.shape[1]
    a = np.zeros(count)
    b = np.zeros(count)
    c = np.zeros(count)
    d = np.zeros(count)
    e = np.zeros(count)
    spare = cycle
    for r in range(stage.size):
        if stage[r] < 0:
            spare -= fixed_s[r]
    for k in range(least.size):
        greens[k] = least[k]
        spare -= least[k]
    best = 0.0
    while spare > 0:
        chosen = 0
        best = math.inf
        for k in range(least.size):
            greens[k] += 1
            value = _cost(
                greens,
                cycle,
                stage,
                fixed_s,
                code,
                group,
                saturation,
                lanes,
                start_loss_s,
                end_gain_s,
                flow,
                stop_loss_s,
                foe_first,
                foe,
                hours,
                a,
                b,
                c,
                d,
                e,
            )
            greens[k] -= 1
            if value < best - 1e-12:
                best = value
                chosen = k
        greens[chosen] += 1
        spare -= 1
    best = _cost(
        greens,
        cycle,
        stage,
        fixed_s,
        code,
        group,
        saturation,
        lanes,
        start_loss_s,
        end_gain_s,
        flow,
        stop_loss_s,
        foe_first,
        foe,
        hours,
        a,
        b,
        c,
        d,
        e,
    )
    for step in (8, 4, 2, 1, 1):
        for _ in range(20):
            better = False
            for i in range(least.size):
                for j in range(least.size):
                    if i == j or greens[i] - step < least[i]:
                        continue
                    greens[i] -= step
                    greens[j] += step
                    value = _cost(
                        greens,
                        cycle,
                        stage,
                        fixed_s,
                        code,
                        group,
                        saturation,
                        lanes,
                        start_loss_s,
                        end_gain_s,
                        flow,
                        stop_loss_s,
                        foe_first,
                        foe,
                        hours,
                        a,
                        b,
                        c,
                        d,
                        e,
                    )
                    if value < best - 1e-9:
                        best = value
                        better = True
                    else:
                        greens[i] += step
                        greens[j] -= step
            if not better:
                break
    return best
