"""Car parks and their pools: what there is to give."""

from dataclasses import dataclass
from enum import StrEnum

from parking.errors import InvalidInputError
from parking.opening import OpeningWindow
from parking.tariff import FREE, Tariff

MAX_SPACES = 1_000_000
"""Most spaces of one pool."""
MAX_HEIGHT_CM = 10_000
MAX_POWER_KW = 10_000.0


class SpaceClass(StrEnum):
    """What kind of space; a request is given its own class only."""

    STANDARD = "standard"
    ACCESSIBLE = "accessible"
    CHARGING = "charging"
    LARGE = "large"


class Connector(StrEnum):
    """Plug of a charger."""

    GBT_AC = "gbt_ac"
    GBT_DC = "gbt_dc"
    CCS2 = "ccs2"
    CHADEMO = "chademo"
    TYPE2 = "type2"


@dataclass(frozen=True, slots=True)
class Pool:
    """The spaces of one class in a lot.

    Parameters
    ----------
    id
        Unique in the city.
    space_class
        Their class.
    capacity
        Spaces in all, 0 or more.
    quota
        Spaces opened to the city, 0 to ``capacity``.
    walk_in_buffer
        Spaces kept for drivers who did not book, 0 or more.
    free
        Spaces free when last seen, 0 to ``quota``.
    seen_ms
        When the free count was seen, UTC epoch milliseconds; None = never.
    connector, power_kw
        Of a charging pool; None otherwise.
    bays
        Their numbers, one a space; empty = they are not numbered.
    """

    id: str
    space_class: SpaceClass
    capacity: int
    quota: int
    walk_in_buffer: int
    free: int
    seen_ms: int | None = None
    connector: Connector | None = None
    power_kw: float | None = None
    bays: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_id(self.id, where="id")
        if self.bays and not len(self.bays) == len(set(self.bays)) == self.capacity:
            raise InvalidInputError(
                f"{len(self.bays)} numbers, {len(set(self.bays))} different ones; expected the "
                f"capacity, {self.capacity}",
                where="bays",
            )
        if not 0 <= self.capacity <= MAX_SPACES:
            raise InvalidInputError(
                f"{self.capacity}; expected 0 to {MAX_SPACES}", where="capacity"
            )
        if not 0 <= self.quota <= self.capacity:
            raise InvalidInputError(
                f"{self.quota}; expected 0 to the capacity, {self.capacity}", where="quota"
            )
        if not 0 <= self.free <= self.quota:
            raise InvalidInputError(
                f"{self.free}; expected 0 to the quota, {self.quota}", where="free"
            )
        if not 0 <= self.walk_in_buffer <= MAX_SPACES:
            raise InvalidInputError(
                f"{self.walk_in_buffer}; expected 0 to {MAX_SPACES}", where="walk_in_buffer"
            )
        if self.power_kw is not None and not 0 < self.power_kw <= MAX_POWER_KW:
            raise InvalidInputError(
                f"{self.power_kw}; expected more than 0, at most {MAX_POWER_KW:g}",
                where="power_kw",
            )

    @property
    def bookable(self) -> int:
        """Spaces that may be promised: what is free and opened, less the walk-ins' buffer."""
        return max(0, min(self.free, self.quota) - self.walk_in_buffer)


@dataclass(frozen=True, slots=True)
class Lot:
    """A car park.

    Parameters
    ----------
    id, name, operator, kind, district
        ``kind``: government, hospital, mall, kerbside, residential, ...
    lon, lat
        WGS84 degrees.
    entrance_edge
        Road edge of the entrance, as the city's network names it; empty = unknown.
    max_height_cm
        Highest vehicle; None = no limit.
    permits
        Of which a driver must hold one; empty = open to all.
    tariff
        What a stay costs.
    opening
        Weekly windows; empty = always.
    closed
        Closed now, whatever the windows say.
    pools
        With ids of their own.
    """

    id: str
    name: str
    lon: float
    lat: float
    pools: tuple[Pool, ...]
    operator: str = ""
    kind: str = ""
    district: str = ""
    entrance_edge: str = ""
    max_height_cm: int | None = None
    permits: frozenset[str] = frozenset()
    tariff: Tariff = FREE
    opening: tuple[OpeningWindow, ...] = ()
    closed: bool = False

    def __post_init__(self) -> None:
        check_id(self.id, where="id")
        check_position(self.lon, self.lat, where="location")
        if self.max_height_cm is not None and not 0 < self.max_height_cm <= MAX_HEIGHT_CM:
            raise InvalidInputError(
                f"{self.max_height_cm}; expected 1 to {MAX_HEIGHT_CM}", where="max_height_cm"
            )
        keys = [pool.id for pool in self.pools]
        for k, key in enumerate(keys):
            if key in keys[:k]:
                raise InvalidInputError(f"pool id {key!r} stands twice", where="pools")


def check_id(text: str, *, where: str) -> None:
    """Raise InvalidInputError where an id is blank or holds a control character."""
    if not text.strip():
        raise InvalidInputError("is empty", where=where)
    if not text.isprintable() and any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text):
        raise InvalidInputError(f"{text!r}; expected no control characters", where=where)


def check_position(lon: float, lat: float, *, where: str) -> None:
    """Raise InvalidInputError unless the degrees are on the earth."""
    if not -90 <= lat <= 90:
        raise InvalidInputError(f"{lat}; expected -90 to 90", where=f"{where}.latitude")
    if not -180 <= lon <= 180:
        raise InvalidInputError(f"{lon}; expected -180 to 180", where=f"{where}.longitude")


def check_city(lots: tuple[Lot, ...]) -> None:
    """Raise InvalidInputError where an id of a lot or a pool stands twice in the city."""
    seen: set[str] = set()
    for kind, ids in (
        ("lot", [lot.id for lot in lots]),
        ("pool", [pool.id for lot in lots for pool in lot.pools]),
    ):
        seen.clear()
        for key in ids:
            if key in seen:
                raise InvalidInputError(f"id {key!r} stands twice", where=kind)
            seen.add(key)
