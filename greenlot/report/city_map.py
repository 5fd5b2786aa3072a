"""Draws the city: its roads, corridors, signals and car parks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from greenlot.report.map_labels import RoadLine, place_labels
from parking.inventory import Lot
from traffic.corridors import Corridor
from traffic.errors import InvalidInputError
from traffic.io.cjk_font import cjk_family
from traffic.network import RoadEdge, RoadGraph

COLOURS = ("#d1495b", "#1f78a8", "#d98e04", "#2f7d5b", "#7d4e9e", "#b35a1f", "#3b4a6b")
KIND_COLOURS = {
    "government": "#3465a4",
    "hospital": "#c0392b",
    "mall": "#8e44ad",
    "kerbside": "#6b7a80",
    "residential": "#27ae60",
}
KIND_NAMES = {
    "government": "机关 government",
    "hospital": "医院 hospital",
    "mall": "商场 mall",
    "kerbside": "路侧 kerbside",
    "residential": "居住区 residential",
}
OTHER_COLOUR = "#444444"
SIZES = (50, 300, 1000)
INK, SOFT_INK, ROAD = "#1d2529", "#5d6a70", "#c4cacd"

# Inches of paper, and metres around what is drawn.
WIDTH, SIDE, TOP, BOTTOM = 14.0, 0.15, 0.62, 1.62
HEIGHT = (3.0, 12.0)  # least and most of the map itself
MARGIN_M = 700.0

Point = NDArray[np.float64]
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Sheet:
    """The map's axes, its frame in metres (two corners) and its scale."""

    axes: Axes
    low: Point
    high: Point
    metres_per_pt: float


def draw_map(
    graph: RoadGraph,
    corridors: Mapping[str, Corridor],
    lots: Sequence[Lot],
    path: Path,
    *,
    title: str,
) -> None:
    """Write the map as PNG, in the metres of the network's projection, north up.

    A car park's dot is as large as its spaces are many. The same city gives the same file, byte
    for byte.

    Raises
    ------
    InvalidInputError
        The network has no projection, so nothing says where its roads are.
    """
    signals = _positions(graph, [(s.lon, s.lat) for s in graph.signals.values()])
    cars = _positions(graph, [(lot.lon, lot.lat) for lot in lots])
    spread = np.vstack([signals, cars, *(edge.shape for edge in _corridor_edges(graph, corridors))])
    low, high = spread.min(axis=0) - MARGIN_M, spread.max(axis=0) + MARGIN_M
    inner = WIDTH - 2 * SIDE
    body = inner * (high[1] - low[1]) / (high[0] - low[0])
    body = min(max(body, HEIGHT[0]), HEIGHT[1])
    height = body + TOP + BOTTOM
    with rc_context({"font.family": [cjk_family()]}):
        figure = Figure(figsize=(WIDTH, height), dpi=130)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((SIDE / WIDTH, BOTTOM / height, inner / WIDTH, body / height))
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
        axes.set_axis_off()
        scale = max((high[0] - low[0]) / inner, (high[1] - low[1]) / body) / 72
        sheet = _Sheet(axes, low, high, scale)
        _roads(axes, graph)
        for k, corridor in enumerate(corridors.values()):
            for edge in _corridor_edges(graph, {corridor.id: corridor}):
                x, y = zip(*edge.shape, strict=True)
                colour = COLOURS[k % len(COLOURS)]
                axes.plot(x, y, color=colour, linewidth=3.0, solid_capstyle="round", zorder=3)
        axes.scatter(signals[:, 0], signals[:, 1], s=13, color=INK, lw=0.6, ec="white", zorder=5)
        _lots(axes, lots, cars)
        _names(sheet, graph, corridors, np.vstack([signals, cars]))
        _scale(sheet)
        _legends(figure, corridors, lots)
        figure.text(0.012, 1 - 0.16 / height, title, va="top", fontsize=14, color=INK)
        figure.savefig(path, metadata={"Software": None})


def _corridor_edges(graph: RoadGraph, corridors: Mapping[str, Corridor]) -> list[RoadEdge]:
    return [
        graph.edges[key]
        for corridor in corridors.values()
        for link in corridor.links
        for key in (*link.edges_out, *link.edges_in)
    ]


def _positions(graph: RoadGraph, lon_lat: Sequence[tuple[float | None, float | None]]) -> Points:
    """Place degrees on the network's plane by the affine map that its junctions define."""
    known = [j for j in graph.junctions.values() if j.lon is not None and j.lat is not None]
    if len(known) < 3:
        raise InvalidInputError("no projection; expected a network with lon and lat", where="map")
    degrees = np.array([[j.lon, j.lat, 1.0] for j in known], dtype=float)
    metres = np.array([[j.x_m, j.y_m] for j in known])
    fit, *_ = np.linalg.lstsq(degrees, metres, rcond=None)
    wanted = np.array([[lon, lat, 1.0] for lon, lat in lon_lat if lon is not None], dtype=float)
    return np.asarray(wanted.reshape(-1, 3) @ fit)


def _roads(axes: Axes, graph: RoadGraph) -> None:
    for edge in graph.edges.values():
        x, y = zip(*edge.shape, strict=True)
        width = 0.6 + 0.4 * edge.lanes
        axes.plot(x, y, color=ROAD, linewidth=width, solid_capstyle="round", zorder=1)


def _area_pt2(spaces: float) -> float:
    """Area of a car park's dot, in square points, for its spaces."""
    return 9 + spaces / 5


