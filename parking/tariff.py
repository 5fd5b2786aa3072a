"""What a stay costs, in whole fen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parking.errors import InvalidInputError
from parking.opening import (
    DAY_MINUTES,
    DAY_MS,
    FIXED_FROM_MS,
    MINUTE_MS,
    local_midnight_ms,
    local_time,
    ms_of_week,
)

HOUR_MS = 3_600_000
MAX_FEN = 100_000_000
"""Highest amount in a tariff, 1 million yuan: sums of a city's prices stay exact in 64 bits."""
MAX_MINUTES = 1_000_000

Instants = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Night:
    """A stay wholly inside one night costs at most ``cap_fen``.

    ``from_minutes`` and ``to_minutes`` count from local midnight; ``to <= from`` runs into the
    next day.
    """

    from_minutes: int
    to_minutes: int
    cap_fen: int

    def __post_init__(self) -> None:
        if not 0 <= self.from_minutes < DAY_MINUTES or not 0 <= self.to_minutes <= DAY_MINUTES:
            raise InvalidInputError(
                f"{self.from_minutes} to {self.to_minutes} min; expected a begin of 00:00 to "
                "23:59 and an end of 00:00 to 24:00",
                where="from",
            )
        if not 0 <= self.cap_fen <= MAX_FEN:
            raise InvalidInputError(f"{self.cap_fen}; expected 0 to {MAX_FEN}", where="cap_fen")

    def holds(self, arrive_ms: int, leave_ms: int) -> bool:
        """Whether a stay lies wholly inside one night."""
        for back_days in (0, 1):
            midnight_ms = local_midnight_ms(local_time(arrive_ms - back_days * DAY_MS))
            start_ms = midnight_ms + self.from_minutes * MINUTE_MS
            end = self.to_minutes + (24 * 60 if self.to_minutes <= self.from_minutes else 0)
            if start_ms <= arrive_ms and leave_ms <= midnight_ms + end * MINUTE_MS:
                return True
        return False

    def holds_many(self, arrive_ms: Instants, leave_ms: Instants) -> NDArray[np.bool_]:
        """Judge many stays at once, as ``holds`` does one."""
        arrive, leave = np.asarray(arrive_ms), np.asarray(leave_ms)
        length_ms = ((self.to_minutes - self.from_minutes - 1) % DAY_MINUTES + 1) * MINUTE_MS
        # Since the last night's beginning, which may be of the day before.
        into_ms = (ms_of_week(arrive) - self.from_minutes * MINUTE_MS) % DAY_MS
        found = np.asarray(into_ms + (leave - arrive) <= length_ms)
        early = arrive < FIXED_FROM_MS
        if early.any():
            found[early] = [
                self.holds(int(a), int(b)) for a, b in zip(arrive[early], leave[early], strict=True)
            ]
        return np.asarray(found)


@dataclass(frozen=True, slots=True)
class Tariff:
    """A tariff by started units, with steps, a free time and a cap for each 24 hours.

    Parameters
    ----------
    free_minutes
        A stay of at most that long costs 0; a longer one is charged from entry.
    steps
        ``(upto_minutes, fen)``: price of the whole stay up to that long, inclusive, increasing.
    per_started_minutes, fen
        Beyond the last step, ``fen`` for each started unit.
    day_cap_fen
        Most that each 24 hours from entry cost; None = no cap.
    night
        Cheaper nights; None = none.
    """

    per_started_minutes: int = 60
    fen: int = 0
    free_minutes: int = 0
    steps: tuple[tuple[int, int], ...] = ()
    day_cap_fen: int | None = None
    night: Night | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.per_started_minutes <= MAX_MINUTES:
            raise InvalidInputError(
                f"{self.per_started_minutes}; expected 1 to {MAX_MINUTES}",
                where="per_started_minutes",
            )
        limits = {"fen": MAX_FEN, "free_minutes": MAX_MINUTES, "day_cap_fen": MAX_FEN}
        for name, limit in limits.items():
            value = getattr(self, name)
            if value is not None and not 0 <= value <= limit:
                raise InvalidInputError(f"{value}; expected 0 to {limit}", where=name)
        reached = 0
        for k, (upto_minutes, fen) in enumerate(self.steps):
            if not reached < upto_minutes <= MAX_MINUTES:
                raise InvalidInputError(
                    f"{upto_minutes}; expected more than {reached}, at most {MAX_MINUTES}",
                    where=f"steps[{k}].upto_minutes",
                )
            if not 0 <= fen <= MAX_FEN:
                raise InvalidInputError(f"{fen}; expected 0 to {MAX_FEN}", where=f"steps[{k}].fen")
            reached = upto_minutes

    def price_fen(self, arrive_ms: int, leave_ms: int) -> int:
        """Price of a stay. Each 24 hours from entry are priced apart, free time in the first."""
        stay_ms = leave_ms - arrive_ms
        if stay_ms <= self.free_minutes * MINUTE_MS:
            return 0
        days, rest_ms = divmod(stay_ms, DAY_MS)
        price = days * self._day_fen(DAY_MS) + (self._day_fen(rest_ms) if rest_ms else 0)
        if self.night is not None and self.night.holds(arrive_ms, leave_ms):
            return min(price, self.night.cap_fen)
        return price

    def prices_fen(self, arrive_ms: Instants, leave_ms: Instants) -> NDArray[np.int64]:
        """Price many stays at once, as ``price_fen`` does one; arrays of one shape."""
        arrive, leave = np.broadcast_arrays(np.asarray(arrive_ms), np.asarray(leave_ms))
        stay_ms = leave - arrive
        days, rest_ms = np.divmod(stay_ms, DAY_MS)
        rest_fen = np.where(rest_ms > 0, self._days_fen(rest_ms), 0)
        prices = np.asarray(days * self._day_fen(DAY_MS) + rest_fen)
        prices[stay_ms <= self.free_minutes * MINUTE_MS] = 0
        if self.night is not None:
            dear = prices > self.night.cap_fen
            dear &= self.night.holds_many(arrive, leave)
            prices[dear] = self.night.cap_fen
        return np.asarray(prices)

    def _days_fen(self, stay_ms: Instants) -> NDArray[np.int64]:
        """Price stays of at most 24 hours, each more than 0, without the free time."""
        reached_ms = np.array([0, *(upto * MINUTE_MS for upto, _ in self.steps)], dtype=np.int64)
        last_fen = self.steps[-1][1] if self.steps else 0
        units = -(-(stay_ms - reached_ms[-1]) // (self.per_started_minutes * MINUTE_MS))
        prices = np.asarray(last_fen + units * self.fen)
        if self.steps:
            step_fen = np.array([fen for _, fen in self.steps], dtype=np.int64)
            step = np.searchsorted(reached_ms[1:], stay_ms, side="left")
            inside = step < len(step_fen)
            prices[inside] = step_fen[step[inside]]
        return prices if self.day_cap_fen is None else np.minimum(prices, self.day_cap_fen)

    def _day_fen(self, stay_ms: int) -> int:
        price, reached_ms = 0, 0
        for upto_minutes, fen in self.steps:
            price, reached_ms = fen, upto_minutes * MINUTE_MS
            if stay_ms <= reached_ms:
                break
        else:
            units = -(-(stay_ms - reached_ms) // (self.per_started_minutes * MINUTE_MS))
            price += units * self.fen
        return price if self.day_cap_fen is None else min(price, self.day_cap_fen)


FREE = Tariff()
