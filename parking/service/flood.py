"""A limit for each driver, so that one cannot crowd out the others."""

from collections import OrderedDict
from collections.abc import Callable

from parking.errors import TooManyError

DRIVERS_KEPT = 100_000


class Allowance:
    """A token bucket for each driver: ``burst`` calls at once, then ``per_s`` a second.

    Nothing is stored for what is refused here: it costs no write and no lasting memory.
    """

    def __init__(self, clock: Callable[[], float], *, burst: int = 50, per_s: float = 10.0) -> None:
        self._clock = clock
        self._burst = float(burst)
        self._per_s = per_s
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, driver_id: str) -> None:
        """Use one call up.

        Raises
        ------
        TooManyError
            None is left.
        """
        now_s = self._clock()
        left, at_s = self._left.pop(driver_id, (self._burst, now_s))
        left = min(self._burst, left + (now_s - at_s) * self._per_s)
        self._left[driver_id] = (max(0.0, left - 1), now_s)
        if len(self._left) > DRIVERS_KEPT:
            self._left.popitem(last=False)
        if left < 1:
            raise TooManyError(
                f"more than {self._burst:g} requests at once, or {self._per_s:g} a second",
                where="driver_id",
            )
