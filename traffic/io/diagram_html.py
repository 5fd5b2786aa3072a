"""Writes interactive time-space diagrams: one HTML file that needs nothing from anywhere."""

import itertools
import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from traffic.io.cjk_font import WEB_FAMILY, WEB_FONTS, web_font_face
from traffic.io.diagram_labels import spread
from traffic.io.diagram_sheet import (
    GREEN,
    IN_COLOUR,
    OUT_COLOUR,
    PARTED,
    PARTED_INK,
    RED_IN,
    RED_OUT,
)
from traffic.timespace import Band, SignalRow, TimeSpace
from traffic.timespace_shapes import (
    Point,
    band_lines,
    band_polygons,
    drawn_positions,
    not_green,
    shown_windows,
)

CYCLES = 3
BAR_PX = 6.0  # each direction's bar
PX_PER_ROW = 62
NAME_PX = 39.0
MARGIN = {"l": 170, "r": 175, "t": 60, "b": 110}
LEFT = "#e3a72f"
CONFIG = {"displaylogo": False, "responsive": True, "scrollZoom": False}
LINE = "推进线 progression line"
REASONS = {"long": "路段过长", "no_band": "无双向绿波带", "not_coordinated": "未协调"}

PAGE = """<!doctype html>
<html lang="zh">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>html{{overflow-y:scroll}}{font}</style>
<script>{plotly}</script>
</head>
<body style="margin:0;overflow-x:auto">
{places}
<script>
const figures = {figures};
// Widths are measured when a figure is drawn: only with the font that it will have.
document.fonts.load('12px "{family}"', "绿").then(() => figures.forEach((figure, k) =>
  Plotly.newPlot("time-space-" + k, figure.data, figure.layout, {config})));
</script>
</body>
</html>
"""


def write_time_space_html(diagrams: Sequence[TimeSpace], path: Path, *, title: str) -> None:
    """Write diagrams that can be zoomed, panned and asked: what is under the pointer says so.

    plotly's JavaScript is in the file, which therefore has about 5 MB and works without a
    network. The same diagrams give the same file, byte for byte.
    """
    figures = [_figure(diagram) for diagram in diagrams]
    words = title + "绿" + "".join(str(figure.to_dict()) for figure in figures)
    places = (
        f'<div id="time-space-{k}" style="min-width:760px;margin-bottom:32px"></div>'
        for k in range(len(figures))
    )
    page = PAGE.format(
        title=escape(title),
        font=web_font_face(words),
        plotly=get_plotlyjs(),
        family=WEB_FAMILY,
        places="\n".join(places),
        # A name must not be able to end the script.
        figures="[" + ",".join(f.to_json() for f in figures).replace("<", "\\u003c") + "]",
        config=json.dumps(CONFIG),
    )
    path.write_text(page, encoding="utf-8")


def _figure(diagram: TimeSpace) -> Any:
    until_s = CYCLES * diagram.cycle_s
    positions = drawn_positions(diagram)
    body_px = _body_px(positions)
    height_px = body_px + MARGIN["t"] + MARGIN["b"]
    thick = BAR_PX * positions[-1] / body_px
    figure = go.Figure()
    for trace in (*_bands(diagram, until_s), *_bars(diagram, positions, thick, until_s)):
        figure.add_trace(trace)
    for parting in diagram.partings:
        low, high = positions[parting.after], positions[parting.after + 1]
        figure.add_hrect(y0=low, y1=high, fillcolor=PARTED, line_width=0, layer="below")
        figure.add_annotation(
            x=until_s / 2,
            y=(low + high) / 2,
            text=f"{REASONS[parting.reason]}，分段 {parting.length_m:,.0f} m",
            showarrow=False,
            font={"color": PARTED_INK, "size": 12},
        )
    for note in _link_notes(diagram, positions):
        figure.add_annotation(note)
    names = [
        f"{escape(row.name)}<br><span style='font-size:10px'>{_where(row)}</span>"
        for row in diagram.rows
    ]
    figure.update_layout(
        title=f"{escape(diagram.title)} · 时距图 time–space diagram · C = {diagram.cycle_s:g} s",
        font_family=WEB_FONTS,
        template="plotly_white",
        height=height_px,
        margin=MARGIN,
        legend={"orientation": "h", "y": -0.02, "yref": "container", "yanchor": "bottom"},
        hoverlabel={"align": "left"},
    )
    figure.update_xaxes(title="时间 time, s", range=[0, until_s])
    figure.update_yaxes(
        # Names of close signals move apart.
        tickvals=spread(positions, NAME_PX * positions[-1] / body_px),
        ticktext=names,
        range=[-4 * thick, positions[-1] + 4 * thick],
        showgrid=False,
        zeroline=False,
    )
    return figure


def _body_px(positions: Sequence[float]) -> float:
    """Height between the first and the last signal: the closest two have room for their names."""
    closest = min(b - a for a, b in itertools.pairwise(positions))
    most = max(900.0, PX_PER_ROW * len(positions))
    return min(max(330.0, positions[-1] / closest * NAME_PX), most)


