"""Where time comes from: the machine's clock, or a simulation's."""

import mmap
import threading
import time
from pathlib import Path


def system_clock() -> int:
    """Return the machine's time, UTC epoch milliseconds."""
    return time.time_ns() // 1_000_000


class SimulatedClock:
    """A clock that a simulation sets; callable like ``system_clock``.

    Parameters
    ----------
    now_ms
        Where it starts, UTC epoch milliseconds.
    """

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._lock = threading.Lock()

    def __call__(self) -> int:
        """Return the simulated time, UTC epoch milliseconds."""
        return self._now_ms

    def advance_to(self, now_ms: int) -> None:
        """Move on to ``now_ms``; time never runs backwards."""
        with self._lock:
            self._now_ms = max(self._now_ms, now_ms)


class MappedClock:
    """A clock in a file: a simulation sets it, servers in other processes read it.

    Parameters
    ----------
    path
        The file; 8 bytes, made if missing.
    now_ms
        Where it starts, UTC epoch milliseconds; None = where it stands.
    """

    def __init__(self, path: Path, now_ms: int | None = None) -> None:
        if not path.exists():
            path.write_bytes(bytes(8))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)
        if now_ms is not None:
            self.advance_to(now_ms)

    def __call__(self) -> int:
        """Return the simulated time, UTC epoch milliseconds."""
        return int.from_bytes(self._map[:8], "little")

    def advance_to(self, now_ms: int) -> None:
        """Move on to ``now_ms``; time never runs backwards."""
        self._map[:8] = max(self(), now_ms).to_bytes(8, "little")
