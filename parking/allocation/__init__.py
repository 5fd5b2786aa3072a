"""A batch of requests to pools: as many served as possible, then at least total cost."""

from parking.allocation.candidates import Candidates, find_candidates
from parking.allocation.result import AllocationResult, Assigned, PassedOver, Unserved
from parking.allocation.solve import Commitments, allocate

__all__ = [
    "AllocationResult",
    "Assigned",
    "Candidates",
    "Commitments",
    "PassedOver",
    "Unserved",
    "allocate",
    "find_candidates",
]
