"""A batch from columns to columns: which pool each request gets, with the proof.

Where nobody stands in another's way, each gets what is cheapest for him (``uncontested.py``). Where
all stays share an instant, requests to pools with the room of that instant is a
transportation problem, solved as a flow (``growth.py``); commitments that are higher at another
instant are checked afterwards. Where that fails, or where stays come and go at different times
and can follow each other on one space, ``program.py`` takes over.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from parking.allocation.arcs import cost_fen, stay_prices
from parking.allocation.growth import serve_first_fen, solve_by_growth
from parking.allocation.held import held_rows
from parking.allocation.measure import measure
from parking.allocation.program import solve_program
from parking.allocation.reasons import full_from
from parking.allocation.room import Room
from parking.allocation.rows import Rows, find_rows
from parking.allocation.tables import Flags, Ints, LotTable, RequestTable
from parking.allocation.uncontested import cheapest_of_each
from parking.allocation.wishes import Wishes
from parking.errors import InvalidInputError, SolverError
from parking.ledger.profile import Profile
from parking.travel import GreatCircle, TravelTimes

Surcharge = Mapping[str, int] | Ints | Callable[[Ints, Ints], Ints]
"""Fen that count in addition: by pool id, by pool (shape (pools,)), or a function of the numbers
of requests and pools, elementwise."""

TIME_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """A pool for each request, and how much of that is proven.

    Parameters
    ----------
    pool
        Number of the pool, -1 = unserved; shape (requests,).
    drive_s, walk_s, price_fen, cost_fen
        Of the pair, 0 where unserved; shape (requests,).
    feasible
        Whether some pool could take the request, capacity aside; shape (requests,).
    served_bound, bound_fen, proven, method, rounds, candidates, build_s, solve_s
    surcharge_fen, outside_fen
        As in ``AllocationResult``.
    arcs_used
        Arcs of the last flow; the others were proven to be of no use.
    room
        Capacities and commitments that were used.
    """

    pool: Ints
    drive_s: Ints
    walk_s: Ints
    price_fen: Ints
    cost_fen: Ints
    feasible: Flags
    served_bound: int
    bound_fen: int
    proven: bool
    method: str
    rounds: int
    arcs_used: int
    candidates: int
    build_s: float
    solve_s: float
    surcharge_fen: int
    outside_fen: int
    room: Room


@dataclass(frozen=True, slots=True, eq=False)
class _Solved:
    """Entry of each request in the rows, with the bounds of what was minimised.

    ``all_kept``: no answer leaves fewer of those who hold a place without one.
    """

    entry: Ints
    served_bound: int
    bound: int
    method: str
    rounds: int
    arcs_used: int = 0
    all_kept: bool = True


def assign(
    asked: RequestTable,
    city: LotTable,
    *,
    committed: Mapping[str, Profile] | None = None,
    capacities: Mapping[str, int] | None = None,
    held_pool: Ints | None = None,
    travel: TravelTimes | None = None,
    surcharge_fen: Surcharge | None = None,
    outside_fen: int | Ints | None = None,
    time_limit_s: float = TIME_LIMIT_S,
) -> Assignment:
    """Give each request a pool for its whole stay, or none. See ``allocate`` for the arguments.

    Parameters
    ----------
    held_pool
        Pool that a request holds already and may only leave for one that is no worse; -1 = none.
        Shape (requests,).
    """
    began = time.perf_counter()
    times = travel or GreatCircle()
    room = Room.of(city, capacities or {}, committed or {})
    held = np.full(len(asked), -1) if held_pool is None else held_pool
    rows = find_rows(asked, city, times)
    if (held >= 0).any():
        rows = held_rows(rows, asked, city, held, times)
    feasible = rows.end > rows.begin
    rows = _with_surcharge(rows, city, surcharge_fen)
    rows = room.drop_full(rows, asked.arrive_ms, asked.leave_ms)
    built_s = time.perf_counter() - began
    outside = None
    if outside_fen is not None:
        outside = np.broadcast_to(np.asarray(outside_fen, dtype=np.int64), (len(asked),))
    solved = _solve(rows, asked, room, held, outside, time_limit_s)
    served = solved.entry >= 0
    pool = np.full(len(asked), -1, dtype=np.int64)
    pool[served] = rows.pool[solved.entry[served]]
    reached = int(rows.weight[solved.entry[served]].sum())
    left_out = 0 if outside is None else int(outside[~served].sum())
    facts = _facts(asked, city, served, pool, times)
    return Assignment(
        pool,
        *facts,
        feasible=feasible,
        served_bound=solved.served_bound,
        bound_fen=solved.bound,
        proven=bool(
            solved.all_kept
            and served.sum() == solved.served_bound
            and reached + left_out == solved.bound
        ),
        method=solved.method,
        rounds=solved.rounds,
        arcs_used=solved.arcs_used,
        candidates=rows.arcs,
        build_s=built_s,
        solve_s=time.perf_counter() - began - built_s,
        surcharge_fen=reached - int(facts[-1].sum()),
        outside_fen=left_out,
        room=room,
    )


def _with_surcharge(rows: Rows, city: LotTable, surcharge: Surcharge | None) -> Rows:
    if surcharge is None:
        return rows
    request, entry = rows.entries()
    pool = rows.pool[entry]
    if callable(surcharge):
        more = np.asarray(surcharge(request, pool))
    else:
        if isinstance(surcharge, Mapping):
            by_pool = np.array([surcharge.get(p.id, 0) for _, p in city.pools], dtype=np.int64)
        else:
            by_pool = np.asarray(surcharge)
        if by_pool.shape != (len(city.pools),):
            raise InvalidInputError(
                f"shape {by_pool.shape}; expected ({len(city.pools)},)", where="surcharge_fen"
            )
        more = by_pool[pool]
    if more.shape != pool.shape or not np.issubdtype(more.dtype, np.integer):
        raise InvalidInputError(
            f"{more.dtype} of shape {more.shape}; expected whole fen of shape {pool.shape}",
            where="surcharge_fen",
        )
    cuts = np.concatenate([[0], np.cumsum(rows.end - rows.begin)])
    return Rows(cuts[:-1], cuts[1:], pool, rows.weight[entry] + more, rows.pools)


def _facts(
    asked: RequestTable, city: LotTable, served: Flags, pool: Ints, travel: TravelTimes
) -> tuple[Ints, Ints, Ints, Ints]:
    """Return driving s, walking s, price and cost of the given pairs, 0 elsewhere."""
    facts = np.zeros((4, len(asked)), dtype=np.int64)
    who = np.flatnonzero(served)
    own = pool[who]
    drive, walk, _ = measure(asked, city, who, city.lot_of[own], travel)
    price = stay_prices(asked, city, who, own)
    cost = cost_fen(asked.value_of_time_fen_per_h[who], drive, walk, price)
    facts[:, who] = drive, walk, price, cost
    return facts[0], facts[1], facts[2], facts[3]


def _solve(
    rows: Rows,
    asked: RequestTable,
    room: Room,
    held: Ints,
    outside: Ints | None,
    time_limit_s: float,
) -> _Solved:
    n = len(asked)
    if not rows.arcs:
        bound = 0 if outside is None else int(outside.sum())
        return _Solved(np.full(n, -1, dtype=np.int64), 0, bound, "nothing feasible", 0)
    some = rows.end > rows.begin
    if outside is None:
        entry = cheapest_of_each(asked, rows, room)
        if entry is not None:
            cost_fen = int(rows.weight[entry[some]].sum())
            return _Solved(entry, int(some.sum()), cost_fen, "cheapest of each", 0)
    shared_ms = int(asked.arrive_ms[some].max())
    if shared_ms < asked.leave_ms[some].min():
        found = _by_flow(rows, room.at(shared_ms), held, outside)
        if not len(room.times_ms) or not _over_full(asked, rows, found.entry, room):
            return found
    return _by_program(rows, asked, room, held, outside, time_limit_s)


def _by_flow(rows: Rows, capacity: Ints, held: Ints, outside: Ints | None) -> _Solved:
    charge = serve_first_fen(rows, rows.pools)
    # Who holds a place counts more than anybody whom he could keep out.
    dearest = 0 if outside is None else int(outside.max()) - min(0, int(outside.min()))
    must = np.where(held >= 0, 2 * charge + max(0, dearest), 0)
    if outside is None:
        answer = solve_by_growth(rows, capacity, charge + must, must)
    else:
        answer = solve_by_growth(rows, capacity, outside + must, None)
    served = answer.entry >= 0
    bound = int(rows.weight[answer.entry[served]].sum())
    if outside is not None:
        bound += int(outside[~served].sum())
    return _Solved(
        answer.entry, int(served.sum()), bound, "min-cost flow", answer.rounds, answer.arcs_used
    )


def _over_full(asked: RequestTable, rows: Rows, entry: Ints, room: Room) -> bool:
    """Whether a pool is promised more than it has at some instant."""
    given = np.full(len(asked), -1, dtype=np.int64)
    served = np.flatnonzero(entry >= 0)
    given[served] = rows.pool[entry[served]]
    one_more = Room(room.capacity + 1, room.first, room.times_ms, room.levels)
    return bool((full_from(asked, given, one_more, served, given[served]) >= 0).any())


def _by_program(
    rows: Rows,
    asked: RequestTable,
    room: Room,
    held: Ints,
    outside: Ints | None,
    time_limit_s: float,
) -> _Solved:
    request, entry = rows.entries()
    weight = rows.weight[entry]
    if outside is not None:
        weight = weight - outside[request]
        pays = (weight < 0) | (held[request] >= 0)
        request, entry, weight = request[pays], entry[pays], weight[pays]
    chosen = np.full(len(asked), -1, dtype=np.int64)
    everybody_out = 0 if outside is None else int(outside.sum())
    if not len(request):
        return _Solved(chosen, 0, everybody_out, "nothing feasible", 0)
    wishes = Wishes(
        request,
        rows.pool[entry],
        weight,
        asked.arrive_ms[request],
        asked.leave_ms[request],
        held[request] >= 0,
        held[request] == rows.pool[entry],
    )
    found = solve_program(wishes, room, serve_first=outside is None, time_limit_s=time_limit_s)
    chosen[request[found.arcs]] = entry[found.arcs]
    if _over_full(asked, rows, chosen, room):
        raise SolverError("the program's answer over-fills a pool", where="allocation")
    served_bound = found.served_bound if outside is None else len(found.arcs)
    method = f"linear program, {found.parts} parts"
    if found.branched:
        method = f"integer program, {found.branched} of {found.parts} parts branched"
    return _Solved(
        chosen,
        served_bound,
        found.bound + everybody_out,
        method,
        0,
        all_kept=found.kept == found.kept_bound,
    )
