"""Errors on their way through a store: refusals that are kept as answers, and its own failures."""

import json
from concurrent.futures import Future
from typing import TypeVar

from greenlot.storage import Condition, StorageError
from parking import errors
from parking.errors import ParkingError, UnavailableError

T = TypeVar("T")

WORDS = {
    Condition.OK: "the store refused the write",
    Condition.READ_ONLY: "the store has no space: it can be read, not written",
    Condition.UNREACHABLE: "the store does not answer",
    Condition.BROKEN: "the store failed while writing; the server must be started again",
}
REASONS = {
    Condition.OK: "store",
    Condition.READ_ONLY: "read_only",
    Condition.UNREACHABLE: "unreachable",
    Condition.BROKEN: "store",
}


def encode_refusal(refusal: ParkingError | None) -> str | None:
    """Return a refusal as JSON; None = not refused."""
    if refusal is None:
        return None
    words = [type(refusal).__name__, refusal.message, refusal.where, refusal.reason]
    return json.dumps(words, ensure_ascii=False)


def decode_refusal(text: str | None) -> ParkingError | None:
    """Return the refusal that ``encode_refusal`` wrote."""
    if text is None:
        return None
    kind, message, where, reason = json.loads(text)
    error: ParkingError = getattr(errors, kind)(message, where=where, reason=reason)
    return error


def unavailable(error: StorageError, *, opening: bool = False) -> UnavailableError:
    """Return a storage's error as one of the engine's own.

    Whoever calls the service is not told where the store is; ``opening``: the operator is.
    """
    reason = "doubtful" if error.doubtful else REASONS[error.condition]
    told = UnavailableError(str(error) if opening else WORDS[error.condition], reason=reason)
    told.__cause__ = error
    return told


def translated(future: "Future[T]") -> "Future[T]":
    """Return a future that fails with an UnavailableError where the other has a StorageError."""
    answer: Future[T] = Future()

    def settle(done: "Future[T]") -> None:
        wrong = done.exception()
        if wrong is None:
            answer.set_result(done.result())
        elif isinstance(wrong, StorageError):
            answer.set_exception(unavailable(wrong))
        else:
            answer.set_exception(wrong)

    answer.set_running_or_notify_cancel()
    future.add_done_callback(settle)
    return answer
