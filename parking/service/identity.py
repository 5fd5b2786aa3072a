"""Who drivers are: keys for plates and phones, the gate's question, their own data."""

import asyncio

from parking.errors import InvalidInputError, NotFoundError
from parking.io.protobuf import key_of_name, reservation_id_from_name, resource_name
from parking.ledger import WAITING, Command, History, LedgerState, Reservation, Tick
from parking.privacy import MAX_IDENTIFIERS, check_driver_key, lookup, phone, plate, register
from parking.service.desk import Context, Desk
from parking.service.operating import gather
from parking.v1 import parking_pb2 as pb

WALK_IN_MS = 3_600_000
"""What is promised within an hour is not given to a walk-in."""
SOON_MS = 30 * 60_000


class IdentityCalls:
    """See proto/parking/v1."""

    desk: Desk

    async def RegisterDriver(
        self, request: pb.RegisterDriverRequest, context: Context
    ) -> pb.Driver:
        """See proto/parking/v1."""
        desk = self.desk
        desk.check_parent(request.parent)
        if not 1 <= len(request.plates) + len(request.phones) <= MAX_IDENTIFIERS:
            raise InvalidInputError(f"expected 1 to {MAX_IDENTIFIERS} in all", where="plates")
        who = [plate(text, where=f"plates[{k}]") for k, text in enumerate(request.plates)]
        who += [phone(text, where=f"phones[{k}]") for k, text in enumerate(request.phones)]

        async def do(key: str, digest: bytes) -> bytes:
            driver_id = await asyncio.wrap_future(
                register(desk.drivers, desk.secrets(), who, desk.writer.now_ms())
            )
            reply = pb.Driver(
                name=resource_name(desk.city_id, "drivers", driver_id), driver_id=driver_id
            )
            return await self._told(
                key, digest, Tick(), reply.SerializeToString(deterministic=True)
            )

        return await desk.once(context, request, pb.Driver, do)

    async def EraseDriver(
        self, request: pb.EraseDriverRequest, context: Context
    ) -> pb.EraseDriverResponse:
        """See proto/parking/v1."""
        desk = self.desk
        driver_id = key_of_name(request.name, desk.city_id, "drivers")

        async def do(key: str, digest: bytes) -> bytes:
            known = await asyncio.wrap_future(desk.drivers.digests(driver_id))
            if not known and driver_id not in desk.writer.state.drivers:
                return await desk.writer.refuse(key, digest, _nobody())
            await asyncio.wrap_future(desk.drivers.erase(driver_id))
            return await self._told(
                key, digest, desk.accounted(context, request, Tick(), driver_id), b""
            )

        return await desk.once(context, request, pb.EraseDriverResponse, do)

    async def _told(self, key: str, digest: bytes, command: Command, reply: bytes) -> bytes:
        """Store an answer whose effect is on the disk already: repeating it changes nothing."""
        return await self.desk.writer.command(key, digest, command, lambda _: reply)

    async def ExportDriver(
        self, request: pb.ExportDriverRequest, context: Context
    ) -> pb.DriverExport:
        """See proto/parking/v1."""
        desk = self.desk
        driver_id = key_of_name(request.name, desk.city_id, "drivers")
        digests = await asyncio.wrap_future(desk.drivers.digests(driver_id))
        history = await gather(desk, History(lambda held: held.driver_id == driver_id))
        if not digests and not history.reservations:
            raise _nobody()
        # Before it is given away.
        await desk.writer.carry_out(desk.accounted(context, request, Tick(), driver_id))
        stays = list(history.reservations.values())
        message = pb.DriverExport(
            name=resource_name(desk.city_id, "drivers", driver_id),
            identifiers=len(digests),
            reservations=[desk.message(stay) for stay in stays],
            wishes=[stay.wish for stay in stays],
        )
        book = desk.writer.durable.drivers.get(driver_id)
        for at_ms in book.no_shows_ms if book is not None else ():
            message.no_shows.add().FromMilliseconds(at_ms)
        return message

    async def CheckEntry(self, request: pb.CheckEntryRequest, context: Context) -> pb.EntryDecision:
        """See proto/parking/v1."""
        desk = self.desk
        lot_id = key_of_name(request.lot, desk.city_id, "lots", where="lot")
        desk.lot(lot_id)
        stay = await self._expected(request, lot_id)
        state, now_ms = desk.writer.durable, desk.writer.now_ms()
        room = walk_in_spaces(state, lot_id, now_ms)
        if stay is not None and stay.lot_id == lot_id and stay.state in WAITING:
            early = now_ms < stay.from_ms and (
                state.pools[stay.pool_id].free(now_ms, stay.from_ms) < 1
            )
            decision = (
                pb.EntryDecision.DECISION_EARLY if early else pb.EntryDecision.DECISION_RESERVED
            )
        elif state.lots[lot_id].closed or desk.lot(lot_id).closed:
            decision = pb.EntryDecision.DECISION_CLOSED
        elif stay is not None and stay.state in WAITING and stay.from_ms <= now_ms + SOON_MS:
            decision = pb.EntryDecision.DECISION_WRONG_LOT
        elif room > 0:
            decision = pb.EntryDecision.DECISION_WALK_IN
        else:
            decision = pb.EntryDecision.DECISION_FULL
        answer = pb.EntryDecision(decision=decision, walk_in_spaces=max(0, room))
        # A gate learns of a stay elsewhere only when it sends the driver there.
        elsewhere = decision == pb.EntryDecision.DECISION_WRONG_LOT
        if stay is not None and (stay.lot_id == lot_id or elsewhere):
            answer.reservation.CopyFrom(desk.message(stay))
        return answer

    async def _expected(self, request: pb.CheckEntryRequest, lot_id: str) -> Reservation | None:
        """Return the reservation that stands at the gate: here if there is one, else elsewhere."""
        desk = self.desk
        who = request.WhichOneof("who")
        if who == "reservation":
            return await desk.find(
                reservation_id_from_name(request.reservation, desk.city_id, where="reservation")
            )
        driver_id: str | None = None
        if who == "plate":
            wanted = plate(request.plate, where="plate")
            (driver_id,) = await asyncio.wrap_future(lookup(desk.drivers, desk.secrets(), [wanted]))
        elif who == "driver_id":
            check_driver_key(request.driver_id)
            driver_id = request.driver_id
        state = desk.writer.durable
        book = state.drivers.get(driver_id) if driver_id is not None else None
        waiting = [
            state.reservations[key]
            for key in (book.open if book is not None else ())
            if state.reservations[key].state in WAITING
        ]
        waiting.sort(key=lambda stay: (stay.lot_id != lot_id, stay.from_ms, stay.reservation_id))
        return waiting[0] if waiting else None


def walk_in_spaces(state: LedgerState, lot_id: str, now_ms: int) -> int:
    """Return the spaces of a lot that are neither taken nor promised within the hour."""
    room = 0
    for pool_id in state.lots[lot_id].pools:
        book = state.pools[pool_id]
        if book.terms is not None and book.terms.spaces:
            promised = book.profile.peak(now_ms, now_ms + WALK_IN_MS) - book.parked
            room += max(0, book.terms.spaces - book.sight.cars - max(0, promised))
    return room


def _nobody() -> NotFoundError:
    return NotFoundError("nothing is kept of this driver", where="name")
