"""Signs, key figures and settlement, between the engine's objects and parking.v1."""

import json
from collections.abc import Sequence

from parking.errors import InvalidInputError
from parking.guidance import Line, Shown, Sign
from parking.io.protobuf import key_of_name, resource_name
from parking.ledger import Reservation, ReservationState
from parking.v1 import parking_pb2 as pb


def sign_from_proto(message: pb.Sign, city_id: str, *, where: str) -> Sign:
    """Return a sign, or raise InvalidInputError with the field."""
    sign_id = key_of_name(message.name, city_id, "signs", where=f"{where}.name")
    lines = []
    for k, line in enumerate(message.lines):
        place = f"{where}.lines[{k}]"
        lots = tuple(
            key_of_name(name, city_id, "lots", where=f"{place}.lots[{j}]")
            for j, name in enumerate(line.lots)
        )
        try:
            lines.append(Line(line.text, lots))
        except InvalidInputError as error:
            raise InvalidInputError(error.message, where=f"{place}.{error.where}") from None
    try:
        return Sign(sign_id, tuple(lines))
    except InvalidInputError as error:
        raise InvalidInputError(error.message, where=f"{where}.{error.where}") from None


def sign_document(sign: Sign) -> str:
    """Return a sign's lines as the text that the ledger keeps."""
    lines = [{"text": line.text, "lots": line.lot_ids} for line in sign.lines]
    return json.dumps({"lines": lines}, ensure_ascii=False, separators=(",", ":"))


def sign_of_document(sign_id: str, text: str) -> Sign:
    """Return the sign that ``sign_document`` wrote."""
    lines = json.loads(text)["lines"]
    return Sign(sign_id, tuple(Line(line["text"], tuple(line["lots"])) for line in lines))


def sign_to_proto(sign: Sign, shown: Sequence[Shown], city_id: str, now_ms: int) -> pb.Sign:
    """Turn a sign and what its lines show into a message."""
    message = pb.Sign(name=resource_name(city_id, "signs", sign.sign_id))
    for line, item in zip(sign.lines, shown, strict=True):
        age_s = item.age_s(now_ms)
        made = message.lines.add(
            text=line.text,
            lots=[resource_name(city_id, "lots", lot_id) for lot_id in line.lot_ids],
            number=item.number,
            age_s=-1 if age_s is None else age_s,
            stale=item.is_stale,
            closed=item.is_closed,
        )
        if item.counted_ms is not None:
            made.counted_at.FromMilliseconds(item.counted_ms)
    return message


def settlement_entry(
    reservation: Reservation, ended_ms: int, city_id: str
) -> pb.SettlementEntry | None:
    """Return what is to be settled for a reservation that is over; None = nothing."""
    state, reason = reservation.state, reservation.reason
    if state is ReservationState.COMPLETED:
        kind = pb.SettlementEntry.KIND_STAY
    elif state is ReservationState.NO_SHOW:
        kind = pb.SettlementEntry.KIND_NO_SHOW
    elif state is ReservationState.CANCELLED and reason == "late":
        kind = pb.SettlementEntry.KIND_LATE_CANCEL
    else:
        return None
    entry = pb.SettlementEntry(
        reservation=resource_name(city_id, "reservations", reservation.reservation_id),
        kind=kind,
        pool_id=reservation.pool_id,
        price_fen=reservation.price_fen,
        overstay=reservation.overstay,
        unseen=reason == "unseen",
    )
    entry.arrive_at.FromMilliseconds(reservation.arrive_ms)
    entry.leave_at.FromMilliseconds(reservation.leave_ms)
    if reservation.arrived_ms is not None:
        entry.arrived_at.FromMilliseconds(reservation.arrived_ms)
    if reservation.left_ms is not None:
        entry.left_at.FromMilliseconds(reservation.left_ms)
    entry.ended_at.FromMilliseconds(ended_ms)
    return entry
