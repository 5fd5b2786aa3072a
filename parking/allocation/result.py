"""What an allocation answers, with its certificate."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A pool nearer to the destination that was not given, and why."""

    lot_id: str
    pool_id: str
    reason: str
    walk_s: int


@dataclass(frozen=True, slots=True)
class Assigned:
    """A request with its space.

    ``drive_s`` and ``walk_s`` in s, ``price_fen`` the price of the stay, ``cost_fen`` what was
    minimised.
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
        In the order of the requests.
    served_bound
        No answer serves more.
    bound_fen
        No answer that serves as many costs less.
    proven
        Both bounds are met.
    method
        How it was solved.
    build_s, solve_s
        Seconds for candidates and for the flow.
    candidates
        Feasible pairs of request and pool.
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

    @property
    def total_cost_fen(self) -> int:
        """Sum over the assigned."""
        return sum(given.cost_fen for given in self.assigned)

    @property
    def gap(self) -> float:
        """``(total - bound) / bound``; 0 when the bound is 0 and met."""
        if self.bound_fen == 0:
            return 0.0 if self.total_cost_fen == 0 else float("inf")
        return (self.total_cost_fen - self.bound_fen) / self.bound_fen