def _lots(axes: Axes, lots: Sequence[Lot], cars: Points) -> None:
    sizes = [_area_pt2(sum(pool.capacity for pool in lot.pools)) for lot in lots]
    # Large ones first, so that no small one is covered.
    order = sorted(range(len(lots)), key=lambda k: -sizes[k])
    axes.scatter(
        cars[order, 0],
        cars[order, 1],
        s=[sizes[k] for k in order],
        c=[KIND_COLOURS.get(lots[k].kind, OTHER_COLOUR) for k in order],
        alpha=0.62,
        linewidth=0.6,
        edgecolor="white",
        zorder=6,
    )


def _names(
    sheet: _Sheet, graph: RoadGraph, corridors: Mapping[str, Corridor], marks: Points
) -> None:
    """Write each road's name once, a corridor's in its colour and with its id."""
    colours: dict[str, str] = {}
    texts: dict[str, str] = {}
    for k, corridor in enumerate(corridors.values()):
        colours[corridor.name] = COLOURS[k % len(COLOURS)]
        texts[corridor.name] = f"{corridor.id} {corridor.name}"
    shapes: dict[str, list[tuple[tuple[float, float], ...]]] = {}
    for edge in graph.edges.values():
        if edge.name:
            shapes.setdefault(edge.name, []).append(edge.shape)
    # Corridors choose first.
    names = sorted(shapes, key=lambda name: (name not in colours, name))
    lines = [
        RoadLine(texts.get(n, n), 10.0 if n in colours else 8.0, shapes[n], bold=n in colours)
        for n in names
    ]
    places = place_labels(lines, marks, sheet.low, sheet.high, sheet.metres_per_pt)
    for name, line, place in zip(names, lines, places, strict=True):
        if place is None:
            continue
        sheet.axes.text(
            place.x_m,
            place.y_m,
            place.text,
            fontsize=line.size_pt,
            linespacing=1.0,
            ha="center",
            va="center",
            color=colours.get(name, INK),
            zorder=9,
            path_effects=[withStroke(linewidth=2.4, foreground="white")],
            # A road's own line would cross the name.
            bbox=None if line.bold else {"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )


def _scale(sheet: _Sheet) -> None:
    """Draw a scale bar of a round length and the north arrow, both in the lower left corner."""
    width_m = sheet.high[0] - sheet.low[0]
    length_m = max(m for m in (100, 200, 500, 1000, 2000, 5000) if m <= max(100, width_m / 8))
    x, y = sheet.low[0] + 14 * sheet.metres_per_pt, sheet.low[1] + 10 * sheet.metres_per_pt
    sheet.axes.plot([x, x + length_m], [y, y], color=INK, linewidth=2.5, zorder=8)
    text = f"{length_m / 1000:g} km" if length_m >= 1000 else f"{length_m} m"
    sheet.axes.text(
        x + length_m / 2, y + 3 * sheet.metres_per_pt, text, ha="center", va="bottom", fontsize=9
    )
    arrow_m = x + length_m + 24 * sheet.metres_per_pt
    sheet.axes.annotate(
        "北 N",
        xy=(arrow_m, y + 30 * sheet.metres_per_pt),
        xytext=(arrow_m, y - 3 * sheet.metres_per_pt),
        ha="center",
        va="bottom",
        fontsize=9,
        arrowprops={"arrowstyle": "-|>", "color": INK},
        zorder=8,
    )


def _legends(figure: Figure, corridors: Mapping[str, Corridor], lots: Sequence[Lot]) -> None:
    lines = [
        Line2D([], [], color=COLOURS[k % len(COLOURS)], lw=3, label=f"{key} {c.name}".strip())
        for k, (key, c) in enumerate(corridors.items())
    ]
    known = dict.fromkeys((*KIND_NAMES, *sorted({lot.kind for lot in lots})))
    present = {lot.kind for lot in lots}
    kinds = [
        _dot(KIND_COLOURS.get(kind, OTHER_COLOUR), 9, KIND_NAMES.get(kind, kind or "其他 other"))
        for kind in known
        if kind in present
    ]
    sizes = [
        _dot("#8a969b", 2 * (_area_pt2(n) / np.pi) ** 0.5, f"{n:,} 泊位 spaces") for n in SIZES
    ]
    others = [_dot(INK, 4, "信号灯 signal"), Line2D([], [], color=ROAD, lw=2, label="道路 road")]
    height = figure.get_figheight()
    spaces = sum(pool.capacity for lot in lots for pool in lot.pools)
    for x, title, handles, columns in (
        (0.012, "绿波走廊 corridors", lines, 2),
        (0.285, f"停车场 car parks: {len(lots)}, {spaces:,} 泊位 spaces", kinds, 2),
        (0.60, "点的面积 ∝ 泊位数 area of a dot", sizes, 2),
        (0.86, "其他 other", others, 1),
    ):
        legend = figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(x, (BOTTOM - 0.1) / height),
            ncols=columns,
            frameon=False,
            fontsize=9,
            title=title,
            title_fontsize=9.5,
            alignment="left",
            labelspacing=0.75,
        )
        legend.get_title().set_color(SOFT_INK)


def _dot(colour: str, size_pt: float, label: str) -> Line2D:
    return Line2D(
        [],
        [],
        marker="o",
        linestyle="",
        color=colour,
        markersize=size_pt,
        markeredgewidth=0,
        alpha=0.8,
        label=label,
    )
