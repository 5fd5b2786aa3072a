"""``ParkingService``: converts, calls the engine, converts back.

- ``desk``: what all calls share; answers once for a request id.
- ``booking``, ``watching``, ``identity``, ``operating``, ``guiding``: the calls by who makes them.
- ``finding``: requests of a moment solved together; offers for the displaced.
- ``places``: the lots as the ledger has them. ``watchers``, ``flood``: pushes and limits.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from parking.errors import ParkingError
from parking.inventory import Lot
from parking.ledger import ChangeLot, Event, LedgerState, Rules, make_offers
from parking.ledger.state import KEPT_MS
from parking.privacy import Secrets
from parking.service.booking import BookingCalls
from parking.service.desk import Desk
from parking.service.finding import Finder
from parking.service.flood import Allowance
from parking.service.guiding import CityCalls, Signs
from parking.service.identity import IdentityCalls
from parking.service.operating import OperatorCalls
from parking.service.places import change_lot
from parking.service.watching import WatchCalls
from parking.store import ReservationStore
from parking.store_writer import LedgerWriter
from parking.travel import GreatCircle, TravelTimes
from parking.v1 import parking_pb2_grpc

TICK_S = 0.5
DAY_MS = 86_400_000
DRIVERS_KEPT_MS = 180 * DAY_MS
"""Whose a driver key is, is kept so long after it was last said; longer if a rule looks longer."""

__all__ = ["ParkingService"]

log = logging.getLogger(__name__)


class ParkingService(
    BookingCalls,
    WatchCalls,
    IdentityCalls,
    OperatorCalls,
    CityCalls,
    parking_pb2_grpc.ParkingServiceServicer,
):
    """Serves the car parks of one city and keeps their reservations.

    Parameters
    ----------
    city_id
        The ``{city}`` of the resource names.
    lots
        The city's car parks as its file has them. Those that their operators have changed since
        stay as changed; those that the file no longer has take nobody.
    store
        Where the ledger's log is; closed by ``stop``.
    clock
        Now, in UTC epoch milliseconds.
    travel
        Travel times; None = great circles.
    rules
        Booking rules.
    secrets
        Of the digests of plates and phone numbers; the same for all servers of a city. None =
        calls with a plate or a phone number are refused.
    kept_ms
        How long a reservation stays in memory after its end, ms; in the log it stays for ever.
    caller
        Who makes the call that is under way, as the server knows him; empty = nobody in particular.
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
        secrets: Secrets | None = None,
        kept_ms: int = KEPT_MS,
        caller: Callable[[], str] = lambda: "",
    ) -> None:
        self.desk = Desk(
            city_id=city_id,
            store=store,
            clock=clock,
            travel=travel or GreatCircle(),
            rules=rules or Rules(),
            secrets=secrets,
            caller=caller,
        )
        self.finder = Finder(self.desk)
        self.signs = Signs(self.desk)
        self.allowance = Allowance(time.monotonic)
        self._kept_ms = kept_ms
        self._lots = lots
        self._forgotten_ms = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Read the log, take the lots over, and begin to let time pass."""
        desk = self.desk
        desk.open(LedgerWriter(desk.store, desk.rules, desk.clock, self._follow, self._kept_ms))
        await self._take_over(self._lots)
        self._tasks = [
            asyncio.create_task(_go_on(work))
            for work in (self.finder.run, self.signs.run, self._ticks, desk.writer.snapshots.run)
        ]

    async def _take_over(self, lots: Sequence[Lot]) -> None:
        """Bring the lots of the city's file into the ledger, where it does not know better."""
        writer = self.desk.writer
        books = writer.state.lots
        changes = [
            change_lot(lot, None, "file")
            for lot in lots
            if lot.id not in books or books[lot.id].source != "call"
        ]
        listed = {lot.id for lot in lots}
        gone = [
            lot_id
            for lot_id, book in books.items()
            if book.source == "file" and lot_id not in listed and book.document
        ]
        await asyncio.gather(
            *(writer.carry_out(change) for change in changes),
            *(writer.carry_out(ChangeLot(lot_id, "", (), None, "file")) for lot_id in gone),
        )

    def _follow(
        self, state: LedgerState, events: tuple[Event, ...], now_ms: int
    ) -> tuple[LedgerState, tuple[Event, ...]]:
        return make_offers(state, events, now_ms, self.desk.rules, self.finder.offers)

    def end_streams(self) -> None:
        """End every watch stream with UNAVAILABLE, so that clients resume elsewhere."""
        self.desk.ending.set()
        self.desk.watchers.wake_all()

    async def stop(self) -> None:
        """End the background work and close the store."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.desk.writer.close()
        await self.desk.writer.snapshots.close()
        self.desk.store.close()

    async def _ticks(self) -> None:
        """Look at the clock now and then: what falls due is the clock's word, not the nap's."""
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self.desk.writer.tick()
                await self._forget_drivers()
            except ParkingError:
                # The store cannot write now; what is due stays due.
                continue

    async def _forget_drivers(self) -> None:
        """Once a day, forget who those drivers are that have not been named for long."""
        desk = self.desk
        now_ms = desk.clock()
        if now_ms - self._forgotten_ms < DAY_MS:
            return
        self._forgotten_ms = now_ms
        windows = [desk.rules.no_show_window_s]
        windows += [
            book.rules.no_show_window_s or 0
            for book in desk.writer.durable.lots.values()
            if book.rules is not None
        ]
        kept_ms = max(DRIVERS_KEPT_MS, max(windows) * 1000)
        await asyncio.wrap_future(desk.drivers.forget(now_ms - kept_ms))


async def _go_on(work: Callable[[], Awaitable[None]]) -> None:
    """Do background work for ever: a mistake in it ends one round, never the passing of time."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("background work of the parking service failed; it begins anew")
            await asyncio.sleep(TICK_S)
