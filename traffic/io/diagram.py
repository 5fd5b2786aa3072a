"""Draws time-space diagrams as PNG or SVG.

Time runs to the right and distance upwards, as in Webster's and Little's papers and in the
software that engineers use, Chinese platforms included: a faster band is a steeper one. (Chinese
textbooks that construct bands by hand, 图解法, turn it round.)
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon, Rectangle

from traffic.errors import InvalidInputError
from traffic.io.cjk_font import cjk_family
from traffic.io.diagram_labels import fitted, label_place, write_link_labels, write_row_labels
from traffic.io.diagram_sheet import (
    CYCLES,
    GREEN,
    IN_COLOUR,
    LEFT,
    MARGIN_PT,
    OUT_COLOUR,
    PARTED,
    PARTED_INK,
    RED_IN,
    RED_OUT,
    SOFT_INK,
    WIDTH,
    Sheet,
    new_sheet,
    sheet_in,
)
from traffic.timespace import Parting, SignalRow, TimeSpace
from traffic.timespace_shapes import (
    Point,
    band_lines,
    band_polygons,
    not_green,
    shown_windows,
)

BAR_PT = 4.6
HATCH = "/////"
TITLE_EM = 32

REASONS = {
    "long": "路段过长，分段 {:,.0f} m · link too long: parted",
    "no_band": "无双向绿波带，分段 {:,.0f} m · no two-way band: parted",
    "not_coordinated": "未协调，分段 {:,.0f} m · not coordinated: parted",
}


def draw_time_space(diagram: TimeSpace, path: Path) -> None:
    """Write a diagram; see ``draw_time_spaces``."""
    draw_time_spaces([diagram], path)


def draw_time_spaces(diagrams: Sequence[TimeSpace], path: Path) -> None:
    """Write diagrams, one above the other; the ending of ``path`` chooses .png or .svg.

    Each signal has two bars, outbound above and inbound below its line: red where the way through
    is not green, hatched where the left turns have a green of their own. Bands are drawn from
    cycle to cycle with their widths; each link has its length and speeds at the right. The same
    diagrams give the same file, byte for byte.

    Raises
    ------
    InvalidInputError
        Another ending, or no diagram.
    """
    if path.suffix not in {".png", ".svg"}:
        raise InvalidInputError(f"{path.name}; expected .png or .svg", where="path")
    if not diagrams:
        raise InvalidInputError("expected one or more", where="diagrams")
    total_in = sum(sheet_in(diagram) for diagram in diagrams)
    with rc_context(
        {"font.family": [cjk_family()], "svg.hashsalt": "greenlot", "hatch.linewidth": 0.8}
    ):
        figure = Figure(figsize=(WIDTH, total_in), dpi=130)
        FigureCanvasAgg(figure)
        bottom_in = total_in
        for diagram in diagrams:
            bottom_in -= sheet_in(diagram)
            _draw(new_sheet(figure, diagram, bottom_in))
        metadata: dict[str, Any] = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(path, metadata=metadata)


def _draw(sheet: Sheet) -> None:
    _frame(sheet)
    for parting in sheet.diagram.partings:
        _parting(sheet, parting)
    for row, position in zip(sheet.diagram.rows, sheet.positions, strict=True):
        _bars(sheet, row, position)
    _bands(sheet)
    write_row_labels(sheet)
    write_link_labels(sheet)
    _legend(sheet)


def _frame(sheet: Sheet) -> None:
    axes, cycle_s = sheet.axes, sheet.diagram.cycle_s
    margin = MARGIN_PT * sheet.metres_per_pt
    axes.set_xlim(0, sheet.until_s)
    axes.set_ylim(-margin, sheet.positions[-1] + margin)
    step_s = next(s for s in (5, 10, 20, 30, 60) if sheet.until_s / s <= 16 or s == 60)
    axes.set_xticks([k * step_s for k in range(int(sheet.until_s / step_s) + 1)])
    axes.tick_params(axis="x", labelsize=8.5, color=SOFT_INK)
    axes.set_yticks(sheet.positions, labels=[""] * len(sheet.positions))
    axes.tick_params(axis="y", length=4, color=SOFT_INK)
    for k in range(1, CYCLES + 1):
        axes.axvline(k * cycle_s, color="#9aa5aa", linewidth=0.8, linestyle=(0, (5, 3)), zorder=1)
        axes.annotate(
            f"{k} C",
            xy=(k * cycle_s, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center" if k < CYCLES else "right",
            fontsize=8,
            color=SOFT_INK,
        )
    axes.grid(axis="x", color="#e9edee", linewidth=0.5, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#9aa5aa")
    axes.set_xlabel(
        "时间 time, s （自公共时钟的周期起点 from the common clock's cycle start）", fontsize=9
    )
    top_in = sheet_in(sheet.diagram)
    sheet.figure.text(
        0.018,
        sheet.height(top_in - 0.16),
        f"{fitted(sheet.diagram.title, TITLE_EM)} · 时距图 time–space diagram",
        va="top",
        fontsize=13,
    )
    sheet.figure.text(
        0.982,
        sheet.height(top_in - 0.19),
        f"周期 cycle C = {cycle_s:g} s",
        va="top",
        ha="right",
        fontsize=11,
    )


def _parting(sheet: Sheet, parting: Parting) -> None:
    """Shade a link that no band crosses, say why, and break the distance axis."""
    low, high = sheet.positions[parting.after], sheet.positions[parting.after + 1]
    sheet.axes.axhspan(low, high, color=PARTED, zorder=0.5)
    middle = (low + high) / 2
    sheet.axes.text(
        sheet.until_s / 2,
        middle,
        REASONS[parting.reason].format(parting.length_m),
        ha="center",
        va="center",
        fontsize=8.5,
        color=PARTED_INK,
        zorder=6,
        bbox={"facecolor": PARTED, "edgecolor": "none", "pad": 1.5},
    )
    if parting.reason == "long":
        tick, rise = 4 * sheet.seconds_per_pt, 3 * sheet.metres_per_pt
        for y in (middle - rise / 2, middle + rise):
            sheet.axes.plot(
                (-tick, tick),
                (y - rise, y + rise),
                color=PARTED_INK,
                linewidth=1.3,
                clip_on=False,
                zorder=7,
            )


def _bars(sheet: Sheet, row: SignalRow, position: float) -> None:
    """Draw the reds of both directions, the greens between, and the lefts' own greens."""
    axes, cycle_s = sheet.axes, sheet.diagram.cycle_s
    thick = BAR_PT * sheet.metres_per_pt
    axes.plot((0, sheet.until_s), (position, position), color="#8a969b", linewidth=0.6, zorder=3)
    sides = (
        (row.green_out, row.left_out, RED_OUT, OUT_COLOUR, position),
        (row.green_in, row.left_in, RED_IN, IN_COLOUR, position - thick),
    )
    for greens, lefts, red, ink, bottom in sides:
        if not greens:
            continue
        left_s = shown_windows(lefts, cycle_s, sheet.until_s)
        # A left beside a red through is hatched on white, one beside a green through on green.
        layers: tuple[tuple[tuple[Point, ...], dict[str, Any]], ...] = (
            (not_green(greens, cycle_s, sheet.until_s), {"facecolor": red}),
            (left_s, {"facecolor": "white"}),
            (shown_windows(greens, cycle_s, sheet.until_s), {"facecolor": GREEN}),
            (left_s, {"facecolor": "none", "edgecolor": ink, "hatch": HATCH}),
        )
        for level, (windows, look) in enumerate(layers):
            for begin, end in windows:
                bar = Rectangle((begin, bottom), end - begin, thick, lw=0, **look)
                bar.set_zorder(3 + level / 10)
                axes.add_patch(bar)