def _link_notes(diagram: TimeSpace, positions: Sequence[float]) -> Iterator[dict[str, Any]]:
    """Yield each link's length and speeds, to stand at the right."""
    for link in range(len(positions) - 1):
        out, back = (diagram.speed_mps(link, side) for side in ("out", "in"))
        speeds = " ".join(
            f"{arrow}{3.6 * speed:.0f}" for arrow, speed in (("↑", out), ("↓", back)) if speed
        )
        yield {
            "x": 1,
            "xref": "paper",
            "xanchor": "left",
            "xshift": 8,
            "y": (positions[link] + positions[link + 1]) / 2,
            "text": f"{diagram.length_m(link):,.0f} m" + (f"  {speeds} km/h" if speeds else ""),
            "showarrow": False,
            "font": {"size": 11},
        }


def _where(row: SignalRow) -> str:
    offset = "未协调 not coordinated" if row.offset_s is None else f"offset {row.offset_s:g} s"
    return f"{row.position_m:,.0f} m · {offset}"


def _bars(
    diagram: TimeSpace, positions: tuple[float, ...], thick: float, until_s: float
) -> Iterator[Any]:
    """Yield one trace for each signal and kind of light; one legend entry for each kind."""
    cycle_s = diagram.cycle_s
    named: set[str] = set()
    for row, position in zip(diagram.rows, positions, strict=True):
        for greens, lefts, red, side, low in (
            (row.green_out, row.left_out, RED_OUT, "上行 outbound", position),
            (row.green_in, row.left_in, RED_IN, "下行 inbound", position - thick),
        ):
            if not greens:
                continue
            half = low + thick / 2
            # A left takes the outer half of the bar: the through green beside it stays in sight.
            outer = (half, low + thick) if low == position else (low, half)
            for windows, colour, kind, (bottom, top) in (
                (not_green(greens, cycle_s, until_s), red, f"红灯 red {side}", (low, low + thick)),
                (
                    shown_windows(greens, cycle_s, until_s),
                    GREEN,
                    "直行绿灯 through green",
                    (low, low + thick),
                ),
                (
                    shown_windows(lefts, cycle_s, until_s),
                    LEFT,
                    "左转绿灯（保护）protected left green",
                    outer,
                ),
            ):
                if not windows:
                    continue
                boxes = [((a, bottom), (b, bottom), (b, top), (a, top)) for a, b in windows]
                lasting = ", ".join(f"{a:g}–{b:g}" for a, b in windows)
                text = f"{escape(row.name)} {escape(row.id)}<br>{side}<br>{kind}<br>{lasting} s"
                yield _filled(boxes, colour, 1.0, kind, text, first=kind not in named)
                named.add(kind)


def _bands(diagram: TimeSpace, until_s: float) -> Iterator[Any]:
    named: set[str] = set()
    for band in diagram.bands:
        colour = OUT_COLOUR if band.direction == "out" else IN_COLOUR
        kind = (
            "上行绿波带 ↑ band outbound" if band.direction == "out" else "下行绿波带 ↓ band inbound"
        )
        outlines = list(band_polygons(diagram, band, until_s))
        text = f"{kind}<br>{_of(diagram, band)}"
        yield _filled(outlines, colour, 0.3, kind, text, first=kind not in named)
        named.add(kind)
        lines = list(band_lines(diagram, band, until_s))
        if lines:
            yield _dashed(lines, colour, first=LINE not in named)
            named.add(LINE)


def _dashed(lines: Sequence[Sequence[Point]], colour: str, *, first: bool) -> Any:
    points: list[tuple[float | None, float | None]] = []
    for line in lines:
        points += [*line, (None, None)]
    return go.Scatter(
        x=[x for x, _ in points[:-1]],
        y=[y for _, y in points[:-1]],
        mode="lines",
        line={"width": 1, "color": colour, "dash": "dash"},
        name=LINE,
        legendgroup=LINE,
        showlegend=first,
        hoverinfo="skip",
    )


def _of(diagram: TimeSpace, band: Band) -> str:
    ends = f"{escape(diagram.rows[band.first].name)} – {escape(diagram.rows[band.last].name)}"
    speeds = ", ".join(f"{3.6 * v:.0f}" for v in band.speeds_mps)
    return f"{ends}<br>{band.width_s:.1f} s<br>{speeds} km/h"


def _filled(
    outlines: Sequence[Sequence[Point]],
    colour: str,
    opacity: float,
    kind: str,
    text: str,
    *,
    first: bool,
) -> Any:
    x: list[float | None] = []
    y: list[float | None] = []
    for outline in outlines:
        closed = (*outline, outline[0])
        x += [*(point[0] for point in closed), None]
        y += [*(point[1] for point in closed), None]
    return go.Scatter(
        x=x[:-1],
        y=y[:-1],
        fill="toself",
        mode="lines",
        line={"width": 0, "color": colour},
        fillcolor=colour,
        opacity=opacity,
        name=kind,
        legendgroup=kind,
        showlegend=first,
        text=text,
        hoverinfo="text",
        hoveron="fills",
    )
