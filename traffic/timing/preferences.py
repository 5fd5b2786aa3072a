"""What a plan is judged on beside everybody's delay: chosen roads, and green bands along them.

The through traffic of a chosen road counts more. With bands, drivers who go along the road and
find themselves outside its green band are taken to stop once more: that part of them is one less
the attainability of the band (its width over the shortest green), as the band's width is what
drivers who arrive evenly over that green meet.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from traffic.corridors import Corridor
from traffic.delay.flow_network import PROTECTED, YIELDING, Floats, Ints
from traffic.delay.model import Codes, DelayModel

ROAD_WEIGHT = 2.0
# Added to the weight of a queue on a link that holds nobody, falling to 0 for links that hold so
# many vehicles a lane.
SHORT_LINK_WEIGHT, LONG_ENOUGH_VEH = 6.0, 6.0
OUT_OF_BAND_S = 15.0
MAX_LINK_M = 1200.0


@dataclass(frozen=True, slots=True)
class BandTerm:
    """One direction of a corridor (or of a part of it that no long link divides).

    Parameters
    ----------
    corridor_id
        Of the corridor.
    signals
        Indices of its signals in the model, in driving order.
    queues
        For each signal one queue of the way through.
    reached_s
        Whole seconds from the first signal.
    flow_veh
        Vehicles that drive through, at the least of its signals, in the window.
    """

    corridor_id: str
    signals: tuple[int, ...]
    queues: tuple[int, ...]
    reached_s: tuple[int, ...]
    flow_veh: float

    def band_s(self, codes: Codes, cycles: Ints) -> tuple[int, int]:
        """Width of the band and the shortest green, in s; 0 where the cycles differ."""
        cycle_s = int(cycles[self.signals[0]])
        if any(int(cycles[s]) != cycle_s for s in self.signals):
            return 0, cycle_s
        green = np.ones(cycle_s, dtype=bool)
        shortest = cycle_s
        for queue, reached_s in zip(self.queues, self.reached_s, strict=True):
            own = np.isin(codes[queue, :cycle_s], (PROTECTED, YIELDING))
            shortest = min(shortest, int(own.sum()))
            green &= np.roll(own, -reached_s)
        return _longest_run(green), shortest

    def cost_veh_s(self, codes: Codes, cycles: Ints) -> float:
        """Vehicle seconds that drivers outside the band lose."""
        band_s, green_s = self.band_s(codes, cycles)
        return self.flow_veh * OUT_OF_BAND_S * (1 - band_s / max(1, green_s))


@dataclass(frozen=True, slots=True)
class Preferences:
    """Weights of queues, (q,), and band terms."""

    weights: Floats
    bands: tuple[BandTerm, ...] = ()

    def costs(self, by_queue: Floats, codes: Codes, cycles: Ints) -> Floats:
        """Costs of the queues and, behind them, of the bands: (q + bands,)."""
        terms = [band.cost_veh_s(codes, cycles) for band in self.bands]
        return np.concatenate([by_queue * self.weights, terms])


def everybody_alike(model: DelayModel) -> Preferences:
    """Prefer no road."""
    return Preferences(_base_weights(model))


def _base_weights(model: DelayModel) -> Floats:
    """Weights of queues: more on short links, where a queue soon stands in the junction behind.

    A junction that is blocked from inside can lock for good, which no mean delay shows: so the
    search is to keep such links clear.
    """
    network = model.network
    group = np.searchsorted(network.group_first, np.arange(network.queues), side="right") - 1
    held = network.storage[group] / network.group_lanes[group]
    weights: Floats = 1 + SHORT_LINK_WEIGHT * np.maximum(0.0, 1 - held / LONG_ENOUGH_VEH)
    return weights


def preferences(model: DelayModel, corridors: Sequence[Corridor], *, bands: bool) -> Preferences:
    """Prefer some roads, with or without bands along them."""
    weights = _base_weights(model)
    terms: list[BandTerm] = []
    at = {key: s for s, key in enumerate(model.signal_ids)}
    for corridor in corridors:
        for crossing in corridor.crossings:
            for links, approach in (
                (crossing.through_out, crossing.approach_out),
                (crossing.through_in, crossing.approach_in),
            ):
                weights[_through(model, at.get(crossing.signal_id), links, approach)] *= ROAD_WEIGHT
        if bands:
            for first, last in corridor.parts(MAX_LINK_M):
                for back in (False, True):
                    terms += _terms(model, corridor, first, last, at, back)
    return Preferences(weights, tuple(terms))


def _through(
    model: DelayModel, signal: int | None, links: Sequence[int], approach: str
) -> NDArray[np.int64]:
    """Queues of the way through a signal."""
    if signal is None:
        return np.zeros(0, dtype=np.int64)
    network = model.network
    queues = model.queues_of(signal)
    group = np.searchsorted(network.group_first, queues, side="right") - 1
    return np.array(
        [
            q
            for q, g in zip(queues, group, strict=True)
            if int(network.queue_link[q]) in links and network.groups[g].approach == approach
        ],
        dtype=np.int64,
    )


def _terms(
    model: DelayModel,
    corridor: Corridor,
    first: int,
    last: int,
    at: dict[str, int],
    back: bool,
) -> list[BandTerm]:
    signals: list[int] = []
    queues: list[int] = []
    reached: list[float] = []
    flows: list[float] = []
    order = range(first, last + 1)
    time_s = 0.0
    for k in reversed(order) if back else order:
        crossing = corridor.crossings[k]
        links = crossing.through_in if back else crossing.through_out
        approach = crossing.approach_in if back else crossing.approach_out
        own = _through(model, at.get(crossing.signal_id), links, approach)
        if own.size:
            signals.append(at[crossing.signal_id])
            queues.append(int(own[0]))
            reached.append(time_s)
            flows.append(float(model.network.flow_veh[own].sum()))
        link = k - 1 if back else k
        if first <= link < last:
            between = corridor.links[link]
            time_s += between.free_flow_in_s if back else between.free_flow_out_s
    if len(signals) < 2:
        return []
    whole = tuple(round(s) for s in reached)
    return [BandTerm(corridor.id, tuple(signals), tuple(queues), whole, min(flows))]


def _longest_run(green: NDArray[np.bool_]) -> int:
    """Longest run of true values on a circle."""
    if green.all():
        return int(green.size)
    reds = np.flatnonzero(~green)
    gaps = np.diff(np.concatenate([reds, [reds[0] + green.size]])) - 1
    return int(gaps.max())
