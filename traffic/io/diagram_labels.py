"""The writing on a time-space diagram: signals, links, and where a band's width finds room."""

import unicodedata

from traffic.io.diagram_sheet import INK, LEFT, PARTED_INK, ROW_GAP_IN, SOFT_INK, Sheet
from traffic.timespace import Band, SignalRow

# Room for the signals' names, pt: what stands left of the axes less the gaps at both sides.
NAME_PT = LEFT * 72 - 24 - 12
NAME_SIZES = (9.5, 7.5)  # usual and least
DETAIL_SIZE = 7.0


def write_row_labels(sheet: Sheet) -> None:
    """Name the signals at the left, spread where they stand close, with a line to each."""
    gap = (ROW_GAP_IN * 72 - 1) * sheet.metres_per_pt
    places = spread(sheet.positions, gap)
    shift = -7 * sheet.seconds_per_pt
    for row, position, place in zip(sheet.diagram.rows, sheet.positions, places, strict=True):
        if abs(place - position) > 2 * sheet.metres_per_pt:
            sheet.axes.plot(
                (shift * 0.9, shift * 2.6),
                (position, place),
                color="#9aa5aa",
                linewidth=0.6,
                clip_on=False,
            )
        name_size = min(NAME_SIZES[0], max(NAME_SIZES[1], NAME_PT / width_em(row.name)))
        for text, size, colour, baseline_pt in (
            (fitted(row.name, NAME_PT / name_size), name_size, INK, 1.5),
            (_detail(row), DETAIL_SIZE, SOFT_INK, -8.5),
        ):
            sheet.axes.annotate(
                text,
                xy=(0, place),
                xytext=(-24, baseline_pt),
                textcoords="offset points",
                ha="right",
                va="baseline",
                fontsize=size,
                color=colour,
                annotation_clip=False,
            )


def _detail(row: SignalRow) -> str:
    """What stands below a signal's name."""
    offset = "未协调 not coordinated" if row.offset_s is None else f"{row.offset_s:g} s"
    known = f"{row.position_m:,.0f} m · {offset}"
    if row.id == row.name:
        return known
    return f"{fitted(row.id, NAME_PT / DETAIL_SIZE - width_em(known) - 1)} · {known}"


def width_em(text: str) -> float:
    """Estimate how wide a text is, in units of its size: Chinese characters are as wide as high."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return wide + 0.56 * (len(text) - wide)


def fitted(text: str, room_em: float) -> str:
    """Shorten a text in its middle until it fits."""
    if width_em(text) <= room_em:
        return text
    keep = len(text) - 1
    while keep > 2 and width_em(_cut(text, keep)) > room_em:
        keep -= 1
    return _cut(text, keep)


def _cut(text: str, keep: int) -> str:
    return f"{text[: (keep + 1) // 2]}…{text[len(text) - keep // 2 :]}"


def spread(positions: tuple[float, ...], gap: float) -> list[float]:
    """Move rising places apart until they stand ``gap`` from each other, as little as it takes.

    The least sum of squared moves: neighbours that are too close join into a block around the
    mean of what they want (pool adjacent violators).
    """
    blocks: list[tuple[float, int]] = []  # mean of (position - k * gap), members
    for k, position in enumerate(positions):
        mean, count = position - k * gap, 1
        while blocks and blocks[-1][0] > mean:
            before, members = blocks.pop()
            mean = (mean * count + before * members) / (count + members)
            count += members
        blocks.append((mean, count))
    flat = [mean for mean, count in blocks for _ in range(count)]
    return [mean + k * gap for k, mean in enumerate(flat)]


def write_link_labels(sheet: Sheet) -> None:
    """Write each link's length and speeds at the right, and head both columns."""
    diagram = sheet.diagram
    for link in range(len(diagram.rows) - 1):
        out, back = (diagram.speed_mps(link, side) for side in ("out", "in"))
        speeds = " ".join(
            f"{arrow}{3.6 * speed:.0f}" for arrow, speed in (("↑", out), ("↓", back)) if speed
        )
        sheet.axes.annotate(
            f"{diagram.length_m(link):,.0f} m" + (f"   {speeds} km/h" if speeds else ""),
            xy=(1, sheet.middle(link)),
            xycoords=("axes fraction", "data"),
            xytext=(10, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK if speeds else PARTED_INK,
            annotation_clip=False,
        )
    for x, shift_pt, ha, text in (
        (1, 10, "left", "路段 link   车速 speed"),
        (0, -24, "right", "位置 position · 相位差 offset"),
    ):
        sheet.axes.annotate(
            text,
            xy=(x, 1),
            xycoords="axes fraction",
            xytext=(shift_pt, 6),
            textcoords="offset points",
            ha=ha,
            fontsize=8,
            color=SOFT_INK,
            annotation_clip=False,
        )


def label_place(sheet: Sheet, band: Band, taken: list[tuple[float, float]]) -> tuple[float, float]:
    """Choose a link and a cycle for the band's label: roomy, near the middle, free of others."""
    best: tuple[float, tuple[float, float]] | None = None
    for link in range(band.first, band.last):
        centre_s = band.middle_s(link)
        room_pt = (sheet.positions[link + 1] - sheet.positions[link]) / sheet.metres_per_pt
        for cycle in range(-30, 31):
            t = centre_s + cycle * sheet.diagram.cycle_s
            if not 0.07 <= t / sheet.until_s <= 0.93:
                continue
            place = (t, sheet.middle(link))
            crowding = sum(_overlap(sheet, place, other) for other in taken)
            opposite = sum(
                _overlap(sheet, place, other) for other in _opposite_centres(sheet, band, link)
            )
            off_centre = abs(t / sheet.until_s - 0.5)
            cost = 100 * crowding + 5 * opposite + off_centre - min(room_pt, 60) / 20
            if best is None or cost < best[0] - 1e-9:
                best = (cost, place)
    if best is None:  # a band so slow that no link's middle is in sight
        return sheet.until_s / 2, sheet.middle(band.first)
    return best[1]


def _overlap(sheet: Sheet, a: tuple[float, float], b: tuple[float, float]) -> float:
    """How much two labels cover each other, 0 (not at all) to 1."""
    dx = abs(a[0] - b[0]) / (56 * sheet.seconds_per_pt)
    dy = abs(a[1] - b[1]) / (17 * sheet.metres_per_pt)
    return max(0.0, 1 - dx) * max(0.0, 1 - dy)


def _opposite_centres(sheet: Sheet, band: Band, link: int) -> list[tuple[float, float]]:
    """Middles, on one link, of the bands that run the other way."""
    found = []
    for other in sheet.diagram.bands:
        if other.direction != band.direction and other.first <= link < other.last:
            centre_s = other.middle_s(link)
            found += [
                (centre_s + cycle * sheet.diagram.cycle_s, sheet.middle(link))
                for cycle in range(-30, 31)
            ]
    return found
