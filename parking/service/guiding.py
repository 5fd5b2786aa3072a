"""The city's calls: key figures, and guidance signs with what they show."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from parking.errors import InvalidInputError, NotFoundError, StoppingError
from parking.figures import city_figures, lot_count
from parking.guidance import Shown, Sign, show
from parking.io.protobuf import key_of_name
from parking.io.protobuf_city import (
    sign_document,
    sign_from_proto,
    sign_of_document,
    sign_to_proto,
)
from parking.ledger import LedgerState, ReservationState, SetSigns
from parking.service.desk import Context, Desk, page
from parking.service.watching import wait_for
from parking.v1 import parking_pb2 as pb

SIGNS_MAX = 200
SIGN_EVERY_S = 1.0
"""How often the signs are looked at."""
ALIVE_S = 60.0
"""A sign is told its numbers at least that often."""


class Signs:
    """What every sign shows, brought up to date once a second."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._known: dict[str, tuple[str, Sign]] = {}
        self._shown: dict[str, tuple[Shown, ...]] = {}
        self._seen: LedgerState | None = None
        self._looked_ms = 0

    def sign(self, sign_id: str, document: str) -> Sign:
        """Return a sign; its document is read once."""
        known = self._known.get(sign_id)
        if known is None or known[0] != document:
            self._known[sign_id] = known = (document, sign_of_document(sign_id, document))
            self._shown.pop(sign_id, None)
        return known[1]

    def shown(self, sign: Sign, state: LedgerState, now_ms: int) -> tuple[Shown, ...]:
        """Return what the sign's lines show; the same until there is reason to change."""
        desk = self._desk
        before: Sequence[Shown | None] = self._shown.get(sign.sign_id) or [None] * len(sign.lines)
        shown = tuple(
            show(
                last,
                [
                    lot_count(
                        state, lot_id, now_ms, desk.rules, closed=desk.places.lots[lot_id].closed
                    )
                    for lot_id in line.lot_ids
                    if lot_id in desk.places.lots
                ],
                now_ms,
            )
            for last, line in zip(before, sign.lines, strict=True)
        )
        self._shown[sign.sign_id] = shown
        return shown

    def message(self, sign_id: str) -> pb.Sign:
        """Return a sign as it shows now, or raise NotFoundError."""
        desk = self._desk
        state, now_ms = desk.writer.durable, desk.writer.now_ms()
        document = state.signs.get(sign_id)
        if document is None:
            raise NotFoundError(f"no sign {sign_id[:64]!r}", where="name")
        sign = self.sign(sign_id, document)
        return sign_to_proto(sign, self.shown(sign, state, now_ms), desk.city_id, now_ms)

    async def run(self) -> None:
        """Look at all signs now and then, and wake the watchers of those that change."""
        desk = self._desk
        while True:
            await asyncio.sleep(SIGN_EVERY_S)
            state, now_ms = desk.writer.durable, desk.writer.now_ms()
            for sign_id, document in state.signs.items():
                before = self._shown.get(sign_id)
                shown = self.shown(self.sign(sign_id, document), state, now_ms)
                if _looks(before or ()) != _looks(shown):
                    desk.watchers.wake([f"s:{sign_id}", "s:"])
            await asyncio.sleep(0)


def _looks(shown: Sequence[Shown]) -> list[tuple[int, bool, bool]]:
    return [(item.number, item.is_stale, item.is_closed) for item in shown]


