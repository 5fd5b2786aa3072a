"""The operators' calls: lots, closing, counts, gates, reconciliation, settlement."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from parking.errors import InvalidInputError, ParkingError
from parking.io.protobuf import (
    key_of_name,
    ms_from_timestamp,
    reservation_id_from_name,
)
from parking.io.protobuf_city import settlement_entry
from parking.io.protobuf_lots import (
    LOTS_MAX,
    PASSAGES_MAX,
    counts_from_proto,
    feature_from_proto,
    passages_from_proto,
    rules_from_proto,
    seen_ms,
)
from parking.ledger import (
    WAITING,
    ChangeLot,
    ChangeLots,
    CloseLot,
    Command,
    CountAll,
    History,
    LedgerState,
    OpenLot,
    Reconcile,
    RecordPassages,
    ReservationState,
    Tick,
)
from parking.privacy import check_driver_key, lookup, plate
from parking.service.desk import Context, Desk, page
from parking.service.places import change_lot, lot_of_document, lot_of_feature
from parking.v1 import parking_pb2 as pb

MAX_REASON = 200
MAX_PRESENT = 10_000
SETTLEMENT_MAX_MS = 366 * 86_400_000
EVENTS_AT_ONCE = 500
"""So many of the log's entries are read before other calls have their turn."""


