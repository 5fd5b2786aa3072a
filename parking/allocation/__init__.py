"""A batch of requests to pools: as many served as possible, then at least total cost."""

from parking.allocation.arcs import Arcs, find_arcs
from parking.allocation.candidates import Candidates, find_candidates
from parking.allocation.result import AllocationResult, Assigned, PassedOver, Unserved
from parking.allocation.solve import Commitments, allocate
from parking.allocation.tables import LotTable, RequestTable

__all__ = [
    "AllocationResult",
    "Arcs",
    "Assigned",
    "Candidates",
    "Commitments",
    "LotTable",
    "PassedOver",
    "RequestTable",
    "Unserved",
    "allocate",
    "find_arcs",
    "find_candidates",
]
