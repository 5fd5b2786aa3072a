"""The one writer of a city's ledger: commands in, durable answers out.

Decisions are made at once on the state in memory, in the order in which they come; the caller is
answered when the store has them on the disk, many in one fsync. What the store cannot write did
not happen: the state falls back to the last one that is on the disk.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from parking.errors import InvalidInputError, ParkingError, UnavailableError
from parking.ledger import (
    Command,
    Event,
    LedgerState,
    Reservation,
    Rules,
    SetCapacity,
    advance,
    apply,
    replay,
)
from parking.store import Answer, Batch, ReservationStore

ANSWERS_KEPT_MS = 48 * 3_600_000
FORGET_EVERY_MS = 600_000

Reply = Callable[[LedgerState], bytes]

Follow = Callable[[LedgerState, tuple[Event, ...], int], tuple[LedgerState, tuple[Event, ...]]]
"""What follows from events at once, in the same transaction: an offer for who was displaced.

From the state after them, the events and the time to the state after all and the further events.
"""

Listener = Callable[[Sequence[Event]], None]
"""Told of events once they are on the disk, in order; the state they led to is ``durable``."""


class LedgerWriter:
    """Owns the ledger's state; all its methods belong to one event loop.

    Parameters
    ----------
    store
        Where the log is; read once, at construction.
    rules
        The booking rules.
    clock
        Now, in UTC epoch milliseconds.
    follow
        What follows from each decision in the same transaction; None = nothing.
    """

    def __init__(
        self,
        store: ReservationStore,
        rules: Rules,
        clock: Callable[[], int],
        follow: Follow | None = None,
    ) -> None:
        self._follow = follow
        self._listeners: list[Listener] = []
        self._store = store
        self._rules = rules
        self._clock = clock
        self._state = self._durable = replay(store.read())
        self._under_way: dict[str, tuple[bytes, asyncio.Future[bytes]]] = {}
        self._changed = asyncio.Event()
        self._forgotten_ms = 0

    @property
    def state(self) -> LedgerState:
        """The state after everything that was decided, on the disk or on its way there."""
        return self._state

    @property
    def durable(self) -> LedgerState:
        """The state that is on the disk."""
        return self._durable

    @property
    def changed(self) -> asyncio.Event:
        """Set when something later than now is on the disk; take it before looking."""
        return self._changed

    def listen(self, listener: Listener) -> None:
        """Have a listener told of every event that reaches the disk."""
        self._listeners.append(listener)

    def now_ms(self) -> int:
        """Return the clock's reading, never before the ledger's own time."""
        return max(self._clock(), self._state.now_ms)

    def announce(self) -> None:
        """Wake whoever waits for a change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def set_capacities(self, capacities: Mapping[str, tuple[str, int]]) -> None:
        """Bring pools to their bookable spaces: pool id -> (lot id, spaces)."""
        for pool_id, (lot_id, spaces) in capacities.items():
            book = self._state.pools.get(pool_id)
            if book is None or book.capacity != spaces:
                state, events = apply(
                    self._state, SetCapacity(pool_id, lot_id, spaces), self.now_ms(), self._rules
                )
                await self._write(state, events)
        # A pool that the inventory no longer has gets no new stays.
        for pool_id, book in self._state.pools.items():
            if pool_id not in capacities and book.capacity:
                gone = SetCapacity(pool_id, book.lot_id, 0)
                await self._write(*apply(self._state, gone, self.now_ms(), self._rules))

    async def answered(self, request_id: str, digest: bytes) -> bytes | None:
        """Return the answer that a request was given, raise its refusal, or None if it is new.

        A request that is under way is waited for.

        Raises
        ------
        InvalidInputError
            The id was used with another request.
        """
        if request_id in self._under_way:
            first, future = self._under_way[request_id]
            _same(first, digest)
            return await asyncio.shield(future)
        stored = self._store.answer(request_id)
        if stored is None:
            return None
        _same(stored.digest, digest)
        if stored.refusal is not None:
            raise stored.refusal
        return stored.reply

    def begin(self, request_id: str, digest: bytes) -> None:
        """Note that a request is under way, so that a repetition waits for its answer."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        # Nobody may be waiting: then its failure is told to the first caller alone.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._under_way[request_id] = (digest, future)

    async def command(
        self, request_id: str, digest: bytes, command: Command, reply: Reply
    ) -> bytes:
        """Carry a command out and answer once it is on the disk.

        ``begin`` must have been called. A refusal by the rules is stored as the answer and raised.
        """
        now_ms = self.now_ms()
        try:
            state, events = self._followed(
                *apply(self._state, command, now_ms, self._rules), now_ms
            )
        except ParkingError as refusal:
            return await self.refuse(request_id, digest, refusal)
        return await self._answer(
            request_id, state, events, Answer(request_id, digest, now_ms, reply(state))
        )

    async def refuse(self, request_id: str, digest: bytes, refusal: ParkingError) -> bytes:
        """Store a refusal as the answer, then raise it."""
        answer = Answer(request_id, digest, self.now_ms(), refusal=refusal)
        await self._answer(request_id, self._state, (), answer)
        raise refusal

    def abandon(self, request_id: str, error: BaseException) -> None:
        """End a request that has no answer yet; a repetition starts anew."""
        _, future = self._under_way.pop(request_id, (b"", None))
        if future is not None and not future.done():
            future.set_exception(error)

    async def tick(self) -> None:
        """Let time pass: expiries, no-shows, overstays; forget answers that are old enough."""
        now_ms = self._clock()
        state, events = self._followed(*advance(self._state, now_ms, self._rules), now_ms)
        if events:
            await self._write(state, events)
        if now_ms - self._forgotten_ms >= FORGET_EVERY_MS:
            self._forgotten_ms = now_ms
            await asyncio.wrap_future(self._store.forget_answers(now_ms - ANSWERS_KEPT_MS))

    def reservation(self, reservation_id: str) -> Reservation | None:
        """Return a reservation as it is on the disk."""
        return self._durable.reservations.get(reservation_id)

    async def _answer(
        self, request_id: str, state: LedgerState, events: tuple[Event, ...], answer: Answer
    ) -> bytes:
        _, future = self._under_way[request_id]
        try:
            await self._write(state, events, answer)
        except BaseException as error:
            self.abandon(request_id, error)
            raise
        del self._under_way[request_id]
        if answer.refusal is not None:
            future.set_exception(answer.refusal)
        else:
            future.set_result(answer.reply)
        return answer.reply

    async def _write(
        self, state: LedgerState, events: tuple[Event, ...], answer: Answer | None = None
    ) -> None:
        batch = Batch(self._state.revision, events, () if answer is None else (answer,))
        self._state = state
        written = asyncio.wrap_future(self._store.append(batch))
        try:
            # A caller who goes away does not take back what was decided.
            await asyncio.shield(written)
        except asyncio.CancelledError:
            written.add_done_callback(lambda done: self._settle(done, state, events))
            raise
        except UnavailableError:
            self._state = self._durable
            raise
        self._reached(state, events)

    def _followed(
        self, state: LedgerState, events: tuple[Event, ...], now_ms: int
    ) -> tuple[LedgerState, tuple[Event, ...]]:
        if self._follow is None or not events:
            return state, events
        state, more = self._follow(state, events, now_ms)
        return state, events + more

    def _reached(self, state: LedgerState, events: tuple[Event, ...]) -> None:
        """Take note that events are on the disk."""
        if state.revision >= self._durable.revision:
            self._durable = state
        if events:
            for listener in self._listeners:
                listener(events)
            self.announce()

    def _settle(
        self, done: "asyncio.Future[None]", state: LedgerState, events: tuple[Event, ...]
    ) -> None:
        """Finish a write whose caller has gone."""
        if done.cancelled() or done.exception() is not None:
            self._state = self._durable
        else:
            self._reached(state, events)


def _same(first: bytes, digest: bytes) -> None:
    if first != digest:
        raise InvalidInputError("used before with another request", where="request_id")
