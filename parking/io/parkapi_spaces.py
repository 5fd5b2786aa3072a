"""The spaces of a ParkAPI site, split into pools; see ``parkapi.py``."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from parking.errors import InvalidInputError
from parking.inventory import Pool, SpaceClass
from parking.io import json_fields as take
from parking.io.instants import parse_instant
from parking.io.json_fields import Row

# Spaces for some drivers only: audience in ``restrictions`` -> name in ``capacity_*``.
AUDIENCES = {
    "DISABLED": "disabled",
    "CHARGING": "charging",
    "TRUCK": "truck",
    "BUS": "bus",
    "WOMEN": "woman",
    "FAMILY": "family",
    "CARSHARING": "carsharing",
}
CLASSES = {
    "DISABLED": SpaceClass.ACCESSIBLE,
    "CHARGING": SpaceClass.CHARGING,
    "TRUCK": SpaceClass.LARGE,
    "BUS": SpaceClass.LARGE,
}
SHOWN_SITES = 5


@dataclass(slots=True)
class Notes:
    """Collects what could not be taken over: remark -> sites."""

    sites: dict[str, list[str]] = field(default_factory=dict)

    def add(self, site: str, remark: str) -> None:
        """Note a remark on a site, once."""
        sites = self.sites.setdefault(remark, [])
        if not sites or sites[-1] != site:
            sites.append(site)

    def texts(self) -> tuple[str, ...]:
        """Return each remark with the first sites that it is about."""
        found = []
        for remark, sites in self.sites.items():
            more = f" and {len(sites) - SHOWN_SITES} more" if len(sites) > SHOWN_SITES else ""
            found.append(f"{', '.join(sites[:SHOWN_SITES])}{more}: {remark}")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class _Spaces:
    """Some spaces of a site; ``free`` is None where nobody counted."""

    capacity: int
    quota: int
    free: int | None


NONE = _Spaces(0, 0, 0)


def pools_of_site(
    site: Row, restrictions: Sequence[Row], key: str, notes: Notes
) -> tuple[Pool, ...]:
    """Split a site's spaces into pools: what is kept for some is taken out of the whole first."""
    whole = _spaces(site, "", "", key, notes)
    seen_ms = _seen_ms(site)
    if whole.free is None:
        notes.add(key, "no free count: all of its spaces count as free")
    kept: dict[str, _Spaces] = {}
    for audience, name in AUDIENCES.items():
        spaces = _kept_for(site, restrictions, audience, name, whole, key, notes)
        if spaces.capacity:
            kept[audience] = spaces
    for row in restrictions:
        other = take.text(row, "type")
        if other and other not in AUDIENCES and row.get("capacity") is not None:
            kept[other] = _sum(kept.get(other, NONE), _spaces(row, "", "", key, notes))
    left = whole
    by_class: dict[SpaceClass, _Spaces] = {}
    for audience, spaces in kept.items():
        fitting = _within(spaces, left)
        if fitting.capacity < spaces.capacity:
            notes.add(key, "more spaces are kept for some drivers than there are: cut down")
        left = _less(left, fitting)
        space_class = CLASSES.get(audience)
        if space_class is None:
            notes.add(key, f"spaces for {audience} are left out")
            continue
        if space_class is SpaceClass.CHARGING:
            notes.add(key, "connector and power of its chargers are not known")
        before = by_class.get(space_class)
        by_class[space_class] = fitting if before is None else _sum(before, fitting)
    if left.capacity or not by_class:
        by_class = {SpaceClass.STANDARD: left, **by_class}
    return tuple(
        Pool(
            id=f"{key}-{space_class}",
            space_class=space_class,
            capacity=spaces.capacity,
            quota=spaces.quota,
            walk_in_buffer=0,
            free=spaces.quota if spaces.free is None else spaces.free,
            seen_ms=seen_ms if spaces.free is not None else None,
        )
        for space_class, spaces in by_class.items()
    )


def _kept_for(
    site: Row,
    restrictions: Sequence[Row],
    audience: str,
    name: str,
    whole: _Spaces,
    key: str,
    notes: Notes,
) -> _Spaces:
    """Return the spaces kept for an audience, by ``restrictions`` or else by ``capacity_*``."""
    rows = [row for row in restrictions if row.get("type") == audience]
    if any(row.get("capacity") is None for row in rows) and audience in CLASSES:
        return whole
    found = NONE
    for row in rows:
        if row.get("capacity") is not None:
            found = _sum(found, _spaces(row, "", "", key, notes))
    if found.capacity or site.get(f"capacity_{name}") is None:
        return found
    return _spaces(site, f"_{name}", f" {name}", key, notes)


def _spaces(row: Row, suffix: str, label: str, key: str, notes: Notes) -> _Spaces:
    """Read capacity, the capacity of the moment, and the free count, the last within the first."""
    capacity = _count(row, f"capacity{suffix}") or 0
    now = _count(row, f"realtime_capacity{suffix}")
    free = _count(row, f"realtime_free_capacity{suffix}")
    if now is not None and now > capacity:
        notes.add(key, f"more{label} spaces at the moment than capacity: the capacity counts")
    quota = capacity if now is None else min(now, capacity)
    if free is not None and free > quota:
        notes.add(key, f"more{label} spaces free than there are: cut down")
    return _Spaces(capacity, quota, None if free is None else min(free, quota))


def _count(row: Row, name: str) -> int | None:
    value = take.whole(row, name)
    if value is not None and value < 0:
        raise InvalidInputError(f"{value}; expected 0 or more", where=name)
    return value


def _within(part: _Spaces, whole: _Spaces) -> _Spaces:
    """Cut a part down to the whole; nobody counted the part's free spaces: as many as may be."""
    quota = min(part.quota, whole.quota)
    known = [free for free in (part.free, whole.free) if free is not None]
    free = min([quota, *known]) if known else None
    return _Spaces(min(part.capacity, whole.capacity), quota, free)


def _less(whole: _Spaces, part: _Spaces) -> _Spaces:
    capacity = whole.capacity - part.capacity
    quota = min(whole.quota - part.quota, capacity)
    free = None if whole.free is None else min(whole.free - (part.free or 0), quota)
    return _Spaces(capacity, quota, free)


def _sum(a: _Spaces, b: _Spaces) -> _Spaces:
    free = None
    if a.free is not None or b.free is not None:
        # Nobody counted one of them: all of it may be free.
        free = sum(part.quota if part.free is None else part.free for part in (a, b))
    return _Spaces(a.capacity + b.capacity, a.quota + b.quota, free)


def _seen_ms(site: Row) -> int | None:
    """Return when the counts were taken; ParkAPI reads times without a zone as UTC."""
    text = take.text(site, "realtime_data_updated_at")
    if not text:
        return None
    try:
        naive = datetime.fromisoformat(text).tzinfo is None
    except ValueError:
        naive = False
    return parse_instant(
        datetime.fromisoformat(text).replace(tzinfo=UTC).isoformat() if naive else text,
        where="realtime_data_updated_at",
    )