class CityCalls:
    """See proto/parking/v1."""

    desk: Desk
    signs: Signs

    async def GetParkingStatus(
        self, request: pb.GetParkingStatusRequest, context: Context
    ) -> pb.ParkingStatus:
        """See proto/parking/v1."""
        desk = self.desk
        desk.check_parent(request.parent)
        now_ms = desk.writer.now_ms()
        sums = await asyncio.to_thread(city_figures, desk.writer.durable, now_ms, desk.rules)
        states = sums.states
        message = pb.ParkingStatus(
            name=desk.parent,
            lots=sums.lots,
            lots_closed=sums.lots_closed,
            pools_stale=sums.pools_stale,
            pools_uncounted=sums.pools_uncounted,
            spaces=sums.spaces,
            quota=sums.quota,
            cars=sums.cars,
            free=sums.free,
            walk_ins=sums.walk_ins,
            overstaying=sums.overstaying,
            held=states[ReservationState.HELD],
            confirmed=states[ReservationState.CONFIRMED],
            parked=states[ReservationState.PARKED],
            completed=states[ReservationState.COMPLETED],
            expired=states[ReservationState.EXPIRED],
            cancelled=states[ReservationState.CANCELLED],
            no_show=states[ReservationState.NO_SHOW],
            displaced=states[ReservationState.DISPLACED],
            moved=states[ReservationState.MOVED],
            revision=sums.revision,
        )
        message.at.FromMilliseconds(now_ms)
        return message

    async def UpsertSigns(
        self, request: pb.UpsertSignsRequest, context: Context
    ) -> pb.UpsertSignsResponse:
        """See proto/parking/v1."""
        desk = self.desk
        desk.check_parent(request.parent)
        if not 1 <= len(request.signs) <= SIGNS_MAX:
            raise InvalidInputError(f"expected 1 to {SIGNS_MAX}", where="signs")
        signs = [
            sign_from_proto(item, desk.city_id, where=f"signs[{k}]")
            for k, item in enumerate(request.signs)
        ]
        if len({sign.sign_id for sign in signs}) != len(signs):
            raise InvalidInputError("a sign stands twice", where="signs")
        for sign in signs:
            for line in sign.lines:
                for lot_id in line.lot_ids:
                    desk.lot(lot_id)
        now_ms = desk.writer.now_ms()

        def reply(state: LedgerState) -> pb.UpsertSignsResponse:
            return pb.UpsertSignsResponse(
                signs=[
                    sign_to_proto(sign, self.signs.shown(sign, state, now_ms), desk.city_id, now_ms)
                    for sign in signs
                ]
            )

        return await desk.command(
            context,
            request,
            pb.UpsertSignsResponse,
            lambda: SetSigns(tuple((sign.sign_id, sign_document(sign)) for sign in signs)),
            reply,
            accounts_for=" ".join(sign.sign_id for sign in signs),
        )

    async def GetSign(self, request: pb.GetSignRequest, context: Context) -> pb.Sign:
        """See proto/parking/v1."""
        return self.signs.message(key_of_name(request.name, self.desk.city_id, "signs"))

    async def ListSigns(
        self, request: pb.ListSignsRequest, context: Context
    ) -> pb.ListSignsResponse:
        """See proto/parking/v1."""
        desk = self.desk
        desk.check_parent(request.parent)
        ids = sorted(desk.writer.durable.signs)
        cut, token = page(ids, request.page_size, request.page_token)
        return pb.ListSignsResponse(
            signs=[self.signs.message(key) for key in cut], next_page_token=token
        )

    async def WatchSigns(
        self, request: pb.WatchSignsRequest, context: Context
    ) -> AsyncIterator[pb.Sign]:
        """See proto/parking/v1."""
        desk = self.desk
        desk.check_parent(request.parent)
        if len(request.signs) > SIGNS_MAX:
            raise InvalidInputError(f"expected up to {SIGNS_MAX}", where="signs")
        wanted = [
            key_of_name(name, desk.city_id, "signs", where=f"signs[{k}]")
            for k, name in enumerate(request.signs)
        ]
        for sign_id in wanted:
            self.signs.message(sign_id)
        told: dict[str, tuple[int, object]] = {}
        with desk.watchers.watching(*([f"s:{key}" for key in wanted] or ["s:"])) as wake:
            while not desk.ending.is_set():
                wake.clear()
                now_ms = desk.writer.now_ms()
                for sign_id in wanted or sorted(desk.writer.durable.signs):
                    message = self.signs.message(sign_id)
                    looks = [
                        (line.text, line.number, line.stale, line.closed) for line in message.lines
                    ]
                    at_ms, before = told.get(sign_id, (0, None))
                    if looks != before or now_ms - at_ms >= ALIVE_S * 1000:
                        told[sign_id] = (now_ms, looks)
                        yield message
                await wait_for(wake, ALIVE_S / 2)
        raise StoppingError(desk.writer.durable.revision)
