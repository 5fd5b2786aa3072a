"""Between the engine's objects and the messages of parking.v1, both ways."""

import math
import re
from collections.abc import Sequence

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from parking.allocation import PassedOver
from parking.errors import InvalidInputError, NotFoundError
from parking.inventory import Connector, Lot, SpaceClass, check_position
from parking.ledger import Reservation, ReservationState
from parking.privacy import check_driver_key
from parking.requests import MAX_STAY_MS, MAX_WALK_M, MIN_STAY_MS, ParkingRequest
from parking.v1 import parking_pb2 as pb

MAX_TEXT = 64
_UUID = re.compile(r"[0-9A-Fa-f]{8}-?(?:[0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}")
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
    ReservationState.MOVED: pb.Reservation.STATE_MOVED,
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
    if _UUID.fullmatch(text) is None:
        raise InvalidInputError(f"{text[:MAX_TEXT]!r}; expected a UUID", where=where)


def resource_name(city_id: str, kind: str, key: str) -> str:
    """Return a resource name: ``kind`` is ``lots``, ``reservations``, ``drivers`` or ``signs``."""
    return f"cities/{city_id}/{kind}/{key}"


def key_of_name(name: str, city_id: str, kind: str, *, where: str = "name") -> str:
    """Return the last part of a resource name.

    Raises
    ------
    InvalidInputError
        It is not a name of that kind.
    NotFoundError
        It names another city.
    """
    match = re.fullmatch(r"cities/([^/]{1,64})/([a-z]+)/([^/\x00-\x1f]{1,200})", name[:400])
    if match is None or len(name) > 400 or match[2] != kind:
        raise InvalidInputError(
            f"{name[:100]!r}; expected cities/{city_id}/{kind}/{{id}}", where=where
        )
    if match[1] != city_id:
        raise NotFoundError(f"no city {match[1]!r}; this is cities/{city_id}", where=where)
    return match[3]


def reservation_id_from_name(name: str, city_id: str, *, where: str = "name") -> str:
    """Return the id of a reservation's resource name, or raise."""
    return key_of_name(name, city_id, "reservations", where=where)


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
    check_driver_key(message.driver_id)
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
        name=resource_name(city_id, "reservations", reservation.reservation_id),
        state=STATES[reservation.state],
        lot=resource_name(city_id, "lots", reservation.lot_id),
        pool_id=reservation.pool_id,
        price_fen=reservation.price_fen,
        drive_s=reservation.drive_s,
        walk_s=reservation.walk_s,
        cost_fen=reservation.cost_fen,
        revision=reservation.revision,
        reason=reservation.reason,
        equal_or_better=reservation.equal_or_better,
        bay=reservation.bay,
        expiring=reservation.expiring and reservation.state is ReservationState.HELD,
        overstay=reservation.overstay,
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
    for field, key in (
        ("offer", reservation.offer_id),
        ("offer_for", reservation.offer_for),
        ("moved_to", reservation.moved_to),
    ):
        if key:
            setattr(message, field, resource_name(city_id, "reservations", key))
    if lot is not None:
        message.lot_display_name = lot.name
        message.entrance_edge = lot.entrance_edge
        message.lot_location.CopyFrom(pb.LatLng(latitude=lot.lat, longitude=lot.lon))
    message.arrive_at.FromMilliseconds(reservation.arrive_ms)
    message.leave_at.FromMilliseconds(reservation.leave_ms)
    if reservation.state is ReservationState.HELD:
        message.hold_expires_at.FromMilliseconds(reservation.hold_expires_ms)
    if reservation.arrived_ms is not None:
        message.arrived_at.FromMilliseconds(reservation.arrived_ms)
    if reservation.left_ms is not None:
        message.left_at.FromMilliseconds(reservation.left_ms)
    return message
