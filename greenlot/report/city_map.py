"""Draws the city: its roads, corridors, signals and car parks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from parking.inventory import Lot
from traffic.corridors import Corridor
from traffic.io.cjk_font import cjk_family
from traffic.network import RoadGraph

COLOURS = ("#d1495b", "#2e86ab", "#edae49", "#3c896d", "#8e5ea2", "#e76f51", "#546a7b")
KIND_COLOURS = {
    "government": "#3465a4",
    "hospital": "#c0392b",
    "mall": "#8e44ad",
    "kerbside": "#7f8c8d",
    "residential": "#27ae60",
}
KIND_NAMES = {
    "government": "机关 government",
    "hospital": "医院 hospital",
    "mall": "商场 mall",
    "kerbside": "路侧 kerbside",
    "residential": "居住区 residential",
}


def draw_map(
    graph: RoadGraph,
    corridors: Mapping[str, Corridor],
    lots: Sequence[Lot],
    path: Path,
    *,
    title: str,
) -> None:
    """Write the map as PNG, in the network's own metres, north up."""
    signals = _positions(graph, [(s.lon, s.lat) for s in graph.signals.values()])
    cars = _positions(graph, [(lot.lon, lot.lat) for lot in lots])
    with rc_context({"font.family": [cjk_family()]}):
        figure = Figure(figsize=(14, 7.6), dpi=110)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.01, 0.02, 0.80, 0.91))
        _roads(axes, graph)
        for k, corridor in enumerate(corridors.values()):
            _corridor(axes, graph, corridor, COLOURS[k % len(COLOURS)])
        axes.scatter(signals[:, 0], signals[:, 1], s=9, color="black", zorder=5)
        sizes = np.array([sum(pool.capacity for pool in lot.pools) for lot in lots])
        colours = [KIND_COLOURS.get(lot.kind, "#444444") for lot in lots]
        axes.scatter(
            cars[:, 0],
            cars[:, 1],
            s=8 + sizes / 8,
            c=colours,
            alpha=0.55,
            linewidth=0.5,
            edgecolor="white",
            zorder=6,
        )
        spread = np.vstack([signals, cars])
        low, high = spread.min(axis=0) - 900, spread.max(axis=0) + 900
        axes.set_xlim(low[0], high[0])
        axes.set_ylim(low[1], high[1])
        axes.set_aspect("equal")
        axes.set_axis_off()
        _names(axes, graph, low, high)
        _scale(axes, low, high)
        _legend(figure, corridors, lots)
        figure.suptitle(title, x=0.02, y=0.975, ha="left", va="top", fontsize=14)
        figure.savefig(path, metadata={"Software": None})


def _positions(
    graph: RoadGraph, lon_lat: Sequence[tuple[float | None, float | None]]
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Place degrees on the network's plane by the affine map that its junctions define."""
    known = [j for j in graph.junctions.values() if j.lon is not None and j.lat is not None]
    degrees = np.array([[j.lon, j.lat, 1.0] for j in known], dtype=float)
    metres = np.array([[j.x_m, j.y_m] for j in known])
    fit, *_ = np.linalg.lstsq(degrees, metres, rcond=None)
    wanted = np.array([[lon, lat, 1.0] for lon, lat in lon_lat if lon is not None], dtype=float)
    return np.asarray(wanted.reshape(-1, 3) @ fit)


def _roads(axes: Axes, graph: RoadGraph) -> None:
    for edge in graph.edges.values():
        x, y = zip(*edge.shape, strict=True)
        width = 0.5 + 0.35 * edge.lanes
        axes.plot(x, y, color="#c9c9c9", linewidth=width, solid_capstyle="round", zorder=1)


def _corridor(axes: Axes, graph: RoadGraph, corridor: Corridor, colour: str) -> None:
    for link in corridor.links:
        for key in (*link.edges_out, *link.edges_in):
            x, y = zip(*graph.edges[key].shape, strict=True)
            axes.plot(x, y, color=colour, linewidth=2.4, solid_capstyle="round", zorder=3)


def _names(axes: Axes, graph: RoadGraph, low: np.ndarray, high: np.ndarray) -> None:
    """Write each road's name once, at the end of its longest straight run inside the frame."""
    by_name: dict[str, list[tuple[float, float]]] = {}
    for edge in graph.edges.values():
        if edge.name and not edge.name.startswith("unnamed"):
            by_name.setdefault(edge.name, []).extend(edge.shape)
    for name, points in by_name.items():
        xy = np.array(points)
        inside = xy[((xy > low + 250) & (xy < high - 250)).all(axis=1)]
        if not len(inside):
            continue
        span = inside.max(axis=0) - inside.min(axis=0)
        east_west = span[0] >= span[1]
        end = inside[inside[:, 0].argmax() if east_west else inside[:, 1].argmax()]
        axes.text(
            end[0] + (60 if east_west else 0),
            end[1] + (0 if east_west else 60),
            name,
            fontsize=7,
            rotation=0 if east_west else 60,
            ha="left",
            va="center" if east_west else "bottom",
            color="#333333",
            zorder=7,
        )


def _scale(axes: Axes, low: np.ndarray, high: np.ndarray) -> None:
    x, y = low[0] + 500, low[1] + 450
    axes.plot([x, x + 2000], [y, y], color="black", linewidth=2.5, zorder=8)
    axes.text(x + 1000, y + 90, "2 km", ha="center", va="bottom", fontsize=9, zorder=8)
    axes.annotate(
        "北 N",
        xy=(high[0] - 500, high[1] - 250),
        xytext=(high[0] - 500, high[1] - 1300),
        ha="center",
        fontsize=10,
        arrowprops={"arrowstyle": "-|>", "color": "black"},
        zorder=8,
    )


def _legend(figure: Figure, corridors: Mapping[str, Corridor], lots: Sequence[Lot]) -> None:
    lines = [
        Line2D([], [], color=COLOURS[k % len(COLOURS)], linewidth=3, label=f"{key} {c.name}")
        for k, (key, c) in enumerate(corridors.items())
    ]
    signals = Line2D([], [], marker="o", color="black", linestyle="", markersize=3.5)
    signals.set_label("信号灯 signal")
    lines.append(signals)
    for kind in dict.fromkeys(lot.kind for lot in lots):
        mark = Line2D([], [], marker="o", linestyle="", markersize=8, alpha=0.6)
        mark.set_color(KIND_COLOURS.get(kind, "#444444"))
        mark.set_label(f"停车场 {KIND_NAMES.get(kind, kind)}")
        lines.append(mark)
    figure.legend(
        handles=lines,
        loc="upper left",
        bbox_to_anchor=(0.81, 0.93),
        frameon=False,
        fontsize=9.5,
        title="点的面积 ~ 泊位数\nsize of a dot ~ spaces",
        title_fontsize=8.5,
    )