class OperatorCalls:
    """See proto/parking/v1."""

    desk: Desk

    async def UpsertLots(
        self, request: pb.UpsertLotsRequest, context: Context
    ) -> pb.UpsertLotsResponse:
        """See proto/parking/v1."""
        desk = self.desk
        desk.check_parent(request.parent)
        if not 1 <= len(request.lots) <= LOTS_MAX:
            raise InvalidInputError(f"expected 1 to {LOTS_MAX}", where="lots")
        changes = [_change(item, f"lots[{k}]") for k, item in enumerate(request.lots)]
        ids = [change.lot_id for change in changes]
        if len(set(ids)) != len(ids):
            raise InvalidInputError("a lot stands twice", where="lots")
        pools = [pool.pool_id for change in changes for pool in change.pools]
        if len(set(pools)) != len(pools):
            raise InvalidInputError("a pool id stands in two lots", where="lots")
        return await desk.command(
            context,
            request,
            pb.UpsertLotsResponse,
            lambda: ChangeLots(tuple(changes)),
            lambda state: pb.UpsertLotsResponse(
                lots=[self._lot_in(state, lot_id) for lot_id in ids]
            ),
            accounts_for=" ".join(ids),
        )

    def _lot_in(self, state: LedgerState, lot_id: str) -> pb.Lot:
        """Show a lot as a state has it, which may not be on the disk yet."""
        book = state.lots[lot_id]
        known = self.desk.places.lots.get(lot_id)
        if known is None or self.desk.writer.durable.lots.get(lot_id) is not book:
            known = lot_of_document(book.document)
        return self.desk.lot_message(state, known)

    async def GetLot(self, request: pb.GetLotRequest, context: Context) -> pb.Lot:
        """See proto/parking/v1."""
        desk = self.desk
        lot = desk.lot(key_of_name(request.name, desk.city_id, "lots"))
        return desk.lot_message(desk.writer.durable, lot)

    async def ListLots(self, request: pb.ListLotsRequest, context: Context) -> pb.ListLotsResponse:
        """See proto/parking/v1."""
        desk = self.desk
        desk.check_parent(request.parent)
        cut, token = page(list(desk.places.lots), request.page_size, request.page_token)
        state = desk.writer.durable
        return pb.ListLotsResponse(
            lots=[desk.lot_message(state, desk.lot(key)) for key in cut], next_page_token=token
        )

    async def CloseLot(self, request: pb.CloseLotRequest, context: Context) -> pb.Lot:
        """See proto/parking/v1."""
        if len(request.reason) > MAX_REASON:
            raise InvalidInputError(f"expected up to {MAX_REASON} characters", where="reason")
        return await self._lot_step(
            request,
            context,
            request.name,
            "name",
            lambda key: CloseLot(key, request.reason),
            is_accounted=True,
        )

    async def OpenLot(self, request: pb.OpenLotRequest, context: Context) -> pb.Lot:
        """See proto/parking/v1."""
        return await self._lot_step(
            request, context, request.name, "name", OpenLot, is_accounted=True
        )

    async def ReportOccupancy(self, request: pb.ReportOccupancyRequest, context: Context) -> pb.Lot:
        """See proto/parking/v1."""
        counts = counts_from_proto(request.counts, 1)
        at_ms = seen_ms(request, "seen_at", self.desk.writer.now_ms(), where="seen_at")
        return await self._lot_step(
            request, context, request.lot, "lot", lambda key: CountAll(key, counts, at_ms)
        )

    async def _lot_step(
        self,
        request: Any,
        context: Context,
        name: str,
        where: str,
        command: Callable[[str], Command],
        *,
        is_accounted: bool = False,
    ) -> pb.Lot:
        desk = self.desk
        lot_id = key_of_name(name, desk.city_id, "lots", where=where)
        desk.lot(lot_id)
        return await desk.command(
            context,
            request,
            pb.Lot,
            lambda: command(lot_id),
            lambda state: self._lot_in(state, lot_id),
            accounts_for=lot_id if is_accounted else "",
        )

    async def ReportGateEvents(
        self, request: pb.ReportGateEventsRequest, context: Context
    ) -> pb.ReportGateEventsResponse:
        """See proto/parking/v1."""
        desk = self.desk
        lot_id = key_of_name(request.lot, desk.city_id, "lots", where="lot")
        desk.lot(lot_id)
        keys = await self._plates(request.events)
        passages = passages_from_proto(
            request.events, lambda event, where: self._whose(event, lot_id, where, keys)
        )
        before = _reports(desk.writer.state, lot_id)

        def reply(state: LedgerState) -> pb.ReportGateEventsResponse:
            taken = len(_reports(state, lot_id) - before)
            return pb.ReportGateEventsResponse(taken=taken, lot=self._lot_in(state, lot_id))

        return await desk.command(
            context,
            request,
            pb.ReportGateEventsResponse,
            lambda: RecordPassages(lot_id, passages),
            reply,
        )

    async def _plates(self, events: Sequence[pb.GateEvent]) -> dict[str, str | None]:
        """Return the driver key of each plate, all looked up together."""
        desk = self.desk
        plates = {
            event.plate: plate(event.plate, where=f"events[{k}].plate")
            for k, event in enumerate(events[:PASSAGES_MAX])
            if event.WhichOneof("who") == "plate"
        }
        if not plates:
            return {}
        looking = lookup(desk.drivers, desk.secrets(), list(plates.values()))
        found = await asyncio.wrap_future(looking)
        return dict(zip(plates, found, strict=True))

    def _whose(
        self, event: pb.GateEvent, lot_id: str, where: str, keys: Mapping[str, str | None]
    ) -> str:
        """Return the reservation that a car at a gate belongs to; empty = none is known."""
        desk = self.desk
        who = event.WhichOneof("who")
        if who == "reservation":
            return reservation_id_from_name(
                event.reservation, desk.city_id, where=f"{where}.reservation"
            )
        if who == "plate":
            driver_id = keys[event.plate]
        elif who == "driver_id":
            check_driver_key(event.driver_id, where=f"{where}.driver_id")
            driver_id = event.driver_id
        else:
            driver_id = None
        if driver_id is None:
            return ""
        inward = event.direction == pb.GateEvent.DIRECTION_IN
        return stay_at_gate(desk.writer.state, driver_id, lot_id, inward=inward)

    async def ReconcileLot(
        self, request: pb.ReconcileLotRequest, context: Context
    ) -> pb.ReconcileLotResponse:
        """See proto/parking/v1."""
        desk = self.desk
        lot_id = key_of_name(request.lot, desk.city_id, "lots", where="lot")
        lot = desk.lot(lot_id)
        at_ms = seen_ms(request, "taken_at", desk.writer.now_ms(), where="taken_at")
        frees = counts_from_proto(request.counts, 0)
        if len(request.present) > MAX_PRESENT:
            raise InvalidInputError(f"expected up to {MAX_PRESENT}", where="present")
        present = frozenset(
            reservation_id_from_name(name, desk.city_id, where=f"present[{k}]")
            for k, name in enumerate(request.present)
        )
        spaces = {pool.id: pool.capacity for pool in lot.pools}
        counts = []
        for k, (pool_id, free) in enumerate(frees):
            if pool_id in spaces and free > spaces[pool_id]:
                raise InvalidInputError(
                    f"{free}; expected 0 to {spaces[pool_id]}", where=f"counts[{k}].free"
                )
            counts.append((pool_id, spaces.get(pool_id, free) - free))
        before = desk.writer.state

        def reply(state: LedgerState) -> pb.ReconcileLotResponse:
            return pb.ReconcileLotResponse(
                changed=[
                    desk.message(item)
                    for pool_id in state.lots[lot_id].pools
                    for key in sorted(
                        set(before.pools[pool_id].open) | set(state.pools[pool_id].open)
                    )
                    if (item := state.reservations[key]).revision > before.revision
                ],
                cars_before=_cars(before, lot_id),
                cars_after=_cars(state, lot_id),
                lot=self._lot_in(state, lot_id),
            )

        return await desk.command(
            context,
            request,
            pb.ReconcileLotResponse,
            lambda: Reconcile(
                lot_id, at_ms, tuple(counts), present if request.looked_at_cars else None
            ),
            reply,
            accounts_for=lot_id,
        )

    async def ExportSettlement(
        self, request: pb.ExportSettlementRequest, context: Context
    ) -> AsyncIterator[pb.SettlementEntry]:
        """See proto/parking/v1."""
        desk = self.desk
        lot_id = key_of_name(request.lot, desk.city_id, "lots", where="lot")
        desk.lot(lot_id)
        limits = []
        for field in ("from", "to"):
            if not request.HasField(field):
                raise InvalidInputError("is missing", where=field)
            limits.append(ms_from_timestamp(getattr(request, field), where=field))
        from_ms, to_ms = limits
        if not from_ms <= to_ms <= from_ms + SETTLEMENT_MAX_MS:
            raise InvalidInputError("expected from before to, at most 366 days later", where="to")
        await desk.writer.carry_out(desk.accounted(context, request, Tick(), lot_id))
        history = await gather(desk, History(lambda held: held.lot_id == lot_id))
        # In the order of the log.
        for key, at_ms in history.ended_ms.items():
            if from_ms <= at_ms < to_ms:
                entry = settlement_entry(history.reservations[key], at_ms, desk.city_id)
                if entry is not None:
                    yield entry


