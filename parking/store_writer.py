"""The one writer of a city's ledger: commands in, durable answers out.

Decisions are made at once on the state in memory, in the order in which they come; the caller is
answered when the store has them on the disk, many in one commit. What the store cannot write did
not happen: the state falls back to the last one that is on the disk, and what had been decided on
top of the lost part is decided anew.

Where several servers share the store, another may have written meanwhile. Then the store hands
the others' events over while it holds the city's lock, and the batch is decided anew on top of
them: what is written was decided on the state that it follows.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from parking.errors import (
    InvalidInputError,
    NoSpaceError,
    OutdatedError,
    ParkingError,
    UnavailableError,
)
from parking.ledger import (
    Command,
    Event,
    Hold,
    LedgerState,
    Reservation,
    Rules,
    SetCapacity,
    Tick,
    apply,
    next_due_ms,
    replay,
)
from parking.ledger.state import KEPT_MS
from parking.store import Answer, Batch, ReservationStore

ANSWERS_KEPT_MS = 48 * 3_600_000
FORGET_EVERY_MS = 600_000
BATCH_MAX = 256
"""The most decisions in one commit: bounds how long the first of them waits."""

Reply = Callable[[LedgerState], bytes]

Follow = Callable[[LedgerState, tuple[Event, ...], int], tuple[LedgerState, tuple[Event, ...]]]
"""What follows from events at once, in the same transaction: an offer for who was displaced.

