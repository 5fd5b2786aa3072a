"""Reads a city's lots from GeoJSON; the format is described in docs/parking-files.md."""

import math

from parking.errors import InvalidInputError, ParkingError
from parking.inventory import Connector, Lot, Pool, SpaceClass
from parking.io import json_fields as take
from parking.io.json_fields import Row
from parking.opening import OpeningWindow, parse_minutes
from parking.tariff import FREE, Night, Tariff

LOT_KEYS = (
    *("id", "name", "operator", "kind", "district", "entrance_edge", "max_height_cm"),
    *("permits", "tariff", "opening", "closed", "pools"),
)
POOL_KEYS = (
    *("id", "class", "capacity", "quota", "walk_in_buffer", "free", "seen_at"),
    *("connector", "power_kw", "bays"),
)
TARIFF_KEYS = (
    *("fen_per_hour", "free_minutes", "steps", "per_started_minutes", "fen"),
    *("day_cap_fen", "night"),
)
WGS84 = frozenset({"CRS84", "4326"})


def lots_of_geojson(document: Row) -> tuple[Lot, ...]:
    """Turn a FeatureCollection of Points, one a lot, into lots.

    Absent or null properties mean: no limit, the capacity, or 0. Other properties of a feature
    are passed over, unless they look like a slip of the pen.

    Raises
    ------
    InvalidInputError
        A value is wrong; ``where`` is the feature and the property.
    """
    _check_reference_system(document)
    lots: list[Lot] = []
    places: dict[tuple[str, str], str] = {}
    features = document.get("features")
    if not isinstance(features, list):
        raise InvalidInputError(f"{take.shown(features)}; expected a list", where="features")
    for k, feature in enumerate(features):
        place = _place(k, feature)
        try:
            lot = _lot(feature)
            for kind, key in (("lot", lot.id), *(("pool", pool.id) for pool in lot.pools)):
                if (kind, key) in places:
                    also = places[kind, key]
                    raise InvalidInputError(f"{kind} id {key!r} stands twice, also in {also}")
                places[kind, key] = place
            lots.append(lot)
        except ParkingError as error:
            raise InvalidInputError(str(error), where=place) from None
    return tuple(lots)


def _check_reference_system(document: Row) -> None:
    """Refuse the retired member ``crs`` where it names anything but WGS84 degrees."""
    crs = document.get("crs")
    if crs is None:
        return
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if not isinstance(name, str) or name.split(":")[-1] not in WGS84:
        raise InvalidInputError(f"{take.shown(name)}; expected WGS84 degrees", where="crs")


def _place(k: int, feature: object) -> str:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    key = properties.get("id", "?") if isinstance(properties, dict) else "?"
    return f"feature {k} ({key if isinstance(key, str) else take.shown(key)})"[:200]


def _lot(feature: object) -> Lot:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise InvalidInputError(f"{take.shown(feature)}; expected a Feature")
    row = feature.get("properties")
    if not isinstance(row, dict):
        raise InvalidInputError(f"{take.shown(row)}; expected an object", where="properties")
    take.no_slips(row, *LOT_KEYS)
    lon, lat = _point(feature.get("geometry"))
    return Lot(
        id=take.text(row, "id", required=True),
        name=take.text(row, "name"),
        lon=lon,
        lat=lat,
        pools=tuple(
            take.nested(f"pools[{k}]", _pool, pool)
            for k, pool in enumerate(take.items(row, "pools"))
        ),
        operator=take.text(row, "operator"),
        kind=take.text(row, "kind"),
        district=take.text(row, "district"),
        entrance_edge=take.text(row, "entrance_edge"),
        max_height_cm=take.whole(row, "max_height_cm"),
        permits=_permits(row),
        tariff=FREE if row.get("tariff") is None else take.nested("tariff", _tariff, row["tariff"]),
        opening=tuple(
            take.nested(f"opening[{k}]", _window, window)
            for k, window in enumerate(take.items(row, "opening"))
        ),
        closed=take.flag(row, "closed"),
    )


