"""Draws time-space diagrams as PNG or SVG.

Time runs to the right and distance upwards, as in Webster's and Little's papers and in most
engineers' software, so that a faster band is a steeper one.
"""

import itertools
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon, Rectangle

from traffic.io.cjk_font import cjk_family
from traffic.timespace import Band, SignalRow, TimeSpace

OUT_COLOUR = "#1b7f5c"
IN_COLOUR = "#3465a4"
RED_OUT = "#c0392b"
RED_IN = "#e08a7d"
CYCLES = 3
LABEL_GAP_IN = 0.30
"""Inches between two labels, so that neighbouring signals do not cover each other."""


def draw_time_space(diagram: TimeSpace, path: Path) -> None:
    """Write a diagram; the ending of ``path`` (.png or .svg) chooses the format.

    Each signal has two bars, outbound above and inbound below: red where the way through is not
    green. Bands are drawn from cycle to cycle with their widths and speeds.
    """
    height_in = max(4.2, 1.8 + LABEL_GAP_IN * 1.25 * len(diagram.rows))
    with rc_context({"font.family": [cjk_family()], "svg.hashsalt": "greenlot"}):
        figure = Figure(figsize=(11.5, height_in), dpi=110)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.19, 0.9 / height_in, 0.66, 1 - 1.75 / height_in))
        length_m = diagram.rows[-1].position_m
        unit_m = length_m / ((height_in - 1.75) * 72)  # metres a point
        for row in diagram.rows:
            _bars(axes, row, diagram.cycle_s, 3.2 * unit_m)
        for band in diagram.bands:
            _band(axes, diagram, band)
        for gap in diagram.gaps:
            _gap(axes, diagram, gap)
        _labels(axes, diagram, unit_m)
        _frame(figure, axes, diagram, length_m, unit_m)
        metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(path, metadata=metadata)


def _bars(axes: Axes, row: SignalRow, cycle_s: int, thick_m: float) -> None:
    for greens, colour, bottom in (
        (row.green_out, RED_OUT, row.position_m),
        (row.green_in, RED_IN, row.position_m - thick_m),
    ):
        if not greens:
            axes.axhline(row.position_m, color="#999999", linewidth=1, linestyle=":")
            continue
        axes.add_patch(
            Rectangle((0, bottom), CYCLES * cycle_s, thick_m, color=colour, linewidth=0, zorder=2)
        )
        for start_s, end_s in greens:
            for cycle in range(-1, CYCLES):
                begin_s = start_s + cycle * cycle_s
                axes.add_patch(
                    Rectangle(
                        (begin_s, bottom),
                        end_s - start_s,
                        thick_m,
                        color="#dff0e4",
                        linewidth=0,
                        zorder=3,
                    )
                )


def _band(axes: Axes, diagram: TimeSpace, band: Band) -> None:
    colour = OUT_COLOUR if band.direction == "out" else IN_COLOUR
    positions = [row.position_m for row in diagram.rows[band.first : band.last + 1]]
    for cycle in range(-CYCLES - 8, CYCLES + 1):
        shift_s = cycle * diagram.cycle_s
        front = [(t + shift_s, y) for t, y in zip(band.front_s, positions, strict=True)]
        if max(t for t, _ in front) + band.width_s < 0:
            continue
        if min(t for t, _ in front) > CYCLES * diagram.cycle_s:
            continue
        rear = [(t + band.width_s, y) for t, y in front]
        axes.add_patch(
            Polygon(
                [*front, *rear[::-1]],
                closed=True,
                facecolor=colour,
                alpha=0.28,
                edgecolor=colour,
                linewidth=0.8,
                zorder=4,
            )
        )
    _band_label(axes, diagram, band, positions, colour)