From the state after them, the events and the time to the state after all and the further events.
May be called again, in another thread, when others have written meanwhile.
"""

Listener = Callable[[Sequence[Event]], None]
"""Told of events once they are on the disk, in order; the state they led to is ``durable``."""


@dataclass(slots=True)
class _Job:
    """A decision on its way to the disk.

    ``command`` None = a refusal by the caller, ``refusal``. ``request_id`` empty = nobody asked.
    """

    request_id: str
    digest: bytes
    command: Command | None
    reply: Reply | None
    refusal: ParkingError | None
    done: "asyncio.Future[bytes]"
    events: tuple[Event, ...] = ()
    answer: Answer | None = None
    outdated: OutdatedError | None = None


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
    kept_ms
        How long a reservation stays in the state after its end, ms; in the log it stays.
    """

    def __init__(
        self,
        store: ReservationStore,
        rules: Rules,
        clock: Callable[[], int],
        follow: Follow | None = None,
        kept_ms: int = KEPT_MS,
    ) -> None:
        self._store = store
        self._rules = rules
        self._clock = clock
        self._follow = follow
        self._listeners: list[Listener] = []
        self._state = self._durable = replay(store.read(), LedgerState(kept_ms=kept_ms))
        self._decided: deque[_Job] = deque()
        self._flushing: asyncio.Task[None] | None = None
        self._under_way: dict[str, tuple[bytes, asyncio.Future[bytes]]] = {}
        self._on_its_way: set[str] = set()
        self._asked: dict[str, asyncio.Future[Answer | None]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._forgotten_ms = 0
        self._look = self._closing = False
        self._loop = asyncio.get_running_loop()
        store.watch_head(self._told_of_head)

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
        wanted = dict(capacities)
        # A pool that the inventory no longer has gets no new stays.
        for pool_id, book in self._state.pools.items():
            if pool_id not in wanted:
                wanted[pool_id] = (book.lot_id, 0)
        await asyncio.gather(
            *(
                self.carry_out(SetCapacity(pool_id, lot_id, spaces))
                for pool_id, (lot_id, spaces) in wanted.items()
                if (known := self._state.pools.get(pool_id)) is None or known.capacity != spaces
            )
        )

    async def answered(self, request_id: str, digest: bytes) -> bytes | None:
        """Return the answer that a request was given, raise its refusal, or None if it is new.

        A request that is under way is waited for. With None the request is the caller's to
        ``begin``, before it awaits anything else.

        Raises
        ------
        InvalidInputError
            The id was used with another request.
        """
        if request_id not in self._under_way and not self._store.is_new(request_id):
            known = await self._look_up(request_id)
            if known is not None:
                return _told_again(known, digest)
        if request_id in self._under_way:
            first, future = self._under_way[request_id]
            _same(first, digest)
            return await asyncio.shield(future)
        return None

    def begin(self, request_id: str, digest: bytes) -> None:
        """Note that a request is under way, so that a repetition waits for its answer."""
        self._under_way[request_id] = (digest, self._future())

    async def command(
        self, request_id: str, digest: bytes, command: Command, reply: Reply
    ) -> bytes:
        """Carry a command out and answer once it is on the disk.

        ``begin`` must have been called. A refusal by the rules is stored as the answer and raised.

        Raises
        ------
        OutdatedError
            A Hold's place, chosen by the caller, is gone. Nothing was stored and the request is
            still under way: choose another place, or ``refuse``.
        """
        return await self._put(_Job(request_id, digest, command, reply, None, self._future()))

    async def refuse(self, request_id: str, digest: bytes, refusal: ParkingError) -> bytes:
        """Store a refusal as the answer, then raise it.

        Raises
        ------
        OutdatedError
            Others have changed the state that it was refused on. Nothing was stored and the
            request is still under way: decide again.
        """
        return await self._put(_Job(request_id, digest, None, None, refusal, self._future()))

    async def carry_out(self, command: Command) -> None:
        """Carry out a command that no caller waits to be answered, and wait until it is durable.

        Raises
        ------
        ParkingError
            It is refused, or cannot be written.
        """
        await self._put(_Job("", b"", command, None, None, self._future()))

    def abandon(self, request_id: str, error: BaseException) -> None:
        """End a request that has no answer yet; a repetition starts anew.

        One whose decision is on its way to the disk goes on: a repetition waits for that.
        """
        if request_id in self._on_its_way:
            return
        _, future = self._under_way.pop(request_id, (b"", None))
        if future is not None and not future.done():
            future.set_exception(error)

    async def tick(self) -> None:
        """Let time pass: expiries, no-shows, overstays; forget answers that are old enough."""
        now_ms = self._clock()
        due_ms = next_due_ms(self._state)
        if due_ms is not None and due_ms <= now_ms:
            await self.carry_out(Tick())
        if now_ms - self._forgotten_ms >= FORGET_EVERY_MS:
            self._forgotten_ms = now_ms
            await asyncio.wrap_future(self._store.forget_answers(now_ms - ANSWERS_KEPT_MS))

    def reservation(self, reservation_id: str) -> Reservation | None:
        """Return a reservation as it is on the disk."""
        return self._durable.reservations.get(reservation_id)

    async def refresh(self) -> None:
        """Take over what other servers have written until now. Alone, there is nothing to do."""
        self._look = True
        await asyncio.shield(self._keep_flushing())

    async def close(self) -> None:
        """Wait until what was decided is on the disk or has failed; then take nothing over."""
        self._closing = True
        if self._flushing is not None:
            await asyncio.shield(self._flushing)

    # On the way to the disk

    async def _put(self, job: _Job) -> bytes:
        self._state = self._decide(job, self._state)
        if job.outdated is not None and self._store.shared:
            # Another server may have made room that this one has not heard of.
            await self.refresh()
            self._state = self._decide(job, self._state)
        if job.outdated is not None:
            raise job.outdated
        if job.answer is None and not job.events:
            if job.refusal is not None:
                raise job.refusal
            return b""
        self._decided.append(job)
        if job.request_id:
            self._on_its_way.add(job.request_id)
        self._keep_flushing()
        # A caller who goes away does not take back what was decided.
        return await asyncio.shield(job.done)

    def _decide(self, job: _Job, state: LedgerState, *, afresh: bool = False) -> LedgerState:
        """Decide a job on a state: its events and its answer, and the state after them.

        ``afresh``: on another state than the one which the caller saw.
        """
        job.events, job.outdated = (), None
        now_ms = max(self._clock(), state.now_ms)
        if job.command is None:
            assert job.refusal is not None
            if afresh:
                job.outdated = OutdatedError("others have changed the ledger meanwhile")
            job.answer = Answer(job.request_id, job.digest, now_ms, refusal=job.refusal)
            return state
        try:
            after, events = apply(state, job.command, now_ms, self._rules)
            if self._follow is not None and events:
                after, more = self._follow(after, events, now_ms)
                events += more
            reply = b"" if job.reply is None else job.reply(after)
        except ParkingError as refusal:
            job.answer = None
            if isinstance(refusal, NoSpaceError) and isinstance(job.command, Hold):
                job.outdated = OutdatedError(refusal.message)
            elif job.request_id:
                job.answer = Answer(job.request_id, job.digest, now_ms, refusal=refusal)
            else:
                job.refusal = refusal
            return state
        job.events = events
        if job.request_id:
            job.answer = Answer(job.request_id, job.digest, now_ms, reply)
        return after

    def _keep_flushing(self) -> "asyncio.Task[None]":
        if self._flushing is None:
            self._flushing = self._loop.create_task(self._flush())
        return self._flushing

    async def _flush(self) -> None:
        """Write what is decided and read what others wrote, until there is nothing left."""
        while self._decided or self._look:
            if self._decided:
                await self._write()
            if self._look:
                self._look = False
                await self._catch_up()
        self._flushing = None

    async def _write(self) -> None:
        count = min(len(self._decided), BATCH_MAX)
        flight = _Flight(
            [self._decided.popleft() for _ in range(count)], self._durable, self._decide
        )
        after = self._state if not self._decided else None
        try:
            batch = flight.batch(after)
            await asyncio.wrap_future(self._store.append(batch, flight.rebase))
        except Exception as error:
            for job in flight.jobs:
                self._failed(job, error)
            self._rebuild()
            return
        self._durable = flight.after
        if flight.rebased:
            self._rebuild()
        for job in flight.jobs:
            self._settle(job, flight.known.get(job.request_id))
        self._tell((*flight.news, *(event for job in flight.jobs for event in job.events)))

    def _settle(self, job: _Job, known: Answer | None) -> None:
        """Tell the callers what has become of a job that was written."""
        self._on_its_way.discard(job.request_id)
        if job.outdated is not None and known is None:
            _end(job.done, error=job.outdated)
            return
        answer = known or job.answer
        _, future = self._under_way.pop(job.request_id, (b"", None))
        if answer is None:
            _end(job.done, error=job.refusal)
            return
        try:
            reply = _told_again(answer, job.digest)
        except ParkingError as refusal:
            _end(job.done, error=refusal)
            _end(future, error=refusal)
        else:
            _end(job.done, reply)
            _end(future, reply)

    def _failed(self, job: _Job, error: Exception) -> None:
        self._on_its_way.discard(job.request_id)
        self.abandon(job.request_id, error)
        _end(job.done, error=error)

    def _rebuild(self) -> None:
        """Decide anew, on the state that is on the disk, what is not yet on its way there."""
        state, going = self._durable, deque[_Job]()
        for job in self._decided:
            state = self._decide(job, state, afresh=True)
            if job.outdated is None and (job.answer is not None or job.events):
                going.append(job)
            else:
                self._settle(job, None)
        self._state, self._decided = state, going

    # What was answered before

    async def _look_up(self, request_id: str) -> Answer | None:
        """Ask the store; while it is asked, others wait and are asked for together."""
        future = self._asked.get(request_id)
        if future is None:
            future = self._asked[request_id] = self._loop.create_future()
            if self._looking is None:
                self._looking = self._loop.create_task(self._look_ups())
        return await asyncio.shield(future)

    async def _look_ups(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            try:
                looking = self._store.answers(tuple(asked))
                known = looking.result() if looking.done() else await asyncio.wrap_future(looking)
            except ParkingError as error:
                for future in asked.values():
                    future.add_done_callback(lambda done: done.exception())
                    future.set_exception(error)
                continue
            for request_id, future in asked.items():
                future.set_result(known.get(request_id))
        self._looking = None

    # What others write

    def _told_of_head(self, revision: int) -> None:
        """Take note, from any thread, of where the log ends."""
        if revision > self._durable.revision:
            try:
                self._loop.call_soon_threadsafe(self._look_at_head, revision)
            except RuntimeError:
                # The loop is closed: nobody is served any more.
                return

    def _look_at_head(self, revision: int) -> None:
        # What is being written now may be what one is told of.
        if revision > self._durable.revision and not self._closing:
            self._look = True
            self._keep_flushing()

    async def _catch_up(self) -> None:
        """Read the log on; only between two writes, so that the state has one source at a time."""
        base = self._durable
        try:
            news = await asyncio.to_thread(lambda: tuple(self._store.read(base.revision)))
        except UnavailableError:
            # Whoever tells of the log's end tells again after a reconnection.
            return
        if news:
            self._durable = replay(news, base)
            self._rebuild()
            self._tell(news)

    def _tell(self, events: Sequence[Event]) -> None:
        if events:
            for listener in self._listeners:
                listener(events)
            self.announce()

    def _future(self) -> "asyncio.Future[bytes]":
        future: asyncio.Future[bytes] = self._loop.create_future()
        # Nobody may be waiting: then its failure is told to the first caller alone.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return future


class _Flight:
    """Jobs on their way to the disk, and the state that they follow and lead to."""

    def __init__(
        self, jobs: list[_Job], base: LedgerState, decide: Callable[..., LedgerState]
    ) -> None:
        self.jobs = jobs
        self.base = self.after = base
        self.news: Sequence[Event] = ()
        self.known: Mapping[str, Answer] = {}
        self.rebased = False
        self._decide = decide

    def batch(self, after: LedgerState | None) -> Batch:
        """Return the batch as it was decided; ``after`` = the state after it, if it is at hand."""
        events = [event for job in self.jobs for event in job.events]
        self.after = replay(events, self.base) if after is None else after
        return self._batch(self.base, events)

    def rebase(self, news: Sequence[Event], known: Mapping[str, Answer]) -> Batch:
        """Decide all anew on top of others' events; what was answered elsewhere is not done."""
        self.rebased, self.news, self.known = True, news, known
        base = state = replay(news, self.base)
        for job in self.jobs:
            if job.request_id in known:
                job.events, job.answer, job.outdated = (), None, None
            else:
                state = self._decide(job, state, afresh=True)
        self.after = state
        return self._batch(base, [event for job in self.jobs for event in job.events])

    def _batch(self, base: LedgerState, events: Sequence[Event]) -> Batch:
        answers = [
            job.answer for job in self.jobs if job.answer is not None and job.outdated is None
        ]
        return Batch(base.revision, events, answers, before=base, after=self.after)


def _told_again(answer: Answer, digest: bytes) -> bytes:
    """Return an answer's reply, or raise its refusal."""
    _same(answer.digest, digest)
    if answer.refusal is not None:
        raise answer.refusal
    return answer.reply


def _same(first: bytes, digest: bytes) -> None:
    if first != digest:
        raise InvalidInputError("used before with another request", where="request_id")


def _end(
    future: "asyncio.Future[bytes] | None", reply: bytes = b"", *, error: Exception | None = None
) -> None:
    if future is None or future.done():
        return
    if error is None:
        future.set_result(reply)
    else:
        future.set_exception(error)
