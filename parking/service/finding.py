"""Finds spaces: requests that come together are solved together, and offers for the displaced."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from parking.allocation import Assigned, Unserved, allocate
from parking.inventory import SpaceClass
from parking.ledger import (
    STAY_MIN_MS,
    Hold,
    LedgerState,
    Reservation,
    booking_refusal,
    look_ahead_refusal,
    lot_rules,
)
from parking.requests import ParkingRequest
from parking.service.desk import Desk
from parking.wishes import request_of

BATCH_WINDOW_S = 0.004
"""How long a request waits for others that it can be solved together with."""
BUSY_WINDOW_S = 0.025
"""The longest that it waits when many come: a batch costs little more than a single one."""
SOLVING_SHARE = 1 / 16
"""When many come they are gathered so long that solving takes that part of the time at most."""
SOLVE_TIME_S = 2.0
"""Most that a batch may think; then its best answer so far counts."""
ON_LOOP_MAX = 32
"""A batch of at most so many is solved at once; a larger one in a thread."""


@dataclass(slots=True)
class _Asked:
    """A request that waits for its batch."""

    request: ParkingRequest
    driver_id: str
    is_offer: bool
    shut: frozenset[str]
    answer: "asyncio.Future[Assigned | Unserved]"


class Finder:
    """Gathers requests for a moment, solves them together, answers, again."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._asked: list[_Asked] = []
        self._wake = asyncio.Event()
        self.solved: Callable[[float], object] = lambda took_s: None
        """Told how long each batch took."""

    async def find(
        self, request: ParkingRequest, driver_id: str, *, offer_for: Reservation | None = None
    ) -> Assigned | Unserved:
        """Return the best place for a request, or why there is none.

        ``offer_for``: it is to take that reservation's place, in another lot; then the booking
        rules do not apply.

        Raises
        ------
        RuleError
            The driver may not book any more, when its turn comes.
        """
        if offer_for is None:
            shut = self._refusing(request, driver_id)
        else:
            shut = frozenset([offer_for.lot_id])
        future: asyncio.Future[Assigned | Unserved] = asyncio.get_running_loop().create_future()
        self._asked.append(_Asked(request, driver_id, offer_for is not None, shut, future))
        self._wake.set()
        return await future

    def _refusing(self, request: ParkingRequest, driver_id: str) -> frozenset[str]:
        """Return the lots with rules of their own that refuse this booking."""
        desk = self._desk
        if not desk.places.own_rules:
            return frozenset()
        state, now_ms = desk.writer.state, desk.writer.now_ms()
        charging = request.space_class is SpaceClass.CHARGING
        shut = []
        for lot_id in desk.places.own_rules:
            lot = lot_rules(state, lot_id, desk.rules)
            refusal = booking_refusal(
                state, driver_id, now_ms, desk.rules, lot
            ) or look_ahead_refusal(request.arrive_ms, now_ms, lot, charging=charging)
            if refusal is not None:
                shut.append(lot_id)
        return frozenset(shut)

    async def run(self) -> None:
        """Serve batches until cancelled."""
        window_s = BATCH_WINDOW_S
        while True:
            await self._wake.wait()
            await asyncio.sleep(window_s)
            self._wake.clear()
            batch, self._asked = _one_a_driver(self._asked)
            if self._asked:
                self._wake.set()
            batch = [item for item in batch if not self._refused(item)]
            groups: dict[frozenset[str], list[_Asked]] = {}
            for item in batch:
                groups.setdefault(item.shut, []).append(item)
            began_s = time.monotonic()
            for shut, group in groups.items():
                await self._solve(group, shut)
            took_s = time.monotonic() - began_s
            if batch:
                self.solved(took_s)
            window_s = BATCH_WINDOW_S
            if len(batch) > 2:
                window_s = max(window_s, min(BUSY_WINDOW_S, took_s / SOLVING_SHARE))

    def _refused(self, item: _Asked) -> bool:
        """Whether a driver may not book any more, now that the batch before is decided."""
        desk = self._desk
        if item.is_offer or desk.places.own_rules:
            return False
        refusal = booking_refusal(
            desk.writer.state, item.driver_id, desk.writer.now_ms(), desk.rules
        )
        if refusal is not None:
            _fail(item.answer, refusal)
        return refusal is not None

    async def _solve(self, group: Sequence[_Asked], shut: frozenset[str]) -> None:
        state = self._desk.writer.state
        requests = [item.request for item in group]
        try:
            if len(group) <= ON_LOOP_MAX:
                answers = self.solve(requests, state, shut)
            else:
                answers = await asyncio.to_thread(self.solve, requests, state, shut)
        except Exception as error:
            for item in group:
                _fail(item.answer, error)
            return
        for item in group:
            if not item.answer.done():
                item.answer.set_result(answers[item.request.id])

    def solve(
        self, requests: Sequence[ParkingRequest], state: LedgerState, shut: frozenset[str]
    ) -> Mapping[str, Assigned | Unserved]:
        """Return the place of each request, by its id; touches only what is immutable."""
        desk = self._desk
        now_ms = max(desk.clock(), state.now_ms)
        table = desk.places.table(
            [(item.dest_lon, item.dest_lat, item.max_walk_m) for item in requests],
            desk.travel,
            shut,
        )
        pools = [pool.id for _, pool in table.pools if pool.id in state.pools]
        result = allocate(
            requests,
            table,
            committed={key: state.pools[key].profile for key in pools},
            capacities={key: bookable(desk, state, key, now_ms) for key in pools},
            travel=desk.travel,
            time_limit_s=SOLVE_TIME_S,
        )
        given: list[Assigned | Unserved] = [*result.assigned, *result.unserved]
        return {answer.request_id: answer for answer in given}

    def offers(
        self, state: LedgerState, lost: Sequence[Reservation], now_ms: int
    ) -> Mapping[str, Hold]:
        """Return a place for each displaced reservation that there is one for.

        At the price that was frozen, or less. The place is *equal or better* if price and time
        together cost the driver no more than the lost one did.
        """
        requests = []
        for item in lost:
            arrive_ms = max(item.arrive_ms, now_ms)
            if item.wish and item.leave_ms - arrive_ms >= STAY_MIN_MS:
                requests.append(
                    request_of(
                        item.wish,
                        key=item.reservation_id,
                        arrive_ms=arrive_ms,
                        leave_ms=item.leave_ms,
                    )
                )
        if not requests:
            return {}
        answers = self.solve(requests, state, frozenset())
        return {
            item.reservation_id: offer_hold(item, given)
            for item in lost
            if isinstance(given := answers.get(item.reservation_id), Assigned)
        }


