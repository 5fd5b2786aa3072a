"""What a stay costs, in whole fen."""

from dataclasses import dataclass

from parking.errors import InvalidInputError
from parking.opening import local_midnight_ms, local_time

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Night:
    """A stay wholly inside one night costs at most ``cap_fen``.

    ``from_minutes`` and ``to_minutes`` count from local midnight; ``to <= from`` runs into the
    next day.
    """

    from_minutes: int
    to_minutes: int
    cap_fen: int

    def holds(self, arrive_ms: int, leave_ms: int) -> bool:
        """Whether a stay lies wholly inside one night."""
        for back_days in (0, 1):
            midnight_ms = local_midnight_ms(local_time(arrive_ms - back_days * DAY_MS))
            start_ms = midnight_ms + self.from_minutes * MINUTE_MS
            end = self.to_minutes + (24 * 60 if self.to_minutes <= self.from_minutes else 0)
            if start_ms <= arrive_ms and leave_ms <= midnight_ms + end * MINUTE_MS:
                return True
        return False


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
        if self.per_started_minutes < 1:
            raise InvalidInputError(
                f"{self.per_started_minutes}; expected 1 or more", where="per_started_minutes"
            )
        for name in ("fen", "free_minutes", "day_cap_fen"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise InvalidInputError(f"{value}; expected 0 or more", where=name)
        reached = 0
        for k, (upto_minutes, fen) in enumerate(self.steps):
            if upto_minutes <= reached or fen < 0:
                raise InvalidInputError(
                    f"({upto_minutes}, {fen}); expected later than {reached} min and a price of 0 "
                    "or more",
                    where=f"steps[{k}]",
                )
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
