"""The allocation of a batch of requests: objects in, objects out, with its certificate."""

from collections.abc import Mapping, Sequence

import numpy as np

from parking.allocation.batch import TIME_LIMIT_S, Assignment, Surcharge, assign
from parking.allocation.held import Tentative
from parking.allocation.reasons import OUTSIDE_OPTION, passed_over, why_unserved
from parking.allocation.result import AllocationResult, Assigned, PassedOver, Unserved
from parking.allocation.tables import Ints, LotTable, RequestTable
from parking.errors import InvalidInputError
from parking.inventory import Lot
from parking.ledger.profile import Profile
from parking.requests import ParkingRequest
from parking.travel import GreatCircle, TravelTimes

Commitments = Mapping[str, Profile]
"""Spaces of each pool that are committed already, over time, by pool id."""


def allocate(
    requests: Sequence[ParkingRequest],
    lots: Sequence[Lot] | LotTable,
    *,
    committed: Commitments | None = None,
    capacities: Mapping[str, int] | None = None,
    held: Sequence[Tentative] = (),
    travel: TravelTimes | None = None,
    surcharge_fen: Surcharge | None = None,
    outside_fen: int | Ints | None = None,
    explain: bool = True,
    time_limit_s: float = TIME_LIMIT_S,
) -> AllocationResult:
    """Give each request a pool for its whole stay, or a reason why not.

    First as many as possible are served, then the sum of their costs is least.

    Parameters
    ----------
    requests
        With ids of their own.
    lots
        All lots of the city, or a table prepared from them (``LotTable.of``).
    committed
        What is promised for good already.
    capacities
        Bookable spaces by pool id where they differ from ``Pool.bookable``.
    held
        What is promised tentatively, and not in ``committed``: answered after the requests; each
        keeps its place or gets one whose cost, walk and price are no higher. They come first.
    travel
        Travel times; None = great circles.
    surcharge_fen
        Fen that count in addition when a pool is chosen (bid prices), not part of ``cost_fen``.
    outside_fen
        What a request that is left unserved costs, one or for each request (held ones included):
        then the sum of costs, surcharges and these is least, so that nobody is given what costs
        more. None = as many as possible are served first, whatever it costs.
    explain
        Whether to tell the nearest pools that were passed over.
    time_limit_s
        For batches whose stays come and go; at the limit the best answer so far, with its bounds.

    Raises
    ------
    InvalidInputError
        An id stands twice, or a tentative request holds a pool that is not there.
    SolverError
        A solver failed.
    """
    everybody = [*requests, *(item.request for item in held)]
    if len({request.id for request in everybody}) != len(everybody):
        raise InvalidInputError("a request id stands twice", where="requests")
    city = lots if isinstance(lots, LotTable) else LotTable.of(lots)
    asked = RequestTable.of(everybody)
    times = travel or GreatCircle()
    found = assign(
        asked,
        city,
        committed=committed,
        capacities=capacities,
        held_pool=_held_pools(len(requests), held, city),
        travel=times,
        surcharge_fen=surcharge_fen,
        outside_fen=outside_fen,
        time_limit_s=time_limit_s,
    )
    near: Sequence[tuple[PassedOver, ...]] = [()] * len(everybody)
    if explain:
        near = passed_over(asked, city, found.pool, found.room, times)
    return AllocationResult(
        assigned=_assigned(everybody, city, found, near),
        unserved=_unserved(everybody, asked, city, found, near, times, outside_fen is not None),
        served_bound=found.served_bound,
        bound_fen=found.bound_fen,
        proven=found.proven,
        method=found.method,
        build_s=found.build_s,
        solve_s=found.solve_s,
        candidates=found.candidates,
        rounds=found.rounds,
        surcharge_fen=found.surcharge_fen,
        outside_fen=found.outside_fen,
    )


def _held_pools(requests: int, held: Sequence[Tentative], city: LotTable) -> Ints | None:
    if not held:
        return None
    number = {pool.id: j for j, (_, pool) in enumerate(city.pools)}
    for item in held:
        if item.pool_id not in number:
            raise InvalidInputError(
                f"{item.request.id!r} holds {item.pool_id!r}, which is not there", where="held"
            )
    own = [number[item.pool_id] for item in held]
    return np.array([-1] * requests + own, dtype=np.int64)


def _assigned(
    requests: Sequence[ParkingRequest],
    city: LotTable,
    found: Assignment,
    near: Sequence[tuple[PassedOver, ...]],
) -> tuple[Assigned, ...]:
    columns = (found.pool, found.drive_s, found.walk_s, found.price_fen, found.cost_fen)
    answers = []
    for k, (j, drive, walk, price, cost) in enumerate(
        zip(*(c.tolist() for c in columns), strict=True)
    ):
        if j >= 0:
            lot, pool = city.pools[j]
            answers.append(
                Assigned(requests[k].id, lot.id, pool.id, drive, walk, price, cost, near[k])
            )
    return tuple(answers)


def _unserved(
    requests: Sequence[ParkingRequest],
    asked: RequestTable,
    city: LotTable,
    found: Assignment,
    near: Sequence[tuple[PassedOver, ...]],
    travel: TravelTimes,
    outside: bool,
) -> tuple[Unserved, ...]:
    left = np.flatnonzero(found.pool < 0)
    words = why_unserved(asked, city, left[~found.feasible[left]], travel)
    feasible = OUTSIDE_OPTION if outside else "full"
    return tuple(Unserved(requests[k].id, words.get(k, feasible), near[k]) for k in left.tolist())
