"""What can be asked of the ledger. The moment is not part of a command: the clock gives it."""

from dataclasses import dataclass

from parking.errors import InvalidInputError

STAY_MIN_MS = 60_000
STAY_MAX_MS = 14 * 86_400_000
"""A stay lasts 1 min to 14 days."""


@dataclass(frozen=True, slots=True)
class SetCapacity:
    """Let a pool have this many bookable spaces, 0 or more; 0 closes it for new stays."""

    pool_id: str
    lot_id: str
    capacity: int

    def __post_init__(self) -> None:
        if self.capacity < 0:
            raise InvalidInputError(f"expected 0 or more, got {self.capacity}", where="capacity")


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep a space of a pool for a driver for ``[arrive_ms, leave_ms)``.

    ``charging`` tells which look-ahead limit counts. An arrival time that is just past counts as
    now.
    """

    reservation_id: str
    driver_id: str
    lot_id: str
    pool_id: str
    arrive_ms: int
    leave_ms: int
    price_fen: int
    drive_s: int = 0
    walk_s: int = 0
    cost_fen: int = 0
    charging: bool = False

    def __post_init__(self) -> None:
        _check_stay(self.arrive_ms, self.leave_ms)
        _check_price(self.price_fen)


@dataclass(frozen=True, slots=True)
class Confirm:
    """HELD -> CONFIRMED."""

    reservation_id: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """HELD or CONFIRMED -> CANCELLED."""

    reservation_id: str


@dataclass(frozen=True, slots=True)
class Arrive:
    """HELD or CONFIRMED -> PARKED."""

    reservation_id: str


@dataclass(frozen=True, slots=True)
class Depart:
    """PARKED -> COMPLETED."""

    reservation_id: str


@dataclass(frozen=True, slots=True)
class Extend:
    """Let a confirmed or parked stay end later, at ``leave_ms``, for ``price_fen`` in all."""

    reservation_id: str
    leave_ms: int
    price_fen: int

    def __post_init__(self) -> None:
        _check_price(self.price_fen)


@dataclass(frozen=True, slots=True)
class Tick:
    """Nothing but the passing of time."""


Command = SetCapacity | Hold | Confirm | Cancel | Arrive | Depart | Extend | Tick


def _check_stay(arrive_ms: int, leave_ms: int) -> None:
    if not STAY_MIN_MS <= leave_ms - arrive_ms <= STAY_MAX_MS:
        raise InvalidInputError(
            f"expected a stay of 60 s to 14 days, got {(leave_ms - arrive_ms) / 1000:g} s",
            where="leave_ms",
        )


def _check_price(price_fen: int) -> None:
    if price_fen < 0:
        raise InvalidInputError(f"expected 0 or more, got {price_fen}", where="price_fen")
