"""A decision on its way to the disk, and how it is made."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from parking.errors import NoSpaceError, OutdatedError, ParkingError
from parking.ledger import Command, Event, Hold, LedgerState, Rules, apply
from parking.store import Answer

Reply = Callable[[LedgerState], bytes]
"""Makes the answer of a call from the state after its decision."""

Follow = Callable[[LedgerState, tuple[Event, ...], int], tuple[LedgerState, tuple[Event, ...]]]
"""What follows from events at once, in the same transaction: an offer for who was displaced.

From the state after them, the events and the time to the state after all and the further events.
May be called again, in another thread, when others have written meanwhile.
"""


@dataclass(slots=True, eq=False)
class Job:
    """A decision on its way to the disk.

    Parameters
    ----------
    request_id, digest
        Whose answer it is; empty = nobody's.
    command
        What is asked; None = a refusal by the caller, ``refusal``.
    reply
        Makes the answer.
    done
        The caller's; cancelled where he has gone away, and the decision goes on.
    events, answer, refusal, outdated
        What was decided. ``outdated``: nothing, since it was asked on a state that is no more.
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

    @property
    def is_written(self) -> bool:
        """Whether there is anything to be written."""
        return self.answer is not None or bool(self.events)

    def end(self, reply: bytes = b"", *, error: Exception | None = None) -> None:
        """Tell the caller, if he is still there."""
        if self.done.done():
            return
        if error is None:
            self.done.set_result(reply)
        else:
            self.done.set_exception(error)
            # He may be cancelled before he hears of it: then nobody has missed anything.
            self.done.exception()


class Decider:
    """Makes decisions; safe to use from any thread.

    Parameters
    ----------
    rules, clock, follow
        As of ``LedgerWriter``.
    """

    def __init__(self, rules: Rules, clock: Callable[[], int], follow: Follow | None) -> None:
        self._rules = rules
        self._clock = clock
        self._follow = follow

    def now_ms(self, state: LedgerState) -> int:
        """Return the clock's reading, never before the ledger's own time."""
        return max(self._clock(), state.now_ms)

    def decide(self, job: Job, state: LedgerState, *, afresh: bool = False) -> LedgerState:
        """Decide a job on a state: its events and its answer, and the state after them.

        ``afresh``: on another state than the one which the caller saw.
        """
        job.events, job.outdated = (), None
        now_ms = self.now_ms(state)
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
