"""Lots and what operators report, between the engine's objects and the messages of parking.v1."""

from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from parking.errors import InvalidInputError
from parking.inventory import Lot, Pool
from parking.io.protobuf import CLASSES, CONNECTORS, MAX_TEXT, ms_from_timestamp, resource_name
from parking.ledger import LotBook, LotRules, Passage, PoolBook
from parking.ledger.rules import LOT_RULE_NAMES
from parking.occupancy import walk_ins
from parking.v1 import parking_pb2 as pb

LOTS_MAX = 200
POOLS_MAX = 64
PASSAGES_MAX = 1000
FEATURE_MAX_BYTES = 512 * 1024


def lot_to_proto(
    lot: Lot, book: LotBook | None, city_id: str, pools: Sequence[pb.Pool], walk_m: float = 0.0
) -> pb.Lot:
    """Turn a lot into its message."""
    message = pb.Lot(
        name=resource_name(city_id, "lots", lot.id),
        display_name=lot.name,
        location=pb.LatLng(latitude=lot.lat, longitude=lot.lon),
        kind=lot.kind,
        max_height_cm=lot.max_height_cm or 0,
        pools=pools,
        walk_m=walk_m,
        closed=lot.closed,
    )
    if book is not None:
        message.closed_reason = book.reason
        message.revision = book.revision
    return message


def pool_to_proto(
    pool: Pool, book: PoolBook, rules: LotRules, now_ms: int, bookable: int, price_fen: int
) -> pb.Pool:
    """Turn a pool and its side of the ledger into its message."""
    cars = book.sight.cars
    counted_ms = book.sight.counted_ms
    message = pb.Pool(
        pool_id=pool.id,
        space_class=CLASSES[pool.space_class],
        capacity=pool.capacity,
        bookable=bookable,
        price_fen=price_fen,
        power_kw=pool.power_kw or 0.0,
        free=max(0, pool.capacity - cars),
        held=len(book.open) - book.parked,
        parked=book.parked,
        walk_ins=walk_ins(cars, book.parked),
        quota=pool.quota,
        withheld=book.reserve(now_ms, rules),
        stale=rules.caution.is_stale(counted_ms, now_ms),
    )
    if pool.connector is not None:
        message.connector = CONNECTORS[pool.connector]
    seen_ms = pool.seen_ms if counted_ms is None else counted_ms
    if seen_ms is not None:
        message.seen_at.FromMilliseconds(seen_ms)
    return message


def rules_from_proto(message: Any, *, where: str) -> LotRules:
    """Return a lot's own rules, or raise InvalidInputError with the field."""
    given = {name: getattr(message, name) for name in LOT_RULE_NAMES if message.HasField(name)}
    try:
        return LotRules(**given)
    except InvalidInputError as error:
        raise InvalidInputError(error.message, where=f"{where}.{error.where}") from None


def feature_from_proto(description: pb.LotDescription, *, where: str) -> dict[str, Any]:
    """Return a lot's GeoJSON Feature as JSON would give it, or raise InvalidInputError."""
    if not description.HasField("feature"):
        raise InvalidInputError("is missing", where=f"{where}.feature")
    if description.feature.ByteSize() > FEATURE_MAX_BYTES:
        raise InvalidInputError(
            f"expected at most {FEATURE_MAX_BYTES} bytes", where=f"{where}.feature"
        )
    try:
        feature: dict[str, Any] = MessageToDict(description.feature)
    except ValueError:
        raise InvalidInputError("NaN and Infinity are no numbers", where=f"{where}.feature") from (
            None
        )
    return feature


def seen_ms(message: Any, field: str, now_ms: int, *, where: str) -> int:
    """Return a message's time field; unset = now."""
    if not message.HasField(field):
        return now_ms
    time: Timestamp = getattr(message, field)
    return ms_from_timestamp(time, where=where)


def counts_from_proto(counts: Sequence[pb.PoolCount], least: int) -> tuple[tuple[str, int], ...]:
    """Return ``(pool_id, free)``, each pool once, or raise InvalidInputError with the field."""
    if not least <= len(counts) <= POOLS_MAX:
        raise InvalidInputError(f"expected {least} to {POOLS_MAX}", where="counts")
    seen: set[str] = set()
    for k, item in enumerate(counts):
        if not 1 <= len(item.pool_id) <= 200:
            raise InvalidInputError("expected 1 to 200 characters", where=f"counts[{k}].pool_id")
        if item.pool_id in seen:
            raise InvalidInputError("stands twice", where=f"counts[{k}].pool_id")
        if item.free < 0:
            raise InvalidInputError(f"{item.free}; expected 0 or more", where=f"counts[{k}].free")
        seen.add(item.pool_id)
    return tuple((item.pool_id, item.free) for item in counts)


def passages_from_proto(
    events: Sequence[pb.GateEvent], reservation_of: Callable[[pb.GateEvent, str], str]
) -> tuple[Passage, ...]:
    """Return gate reports.

    Parameters
    ----------
    events
        1 to 1000.
    reservation_of
        From an event and its field path to the reservation whose car it was; empty = unknown.

    Raises
    ------
    InvalidInputError
        With the field's path.
    """
    if not 1 <= len(events) <= PASSAGES_MAX:
        raise InvalidInputError(f"expected 1 to {PASSAGES_MAX}", where="events")
    found = []
    for k, event in enumerate(events):
        where = f"events[{k}]"
        if not 1 <= len(event.gate) <= MAX_TEXT:
            raise InvalidInputError("expected 1 to 64 characters", where=f"{where}.gate")
        if not event.HasField("seen_at"):
            raise InvalidInputError("is missing", where=f"{where}.seen_at")
        if event.direction not in (pb.GateEvent.DIRECTION_IN, pb.GateEvent.DIRECTION_OUT):
            raise InvalidInputError("expected IN or OUT", where=f"{where}.direction")
        if len(event.pool_id) > 200:
            raise InvalidInputError("expected up to 200 characters", where=f"{where}.pool_id")
        found.append(
            Passage(
                gate=event.gate,
                seen_ms=ms_from_timestamp(event.seen_at, where=f"{where}.seen_at"),
                inward=event.direction == pb.GateEvent.DIRECTION_IN,
                pool_id=event.pool_id,
                reservation_id=reservation_of(event, where),
            )
        )
    return tuple(found)
