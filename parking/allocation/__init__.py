"""A batch of requests to pools: as many served as possible, then at least total cost."""

from parking.allocation.arcs import Arcs, find_arcs
from parking.allocation.batch import Assignment, assign
from parking.allocation.held import Tentative
from parking.allocation.reasons import NO_POOL_IN_REACH, OUTSIDE_OPTION, REASONS
from parking.allocation.result import AllocationResult, Assigned, PassedOver, Unserved
from parking.allocation.solve import Commitments, allocate
from parking.allocation.tables import LotTable, RequestTable

__all__ = [
    "NO_POOL_IN_REACH",
    "OUTSIDE_OPTION",
    "REASONS",
    "AllocationResult",
    "Arcs",
    "Assigned",
    "Assignment",
    "Commitments",
    "LotTable",
    "PassedOver",
    "RequestTable",
    "Tentative",
    "Unserved",
    "allocate",
    "assign",
    "find_arcs",
]