def _fail(answer: "asyncio.Future[Assigned | Unserved]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
        # Who asked may be cancelled before he hears of it: then nobody has missed anything.
        answer.exception()


def bookable(desk: Desk, state: LedgerState, pool_id: str, now_ms: int) -> int:
    """Return the spaces of a pool that may be promised: its capacity, less what is withheld."""
    book = state.pools[pool_id]
    if book.terms is None:
        return book.capacity
    if book.sight.counted_ms is None:
        # Most pools, most of the time: its buffer does not grow.
        return max(0, book.capacity - book.terms.walk_in_buffer)
    reserve = book.reserve(now_ms, lot_rules(state, book.lot_id, desk.rules))
    return max(0, book.capacity - reserve)


def offer_hold(lost: Reservation, given: Assigned, wish: str | None = None) -> Hold:
    """Return the command that holds a place in another's stead, never dearer than that."""
    price_fen = min(lost.price_fen, given.price_fen)
    cost_fen = given.cost_fen - given.price_fen + price_fen
    return Hold(
        reservation_id=uuid4().hex,
        driver_id=lost.driver_id,
        lot_id=given.lot_id,
        pool_id=given.pool_id,
        arrive_ms=lost.arrive_ms,
        leave_ms=lost.leave_ms,
        price_fen=price_fen,
        drive_s=given.drive_s,
        walk_s=given.walk_s,
        cost_fen=cost_fen,
        wish=lost.wish if wish is None else wish,
        offer_for=lost.reservation_id,
        equal_or_better=cost_fen <= lost.cost_fen,
    )


def _one_a_driver(asked: Sequence[_Asked]) -> tuple[list[_Asked], list[_Asked]]:
    """Return who comes into this batch, and who waits: a driver's requests go one by one.

    Else one that the driver's limit will refuse could take a space from another in the solution,
    who would be told that there is none.
    """
    drivers: set[str] = set()
    batch: list[_Asked] = []
    later: list[_Asked] = []
    for item in asked:
        if not item.answer.done():
            (later if item.driver_id in drivers else batch).append(item)
            drivers.add(item.driver_id)
    return batch, later
