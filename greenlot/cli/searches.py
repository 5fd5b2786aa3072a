"""Runs a search for the command line: Ctrl-C ends it, and solvers print nothing."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.05
# Until then a search that was told to stop has stopped, or the process ends without it.
PATIENCE_S = 3.0
INTERRUPTED = 130


def interruptible(work: Callable[[Callable[[], bool]], T]) -> T:
    """Run ``work(should_stop)`` in a thread of its own and return what it returns.

    SCIP takes SIGINT for itself while it solves, and a solver's call lets no Python run in its
    thread: so the main thread waits, and keeps the signal.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C was pressed; the search has stopped.
    """
    stopped, done = threading.Event(), threading.Event()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work(stopped.is_set))
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    handler = signal.getsignal(signal.SIGINT)
    threading.Thread(target=run, daemon=True, name="search").start()
    try:
        while not done.wait(POLL_S):
            signal.signal(signal.SIGINT, handler)
    except KeyboardInterrupt:
        stopped.set()
        if not done.wait(PATIENCE_S):
            os._exit(INTERRUPTED)
        raise
    if errors:
        raise errors[0]
    return results[0]


@contextmanager
def quiet_solvers() -> Iterator[None]:
    """Keep what solvers print past Python off stdout and stderr, which are for the user.

    SCIP 10 in OR-Tools 9.15 complains of an event it cannot catch whenever a program may be
    interrupted, and is interrupted all the same; HiGHS 1.12 in SciPy prints a line now and then.
    What Python itself prints goes where it should.
    """
    with _kept_from("stdout", 1), _kept_from("stderr", 2):
        yield


@contextmanager
def _kept_from(name: str, descriptor: int) -> Iterator[None]:
    before = getattr(sys, name)
    before.flush()
    real, nowhere = os.dup(descriptor), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
    own = os.fdopen(os.dup(real), "w", encoding=before.encoding, errors=before.errors, buffering=1)
    setattr(sys, name, own)
    try:
        yield
    finally:
        own.close()
        setattr(sys, name, before)
        os.dup2(real, descriptor)
        os.close(real)
