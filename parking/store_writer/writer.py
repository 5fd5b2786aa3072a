"""The writer: decides at once, answers when it is on the disk."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from parking.errors import ParkingError, UnavailableError
from parking.ledger import (
    Command,
    Event,
    LedgerState,
    Reservation,
    Rules,
    Tick,
    next_due_ms,
    replay,
)
from parking.ledger.state import KEPT_MS
from parking.store import Answer, ReservationStore
from parking.store_writer.flight import Flight
from parking.store_writer.job import Decider, Follow, Job, Reply
from parking.store_writer.requests import Requests, told_again
from parking.store_writer.snapshots import Snapshots, begin

ANSWERS_KEPT_MS = 48 * 3_600_000
FORGET_EVERY_MS = 600_000
BATCH_MAX = 256
"""The most decisions in one commit: bounds how long the first of them waits."""

Listener = Callable[[Sequence[Event]], None]
"""Told of events once they are on the disk, in order; the state they led to is ``durable``."""


class LedgerWriter:
    """Owns the ledger's state; all its methods belong to one event loop.

    Parameters
    ----------
    store
        Where the log is; read once, at construction, from its last snapshot on.
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
        self._clock = clock
        self._decider = Decider(rules, clock, follow)
        self._requests = Requests(store)
        self._listeners: list[Listener] = []
        self._state, revision = begin(store, kept_ms)
        self._durable = self._state
        self.snapshots = Snapshots(store, lambda: self._durable, revision)
        self._decided: deque[Job] = deque()
        self._flushing: asyncio.Task[None] | None = None
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

    def listen(self, listener: Listener) -> None:
        """Have a listener told of every event that reaches the disk."""
        self._listeners.append(listener)

    def now_ms(self) -> int:
        """Return the clock's reading, never before the ledger's own time."""
        return self._decider.now_ms(self._state)

    def reservation(self, reservation_id: str) -> Reservation | None:
        """Return a reservation as it is on the disk."""
        return self._durable.reservations.get(reservation_id)

    # Requests

    async def answered(self, request_id: str, digest: bytes) -> bytes | None:
        """Return the answer that a request was given, raise its refusal, or None if it is new.

        A request that is under way is waited for. With None the request is the caller's to
        ``begin``, before it awaits anything else.

        Raises
        ------
        InvalidInputError
            The id was used with another request.
        """
        return await self._requests.answered(request_id, digest)

    def begin(self, request_id: str, digest: bytes) -> None:
        """Note that a request is under way, so that a repetition waits for its answer."""
        self._requests.begin(request_id, digest)

    def abandon(self, request_id: str, error: BaseException) -> None:
        """End a request that has no answer yet; a repetition starts anew.

        One whose decision is on its way to the disk goes on: a repetition waits for that.
        """
        self._requests.abandon(request_id, error)

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
        return await self._put(Job(request_id, digest, command, reply, None, self._future()))

    async def refuse(self, request_id: str, digest: bytes, refusal: ParkingError) -> bytes:
        """Store a refusal as the answer, then raise it.

        Raises
        ------
        OutdatedError
            Others have changed the state that it was refused on. Nothing was stored and the
            request is still under way: decide again.
        """
        return await self._put(Job(request_id, digest, None, None, refusal, self._future()))

    async def carry_out(self, command: Command) -> None:
        """Carry out a command that no caller waits to be answered, and wait until it is durable.

        Raises
        ------
        ParkingError
            It is refused, or cannot be written.
        """
        await self._put(Job("", b"", command, None, None, self._future()))

    async def tick(self) -> None:
        """Let time pass: expiries, no-shows, overstays; forget answers that are old enough."""
        now_ms = self._clock()
        due_ms = next_due_ms(self._state)
        if due_ms is not None and due_ms <= now_ms:
            await self.carry_out(Tick())
        if now_ms - self._forgotten_ms >= FORGET_EVERY_MS:
            self._forgotten_ms = now_ms
            await asyncio.wrap_future(self._store.forget_answers(now_ms - ANSWERS_KEPT_MS))

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

    async def _put(self, job: Job) -> bytes:
        self._state = self._decider.decide(job, self._state)
        if job.outdated is not None and self._store.shared:
            # Another server may have made room that this one has not heard of.
            await self.refresh()
            self._state = self._decider.decide(job, self._state)
        if job.outdated is not None:
            raise job.outdated
        if not job.is_written:
            if job.refusal is not None:
                raise job.refusal
            return b""
        self._decided.append(job)
        if job.request_id:
            self._requests.writing(job.request_id, is_writing=True)
        self._keep_flushing()
        # A caller who goes away takes nothing back: he only ends his own waiting.
        return await job.done

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
        jobs = [self._decided.popleft() for _ in range(count)]
        flight = Flight(jobs, self._durable, self._decider)
        after = self._state if not self._decided else None
        try:
            batch = flight.batch(after)
            await asyncio.wrap_future(self._store.append(batch, flight.rebase))
        except Exception as error:
            for job in jobs:
                self._failed(job, error)
            self._rebuild()
            return
        self._durable = flight.after
        if flight.rebased:
            self._rebuild()
        for job in jobs:
            self._settle(job, flight.known.get(job.request_id))
        self._tell(flight.told())

    def _settle(self, job: Job, known: Answer | None) -> None:
        """Tell the callers what has become of a job that was written."""
        if job.outdated is not None and known is None:
            self._requests.writing(job.request_id, is_writing=False)
            job.end(error=job.outdated)
            return
        answer = known or job.answer
        if answer is None:
            job.end(error=job.refusal)
            return
        try:
            reply = told_again(answer, job.digest)
        except ParkingError as refusal:
            job.end(error=refusal)
            self._requests.end(job.request_id, error=refusal)
        else:
            job.end(reply)
            self._requests.end(job.request_id, reply)

    def _failed(self, job: Job, error: Exception) -> None:
        self._requests.end(job.request_id, error=error)
        job.end(error=error)

    def _rebuild(self) -> None:
        """Decide anew, on the state that is on the disk, what is not yet on its way there."""
        state, going = self._durable, deque[Job]()
        for job in self._decided:
            state = self._decider.decide(job, state, afresh=True)
            if job.outdated is None and job.is_written:
                going.append(job)
            else:
                self._settle(job, None)
        self._state, self._decided = state, going

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

    def _future(self) -> "asyncio.Future[bytes]":
        return self._loop.create_future()
