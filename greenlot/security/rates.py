"""How often: a bucket that fills with time, and is emptied by calls."""

from collections.abc import Callable


class Bucket:
    """Lets ``per_s`` calls a second through, and twice as many at once.

    Parameters
    ----------
    per_s
        Calls a second, over 0; infinite = no limit.
    clock
        Seconds, only going forward.
    """

    __slots__ = ("_at_s", "_burst", "_clock", "_left", "_per_s")

    def __init__(self, per_s: float, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        # Less than one a second is still one at once.
        self._burst = max(1.0, 2.0 * per_s)
        self._clock = clock
        self._left = self._burst
        self._at_s = clock()

    def take(self) -> bool:
        """Use one call up; False if none is left."""
        if self._left >= self._burst == float("inf"):
            return True
        now_s = self._clock()
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def wait_s(self) -> float:
        """Return how long until the next call goes through, s."""
        return max(0.0, (1.0 - self._left) / self._per_s)
