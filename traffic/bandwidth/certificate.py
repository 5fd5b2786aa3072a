"""How good an answer is, with proof."""

import math
from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """What is proven of an answer."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    NO_BAND = "no_band"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Value and proven bound of a maximisation.

    Parameters
    ----------
    status
        ``optimal``, ``feasible`` (best so far), ``no_band`` (proven) or ``unknown``.
    value, bound
        In cycles; the value of ``unknown`` is NaN.
    solve_s
        Seconds of search.
    seed
        Of the search.
    """

    status: Status
    value: float
    bound: float
    solve_s: float
    seed: int

    @property
    def gap(self) -> float:
        """``(bound - value) / value``; 0 when both are 0, infinite without a value."""
        if math.isnan(self.value):
            return math.inf
        short = max(0.0, self.bound - self.value)
        if short <= 1e-9:
            return 0.0
        return short / self.value if self.value > 0 else math.inf