def _band_label(
    axes: Axes, diagram: TimeSpace, band: Band, positions: list[float], colour: str
) -> None:
    """Write width and speed beside the middle of the band, in the cycle that shows it best."""
    lengths = [b - a for a, b in itertools.pairwise(positions)]
    travel_s = sum(m / v for m, v in zip(lengths, band.speeds_mps, strict=True))
    speed_kmh = 3.6 * sum(lengths) / travel_s
    middle = len(positions) // 2
    below = middle - 1
    y = (positions[below] + positions[middle]) / 2
    t = (band.front_s[below] + band.front_s[middle]) / 2 + band.width_s / 2
    column = 1.3 if band.direction == "out" else 2.2
    shift = round(column - t / diagram.cycle_s)
    axes.text(
        t + shift * diagram.cycle_s,
        y,
        f"{band.width_s:.1f} s · {speed_kmh:.0f} km/h",
        color=colour,
        fontsize=8.5,
        ha="center",
        va="center",
        zorder=6,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.2},
    )


def _gap(axes: Axes, diagram: TimeSpace, gap: int) -> None:
    low, high = diagram.rows[gap].position_m, diagram.rows[gap + 1].position_m
    axes.axhspan(low, high, color="#f3f0e6", zorder=0)
    axes.text(
        CYCLES * diagram.cycle_s / 2,
        (low + high) / 2,
        f"分段 parted here: {high - low:,.0f} m",
        ha="center",
        va="center",
        fontsize=9,
        color="#8a7a4a",
        zorder=5,
    )


def _labels(axes: Axes, diagram: TimeSpace, unit_m: float) -> None:
    """Name the signals at the left, spread where they stand close, with a line to each."""
    gap_m = LABEL_GAP_IN * 72 * unit_m
    places: list[float] = []
    for row in diagram.rows:
        places.append(max(row.position_m, places[-1] + gap_m) if places else row.position_m)
    # What was pushed over the top is pushed back down, neighbours with it.
    top_m = max(diagram.rows[-1].position_m, gap_m * (len(places) - 1))
    for k in range(len(places) - 1, -1, -1):
        places[k] = min(places[k], top_m - gap_m * (len(places) - 1 - k))
    for row, place in zip(diagram.rows, places, strict=True):
        offset = "未协调 not coordinated" if row.offset_s is None else f"offset {row.offset_s} s"
        axes.annotate(
            f"{row.name}  {row.position_m:,.0f} m · {offset}",
            xy=(0, row.position_m),
            xytext=(-0.028 * CYCLES * diagram.cycle_s, place),
            fontsize=8.5,
            ha="right",
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": "#888888", "shrinkA": 1},
        )


def _frame(figure: Figure, axes: Axes, diagram: TimeSpace, length_m: float, unit_m: float) -> None:
    axes.set_xlim(0, CYCLES * diagram.cycle_s)
    axes.set_ylim(-10 * unit_m, length_m + 10 * unit_m)
    axes.set_xticks([k * diagram.cycle_s / 2 for k in range(2 * CYCLES + 1)])
    axes.set_yticks([])
    axes.grid(axis="x", color="#dddddd", linewidth=0.6, zorder=1)
    axes.set_xlabel("时间 time, s (from the master clock's cycle start)")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    figure.suptitle(
        f"{diagram.title} · 时距图 time-space diagram · 周期 cycle {diagram.cycle_s} s",
        x=0.02,
        y=1 - 0.18 / figure.get_figheight(),
        ha="left",
        va="top",
        fontsize=12,
    )
    handles = [
        Patch(facecolor=OUT_COLOUR, alpha=0.4, label="去向绿波带\nband outbound ↑"),
        Patch(facecolor=IN_COLOUR, alpha=0.4, label="来向绿波带\nband inbound ↓"),
        Patch(facecolor=RED_OUT, label="去向红灯\nred outbound"),
        Patch(facecolor=RED_IN, label="来向红灯\nred inbound"),
        Patch(facecolor="#dff0e4", label="绿灯 green"),
    ]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.86, 1 - 0.75 / figure.get_figheight()),
        fontsize=8.5,
        frameon=False,
        labelspacing=0.9,
    )
