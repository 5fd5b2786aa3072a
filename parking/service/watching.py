"""Pushes: a reservation, all of a driver's, and signs, from the last revision a client has seen."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from parking.errors import InvalidInputError, StoppingError
from parking.io.protobuf import reservation_id_from_name
from parking.ledger import OPEN
from parking.privacy import check_driver_key
from parking.service.desk import Context, Desk
from parking.v1 import parking_pb2 as pb


class WatchCalls:
    """See proto/parking/v1."""

    desk: Desk

    async def WatchReservation(
        self, request: pb.WatchReservationRequest, context: Context
    ) -> AsyncIterator[pb.Reservation]:
        """See proto/parking/v1."""
        desk = self.desk
        revision = _revision(request.revision)
        reservation_id = reservation_id_from_name(request.name, desk.city_id)
        reservation = await desk.find(reservation_id)
        with desk.watchers.watching(f"r:{reservation_id}") as wake:
            while not desk.ending.is_set():
                wake.clear()
                reservation = desk.writer.reservation(reservation_id) or reservation
                if reservation.revision > revision:
                    revision = reservation.revision
                    yield desk.message(reservation)
                if reservation.state not in OPEN:
                    return
                await wake.wait()
        raise StoppingError(revision)

    async def WatchReservations(
        self, request: pb.WatchReservationsRequest, context: Context
    ) -> AsyncIterator[pb.Reservation]:
        """See proto/parking/v1."""
        desk = self.desk
        desk.check_parent(request.parent)
        check_driver_key(request.driver_id)
        revision = _revision(request.revision)
        with desk.watchers.watching(f"d:{request.driver_id}") as wake:
            while not desk.ending.is_set():
                wake.clear()
                state = desk.writer.durable
                book = state.drivers.get(request.driver_id)
                news = [
                    item
                    for key in (book.recent if book is not None else ())
                    if (item := state.reservations[key]).revision > revision
                ]
                # Two can have changed with one event: the client may see a revision twice.
                for reservation in sorted(news, key=lambda item: item.revision):
                    yield desk.message(reservation)
                    revision = reservation.revision
                await wake.wait()
        raise StoppingError(revision)


def _revision(revision: int) -> int:
    if revision < 0:
        raise InvalidInputError(f"{revision}; expected 0 or more", where="revision")
    return revision


async def wait_for(wake: asyncio.Event, timeout_s: float) -> None:
    """Wait until woken, but no longer than a time."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(wake.wait(), timeout_s)
