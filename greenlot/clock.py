"""Where time comes from: the machine's clock, or a simulation's."""

import threading
import time


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
