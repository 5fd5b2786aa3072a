"""What the search may choose at each signal: sequences, and greens that suit it by itself."""

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from traffic.delay.model import DelayModel, Timing
from traffic.errors import UnsafePlanError
from traffic.signals import Phase, Signal
from traffic.timing.isolated import Rows, SignalFlows, best_splits, rows_of, signal_flows
from traffic.timing.sequences import (
    Sequence_,
    SignalStages,
    orders,
    sequence,
    signal_stages,
    subsets,
)

# Subsets of stages that a signal keeps for the search, and orders of each.
MOST_KEPT = 4
MOST_ORDERS = 6
# Sets of stages are compared by themselves at these shares of the way from least to longest cycle.
PROBES = (0.15, 0.45, 0.8)


@dataclass(slots=True)
class SignalOptions:
    """One signal's sequences, best first, with the splits that suit them by themselves.

    Parameters
    ----------
    index
        Of the signal in the model.
    signal, flows
        What it is and what it carries.
    sequences
        Safe ones only; the first ``base`` have the program's own order, the others are the same
        stages in other orders.
    """

    index: int
    signal: Signal
    flows: SignalFlows
    sequences: tuple[Sequence_, ...]
    base: int
    _rows: dict[int, Rows] = field(default_factory=dict)
    _splits: dict[tuple[int, int], tuple[float, NDArray[np.int64]] | None] = field(
        default_factory=dict
    )

    @property
    def least_cycle_s(self) -> int:
        """Shortest cycle that any of the sequences fits into."""
        return min(own.least_cycle_s for own in self.sequences)

    def splits(self, option: int, cycle_s: int) -> tuple[float, NDArray[np.int64]] | None:
        """Cost (vehicle seconds a second) and greens of a sequence at a cycle by itself."""
        key = (option, cycle_s)
        if key not in self._splits:
            own = self.sequences[option]
            if option not in self._rows:
                self._rows[option] = rows_of(self.flows, own)
            self._splits[key] = best_splits(self.flows, own, cycle_s, rows=self._rows[option])
        return self._splits[key]

    def best(self, cycle_s: int) -> tuple[float, int] | None:
        """Least cost at a cycle and the sequence that has it; None where none fits.

        By itself a signal does not care for the order of its stages: only the program's is asked.
        """
        found = [
            (own[0], k) for k in range(self.base) if (own := self.splits(k, cycle_s)) is not None
        ]
        return min(found, default=None)


@dataclass(frozen=True, slots=True)
class Options:
    """All signals of a model: those that may be timed, and those that keep their program."""

    timed: tuple[SignalOptions, ...]
    kept: Mapping[str, str]
    own: Mapping[str, Timing]


def own_timing(signal: Signal) -> Timing:
    """Return a signal's own program in whole seconds."""
    phases = tuple(
        Phase(max(1, round(phase.duration_s)), phase.state, phase.min_duration_s)
        for phase in signal.program.phases
    )
    cycle_s = round(sum(phase.duration_s for phase in phases))
    return Timing(phases, round(signal.program.offset_s) % cycle_s)


def options_of(
    model: DelayModel,
    *,
    cycle_s: tuple[int, int],
    min_green_s: int = 5,
    pool: Executor | None = None,
) -> Options:
    """Collect every signal's choices.

    Signals whose program cannot be timed safely, or needs a longer cycle, keep it, with the reason.
    Threads of a ``pool`` look at signals side by side.
    """

    def choices(index: int) -> SignalOptions | str:
        return _choices(model, index, cycle_s, min_green_s)

    indices = range(len(model.signal_ids))
    found = list(map(choices, indices) if pool is None else pool.map(choices, indices))
    timed = [own for own in found if isinstance(own, SignalOptions)]
    kept = {
        key: why for key, why in zip(model.signal_ids, found, strict=True) if isinstance(why, str)
    }
    own_timings = {key: own_timing(model.graph.signals[key]) for key in model.signal_ids}
    return Options(tuple(timed), kept, own_timings)


def _choices(
    model: DelayModel, index: int, cycle_s: tuple[int, int], min_green_s: int
) -> SignalOptions | str:
    """Choices of a signal, or why it has none."""
    signal = model.graph.signals[model.signal_ids[index]]
    try:
        own = signal_stages(signal, min_green_s=min_green_s)
    except UnsafePlanError as error:
        return error.message
    flows = signal_flows(model.network, index)
    sequences, base = _sequences(own, flows, cycle_s)
    if not sequences:
        return f"no safe sequence of its stages fits into {cycle_s[1]} s"
    return SignalOptions(index, signal, flows, sequences, base)


def _sequences(
    own: SignalStages, flows: SignalFlows, cycle_s: tuple[int, int]
) -> tuple[tuple[Sequence_, ...], int]:
    """Safe sequences, and how many of them have the program's own order.

    The best sets of stages by themselves come first, then each in several orders.
    """
    built = [
        found
        for chosen in subsets(own, flows.to_protect())
        if (found := sequence(own, chosen)) is not None and found.least_cycle_s <= cycle_s[1]
    ]
    rows = [rows_of(flows, found) for found in built]
    ranked: dict[tuple[int, ...], float] = {}
    for probe in PROBES:
        costs = []
        for found, own_rows in zip(built, rows, strict=True):
            low = max(cycle_s[0], found.least_cycle_s)
            at_s = low + round(probe * (cycle_s[1] - low))
            split = best_splits(flows, found, at_s, rows=own_rows)
            if split is not None:
                costs.append((split[0], found.order))
        least = min((cost for cost, _ in costs), default=0.0)
        for cost, order in costs:
            share = cost / max(least, 1e-9)
            ranked[order] = min(ranked.get(order, share), share)
    by_order = {found.order: found for found in built}
    best = sorted(ranked, key=lambda order: (ranked[order], len(order), order))[:MOST_KEPT]
    result: list[Sequence_] = [by_order[order] for order in best]
    for order in best:
        more = [other for other in orders(order) if other != order]
        for other in more[: MOST_ORDERS - 1]:
            found = sequence(own, other)
            if found is not None and found.least_cycle_s <= cycle_s[1]:
                result.append(found)
    return tuple(result), len(best)
