"""Between the engine's objects and the messages of parking.v1, both ways."""

import math
import re
from collections.abc import Sequence
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from parking.allocation import PassedOver
from parking.errors import InvalidInputError
from parking.inventory import Connector, Lot, Pool, SpaceClass, check_position
from parking.ledger import Reservation, ReservationState
from parking.requests import MAX_STAY_MS, MAX_WALK_M, MIN_STAY_MS, ParkingRequest
from parking.v1 import parking_pb2 as pb

MAX_TEXT = 64
MAX_WALK_ASKED_M = 50_000
STATES = {
    ReservationState.HELD: pb.Reservation.STATE_HELD,
    ReservationState.CONFIRMED: pb.Reservation.STATE_CONFIRMED,
    ReservationState.PARKED: pb.Reservation.STATE_PARKED,
    ReservationState.COMPLETED: pb.Reservation.STATE_COMPLETED,
    ReservationState.EXPIRED: pb.Reservation.STATE_EXPIRED,
    ReservationState.CANCELLED: pb.Reservation.STATE_CANCELLED,
    ReservationState.NO_SHOW: pb.Reservation.STATE_NO_SHOW,
    ReservationState.DISPLACED: pb.Reservation.STATE_DISPLACED,
}
CLASSES = {
    SpaceClass.STANDARD: pb.SPACE_CLASS_STANDARD,
    SpaceClass.ACCESSIBLE: pb.SPACE_CLASS_ACCESSIBLE,
    SpaceClass.CHARGING: pb.SPACE_CLASS_CHARGING,
    SpaceClass.LARGE: pb.SPACE_CLASS_LARGE,
}
CONNECTORS = {
    Connector.GBT_AC: pb.CONNECTOR_GBT_AC,
    Connector.GBT_DC: pb.CONNECTOR_GBT_DC,
    Connector.CCS2: pb.CONNECTOR_CCS2,
    Connector.CHADEMO: pb.CONNECTOR_CHADEMO,
    Connector.TYPE2: pb.CONNECTOR_TYPE2,
}


def check_uuid(text: str, *, where: str = "request_id") -> None:
    """Raise InvalidInputError unless the text is a UUID."""
    try:
        if len(text) > MAX_TEXT:
            raise ValueError
        UUID(text)
    except ValueError:
        raise InvalidInputError(f"{text[:MAX_TEXT]!r}; expected a UUID", where=where) from None


def reservation_name(city_id: str, reservation_id: str) -> str:
    """Return the resource name of a reservation."""
    return f"cities/{city_id}/reservations/{reservation_id}"


def reservation_id_from_name(name: str, city_id: str) -> str:
    """Return the id of a reservation's resource name, or raise InvalidInputError."""
    match = re.fullmatch(r"cities/([^/]{1,64})/reservations/([^/]{1,64})", name)
    if match is None or match[1] != city_id:
        raise InvalidInputError(
            f"{name[:200]!r}; expected cities/{city_id}/reservations/{{reservation}}", where="name"
        )
    return match[2]


def ms_from_timestamp(time: Timestamp, *, where: str) -> int:
    """Turn a Timestamp into UTC epoch milliseconds, or raise InvalidInputError."""
    if not -62_135_596_800 <= time.seconds <= 253_402_300_799 or not 0 <= time.nanos < 10**9:
        raise InvalidInputError("not a valid timestamp", where=where)
    return time.seconds * 1000 + time.nanos // 1_000_000


def ms_from_duration(duration: Duration, *, where: str) -> int:
    """Turn a Duration into milliseconds; 1 min to 14 days, or InvalidInputError."""
    stay_ms = duration.seconds * 1000 + duration.nanos // 1_000_000
    if not MIN_STAY_MS <= stay_ms <= MAX_STAY_MS:
        raise InvalidInputError(f"{stay_ms / 1000:g} s; expected 60 s to 14 days", where=where)
    return stay_ms


def position(point: pb.LatLng, *, where: str) -> tuple[float, float]:
    """Return (lon, lat), or raise InvalidInputError with the field."""
    check_position(point.longitude, point.latitude, where=where)
    return point.longitude, point.latitude


def walk_limit_m(asked_m: float) -> float:
    """Return the walking limit; 0 = the default."""
    if not (math.isfinite(asked_m) and 0 <= asked_m <= MAX_WALK_ASKED_M):
        raise InvalidInputError(
            f"{asked_m:g}; expected 0 to {MAX_WALK_ASKED_M}", where="max_walk_m"
        )
    return asked_m or MAX_WALK_M


