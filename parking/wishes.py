"""What a driver had asked for, as text that the log keeps, so that a later offer can be judged.

Places are rounded to about a metre. The text belongs to a reservation whose driver the log knows
by a random key alone.
"""

import json
import math
from typing import Any

from parking.inventory import Connector, SpaceClass
from parking.requests import ParkingRequest

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def wish_text(request: ParkingRequest) -> str:
    """Return a request without its times and its id, as compact JSON."""
    wish: dict[str, Any] = {
        "from": [round(request.origin_lon, 5), round(request.origin_lat, 5)],
        "to": [round(request.dest_lon, 5), round(request.dest_lat, 5)],
        "class": request.space_class.value,
        "fen_per_h": request.value_of_time_fen_per_h,
    }
    if math.isfinite(request.max_walk_m):
        wish["walk_m"] = request.max_walk_m
    if request.height_cm:
        wish["height_cm"] = request.height_cm
    if request.connector is not None:
        wish["connector"] = request.connector.value
    if request.min_power_kw:
        wish["power_kw"] = request.min_power_kw
    if request.max_price_fen is not None:
        wish["price_fen"] = request.max_price_fen
    if request.permits:
        wish["permits"] = sorted(request.permits)
    return _encode(wish)


def request_of(text: str, *, key: str, arrive_ms: int, leave_ms: int) -> ParkingRequest:
    """Return the request that ``wish_text`` wrote, for another stay."""
    wish = json.loads(text)
    connector = wish.get("connector")
    return ParkingRequest(
        id=key,
        origin_lon=wish["from"][0],
        origin_lat=wish["from"][1],
        dest_lon=wish["to"][0],
        dest_lat=wish["to"][1],
        arrive_ms=arrive_ms,
        leave_ms=leave_ms,
        space_class=SpaceClass(wish["class"]),
        height_cm=wish.get("height_cm", 0),
        connector=None if connector is None else Connector(connector),
        min_power_kw=wish.get("power_kw", 0.0),
        max_walk_m=wish.get("walk_m", math.inf),
        max_price_fen=wish.get("price_fen"),
        value_of_time_fen_per_h=wish["fen_per_h"],
        permits=frozenset(wish.get("permits", ())),
    )
