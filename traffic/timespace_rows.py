"""The rows of a document's time-space diagram: when throughs and lefts are green."""

from collections.abc import Mapping
from typing import Any

from traffic.errors import InvalidInputError
from traffic.timespace import SignalRow, Windows


def uncoordinated_row(asked: Mapping[str, Any], where: str) -> SignalRow:
    """Lay a signal out of which nothing is told."""
    return SignalRow(
        id=str(field(asked, "id", where)),
        name=str(asked.get("name") or asked["id"]),
        position_m=float(field(asked, "position_m", where)),
        green_out=(),
        green_in=(),
        offset_s=None,
    )


def coordinated_row(
    asked: Mapping[str, Any], answered: Mapping[str, Any], cycle_s: float, where: str
) -> SignalRow:
    """Lay a signal out with its greens on the common clock."""
    out, back = (_window(answered, key, where) for key in ("green_out", "green_in"))
    left_out, left_in = _lefts(asked, answered, out, back, cycle_s)
    return SignalRow(
        id=str(asked["id"]),
        name=str(asked.get("name") or asked["id"]),
        position_m=float(field(asked, "position_m", where)),
        green_out=(out,),
        green_in=(back,),
        offset_s=round(float(field(answered, "offset_s", where)), 1),
        left_out=left_out,
        left_in=left_in,
    )


def _lefts(
    asked: Mapping[str, Any],
    answered: Mapping[str, Any],
    out: tuple[float, float],
    back: tuple[float, float],
    cycle_s: float,
) -> tuple[Windows, Windows]:
    """When the lefts are green: a leading one opens the road's block, a lagging one closes it.

    The outbound left stands beside the inbound through, so it fills the block around that.
    """
    shares = [float(asked.get(key, 0.0)) * cycle_s for key in ("left_out", "left_in")]
    leads = [part == "lead" for part in str(answered.get("pattern", "lead-lead")).split("-")]
    found: list[Windows] = []
    for left_s, lead, opposing in zip(shares, leads, (back, out), strict=True):
        if left_s <= 0:
            found.append(())
        elif lead:
            found.append(((opposing[0] - left_s, opposing[0]),))
        else:
            found.append(((opposing[1], opposing[1] + left_s),))
    return found[0], found[1]


def field(row: Mapping[str, Any], key: str, where: str) -> Any:
    """Return a field of a document, or raise InvalidInputError with its path."""
    if key not in row:
        raise InvalidInputError("is missing", where=f"{where}.{key}" if where else key)
    return row[key]


def _window(row: Mapping[str, Any], key: str, where: str) -> tuple[float, float]:
    value = field(row, key, where)
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise InvalidInputError(f"{value!r}; expected [start_s, end_s]", where=f"{where}.{key}")
    return float(value[0]), float(value[1])
