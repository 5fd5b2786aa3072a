"""What can be asked of the ledger. The moment is not part of a command: the clock gives it."""

from dataclasses import dataclass
from itertools import pairwise

from parking.errors import InvalidInputError
from parking.ledger.rules import LotRules

STAY_MIN_MS = 60_000
STAY_MAX_MS = 14 * 86_400_000
"""A stay lasts 1 min to 14 days."""
SPACES_MAX = 1_000_000

# For operators


@dataclass(frozen=True, slots=True)
class PoolTerms:
    """The spaces of a pool.

    ``quota`` of the ``spaces`` are opened to the city, ``walk_in_buffer`` of them withheld for
    drivers who did not book. ``occupied``: cars in it when it is new. ``bays``: their numbers, as
    many as there are spaces, or none.
    """

    pool_id: str
    spaces: int
    quota: int
    walk_in_buffer: int = 0
    occupied: int = 0
    bays: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _expect("spaces", self.spaces, SPACES_MAX)
        for name in ("quota", "walk_in_buffer", "occupied"):
            _expect(name, getattr(self, name), self.spaces)
        if self.bays and len(set(self.bays)) != self.spaces:
            raise InvalidInputError(
                f"{len(set(self.bays))} different numbers; expected {self.spaces}", where="bays"
            )


@dataclass(frozen=True, slots=True)
class ChangeLots:
    """Let several lots change, all or none."""

    lots: "tuple[ChangeLot, ...]"


@dataclass(frozen=True, slots=True)
class ChangeLot:
    """Let a lot be as ``document`` says, with these pools and no others.

    ``rules``: the lot's own, None = the city's. ``source``: ``file`` or ``call``.
    """

    lot_id: str
    document: str
    pools: tuple[PoolTerms, ...]
    rules: LotRules | None = None
    source: str = "call"

    def __post_init__(self) -> None:
        if len({pool.pool_id for pool in self.pools}) != len(self.pools):
            raise InvalidInputError("a pool id stands twice", where="pools")


@dataclass(frozen=True, slots=True)
class CloseLot:
    """Let a lot take nobody; whoever waits for a space there is displaced."""

    lot_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OpenLot:
    """Let a closed lot be open again."""

    lot_id: str


@dataclass(frozen=True, slots=True)
class SetCapacity:
    """Let a pool carry this many reservations, 0 or more; 0 closes it for new stays.

    For pools without terms of their own: of one with ``PoolTerms`` the next count says anew.
    """

    pool_id: str
    lot_id: str
    capacity: int

    def __post_init__(self) -> None:
        if self.capacity < 0:
            raise InvalidInputError(f"expected 0 or more, got {self.capacity}", where="capacity")


@dataclass(frozen=True, slots=True)
class Count:
    """So many cars stood in a pool of a lot at ``seen_ms``."""

    lot_id: str
    pool_id: str
    occupied: int
    seen_ms: int

    def __post_init__(self) -> None:
        _expect("occupied", self.occupied, SPACES_MAX)


@dataclass(frozen=True, slots=True)
class CountAll:
    """Several pools of a lot were counted, all or none: ``(pool_id, free)``."""

    lot_id: str
    frees: tuple[tuple[str, int], ...]
    seen_ms: int


@dataclass(frozen=True, slots=True)
class Passage:
    """A gate saw a car come (``inward``) or go; lot, gate and time together are its identity.

    ``pool_id``, ``reservation_id``: empty = not known.
    """

    gate: str
    seen_ms: int
    inward: bool
    pool_id: str = ""
    reservation_id: str = ""


@dataclass(frozen=True, slots=True)
class RecordPassages:
    """Take gate reports in, in any order, some perhaps for the second time."""

    lot_id: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Reconcile:
    """What a lot found when it went through its cars at ``seen_ms``.

    ``counts``: ``(pool_id, occupied)``. ``present``: the reservations whose cars are there; None =
    it did not look.
    """

    lot_id: str
    seen_ms: int
    counts: tuple[tuple[str, int], ...]
    present: frozenset[str] | None = None

    def __post_init__(self) -> None:
        for _, occupied in self.counts:
            _expect("occupied", occupied, SPACES_MAX)
        pools = sorted(pool_id for pool_id, _ in self.counts)
        if any(one == other for one, other in pairwise(pools)):
            raise InvalidInputError("a pool stands twice", where="counts")


@dataclass(frozen=True, slots=True)
class SetSigns:
    """Let guidance signs be as their documents say: ``(sign_id, document)``."""

    signs: tuple[tuple[str, str], ...]


# For drivers


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep a space of a pool for a driver for ``[arrive_ms, leave_ms)``.

    ``charging`` tells which look-ahead limit counts. An arrival time that is just past counts as
    now. ``wish`` is what the driver had asked for, as text, kept for a later offer.

    With ``offer_for`` it is an *offer* in place of that reservation, which waits or was displaced:
    the booking rules do not apply, and an earlier offer is withdrawn. ``equal_or_better``: it is
    no worse for the driver than that one.
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
    wish: str = ""
    offer_for: str = ""
    equal_or_better: bool = False

    def __post_init__(self) -> None:
        _check_stay(self.arrive_ms, self.leave_ms)
        _check_price(self.price_fen)


@dataclass(frozen=True, slots=True)
class Confirm:
    """HELD -> CONFIRMED; for an offer, also: the reservation that it was made for -> MOVED."""

    reservation_id: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """HELD or CONFIRMED -> CANCELLED."""

    reservation_id: str


@dataclass(frozen=True, slots=True)
class Arrive:
    """HELD or CONFIRMED -> PARKED.

    ``seen_ms``: when the car came; None = now. ``bay``: where it stands; empty = the ledger gives
    one where bays are numbered.
    """

    reservation_id: str
    seen_ms: int | None = None
    bay: str = ""


@dataclass(frozen=True, slots=True)
class Depart:
    """PARKED -> COMPLETED. ``seen_ms``: when the car left; None = now."""

    reservation_id: str
    seen_ms: int | None = None


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


@dataclass(frozen=True, slots=True)
class Accounted:
    """Carry a command out, and note in the log by whom and about what it was asked."""

    command: "Command"
    caller: str
    call: str
    subject: str


Command = (
    Accounted
    | ChangeLot
    | ChangeLots
    | CloseLot
    | OpenLot
    | SetCapacity
    | Count
    | CountAll
    | RecordPassages
    | Reconcile
    | SetSigns
    | Hold
    | Confirm
    | Cancel
    | Arrive
    | Depart
    | Extend
    | Tick
)


def _check_stay(arrive_ms: int, leave_ms: int) -> None:
    if not STAY_MIN_MS <= leave_ms - arrive_ms <= STAY_MAX_MS:
        raise InvalidInputError(
            f"expected a stay of 60 s to 14 days, got {(leave_ms - arrive_ms) / 1000:g} s",
            where="leave_ms",
        )


def _check_price(price_fen: int) -> None:
    if price_fen < 0:
        raise InvalidInputError(f"expected 0 or more, got {price_fen}", where="price_fen")


def _expect(name: str, value: int, most: int) -> None:
    if not 0 <= value <= most:
        raise InvalidInputError(f"expected 0 to {most}, got {value}", where=name)
