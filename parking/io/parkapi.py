"""Reads lots from a ParkAPI v3 list of parking sites (``/parking-sites``, ParkenDD).

ParkAPI describes what a site is; a lot says what may be given to whom, when and at what price.
What does not fit is never guessed in the driver's favour without a word: each such thing is a
warning with the sites that it concerns. The mapping is laid down in docs/parking-files.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from parking.errors import InvalidInputError, ParkingError
from parking.inventory import Lot
from parking.io import json_fields as take
from parking.io.json_fields import Row
from parking.io.osm_hours import windows_of_osm
from parking.io.parkapi_spaces import CLASSES, Notes, pools_of_site
from parking.opening import OpeningWindow

FORBIDDEN = frozenset({"NO_PARKING", "NO_STOPPING"})


@dataclass(frozen=True, slots=True)
class ParkApiLots:
    """The lots of a list, and what could not be taken over, one text a kind of trouble."""

    lots: tuple[Lot, ...]
    warnings: tuple[str, ...]


def lots_of_parkapi(document: Row) -> ParkApiLots:
    """Turn ``{"items": [site, ...]}`` into lots.

    Raises
    ------
    InvalidInputError
        A value has the wrong type or is out of range; ``where`` is the site and the field.
    """
    notes = Notes()
    lots: dict[str, Lot] = {}
    for k, site in enumerate(take.items(document, "items")):
        place = f"items[{k}]"
        try:
            if not isinstance(site, dict):
                raise InvalidInputError(f"{take.shown(site)}; expected an object")
            key = _id(site)
            place = f"items[{k}] ({key})"
            lot = _lot(site, key, notes)
            if lot is not None and lot.id in lots:
                raise InvalidInputError(f"lot id {key!r} stands twice")
        except ParkingError as error:
            raise InvalidInputError(str(error), where=place) from None
        if lot is not None:
            lots[lot.id] = lot
    total = document.get("total_count")
    if isinstance(total, int) and total > len(document["items"]):
        notes.add("the list", f"total_count is {total}: this is one page of several")
    return ParkApiLots(tuple(lots.values()), notes.texts())


def _id(site: Row) -> str:
    """Return the list's own number of a site, or what its source calls it."""
    for key in ("id", "uid", "original_uid"):
        value = site.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if value is not None:
            return take.text(site, key)
    raise InvalidInputError("is missing", where="id")


def _lot(site: Row, key: str, notes: Notes) -> Lot | None:
    purpose = take.text(site, "purpose") or "CAR"
    if purpose != "CAR":
        notes.add(key, f"purpose {purpose}: left out, no car parks there")
        return None
    restrictions = _restrictions(site)
    if any(row.get("type") in FORBIDDEN and row.get("capacity") is None for row in restrictions):
        notes.add(key, "parking is forbidden there: left out")
        return None
    if take.whole(site, "capacity") is None:
        notes.add(key, "no capacity: left out")
        return None
    _note_what_is_lost(site, restrictions, key, notes)
    opening, closed = _opening(site, key, notes)
    height_cm = take.whole(site, "max_height")
    return Lot(
        id=key,
        name=take.text(site, "name"),
        lon=_degrees(site, "lon"),
        lat=_degrees(site, "lat"),
        pools=pools_of_site(site, restrictions, key, notes),
        operator=take.text(site, "operator_name"),
        kind=take.text(site, "type").lower(),
        max_height_cm=height_cm or None,
        permits=_permits(restrictions, key, notes),
        opening=opening,
        closed=closed or site.get("realtime_opening_status") == "CLOSED",
    )


def _restrictions(site: Row) -> Sequence[Row]:
    def checked(row: Row) -> Row:
        take.text(row, "type")
        return row

    rows = take.items(site, "restrictions")
    return [take.nested(f"restrictions[{k}]", checked, row) for k, row in enumerate(rows)]


def _note_what_is_lost(site: Row, restrictions: Sequence[Row], key: str, notes: Notes) -> None:
    """Remark on what changes who may park there, and has no place in a lot."""
    if site.get("has_fee") or site.get("fee_description") or site.get("tariffs"):
        notes.add(key, "its fee is in words or another currency: it counts as free of charge")
    if site.get("max_stay") or any(row.get("max_stay") for row in restrictions):
        notes.add(key, "max_stay is not kept: longer stays are allowed")
    if site.get("max_width"):
        notes.add(key, "max_width is not kept")
    if any(row.get("hours") for row in restrictions):
        notes.add(key, "hours of a restriction are not kept: it counts at all times")


def _degrees(site: Row, key: str) -> float:
    """Return degrees, which ParkAPI writes as a number or as a decimal text."""
    value = site.get(key)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise InvalidInputError(f"{take.shown(value)}; expected degrees", where=key) from None
    found = take.number({key: value}, key)
    if found is None:
        raise InvalidInputError("is missing", where=key)
    return float(found)


def _opening(site: Row, key: str, notes: Notes) -> tuple[tuple[OpeningWindow, ...], bool]:
    """Return the windows, and whether the lot must count as closed."""
    text = take.text(site, "opening_hours").strip()
    if not text:
        return (), False
    try:
        windows, always_closed, remarks = windows_of_osm(text)
    except InvalidInputError as error:
        notes.add(key, f"opening_hours {error.message}: it counts as closed")
        return (), True
    for remark in remarks:
        notes.add(key, f"opening_hours: {remark}")
    return windows, always_closed


def _permits(restrictions: Sequence[Row], key: str, notes: Notes) -> frozenset[str]:
    """Return whom the whole site is kept for, where that is no class of spaces."""
    audiences = {take.text(row, "type") for row in restrictions if row.get("capacity") is None} - {
        "",
        *CLASSES,
        *FORBIDDEN,
    }
    for audience in sorted(audiences):
        notes.add(key, f"for {audience} only: taken as the permit {audience.lower()!r}")
    return frozenset(audience.lower() for audience in audiences)