def _bands(sheet: Sheet) -> None:
    taken: list[tuple[float, float]] = []
    for band in sheet.diagram.bands:
        colour = OUT_COLOUR if band.direction == "out" else IN_COLOUR
        for outline in band_polygons(sheet.diagram, band, sheet.until_s):
            sheet.axes.add_patch(
                Polygon(outline, facecolor=colour, alpha=0.25, edgecolor="none", zorder=2)
            )
            half = len(outline) // 2
            for edge in (outline[:half], outline[half:]):
                x, y = zip(*edge, strict=True)
                sheet.axes.plot(x, y, color=colour, linewidth=0.8, zorder=2.5)
        for line in band_lines(sheet.diagram, band, sheet.until_s):
            x, y = zip(*line, strict=True)
            sheet.axes.plot(x, y, color=colour, linewidth=0.9, linestyle=(0, (4, 3)), zorder=2.6)
        place = label_place(sheet, band, taken)
        taken.append(place)
        sheet.axes.text(
            *place,
            f"{'↑' if band.direction == 'out' else '↓'} {band.width_s:.1f} s",
            color=colour,
            fontsize=9 if band.last - band.first > 1 else 7.5,
            ha="center",
            va="center_baseline",
            zorder=8,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.88, "pad": 1.0},
        )
    _queues(sheet)


def _queues(sheet: Sheet) -> None:
    """Mark at the bars when queues leave: from the front's leaving to the platoon's coming."""
    edge = (BAR_PT + 1.3) * sheet.metres_per_pt
    for band in sheet.diagram.bands:
        out = band.direction == "out"
        spans = zip(band.front_s, band.came_s, sheet.positions[band.first :], strict=False)
        for left_s, came_s, position in spans:
            if came_s <= left_s:
                continue
            height = (position + edge,) * 2 if out else (position - edge,) * 2
            window = ((left_s, came_s),)
            for shown in shown_windows(window, sheet.diagram.cycle_s, sheet.until_s):
                colour = OUT_COLOUR if out else IN_COLOUR
                sheet.axes.plot(shown, height, color=colour, linewidth=2.6, zorder=5)


def _legend(sheet: Sheet) -> None:
    rows, bands = sheet.diagram.rows, sheet.diagram.bands
    handles: list[Artist] = [
        Patch(facecolor=OUT_COLOUR, alpha=0.4, label="上行绿波带 ↑ band outbound"),
        Patch(facecolor=IN_COLOUR, alpha=0.4, label="下行绿波带 ↓ band inbound"),
        Patch(facecolor=RED_OUT, label="上行红灯（含黄灯）red outbound, with yellow"),
        Patch(facecolor=RED_IN, label="下行红灯（含黄灯）red inbound, with yellow"),
        Patch(facecolor=GREEN, label="直行绿灯 through green"),
    ]
    if any(row.left_out or row.left_in for row in rows):
        handles.append(
            Patch(
                facecolor="white",
                edgecolor=OUT_COLOUR,
                hatch=HATCH,
                linewidth=0,
                label="左转绿灯（保护）protected left green",
            )
        )
    if any(band.line_s is not None for band in bands):
        style: dict[str, Any] = {"color": OUT_COLOUR, "linestyle": (0, (4, 3)), "linewidth": 0.9}
        handles.append(Line2D((), (), label="推进线 progression line", **style))
    if any(band.queue_s for band in bands):
        handles.append(
            Line2D((), (), color=OUT_COLOUR, linewidth=2.6, label="排队消散 queue leaves first")
        )
    sheet.figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(LEFT / WIDTH - 0.006, sheet.height(0.08)),
        fontsize=8,
        frameon=False,
        ncols=3,
        columnspacing=2.2,
        handlelength=2.4,
    )
