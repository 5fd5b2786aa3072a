"""The drivers' calls: search, request, confirm, cancel, arrive, leave, extend, move, list."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np

from parking.allocation import Assigned, PassedOver, Unserved
from parking.errors import (
    InvalidInputError,
    NoSpaceError,
    NotFoundError,
    OutdatedError,
    ParkingError,
    RuleError,
    StateError,
    UnavailableError,
)
from parking.inventory import SpaceClass
from parking.io.protobuf import (
    check_uuid,
    key_of_name,
    ms_from_duration,
    ms_from_timestamp,
    position,
    request_from_proto,
    reservation_id_from_name,
    space_class,
    walk_limit_m,
)
from parking.ledger import (
    WAITING,
    Arrive,
    Cancel,
    Command,
    Confirm,
    Depart,
    Extend,
    Hold,
    LedgerState,
    Reservation,
    ReservationState,
    booking_refusal,
)
from parking.opening import is_open
from parking.privacy import check_driver_key
from parking.requests import ParkingRequest
from parking.service.desk import DEFAULT_STAY_MS, Context, Desk, page
from parking.service.finding import Finder, offer_hold
from parking.service.flood import Allowance
from parking.v1 import parking_pb2 as pb
from parking.wishes import request_of, wish_text

FIND_TRIES = 8
MAX_BAY = 32


class BookingCalls:
    """See proto/parking/v1."""

    desk: Desk
    finder: Finder
    allowance: Allowance

    async def SearchLots(
        self, request: pb.SearchLotsRequest, context: Context
    ) -> pb.SearchLotsResponse:
        """See proto/parking/v1."""
        desk = self.desk
        desk.check_parent(request.parent)
        if not request.HasField("destination"):
            raise InvalidInputError("is missing", where="destination")
        lon, lat = position(request.destination, where="destination")
        limit_m = walk_limit_m(request.max_walk_m)
        kind = space_class(request.space_class)
        stay = self._stay(request)
        lots = desk.places.near([(lon, lat, limit_m)], desk.travel)
        walks_m = desk.travel.walk_m(
            np.array([lot.lon for lot in lots]),
            np.array([lot.lat for lot in lots]),
            np.array(lon),
            np.array(lat),
        )
        near = {
            lots[k].id: float(walks_m[k])
            for k in np.argsort(walks_m, kind="stable")
            if walks_m[k] <= limit_m and any(pool.space_class is kind for pool in lots[k].pools)
        }
        cut, token = page(list(near), request.page_size, request.page_token)
        state = desk.writer.durable
        found = [
            desk.lot_message(state, desk.lot(key), stay=stay, kind=kind, walk_m=near[key])
            for key in cut
        ]
        return pb.SearchLotsResponse(lots=found, next_page_token=token)

    def _stay(self, request: pb.SearchLotsRequest) -> tuple[int, int]:
        arrive_ms, stay_ms = self.desk.writer.now_ms(), DEFAULT_STAY_MS
        if request.HasField("arrive_at"):
            arrive_ms = ms_from_timestamp(request.arrive_at, where="arrive_at")
        if request.HasField("duration"):
            stay_ms = ms_from_duration(request.duration, where="duration")
        return arrive_ms, arrive_ms + stay_ms

    async def RequestAssignment(
        self, request: pb.RequestAssignmentRequest, context: Context
    ) -> pb.Reservation:
        """See proto/parking/v1."""
        desk = self.desk
        desk.check_parent(request.parent)
        check_uuid(request.request_id)
        asked = request_from_proto(request, desk.writer.now_ms())
        driver_id = request.driver_id

        async def do(key: str, digest: bytes) -> bytes:
            self.allowance.take(driver_id)
            return await self._hold(key, digest, asked, driver_id)

        return await desk.once(context, request, pb.Reservation, do)

    async def _hold(self, key: str, digest: bytes, asked: ParkingRequest, driver_id: str) -> bytes:
        """Find a space with the next batch and hold it.

        Between the batch's solution and the hold another call may have taken the space: then the
        request goes into a later batch.
        """
        writer, wish = self.desk.writer, wish_text(asked)

        def refusal() -> ParkingError | None:
            # A lot's own limits may be wider: they are looked at lot by lot.
            if self.desk.places.own_rules:
                return None
            return booking_refusal(writer.state, driver_id, writer.now_ms(), self.desk.rules)

        def hold(given: Assigned) -> Hold:
            return Hold(
                reservation_id=uuid4().hex,
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
                wish=wish,
            )

        return await self._held(
            key, digest, refusal, lambda: self.finder.find(asked, driver_id), hold
        )

    async def _held(
        self,
        key: str,
        digest: bytes,
        refuse: Callable[[], ParkingError | None],
        find: Callable[[], Awaitable[Assigned | Unserved]],
        hold: Callable[[Assigned], Hold],
    ) -> bytes:
        """Look for a place and hold it; look again as long as others are faster."""
        writer = self.desk.writer
        for _ in range(FIND_TRIES):
            try:
                refusal = refuse()
                if refusal is not None:
                    return await writer.refuse(key, digest, refusal)
                try:
                    given = await find()
                except RuleError as limit:
                    return await writer.refuse(key, digest, limit)
                if isinstance(given, Unserved):
                    none = NoSpaceError(
                        f"no space for the whole stay: {given.reason}", reason=given.reason
                    )
                    return await writer.refuse(key, digest, none)
                command = hold(given)
                return await writer.command(
                    key, digest, command, self._answer(command.reservation_id, given.passed_over)
                )
            except OutdatedError:
                # The space is gone, or another server was faster: look again.
                continue
        raise UnavailableError("others were faster; try again", reason="contended")

    async def _step(
        self, request: Any, context: Context, command: Callable[[str], Command]
    ) -> pb.Reservation:
        """Carry out a call that moves one reservation on."""
        reservation_id = reservation_id_from_name(request.name, self.desk.city_id)
        return await self.desk.command(
            context,
            request,
            pb.Reservation,
            lambda: command(reservation_id),
            lambda state: self.desk.message(state.reservations[reservation_id]),
        )

    async def ConfirmReservation(
        self, request: pb.ConfirmReservationRequest, context: Context
    ) -> pb.Reservation:
        """See proto/parking/v1."""
        return await self._step(request, context, Confirm)

    async def CancelReservation(
        self, request: pb.CancelReservationRequest, context: Context
    ) -> pb.Reservation:
        """See proto/parking/v1."""
        return await self._step(request, context, Cancel)

    async def RecordArrival(
        self, request: pb.RecordArrivalRequest, context: Context
    ) -> pb.Reservation:
        """See proto/parking/v1."""
        if len(request.bay) > MAX_BAY:
            raise InvalidInputError(f"expected up to {MAX_BAY} characters", where="bay")
        return await self._step(request, context, lambda key: Arrive(key, bay=request.bay))

    async def RecordDeparture(
        self, request: pb.RecordDepartureRequest, context: Context
    ) -> pb.Reservation:
        """See proto/parking/v1."""
        return await self._step(request, context, Depart)

    async def ExtendReservation(
        self, request: pb.ExtendReservationRequest, context: Context
    ) -> pb.Reservation:
        """See proto/parking/v1."""
        desk = self.desk
        reservation_id = reservation_id_from_name(request.name, desk.city_id)
        if not request.HasField("leave_at"):
            raise InvalidInputError("is missing", where="leave_at")
        leave_ms = ms_from_timestamp(request.leave_at, where="leave_at")

        async def do(key: str, digest: bytes) -> bytes:
            reservation = desk.writer.state.reservations.get(reservation_id)
            if reservation is None:
                missing = NotFoundError(f"no reservation {reservation_id!r}", where="name")
                return await desk.writer.refuse(key, digest, missing)
            price_fen = reservation.price_fen
            lot = desk.places.lots.get(reservation.lot_id)
            if lot is not None and leave_ms > reservation.leave_ms:
                if not is_open(lot.opening, reservation.leave_ms, leave_ms):
                    closed = RuleError("the lot closes before", where="leave_at", reason="closed")
                    return await desk.writer.refuse(key, digest, closed)
                price_fen = max(price_fen, lot.tariff.price_fen(reservation.arrive_ms, leave_ms))
            return await desk.writer.command(
                key,
                digest,
                Extend(reservation_id, leave_ms, price_fen),
                self._answer(reservation_id),
            )

        return await desk.once(context, request, pb.Reservation, do)

    async def RequestMove(self, request: pb.RequestMoveRequest, context: Context) -> pb.Reservation:
        """See proto/parking/v1."""
        desk = self.desk
        reservation_id = reservation_id_from_name(request.name, desk.city_id)
        destination = None
        if request.HasField("destination"):
            destination = position(request.destination, where="destination")
        limit_m = walk_limit_m(request.max_walk_m) if request.max_walk_m else None

        async def do(key: str, digest: bytes) -> bytes:
            old = desk.writer.state.reservations.get(reservation_id)
            refusal = _unmovable(reservation_id, old)
            if refusal is not None or old is None:
                return await desk.writer.refuse(key, digest, refusal or NotFoundError("gone"))
            self.allowance.take(old.driver_id)
            asked = request_of(
                old.wish,
                key=key,
                arrive_ms=max(old.arrive_ms, desk.writer.now_ms()),
                leave_ms=old.leave_ms,
            )
            if destination is not None:
                asked = replace(asked, dest_lon=destination[0], dest_lat=destination[1])
            if limit_m is not None:
                asked = replace(asked, max_walk_m=limit_m)
            wish = wish_text(asked)
            return await self._held(
                key,
                digest,
                lambda: _unmovable(
                    reservation_id, desk.writer.state.reservations.get(reservation_id)
                ),
                lambda: self.finder.find(asked, old.driver_id, offer_for=old),
                lambda given: offer_hold(old, given, wish),
            )

        return await desk.once(context, request, pb.Reservation, do)

    async def MoveReservation(
        self, request: pb.MoveReservationRequest, context: Context
    ) -> pb.Reservation:
        """See proto/parking/v1."""
        desk = self.desk
        old_id = reservation_id_from_name(request.name, desk.city_id)
        new_id = reservation_id_from_name(request.offer, desk.city_id, where="offer")

        async def do(key: str, digest: bytes) -> bytes:
            offer = desk.writer.state.reservations.get(new_id)
            wrong: ParkingError | None = None
            if offer is None or old_id not in desk.writer.state.reservations:
                wrong = NotFoundError("no such reservation", where="offer" if not offer else "name")
            elif offer.offer_for != old_id:
                wrong = InvalidInputError("was not offered for this reservation", where="offer")
            if wrong is not None:
                return await desk.writer.refuse(key, digest, wrong)
            return await desk.writer.command(key, digest, Confirm(new_id), self._answer(new_id))

        return await desk.once(context, request, pb.Reservation, do)

    def _answer(
        self, reservation_id: str, passed_over: Sequence[PassedOver] = ()
    ) -> Callable[[LedgerState], bytes]:
        """Return what makes the reply of a call about one reservation."""

        def reply(state: LedgerState) -> bytes:
            message = self.desk.message(state.reservations[reservation_id], passed_over)
            return message.SerializeToString(deterministic=True)

        return reply

    async def GetReservation(
        self, request: pb.GetReservationRequest, context: Context
    ) -> pb.Reservation:
        """See proto/parking/v1."""
        desk = self.desk
        return desk.message(await desk.find(reservation_id_from_name(request.name, desk.city_id)))

    async def ListReservations(
        self, request: pb.ListReservationsRequest, context: Context
    ) -> pb.ListReservationsResponse:
        """See proto/parking/v1."""
        desk = self.desk
        desk.check_parent(request.parent)
        if bool(request.driver_id) == bool(request.lot):
            raise InvalidInputError("expected either driver_id or lot", where="driver_id")
        state = desk.writer.durable
        if request.driver_id:
            check_driver_key(request.driver_id)
            book = state.drivers.get(request.driver_id)
            found = [state.reservations[key] for key in book.recent] if book else []
        else:
            lot_id = key_of_name(request.lot, desk.city_id, "lots", where="lot")
            desk.lot(lot_id)
            found = [item for item in state.reservations.values() if item.lot_id == lot_id]
        found.sort(key=lambda item: (item.held_ms, item.reservation_id))
        keys = {item.reservation_id: item for item in found}
        cut, token = page(list(keys), request.page_size, request.page_token)
        return pb.ListReservationsResponse(
            reservations=[desk.message(keys[key]) for key in cut], next_page_token=token
        )


def _unmovable(reservation_id: str, old: Reservation | None) -> ParkingError | None:
    """Return why no offer can be made for a reservation; None = one can."""
    if old is None:
        return NotFoundError(f"no reservation {reservation_id!r}", where="name")
    if old.state not in WAITING and old.state is not ReservationState.DISPLACED:
        return StateError(
            f"reservation {reservation_id!r} is {old.state.upper()}, expected it to wait",
            where="name",
            reason=f"is_{old.state}",
        )
    if not old.wish:
        return StateError("what was asked for is not known", where="name", reason="no_wish")
    return None
