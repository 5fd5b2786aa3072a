"""A whole network's plan while it is being improved."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from traffic.delay.model import Codes, DelayModel, Timing
from traffic.timing.options import Options

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SignalState:
    """What one signal does: which of its sequences, greens in s, when the first stage begins.

    The start is taken modulo the signal's own cycle.
    """

    option: int
    greens_s: tuple[int, ...]
    start_s: int


class Encoder:
    """Turns states into what the delay model reads; codes of unchanged signals are kept."""

    def __init__(self, model: DelayModel, options: Options, longest_s: int) -> None:
        self.model = model
        self.options = options
        self._width = max(longest_s, *(t.cycle_s for t in options.own.values()))
        self._known: dict[tuple[int, SignalState], tuple[Codes, int]] = {}

    def timing(self, k: int, state: SignalState) -> Timing:
        """What timed signal ``k`` shows."""
        phases = self.options.timed[k].sequences[state.option].phases(state.greens_s)
        cycle_s = round(sum(phase.duration_s for phase in phases))
        return Timing(phases, state.start_s % cycle_s)

    def encode(self, states: tuple[SignalState, ...]) -> tuple[Codes, Ints]:
        """Return codes (q, longest cycle) and cycles (s + 1,) of a plan."""
        model = self.model
        codes, cycles = model.blank(self._width)
        for index, key in enumerate(model.signal_ids):
            if key in self.options.kept:
                own = model.codes(index, self.options.own[key])
                codes[model.queues_of(index), : own.shape[1]] = own
                cycles[index] = own.shape[1]
        for k, state in enumerate(states):
            index = self.options.timed[k].index
            own, cycle_s = self._codes(k, state)
            codes[model.queues_of(index), :cycle_s] = own
            cycles[index] = cycle_s
        return codes, cycles

    def change(
        self, plan: tuple[Codes, Ints], changes: dict[int, SignalState]
    ) -> tuple[Codes, Ints]:
        """Return a plan with some signals changed."""
        codes, cycles = plan[0].copy(), plan[1].copy()
        for k, state in changes.items():
            index = self.options.timed[k].index
            own, cycle_s = self._codes(k, state)
            codes[self.model.queues_of(index), :cycle_s] = own
            cycles[index] = cycle_s
        return codes, cycles

    def _codes(self, k: int, state: SignalState) -> tuple[Codes, int]:
        key = (k, state)
        if key not in self._known:
            if len(self._known) > 50_000:
                self._known.clear()
            timing = self.timing(k, state)
            self._known[key] = (
                self.model.codes(self.options.timed[k].index, timing),
                timing.cycle_s,
            )
        return self._known[key]