def space_class(value: "pb.SpaceClass.ValueType") -> SpaceClass:
    """Return the class; unspecified = standard."""
    for kind, number in CLASSES.items():
        if value == number:
            return kind
    if value:
        raise InvalidInputError(f"{value}; expected a SpaceClass", where="space_class")
    return SpaceClass.STANDARD


def request_from_proto(message: pb.RequestAssignmentRequest, now_ms: int) -> ParkingRequest:
    """Turn a message into a request, or raise InvalidInputError with the field."""
    check_uuid(message.request_id)
    if not 1 <= len(message.driver_id) <= MAX_TEXT:
        raise InvalidInputError("expected 1 to 64 characters", where="driver_id")
    for field in ("origin", "destination", "duration"):
        if not message.HasField(field):
            raise InvalidInputError("is missing", where=field)
    connectors = {number: kind for kind, number in CONNECTORS.items()}
    if message.connector and message.connector not in connectors:
        raise InvalidInputError(f"{message.connector}; expected a Connector", where="connector")
    if len(message.permits) > MAX_TEXT or any(len(text) > MAX_TEXT for text in message.permits):
        raise InvalidInputError("expected at most 64, of 64 characters", where="permits")
    origin = position(message.origin, where="origin")
    destination = position(message.destination, where="destination")
    arrive_ms = (
        ms_from_timestamp(message.arrive_at, where="arrive_at")
        if message.HasField("arrive_at")
        else now_ms
    )
    value_of_time = message.value_of_time_fen_per_h
    return ParkingRequest(
        id=message.request_id,
        origin_lon=origin[0],
        origin_lat=origin[1],
        dest_lon=destination[0],
        dest_lat=destination[1],
        arrive_ms=arrive_ms,
        leave_ms=arrive_ms + ms_from_duration(message.duration, where="duration"),
        space_class=space_class(message.space_class),
        height_cm=message.height_cm,
        connector=connectors.get(message.connector),
        min_power_kw=message.min_power_kw,
        max_walk_m=walk_limit_m(message.max_walk_m),
        max_price_fen=message.max_price_fen if message.HasField("max_price_fen") else None,
        permits=frozenset(message.permits),
        **({"value_of_time_fen_per_h": value_of_time} if value_of_time else {}),
    )


def reservation_to_proto(
    reservation: Reservation,
    lot: Lot | None,
    city_id: str,
    passed_over: Sequence[PassedOver] = (),
) -> pb.Reservation:
    """Turn a reservation into its message; ``lot`` is None where the city no longer has it."""
    message = pb.Reservation(
        name=reservation_name(city_id, reservation.reservation_id),
        state=STATES[reservation.state],
        lot=f"cities/{city_id}/lots/{reservation.lot_id}",
        pool_id=reservation.pool_id,
        price_fen=reservation.price_fen,
        drive_s=reservation.drive_s,
        walk_s=reservation.walk_s,
        cost_fen=reservation.cost_fen,
        revision=reservation.revision,
        passed_over=[
            pb.PassedOver(
                lot=f"cities/{city_id}/lots/{item.lot_id}",
                pool_id=item.pool_id,
                reason=item.reason,
                walk_s=item.walk_s,
            )
            for item in passed_over
        ],
    )
    if lot is not None:
        message.lot_display_name = lot.name
        message.entrance_edge = lot.entrance_edge
        message.lot_location.CopyFrom(pb.LatLng(latitude=lot.lat, longitude=lot.lon))
    message.arrive_at.FromMilliseconds(reservation.arrive_ms)
    message.leave_at.FromMilliseconds(reservation.leave_ms)
    if reservation.state is ReservationState.HELD:
        message.hold_expires_at.FromMilliseconds(reservation.hold_expires_ms)
    return message


def lot_to_proto(lot: Lot, city_id: str, pools: Sequence[pb.Pool], walk_m: float) -> pb.Lot:
    """Turn a lot into its message."""
    return pb.Lot(
        name=f"cities/{city_id}/lots/{lot.id}",
        display_name=lot.name,
        location=pb.LatLng(latitude=lot.lat, longitude=lot.lon),
        kind=lot.kind,
        max_height_cm=lot.max_height_cm or 0,
        pools=pools,
        walk_m=walk_m,
    )


def pool_to_proto(pool: Pool, bookable: int, price_fen: int) -> pb.Pool:
    """Turn a pool into its message."""
    message = pb.Pool(
        pool_id=pool.id,
        space_class=CLASSES[pool.space_class],
        capacity=pool.capacity,
        bookable=bookable,
        price_fen=price_fen,
        power_kw=pool.power_kw or 0.0,
    )
    if pool.connector is not None:
        message.connector = CONNECTORS[pool.connector]
    if pool.seen_ms is not None:
        message.seen_at.FromMilliseconds(pool.seen_ms)
    return message
