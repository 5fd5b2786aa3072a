"""What an allocation answers, with its certificate."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A pool nearer to the destination that was not given, and why.

    Parameters
    ----------
    reason
        One of ``REASONS`` (``reasons.py``): ``full``, ``dearer``, ``too_high``, ...
    walk_s
        From there to the destination.
    at_ms
        With ``full``: the first instant of the stay at which no space is left.
    """

    lot_id: str
    pool_id: str
    reason: str
    walk_s: int
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Assigned:
    """A request with its space.

    ``drive_s`` and ``walk_s`` in s, ``price_fen`` the price of the stay, ``cost_fen`` what it costs
    the driver in all: ``cost_fen - price_fen`` is the time's part.
    """

    request_id: str
    lot_id: str
    pool_id: str
    drive_s: int
    walk_s: int
    price_fen: int
    cost_fen: int
    passed_over: tuple[PassedOver, ...] = ()


@dataclass(frozen=True, slots=True)
class Unserved:
    """A request without a space; ``reason`` is an enumerated word such as ``full``."""

    request_id: str
    reason: str
    passed_over: tuple[PassedOver, ...] = ()


@dataclass(frozen=True, slots=True)
class AllocationResult:
    """Every request is either assigned or unserved.

    Parameters
    ----------
    assigned, unserved
        In the order of the requests, held ones last.
    served_bound
        No answer serves more. With an outside option: how many are served.
    bound_fen
        No answer that serves as many has a lower ``objective_fen``.
    proven
        Both bounds are met.
    method
        How it was solved.
    build_s, solve_s
        Seconds for candidates and for the solver.
    candidates
        Feasible pairs of request and pool, with room over the whole stay.
    rounds
        Flows solved until the prices proved the answer; 0 = no flow.
    surcharge_fen
        Sum of the surcharges of the assigned pairs.
    outside_fen
        Sum of the outside options of those left unserved; 0 without that option.
    """

    assigned: tuple[Assigned, ...]
    unserved: tuple[Unserved, ...]
    served_bound: int
    bound_fen: int
    proven: bool
    method: str
    build_s: float
    solve_s: float
    candidates: int
    rounds: int = 0
    surcharge_fen: int = 0
    outside_fen: int = 0

    @property
    def total_cost_fen(self) -> int:
        """Sum over the assigned."""
        return sum(given.cost_fen for given in self.assigned)

    @property
    def objective_fen(self) -> int:
        """What was minimised: costs, surcharges, outside options of the unserved."""
        return self.total_cost_fen + self.surcharge_fen + self.outside_fen

    @property
    def gap(self) -> float:
        """``(objective - bound) / bound``; 0 when the bound is 0 and met."""
        if self.bound_fen == 0:
            return 0.0 if self.objective_fen == 0 else float("inf")
        return (self.objective_fen - self.bound_fen) / self.bound_fen