async def gather(desk: Desk, history: History) -> History:
    """Read the log from its beginning into a history, leaving room for other calls."""
    last = desk.writer.durable.revision
    for k, event in enumerate(desk.store.read(), 1):
        history.add(event)
        if k >= last:
            break
        if k % EVENTS_AT_ONCE == 0:
            await asyncio.sleep(0)
    return history


def stay_at_gate(state: LedgerState, driver_id: str, lot_id: str, *, inward: bool) -> str:
    """Return which of a driver's reservations a car at a lot's gate comes or goes for."""
    book = state.drivers.get(driver_id)
    stays = [state.reservations[key] for key in (book.recent if book is not None else ())]
    here = sorted(
        (stay for stay in stays if stay.lot_id == lot_id),
        key=lambda stay: (stay.from_ms, stay.reservation_id),
    )
    waiting = [stay for stay in here if stay.state in WAITING]
    parked = [stay for stay in here if stay.state is ReservationState.PARKED]
    over = [stay for stay in here if stay.state is ReservationState.COMPLETED][-1:]
    first = waiting + parked if inward else parked + waiting + over
    return first[0].reservation_id if first else ""


def _change(item: pb.LotDescription, where: str) -> ChangeLot:
    feature = feature_from_proto(item, where=where)
    try:
        lot = lot_of_feature(feature)
    except InvalidInputError as error:
        raise InvalidInputError(error.message, where=f"{where}.feature") from None
    if len(lot.id) > 64 or "/" in lot.id:
        raise InvalidInputError(
            "expected 1 to 64 characters without a slash", where=f"{where}.feature.properties.id"
        )
    rules = rules_from_proto(item.rules, where=f"{where}.rules") if item.HasField("rules") else None
    try:
        return change_lot(lot, rules, "call")
    except ParkingError as error:
        raise InvalidInputError(error.message, where=f"{where}.{error.where}") from None


def _reports(state: LedgerState, lot_id: str) -> set[tuple[str, int]]:
    return {
        (gate, time_ms) for gate, times in state.lots[lot_id].gates.items() for time_ms in times
    }


def _cars(state: LedgerState, lot_id: str) -> int:
    return sum(state.pools[pool_id].sight.cars for pool_id in state.lots[lot_id].pools)
