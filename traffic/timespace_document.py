"""Time-space diagrams of corridor and result documents (the JSON of ``signals bandwidth``)."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from traffic.errors import InvalidInputError
from traffic.timespace import Band, BandDirection, Parting, PartingReason, SignalRow, TimeSpace
from traffic.timespace_bands import LinkLine, lined_bands, link_bands, through_band
from traffic.timespace_rows import coordinated_row, field, uncoordinated_row

SIDES: tuple[BandDirection, BandDirection] = ("out", "in")


def time_space_of_document(
    corridor: Mapping[str, Any], result: Mapping[str, Any], *, title: str
) -> TimeSpace:
    """Lay out a solved corridor.

    Bands are measured here from the greens and the speeds, never copied: through bands where they
    run from end to end, otherwise the band of each link by itself. Only where the document has
    progression lines the bands around these are taken from it. Of a direction that does not count
    a through band is drawn, or none.

    Parameters
    ----------
    corridor
        The document that was solved: names, positions, lefts, queues, direction.
    result
        The answer, its ``integer_plan``, or such a plan of the corridor's parts: cycle, greens on
        the common clock, patterns, speeds.
    title
        For people.

    Raises
    ------
    InvalidInputError
        A field is missing, or the two documents are not of the same signals; ``where`` is the
        field.
    """
    asked = _list(corridor, "signals")
    cycle_s = float(field(result, "cycle_s", ""))
    rows = [uncoordinated_row(signal, f"signals[{k}]") for k, signal in enumerate(asked)]
    bands: list[Band] = []
    whole = "corridors" not in result
    for part in [result] if whole else _list(result, "corridors"):
        answered, links = _list(part, "signals"), _list(part, "links")
        first = _first_row(asked, answered, whole)
        if len(links) != len(answered) - 1:
            raise InvalidInputError(f"{len(links)}; expected {len(answered) - 1}", where="links")
        for k, told in enumerate(answered):
            row = first + k
            rows[row] = coordinated_row(asked[row], told, cycle_s, f"signals[{k}]")
        for side in SIDES:
            counts = corridor.get("direction", "both") in ("both", side)
            bands += _bands(asked, rows, part, first, cycle_s, side, counts)
    return TimeSpace(
        title=title,
        cycle_s=cycle_s,
        rows=tuple(rows),
        bands=tuple(bands),
        partings=tuple(_partings(rows, bands)),
    )


def _first_row(
    asked: Sequence[Mapping[str, Any]], answered: Sequence[Mapping[str, Any]], whole: bool
) -> int:
    """Find the row at which a part begins; its signals must be neighbours of the corridor."""
    ids = [str(field(s, "id", f"signals[{k}]")) for k, s in enumerate(asked)]
    told = [str(field(s, "id", f"signals[{k}]")) for k, s in enumerate(answered)]
    first = ids.index(told[0]) if told and told[0] in ids else 0
    if told != (ids if whole else ids[first : first + max(2, len(told))]):
        raise InvalidInputError(f"{told}; expected those of the corridor, {ids}", where="signals")
    return first


def _bands(
    asked: Sequence[Mapping[str, Any]],
    rows: Sequence[SignalRow],
    part: Mapping[str, Any],
    first: int,
    cycle_s: float,
    side: BandDirection,
    counts: bool,
) -> list[Band]:
    """Return the bands of one direction of a part."""
    answered, links = part["signals"], part["links"]
    run = range(first, first + len(answered))
    own = [rows[k] for k in run]
    speeds = [
        float(field(link, f"speed_{side}_mps", f"links[{k}]")) for k, link in enumerate(links)
    ]
    queues = [float(asked[k].get(f"queue_{side}_s", 0.0)) for k in run]
    # Before a direction's first signal no band has to pass a queue.
    queues[0 if side == "out" else -1] = 0.0
    if counts and all(f"line_{side}_s" in signal for signal in answered):
        lines = [
            LinkLine(
                before_s=float(field(link, f"before_{side}_s", f"links[{k}]")),
                after_s=float(field(link, f"after_{side}_s", f"links[{k}]")),
            )
            for k, link in enumerate(links)
        ]
        passed_s = [float(signal[f"line_{side}_s"]) for signal in answered]
        return lined_bands(own, first, speeds, queues, side, passed_s, lines)
    band = through_band(own, first, speeds, queues, cycle_s, side)
    if band is not None:
        return [band]
    return link_bands(own, first, speeds, queues, cycle_s, side) if counts else []


def _partings(rows: Sequence[SignalRow], bands: Sequence[Band]) -> list[Parting]:
    crossed = {link for band in bands for link in range(band.first, band.last)}
    found = []
    for k, (a, b) in enumerate(itertools.pairwise(rows)):
        if k not in crossed:
            apart = a.offset_s is None or b.offset_s is None
            reason: PartingReason = "not_coordinated" if apart else "no_band"
            found.append(Parting(k, b.position_m - a.position_m, reason))
    return found


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    value = field(document, key, "")
    if not isinstance(value, list):
        raise InvalidInputError("expected a list", where=key)
    return value
