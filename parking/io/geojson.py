"""Reads and writes a city's lots as GeoJSON; the format is described in docs/city.md."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from parking.errors import InvalidInputError, ParkingError
from parking.inventory import Connector, Lot, Pool, SpaceClass, check_city
from parking.opening import OpeningWindow, parse_minutes
from parking.tariff import FREE, Night, Tariff

Row = Mapping[str, Any]


def read_lots(path: Path) -> tuple[Lot, ...]:
    """Read a FeatureCollection of Points, one a lot.

    Absent or null properties mean: no limit, the capacity, or 0.

    Raises
    ------
    InvalidInputError
        The file or one of its values is wrong; ``where`` is FILE: feature and property.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except ValueError as error:
        raise InvalidInputError(f"not JSON: {error}", where=str(path)) from None
    if not isinstance(document, dict) or document.get("type") != "FeatureCollection":
        raise InvalidInputError("expected a FeatureCollection", where=str(path))
    lots = []
    for k, feature in enumerate(_list(document, "features", str(path))):
        properties = feature.get("properties") or {} if isinstance(feature, dict) else {}
        where = f"{path}: feature {k} ({properties.get('id', '?')})"
        try:
            lots.append(_lot(feature, properties))
        except ParkingError as error:
            raise InvalidInputError(str(error), where=where) from None
    try:
        check_city(tuple(lots))
    except InvalidInputError as error:
        raise InvalidInputError(str(error), where=str(path)) from None
    return tuple(lots)


def _lot(feature: Any, row: Row) -> Lot:
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    point = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if (
        not isinstance(point, list)
        or len(point) < 2
        or not all(isinstance(x, int | float) for x in point)
    ):
        raise InvalidInputError("expected a Point", where="geometry")
    return Lot(
        id=_text(row, "id", required=True),
        name=_text(row, "name"),
        lon=float(point[0]),
        lat=float(point[1]),
        pools=tuple(_at(f"pools[{k}]", _pool, p) for k, p in enumerate(_list(row, "pools", ""))),
        operator=_text(row, "operator"),
        kind=_text(row, "kind"),
        district=_text(row, "district"),
        entrance_edge=_text(row, "entrance_edge"),
        max_height_cm=_int(row, "max_height_cm", None),
        permits=frozenset(_list(row, "permits", "")),
        tariff=_at("tariff", _tariff, row.get("tariff")),
        opening=tuple(
            _at(f"opening[{k}]", _window, w) for k, w in enumerate(_list(row, "opening", ""))
        ),
        closed=bool(row.get("closed") or False),
    )


def _pool(row: Row) -> Pool:
    capacity = _int(row, "capacity", None)
    if capacity is None:
        raise InvalidInputError("is missing", where="capacity")
    quota = _int(row, "quota", capacity) or 0
    return Pool(
        id=_text(row, "id", required=True),
        space_class=_word(SpaceClass, row.get("class") or "standard", "class"),
        capacity=capacity,
        quota=quota,
        walk_in_buffer=_int(row, "walk_in_buffer", 0) or 0,
        free=quota if row.get("free") is None else _int(row, "free", quota) or 0,
        seen_ms=_instant(row.get("seen_at"), "seen_at"),
        connector=(
            _word(Connector, row["connector"], "connector") if row.get("connector") else None
        ),
        power_kw=None if row.get("power_kw") is None else float(_number(row, "power_kw")),
    )


def _tariff(row: Any) -> Tariff:
    if row is None:
        return FREE
    if not isinstance(row, dict):
        raise InvalidInputError("expected an object")
    night = None
    if row.get("night"):
        night = Night(
            parse_minutes(str(row["night"].get("from")), where="night.from"),
            parse_minutes(str(row["night"].get("to")), where="night.to"),
            _int(row["night"], "cap_fen", 0) or 0,
        )
    if "fen_per_hour" in row:
        return Tariff(fen=_int(row, "fen_per_hour", 0) or 0, night=night)
    steps = tuple(
        (_int(s, "upto_minutes", 0) or 0, _int(s, "fen", 0) or 0) for s in _list(row, "steps", "")
    )
    return Tariff(
        per_started_minutes=_int(row, "per_started_minutes", 60) or 0,
        fen=_int(row, "fen", 0) or 0,
        free_minutes=_int(row, "free_minutes", 0) or 0,
        steps=steps,
        day_cap_fen=_int(row, "day_cap_fen", None),
        night=night,
    )


def _window(row: Row) -> OpeningWindow:
    return OpeningWindow(
        days=frozenset(_list(row, "days", "")),
        from_minutes=parse_minutes(str(row.get("from")), where="from"),
        to_minutes=parse_minutes(str(row.get("to")), where="to"),
    )


def _at(where: str, read: Callable[[Any], Any], row: Any) -> Any:
    """Read a nested value and put its place before whatever is wrong with it."""
    try:
        if row is not None and not isinstance(row, dict):
            raise InvalidInputError("expected an object")
        return read(row)
    except ParkingError as error:
        dot = "." if error.where else ""
        raise InvalidInputError(error.message, where=f"{where}{dot}{error.where}") from None


def _text(row: Row, key: str, *, required: bool = False) -> str:
    value = row.get(key)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value):
        raise InvalidInputError(f"{value!r}; expected text", where=key)
    return value


def _number(row: Row, key: str) -> float | int:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInputError(f"{value!r}; expected a number", where=key)
    return value


def _int(row: Row, key: str, default: int | None) -> int | None:
    if row.get(key) is None:
        return default
    value = _number(row, key)
    if value != int(value):
        raise InvalidInputError(f"{value!r}; expected a whole number", where=key)
    return int(value)


def _list(row: Row, key: str, where: str) -> Sequence[Any]:
    value = row.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidInputError(f"{key}: expected a list", where=where or key)
    return value


def _word(kind: Any, text: Any, key: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        words = ", ".join(kind)
        raise InvalidInputError(f"{text!r}; expected one of {words}", where=key) from None


def _instant(text: Any, key: str) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise InvalidInputError(f"{text!r}; expected ISO 8601", where=key) from None
    if moment.tzinfo is None:
        raise InvalidInputError(f"{text!r}; expected a time zone", where=key)
    return int(moment.astimezone(UTC).timestamp() * 1000)
