"""Keeps a solver's own words off the standard output, which belongs to the answer.

HiGHS was seen to print a line there, whatever its settings. Inside ``quiet`` what the process
writes to file descriptor 1 goes to the standard error; nested and concurrent uses share that.
"""

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator

_lock = threading.Lock()
_users = 0
_kept = -1


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Send file descriptor 1 to the standard error."""
    global _users, _kept
    with _lock:
        _users += 1
        if _users == 1:
            _flush()
            # A process may have closed either: then there is nothing to keep clean.
            with contextlib.suppress(OSError):
                _kept = os.dup(1)
                os.dup2(2, 1)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0 and _kept >= 0:
                _flush()
                os.dup2(_kept, 1)
                os.close(_kept)
                _kept = -1


def _flush() -> None:
    """Write out what the C library holds back, while the descriptor still is the right one."""
    ctypes.CDLL(None).fflush(None)
