"""Time-space diagrams of corridor and result documents (the JSON of ``signals bandwidth``)."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from traffic.bandwidth import Window, widest_band
from traffic.errors import InvalidInputError
from traffic.timespace import Band, BandDirection, Parting, SignalRow, TimeSpace, Windows

# Below this a measured band is rounding noise, not a band.
LEAST_BAND_S = 1e-6


def time_space_of_document(
    corridor: Mapping[str, Any], result: Mapping[str, Any], *, title: str
) -> TimeSpace:
    """Lay out a solved corridor.

    Bands are measured here from the greens and the speeds, never copied: through bands where they
    run from end to end, otherwise the band of each link by itself.

    Parameters
    ----------
    corridor
        The document that was solved: names, positions, lefts.
    result
        The answer, or its ``integer_plan``: cycle, greens on the common clock, patterns, speeds.
    title
        For people.

    Raises
    ------
    InvalidInputError
        A field is missing, or the two documents are not of the same signals; ``where`` is the
        field.
    """
    asked, answered = _list(corridor, "signals"), _list(result, "signals")
    ids = [str(_field(s, "id", f"signals[{k}]")) for k, s in enumerate(asked)]
    told = [str(_field(s, "id", f"signals[{k}]")) for k, s in enumerate(answered)]
    if ids != told:
        raise InvalidInputError(f"{told}; expected those of the corridor, {ids}", where="signals")
    cycle_s = float(_field(result, "cycle_s", ""))
    rows = tuple(
        _row(a, b, cycle_s, f"signals[{k}]")
        for k, (a, b) in enumerate(zip(asked, answered, strict=True))
    )
    links = _list(result, "links")
    if len(links) != len(rows) - 1:
        raise InvalidInputError(f"{len(links)}; expected {len(rows) - 1}", where="links")
    bands: list[Band] = []
    sides: tuple[BandDirection, BandDirection] = ("out", "in")
    for side in sides:
        speeds = [
            float(_field(link, f"speed_{side}_mps", f"links[{k}]")) for k, link in enumerate(links)
        ]
        bands += _bands(rows, speeds, cycle_s, side)
    crossed = {link for band in bands for link in range(band.first, band.last)}
    lengths = [b.position_m - a.position_m for a, b in itertools.pairwise(rows)]
    return TimeSpace(
        title=title,
        cycle_s=cycle_s,
        rows=rows,
        bands=tuple(bands),
        partings=tuple(
            Parting(k, length_m, "no_band")
            for k, length_m in enumerate(lengths)
            if k not in crossed
        ),
    )


def _row(
    asked: Mapping[str, Any], answered: Mapping[str, Any], cycle_s: float, where: str
) -> SignalRow:
    out, back = (_window(answered, key, where) for key in ("green_out", "green_in"))
    left_out, left_in = _lefts(asked, answered, out, back, cycle_s)
    return SignalRow(
        id=str(asked["id"]),
        name=str(asked.get("name") or asked["id"]),
        position_m=float(_field(asked, "position_m", where)),
        green_out=(out,),
        green_in=(back,),
        offset_s=round(float(_field(answered, "offset_s", where)), 1),
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


def _bands(
    rows: Sequence[SignalRow], speeds: Sequence[float], cycle_s: float, side: BandDirection
) -> list[Band]:
    """Return the through band of one direction, or each link's own where none runs through."""
    last = len(rows) - 1
    whole = _measured(rows, speeds, cycle_s, side, 0, last)
    if whole is not None:
        return [whole]
    pieces = (_measured(rows, speeds, cycle_s, side, k, k + 1) for k in range(last))
    return [band for band in pieces if band is not None]


def _measured(
    rows: Sequence[SignalRow],
    speeds: Sequence[float],
    cycle_s: float,
    side: BandDirection,
    first: int,
    last: int,
) -> Band | None:
    own = rows[first : last + 1]
    pace = speeds[first:last]
    travel_s = [
        (b.position_m - a.position_m) / v
        for (a, b), v in zip(itertools.pairwise(own), pace, strict=True)
    ]
    greens = [row.green_out if side == "out" else row.green_in for row in own]
    if side == "in":
        greens, travel_s = greens[::-1], travel_s[::-1]
    windows = [[Window(begin, end - begin) for begin, end in green] for green in greens]
    band = widest_band(windows, travel_s, cycle_s)
    if band.width_s <= LEAST_BAND_S:
        return None
    front = tuple(itertools.accumulate(travel_s, initial=band.start_s))
    return Band(
        direction=side,
        first=first,
        last=last,
        front_s=front if side == "out" else front[::-1],
        width_s=band.width_s,
        speeds_mps=tuple(pace),
    )


def _field(row: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in row:
        raise InvalidInputError("is missing", where=f"{where}.{key}" if where else key)
    return row[key]


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    value = _field(document, key, "")
    if not isinstance(value, list):
        raise InvalidInputError("expected a list", where=key)
    return value


def _window(row: Mapping[str, Any], key: str, where: str) -> tuple[float, float]:
    value = _field(row, key, where)
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise InvalidInputError(f"{value!r}; expected [start_s, end_s]", where=f"{where}.{key}")
    return float(value[0]), float(value[1])
