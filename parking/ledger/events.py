"""What has happened: the entries of the append-only log.

An event carries all that its effect needs, so that a replay asks neither the rules nor a clock.
``at_ms`` (UTC epoch milliseconds) never falls from one event to the next. Fields are plain: text,
whole numbers, flags, None, and tuples of them. A field that a later version adds has a default,
so that older logs can be read.
"""

from dataclasses import dataclass

# About lots and pools


@dataclass(frozen=True, slots=True)
class LotChanged:
    """A lot is as ``document`` says (JSON, read by the service) from now on.

    ``source``: ``file`` (the city's inventory) or ``call`` (its operator).
    """

    at_ms: int
    lot_id: str
    document: str
    source: str


@dataclass(frozen=True, slots=True)
class LotRulesSet:
    """A lot has these rules of its own from now on; all None = the city's again."""

    at_ms: int
    lot_id: str
    hold_s: int | None = None
    no_show_s: int | None = None
    look_ahead_s: int | None = None
    look_ahead_charging_s: int | None = None
    free_cancel_s: int | None = None
    overstay_s: int | None = None
    warn_s: int | None = None
    stale_s: int | None = None
    stale_percent_per_h: int | None = None
    open_max: int | None = None
    no_shows_max: int | None = None
    no_show_window_s: int | None = None


@dataclass(frozen=True, slots=True)
class LotClosed:
    """A lot takes nobody from now on, whatever its opening hours say."""

    at_ms: int
    lot_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class LotOpened:
    """A lot that was closed is open again."""

    at_ms: int
    lot_id: str


@dataclass(frozen=True, slots=True)
class PoolChanged:
    """A pool has these spaces from now on.

    ``quota`` of the ``spaces`` are opened to the city, ``walk_in_buffer`` of them withheld for
    drivers who did not book; ``bays`` are their numbers, none where the lot does not number them.
    ``occupied`` is the first count of a new pool, and 0 for one that is known.
    """

    at_ms: int
    pool_id: str
    lot_id: str
    spaces: int
    quota: int
    walk_in_buffer: int
    bays: tuple[str, ...] = ()
    occupied: int = 0


@dataclass(frozen=True, slots=True)
class CapacitySet:
    """A pool can carry this many reservations from now on (0 or more)."""

    at_ms: int
    pool_id: str
    lot_id: str
    capacity: int


@dataclass(frozen=True, slots=True)
class Counted:
    """So many cars stood in a pool at ``seen_ms``."""

    at_ms: int
    pool_id: str
    occupied: int
    seen_ms: int


@dataclass(frozen=True, slots=True)
class Passed:
    """A gate saw a car pass at ``seen_ms``.

    ``pool_id`` is the pool that it changes the cars of; empty = none (a reservation's arrival or
    departure that is known already).
    """

    at_ms: int
    lot_id: str
    gate: str
    seen_ms: int
    inward: bool
    pool_id: str = ""
    reservation_id: str = ""


@dataclass(frozen=True, slots=True)
class SignChanged:
    """A guidance sign is as ``document`` says (JSON, read by the service) from now on."""

    at_ms: int
    sign_id: str
    document: str


@dataclass(frozen=True, slots=True)
class Audited:
    """Somebody made a call that is to be accounted for; what it changed follows in the log.

    ``caller`` as the server knows him, empty = it knows nobody; ``subject``: what it was about.
    """

    at_ms: int
    caller: str
    call: str
    subject: str


# About reservations


@dataclass(frozen=True, slots=True)
class Held:
    """A space of a pool is kept for a driver; the fields are those of the reservation."""

    at_ms: int
    reservation_id: str
    driver_id: str
    lot_id: str
    pool_id: str
    arrive_ms: int
    leave_ms: int
    price_fen: int
    drive_s: int
    walk_s: int
    cost_fen: int
    hold_expires_ms: int
    no_show_ms: int
    warn_ms: int = 0
    wish: str = ""
    offer_for: str = ""
    equal_or_better: bool = False


@dataclass(frozen=True, slots=True)
class Expiring:
    """The hold will soon expire: its driver should be told."""

    at_ms: int
    reservation_id: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The driver has confirmed the hold."""

    at_ms: int
    reservation_id: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The space is given up; ``late`` = after the free time.

    ``reason``: empty = the driver's wish; ``withdrawn`` = an offer whose occasion is over;
    ``replaced`` = an offer in whose place another was asked for.
    """

    at_ms: int
    reservation_id: str
    late: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """The driver has taken the offered place ``to_id`` and given this one up."""

    at_ms: int
    reservation_id: str
    to_id: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """The car is in the lot, in ``bay`` if its bays are numbered; None = at ``at_ms``."""

    at_ms: int
    reservation_id: str
    arrived_ms: int | None = None
    bay: str = ""


@dataclass(frozen=True, slots=True)
class Departed:
    """The car has left the lot; None = at ``at_ms``. ``reason`` ``unseen``: inferred, not seen."""

    at_ms: int
    reservation_id: str
    left_ms: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Extended:
    """The stay ends at ``leave_ms`` now and costs ``price_fen`` in all."""

    at_ms: int
    reservation_id: str
    leave_ms: int
    price_fen: int
    no_show_ms: int


@dataclass(frozen=True, slots=True)
class Expired:
    """The hold was not confirmed in time."""

    at_ms: int
    reservation_id: str


@dataclass(frozen=True, slots=True)
class NotShown:
    """The car of a confirmed reservation has not come."""

    at_ms: int
    reservation_id: str


@dataclass(frozen=True, slots=True)
class Overstayed:
    """The car is still there and counts as staying until ``until_ms``."""

    at_ms: int
    reservation_id: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class Displaced:
    """Reality took the space.

    ``reason``: ``overstay``, ``walk_in``, ``capacity`` (lowered by its operator) or ``closed``.
    """

    at_ms: int
    reservation_id: str
    reason: str


LotEvent = LotChanged | LotRulesSet | LotClosed | LotOpened | Passed
PoolEvent = PoolChanged | CapacitySet | Counted
StayEvent = (
    Held
    | Expiring
    | Confirmed
    | Cancelled
    | Moved
    | Arrived
    | Departed
    | Extended
    | Expired
    | NotShown
    | Overstayed
    | Displaced
)
Event = LotEvent | PoolEvent | SignChanged | Audited | StayEvent
