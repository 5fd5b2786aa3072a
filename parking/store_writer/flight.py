"""Decisions that share a commit, and the states that they follow and lead to."""

from collections.abc import Mapping, Sequence

from parking.ledger import Event, LedgerState, replay
from parking.store import Answer, Batch
from parking.store_writer.job import Decider, Job


class Flight:
    """Jobs on their way to the disk.

    Parameters
    ----------
    jobs
        In the order in which they were decided.
    base
        The state that they follow.
    decider
        Decides them anew, where others have written meanwhile.
    """

    def __init__(self, jobs: list[Job], base: LedgerState, decider: Decider) -> None:
        self.jobs = jobs
        self.base = self.after = base
        self.news: Sequence[Event] = ()
        self.known: Mapping[str, Answer] = {}
        self.rebased = False
        self._decider = decider

    def batch(self, after: LedgerState | None) -> Batch:
        """Return the batch as it was decided; ``after`` = the state after it, if it is at hand."""
        events = self._events()
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
                state = self._decider.decide(job, state, afresh=True)
        self.after = state
        return self._batch(base, self._events())

    def told(self) -> tuple[Event, ...]:
        """Return what has happened by this flight, others' events first."""
        return (*self.news, *self._events())

    def _events(self) -> list[Event]:
        return [event for job in self.jobs for event in job.events]

    def _batch(self, base: LedgerState, events: Sequence[Event]) -> Batch:
        answers = [
            job.answer for job in self.jobs if job.answer is not None and job.outdated is None
        ]
        return Batch(base.revision, events, answers, before=base, after=self.after)
