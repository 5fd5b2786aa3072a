"""Lots as a GeoJSON document, the counterpart of ``geojson.py``."""

from collections.abc import Sequence
from typing import Any

from parking.inventory import Lot, Pool
from parking.io.instants import format_instant
from parking.opening import OpeningWindow
from parking.tariff import FREE, Tariff


def geojson_of_lots(lots: Sequence[Lot]) -> dict[str, Any]:
    """Turn lots into a FeatureCollection, every property written out, in a fixed order."""
    return {"type": "FeatureCollection", "features": [_feature(lot) for lot in lots]}


def _feature(lot: Lot) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [lot.lon, lot.lat]},
        "properties": {
            "id": lot.id,
            "name": lot.name,
            "operator": lot.operator,
            "kind": lot.kind,
            "district": lot.district,
            "entrance_edge": lot.entrance_edge,
            "max_height_cm": lot.max_height_cm,
            "permits": sorted(lot.permits),
            "tariff": None if lot.tariff == FREE else _tariff_document(lot.tariff),
            "opening": [_window_document(window) for window in lot.opening] or None,
            "closed": lot.closed,
            "pools": [_pool_document(pool) for pool in lot.pools],
        },
    }


def _pool_document(pool: Pool) -> dict[str, Any]:
    return {
        "id": pool.id,
        "class": str(pool.space_class),
        "capacity": pool.capacity,
        "quota": pool.quota,
        "walk_in_buffer": pool.walk_in_buffer,
        "free": pool.free,
        "seen_at": None if pool.seen_ms is None else format_instant(pool.seen_ms),
        "connector": None if pool.connector is None else str(pool.connector),
        "power_kw": pool.power_kw,
        "bays": list(pool.bays) or None,
    } | ({"bays": list(pool.bays)} if pool.bays else {})


def _tariff_document(tariff: Tariff) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if tariff.free_minutes:
        document["free_minutes"] = tariff.free_minutes
    if tariff.steps:
        document["steps"] = [{"upto_minutes": upto, "fen": fen} for upto, fen in tariff.steps]
    # The short form where it says all.
    if tariff.per_started_minutes == 60 and not tariff.steps:
        document["fen_per_hour"] = tariff.fen
    else:
        document["per_started_minutes"] = tariff.per_started_minutes
        document["fen"] = tariff.fen
    if tariff.day_cap_fen is not None:
        document["day_cap_fen"] = tariff.day_cap_fen
    if tariff.night is not None:
        document["night"] = {
            "from": _time(tariff.night.from_minutes),
            "to": _time(tariff.night.to_minutes),
            "cap_fen": tariff.night.cap_fen,
        }
    return document


def _window_document(window: OpeningWindow) -> dict[str, Any]:
    return {
        "days": sorted(window.days),
        "from": _time(window.from_minutes),
        "to": _time(window.to_minutes),
    }


def _time(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
