"""The ledger's state: immutable, so that an old one stays valid whatever comes after it.

That is what makes a failed commit harmless (the state before it is still in hand) and a snapshot
for the solver free.
"""

from dataclasses import dataclass, field

from immutables import Map

from parking.ledger.commands import PoolTerms
from parking.ledger.due import Heap
from parking.ledger.kept import Kept
from parking.ledger.profile import Profile
from parking.ledger.reservation import Reservation
from parking.ledger.rules import LotRules, Rules
from parking.occupancy import Sight

KEPT_MS = 24 * 3_600_000
"""How long a reservation stays in the state after its end; in the log it stays for ever."""
UNSEEN = Sight()
NOTHING_KEPT = Kept()


@dataclass(frozen=True, slots=True)
class LotBook:
    """A lot's side of the ledger.

    Parameters
    ----------
    document
        What the lot is, as text that the service reads; empty = never said.
    source
        Who said so: ``file`` or ``call``.
    pools
        The ids of its pools, in the order of the document.
    rules
        The lot's own rules; None = the city's.
    closed, reason
        It takes nobody, and why.
    gates
        Times of the passages that each gate has reported, in order: they come twice at times.
    revision
        The ledger's revision at which the lot changed last.
    """

    document: str = ""
    source: str = ""
    pools: tuple[str, ...] = ()
    rules: LotRules | None = None
    closed: bool = False
    reason: str = ""
    gates: Map[str, tuple[int, ...]] = field(default_factory=Map)
    revision: int = 0


@dataclass(frozen=True, slots=True)
class PoolBook:
    """A pool's side of the ledger.

    Parameters
    ----------
    lot_id
        The lot that the pool is in.
    capacity
        How many reservations it can carry now: the spaces opened to the city and not taken by
        walk-ins. The invariant's bound.
    profile
        Its committed spaces over time.
    open
        The ids of its reservations that commit a space.
    terms
        Its spaces; None = only ``capacity`` is known.
    sight
        What has been seen of its cars.
    parked
        How many of its reservations are parked.
    taken
        Numbered bays with a reservation's car: bay -> reservation.
    """

    lot_id: str
    capacity: int
    profile: Profile = field(default_factory=Profile)
    open: Map[str, None] = field(default_factory=Map)
    terms: PoolTerms | None = None
    sight: Sight = UNSEEN
    parked: int = 0
    taken: Map[str, str] = field(default_factory=Map)

    def free(self, start_ms: int, end_ms: int) -> int:
        """Return how many more stays over ``[start_ms, end_ms)`` fit; negative = too many."""
        return self.capacity - self.profile.peak(start_ms, end_ms)

    def reserve(self, now_ms: int, rules: LotRules) -> int:
        """Return the spaces that are withheld from new holds: for walk-ins, and for caution."""
        if self.terms is None:
            return 0
        terms = self.terms
        if self.sight.counted_ms is None:
            return min(terms.walk_in_buffer, terms.spaces)
        return rules.caution.reserve(
            terms.spaces, terms.walk_in_buffer, self.sight.counted_ms, now_ms
        )


@dataclass(frozen=True, slots=True)
class DriverBook:
    """A driver's side: open reservations, and when the latest no-shows were.

    ``recent``: all reservations that the state still keeps, the latest held last.
    """

    open: tuple[str, ...] = ()
    no_shows_ms: tuple[int, ...] = ()
    recent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LedgerState:
    """All that the log says, at one revision.

    Parameters
    ----------
    revision
        How many events have happened.
    now_ms
        When the last one did: the ledger's time never goes back behind it.
    reservations, pools, drivers
        By id. Never rely on the order in which a map is walked: it has none.
    due
        What falls due when; entries that no longer hold are skipped as they come up.
    lots
        By id.
    over
        The reservations that are over and still kept.
    kept_ms
        How long they are kept.
    signs
        Documents of the guidance signs, by id.
    """

    revision: int = 0
    now_ms: int = 0
    reservations: Map[str, Reservation] = field(default_factory=Map)
    pools: Map[str, PoolBook] = field(default_factory=Map)
    drivers: Map[str, DriverBook] = field(default_factory=Map)
    due: Heap | None = field(default=None, compare=False, repr=False)
    lots: Map[str, LotBook] = field(default_factory=Map)
    over: Kept = NOTHING_KEPT
    kept_ms: int = KEPT_MS
    signs: Map[str, str] = field(default_factory=Map)


def lot_rules(state: LedgerState, lot_id: str, rules: Rules) -> LotRules:
    """Return the rules in force at a lot: its own in the ledger, else the city's for it."""
    book = state.lots.get(lot_id)
    if book is not None and book.rules is not None:
        return book.rules
    return rules.of(lot_id)
