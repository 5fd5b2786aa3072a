"""``ParkingService``: converts, calls the engine, converts back."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import uuid4

import grpc
import numpy as np

from parking.allocation import Assigned, PassedOver, Unserved, allocate
from parking.errors import (
    InvalidInputError,
    NoSpaceError,
    NotFoundError,
    OutdatedError,
    ParkingError,
    UnavailableError,
)
from parking.inventory import Lot, SpaceClass
from parking.io.protobuf import (
    check_uuid,
    lot_to_proto,
    ms_from_duration,
    ms_from_timestamp,
    pool_to_proto,
    position,
    request_from_proto,
    reservation_id_from_name,
    reservation_to_proto,
    space_class,
    walk_limit_m,
)
from parking.ledger import (
    OPEN,
    Arrive,
    Cancel,
    Command,
    Confirm,
    Depart,
    Hold,
    LedgerState,
    Rules,
    booking_refusal,
)
from parking.opening import is_open
from parking.requests import ParkingRequest
from parking.store import ReservationStore
from parking.store_writer import LedgerWriter
from parking.travel import GreatCircle, TravelTimes
from parking.v1 import parking_pb2 as pb
from parking.v1 import parking_pb2_grpc

BATCH_WINDOW_S = 0.004
"""How long a request waits for others that it can be solved together with."""
BATCH_TRIES = 8
TICK_S = 0.5
DEFAULT_STAY_MS = 3_600_000
DEFAULT_PAGE = 20
MAX_PAGE = 200

# The stubs make it generic, the class itself is not.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


@dataclass(slots=True)
class _Asked:
    """A request that waits for its batch."""

    request: ParkingRequest
    driver_id: str
    answer: "asyncio.Future[Assigned | Unserved]"


class ParkingService(parking_pb2_grpc.ParkingServiceServicer):
    """Serves the car parks of one city and keeps their reservations.

    Parameters
    ----------
    city_id
        The ``{city}`` of the resource names.
    lots
        The city's car parks.
    store
        Where the ledger's log is; closed by ``stop``.
    clock
        Now, in UTC epoch milliseconds.
    travel
        Travel times; None = great circles.
    rules
        Booking rules.
    """

    def __init__(
        self,
        *,
        city_id: str,
        lots: Sequence[Lot],
        store: ReservationStore,
        clock: Callable[[], int],
        travel: TravelTimes | None = None,
        rules: Rules | None = None,
    ) -> None:
        self._city_id = city_id
        self._parent = f"cities/{city_id}"
        self._lots = {lot.id: lot for lot in lots}
        self._travel = travel or GreatCircle()
        self._rules = rules or Rules()
        self._store = store
        self._clock = clock
        self._asked: list[_Asked] = []
        self._wake = asyncio.Event()
        self._ending = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Read the log, take the pools over, and begin to let time pass."""
        self._writer = LedgerWriter(self._store, self._rules, self._clock)
        await self._writer.set_capacities(
            {pool.id: (lot.id, pool.bookable) for lot in self._lots.values() for pool in lot.pools}
        )
        self._tasks = [asyncio.create_task(self._batches()), asyncio.create_task(self._ticks())]

    def end_streams(self) -> None:
        """End every watch stream with UNAVAILABLE, so that clients resume elsewhere."""
        self._ending = True
        self._writer.announce()

    async def stop(self) -> None:
        """End the background work and close the store."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._store.close()

    async def SearchLots(
        self, request: pb.SearchLotsRequest, context: Context
    ) -> pb.SearchLotsResponse:
        """See proto/parking/v1."""
        self._check_parent(request.parent)
        if not request.HasField("destination"):
            raise InvalidInputError("is missing", where="destination")
        lon, lat = position(request.destination, where="destination")
        limit_m = walk_limit_m(request.max_walk_m)
        kind = space_class(request.space_class)
        arrive_ms, leave_ms = self._stay(request)
        lots = list(self._lots.values())
        walks_m = self._travel.walk_m(
            np.array([lot.lon for lot in lots]),
            np.array([lot.lat for lot in lots]),
            np.array(lon),
            np.array(lat),
        )
        near = [
            (float(walks_m[k]), lots[k])
            for k in np.argsort(walks_m, kind="stable")
            if walks_m[k] <= limit_m and any(pool.space_class is kind for pool in lots[k].pools)
        ]
        page, token = _page(near, request.page_size, request.page_token)
        found = [
            lot_to_proto(lot, self._city_id, self._pools(lot, kind, arrive_ms, leave_ms), walk_m)
            for walk_m, lot in page
        ]
        return pb.SearchLotsResponse(lots=found, next_page_token=token)

    async def RequestAssignment(
        self, request: pb.RequestAssignmentRequest, context: Context
    ) -> pb.Reservation:
        """See proto/parking/v1."""
        self._check_parent(request.parent)
        asked = request_from_proto(request, self._writer.now_ms())
        digest = _digest("RequestAssignment", request)
        earlier = await self._writer.answered(request.request_id, digest)
        if earlier is not None:
            return pb.Reservation.FromString(earlier)
        self._writer.begin(request.request_id, digest)
        try:
            given = await self._hold(request.request_id, digest, asked, request.driver_id)
        except BaseException as error:
            self._writer.abandon(request.request_id, error)
            raise
        return pb.Reservation.FromString(given)

    async def ConfirmReservation(
        self, request: pb.ConfirmReservationRequest, context: Context
    ) -> pb.Reservation:
        """See proto/parking/v1."""
        return await self._step("ConfirmReservation", request, Confirm)

    async def CancelReservation(
        self, request: pb.CancelReservationRequest, context: Context
    ) -> pb.Reservation:
        """See proto/parking/v1."""
        return await self._step("CancelReservation", request, Cancel)

    async def RecordArrival(
        self, request: pb.RecordArrivalRequest, context: Context
    ) -> pb.Reservation:
        """See proto/parking/v1."""
        return await self._step("RecordArrival", request, Arrive)

    async def RecordDeparture(
        self, request: pb.RecordDepartureRequest, context: Context
    ) -> pb.Reservation:
        """See proto/parking/v1."""
        return await self._step("RecordDeparture", request, Depart)

    async def GetReservation(
        self, request: pb.GetReservationRequest, context: Context
    ) -> pb.Reservation:
        """See proto/parking/v1."""
        return self._message(reservation_id_from_name(request.name, self._city_id))

    async def WatchReservation(
        self, request: pb.WatchReservationRequest, context: Context
    ) -> AsyncIterator[pb.Reservation]:
        """See proto/parking/v1."""
        if request.revision < 0:
            raise InvalidInputError(f"{request.revision}; expected 0 or more", where="revision")
        reservation_id = reservation_id_from_name(request.name, self._city_id)
        revision = request.revision
        while not self._ending:
            changed = self._writer.changed
            message = self._message(reservation_id)
            if message.revision > revision:
                revision = message.revision
                yield message
            reservation = self._writer.reservation(reservation_id)
            if reservation is None or reservation.state not in OPEN:
                return
            await changed.wait()
        await context.abort(
            grpc.StatusCode.UNAVAILABLE,
            f"the server is stopping; watch again from revision {revision}",
        )

    async def _step(
        self, call: str, request: Any, command: Callable[[str], Command]
    ) -> pb.Reservation:
        """Carry out a call that moves one reservation on."""
        check_uuid(request.request_id)
        reservation_id = reservation_id_from_name(request.name, self._city_id)
        digest = _digest(call, request)
        earlier = await self._writer.answered(request.request_id, digest)
        if earlier is None:
            self._writer.begin(request.request_id, digest)
            earlier = await self._writer.command(
                request.request_id,
                digest,
                command(reservation_id),
                lambda state: self._reply(state, reservation_id),
            )
        return pb.Reservation.FromString(earlier)

    async def _hold(
        self, request_id: str, digest: bytes, asked: ParkingRequest, driver_id: str
    ) -> bytes:
        """Find a space with the next batch and hold it.

        Between the batch's solution and the hold another call may have taken the space: then the
        request goes into a later batch.
        """
        writer = self._writer
        for _ in range(BATCH_TRIES):
            try:
                refusal = booking_refusal(writer.state, driver_id, writer.now_ms(), self._rules)
                if refusal is not None:
                    return await writer.refuse(request_id, digest, refusal)
                answer = await self._ask(asked, driver_id)
                if isinstance(answer, Unserved):
                    full = NoSpaceError(
                        f"no space for the whole stay: {answer.reason}", reason=answer.reason
                    )
                    return await writer.refuse(request_id, digest, full)
                book = writer.state.pools[answer.pool_id]
                if book.free(max(asked.arrive_ms, writer.now_ms()), asked.leave_ms) >= 1:
                    return await self._held(request_id, digest, asked, driver_id, answer)
            except OutdatedError:
                # Another server was faster: look again.
                continue
        raise UnavailableError("others were faster; try again", reason="contended")

    async def _held(
        self,
        request_id: str,
        digest: bytes,
        asked: ParkingRequest,
        driver_id: str,
        given: Assigned,
    ) -> bytes:
        reservation_id = uuid4().hex
        hold = Hold(
            reservation_id=reservation_id,
            driver_id=driver_id,
            lot_id=given.lot_id,
            pool_id=given.pool_id,
            arrive_ms=asked.arrive_ms,
            leave_ms=asked.leave_ms,
            price_fen=given.price_fen,
            drive_s=given.drive_s,
            walk_s=given.walk_s,
            cost_fen=given.cost_fen,
            charging=asked.space_class is SpaceClass.CHARGING,
        )
        return await self._writer.command(
            request_id,
            digest,
            hold,
            lambda state: self._reply(state, reservation_id, given.passed_over),
        )

    async def _ask(self, asked: ParkingRequest, driver_id: str) -> Assigned | Unserved:
        future: asyncio.Future[Assigned | Unserved] = asyncio.get_running_loop().create_future()
        self._asked.append(_Asked(asked, driver_id, future))
        self._wake.set()
        return await future

    async def _batches(self) -> None:
        """Gather requests for a moment, solve them together, answer, again."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(BATCH_WINDOW_S)
            self._wake.clear()
            batch, self._asked = self._asked, []
            batch = [item for item in batch if not item.answer.done()]
            pools = self._writer.state.pools
            try:
                result = await asyncio.to_thread(
                    allocate,
                    [item.request for item in batch],
                    list(self._lots.values()),
                    committed={key: book.profile for key, book in pools.items()},
                    capacities={key: book.capacity for key, book in pools.items()},
                    travel=self._travel,
                )
            except Exception as error:
                for item in batch:
                    if not item.answer.done():
                        item.answer.set_exception(error)
                continue
            given: list[Assigned | Unserved] = [*result.assigned, *result.unserved]
            answers = {answer.request_id: answer for answer in given}
            for item in batch:
                if not item.answer.done():
                    item.answer.set_result(answers[item.request.id])

    async def _ticks(self) -> None:
        """Look at the clock now and then: what falls due is the clock's word, not the nap's."""
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self._writer.tick()
            except ParkingError:
                # The store cannot write now; what is due stays due.
                continue

    def _pools(self, lot: Lot, kind: SpaceClass, arrive_ms: int, leave_ms: int) -> list[pb.Pool]:
        closed = lot.closed or not is_open(lot.opening, arrive_ms, leave_ms)
        price_fen = lot.tariff.price_fen(arrive_ms, leave_ms)
        books = self._writer.durable.pools
        return [
            pool_to_proto(
                pool, 0 if closed else max(0, books[pool.id].free(arrive_ms, leave_ms)), price_fen
            )
            for pool in lot.pools
            if pool.space_class is kind
        ]

    def _stay(self, request: pb.SearchLotsRequest) -> tuple[int, int]:
        arrive_ms = (
            ms_from_timestamp(request.arrive_at, where="arrive_at")
            if request.HasField("arrive_at")
            else self._writer.now_ms()
        )
        stay_ms = (
            ms_from_duration(request.duration, where="duration")
            if request.HasField("duration")
            else DEFAULT_STAY_MS
        )
        return arrive_ms, arrive_ms + stay_ms

    def _message(self, reservation_id: str) -> pb.Reservation:
        reservation = self._writer.reservation(reservation_id)
        if reservation is None:
            raise NotFoundError(f"no reservation {reservation_id!r}", where="name")
        return reservation_to_proto(reservation, self._lots.get(reservation.lot_id), self._city_id)

    def _reply(
        self, state: LedgerState, reservation_id: str, passed_over: Sequence[PassedOver] = ()
    ) -> bytes:
        reservation = state.reservations[reservation_id]
        lot = self._lots.get(reservation.lot_id)
        message = reservation_to_proto(reservation, lot, self._city_id, passed_over)
        return message.SerializeToString(deterministic=True)

    def _check_parent(self, parent: str) -> None:
        if parent != self._parent:
            raise NotFoundError(f"no city {parent[:200]!r}; this is {self._parent}", where="parent")


def _digest(call: str, request: Any) -> bytes:
    """Tell a repetition of a call from another call under the same request id."""
    return hashlib.sha256(call.encode() + request.SerializeToString(deterministic=True)).digest()


def _page(
    found: Sequence[tuple[float, Lot]], size: int, token: str
) -> tuple[Sequence[tuple[float, Lot]], str]:
    """Cut one page; the token is the id of the last lot of the page before."""
    if not 0 <= size <= MAX_PAGE:
        raise InvalidInputError(f"{size}; expected 0 to {MAX_PAGE}", where="page_size")
    ids = [lot.id for _, lot in found]
    if token and token not in ids:
        raise InvalidInputError("not a token of this search", where="page_token")
    start = ids.index(token) + 1 if token else 0
    page = found[start : start + (size or DEFAULT_PAGE)]
    return page, ids[start + len(page) - 1] if start + len(page) < len(ids) else ""