def _point(geometry: object) -> tuple[float, float]:
    if not isinstance(geometry, dict) or geometry.get("type") != "Point":
        kind = geometry.get("type") if isinstance(geometry, dict) else geometry
        raise InvalidInputError(f"{take.shown(kind)}; expected a Point", where="geometry")
    point = geometry.get("coordinates")
    if not isinstance(point, list) or not 2 <= len(point) <= 3:
        raise InvalidInputError(
            f"{take.shown(point)}; expected [longitude, latitude]", where="geometry.coordinates"
        )
    for value in point:
        if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
            raise InvalidInputError(
                f"{take.shown(value)}; expected a number", where="geometry.coordinates"
            )
    return float(point[0]), float(point[1])


def _finite(value: float) -> bool:
    return abs(value) < 1e300 and math.isfinite(value)


def _permits(row: Row) -> frozenset[str]:
    permits = take.items(row, "permits")
    for k, permit in enumerate(permits):
        if not isinstance(permit, str) or not permit.strip():
            raise InvalidInputError(f"{take.shown(permit)}; expected a word", where=f"permits[{k}]")
        take.text({f"permits[{k}]": permit}, f"permits[{k}]")
    return frozenset(permits)


def _pool(row: Row) -> Pool:
    take.only(row, *POOL_KEYS)
    capacity = take.whole(row, "capacity")
    if capacity is None:
        raise InvalidInputError("is missing", where="capacity")
    quota, free = take.whole(row, "quota"), take.whole(row, "free")
    quota = capacity if quota is None else quota
    power_kw = take.number(row, "power_kw")
    return Pool(
        id=take.text(row, "id", required=True),
        space_class=take.word(row, "class", SpaceClass) or SpaceClass.STANDARD,
        capacity=capacity,
        quota=quota,
        walk_in_buffer=take.whole(row, "walk_in_buffer") or 0,
        free=quota if free is None else free,
        seen_ms=take.instant(row, "seen_at"),
        connector=take.word(row, "connector", Connector),
        power_kw=None if power_kw is None else float(power_kw),
        bays=tuple(
            take.text({f"bays[{k}]": bay}, f"bays[{k}]", required=True)
            for k, bay in enumerate(take.items(row, "bays"))
        ),
    )


def _tariff(row: Row) -> Tariff:
    take.only(row, *TARIFF_KEYS)
    fen, unit_minutes = take.whole(row, "fen"), take.whole(row, "per_started_minutes")
    per_hour = take.whole(row, "fen_per_hour")
    if per_hour is not None:
        if fen is not None or unit_minutes is not None:
            raise InvalidInputError(
                "stands beside fen or per_started_minutes; expected one or the other",
                where="fen_per_hour",
            )
        fen, unit_minutes = per_hour, 60
    if fen and unit_minutes is None:
        raise InvalidInputError("is missing; expected with fen", where="per_started_minutes")
    night = row.get("night")
    return Tariff(
        per_started_minutes=60 if unit_minutes is None else unit_minutes,
        fen=fen or 0,
        free_minutes=take.whole(row, "free_minutes") or 0,
        steps=tuple(
            take.nested(f"steps[{k}]", _step, step)
            for k, step in enumerate(take.items(row, "steps"))
        ),
        day_cap_fen=take.whole(row, "day_cap_fen"),
        night=None if night is None else take.nested("night", _night, night),
    )


def _step(row: Row) -> tuple[int, int]:
    take.only(row, "upto_minutes", "fen")
    return _required(row, "upto_minutes"), _required(row, "fen")


def _night(row: Row) -> Night:
    take.only(row, "from", "to", "cap_fen")
    return Night(_time(row, "from"), _time(row, "to"), _required(row, "cap_fen"))


def _window(row: Row) -> OpeningWindow:
    take.only(row, "days", "from", "to")
    if row.get("days") is None:
        raise InvalidInputError("is missing", where="days")
    days = [take.whole({"days": day}, "days") for day in take.items(row, "days")]
    if None in days:
        raise InvalidInputError("null; expected days 1 to 7", where="days")
    return OpeningWindow(
        days=frozenset(day for day in days if day is not None),
        from_minutes=_time(row, "from"),
        to_minutes=_time(row, "to"),
    )


def _required(row: Row, key: str) -> int:
    value = take.whole(row, key)
    if value is None:
        raise InvalidInputError("is missing", where=key)
    return value


def _time(row: Row, key: str) -> int:
    return parse_minutes(take.text(row, key, required=True), where=key)
