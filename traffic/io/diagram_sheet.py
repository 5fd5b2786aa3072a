"""The sheet that a time-space diagram is drawn on: its scale and its colours."""

import itertools
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from traffic.timespace import TimeSpace
from traffic.timespace_shapes import drawn_positions

OUT_COLOUR = "#1b7f5c"
IN_COLOUR = "#2f5fa7"
RED_OUT = "#b3261e"
RED_IN = "#d8665d"
GREEN = "#d5ecdd"
PARTED = "#f5f2ea"
PARTED_INK = "#86703a"
INK = "#1d2529"
SOFT_INK = "#5d6a70"
ROW_GAP_IN = 0.37  # what two labels of two lines need

# Inches of paper: the width, and what stands around a diagram.
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 11.8, 2.3, 1.72, 0.86, 1.12
BODY = (3.4, 9.0)  # least and most height of the diagram itself, unless its labels need more
MARGIN_PT = 13.0
CYCLES = 3


def body_in(diagram: TimeSpace) -> float:
    """Height of the diagram itself, in: so that the closest signals have room for their names."""
    positions = drawn_positions(diagram)
    closest_m = min(b - a for a, b in itertools.pairwise(positions))
    most = max(BODY[1], len(positions) * ROW_GAP_IN)
    return min(max(BODY[0], positions[-1] / closest_m * ROW_GAP_IN), most)


def sheet_in(diagram: TimeSpace) -> float:
    """Height of a diagram with all around it, in."""
    return body_in(diagram) + 2 * MARGIN_PT / 72 + TOP + BOTTOM


@dataclass(frozen=True, slots=True)
class Sheet:
    """What every part of the drawing needs to know of the paper.

    ``bottom_in`` is how high the sheet begins on the figure, where several stand above each other.
    """

    diagram: TimeSpace
    figure: Figure
    axes: Axes
    bottom_in: float
    positions: tuple[float, ...]
    until_s: float
    metres_per_pt: float
    seconds_per_pt: float

    def middle(self, link: int) -> float:
        """Drawn height of the middle of a link."""
        return (self.positions[link] + self.positions[link + 1]) / 2

    def height(self, above_in: float) -> float:
        """Turn inches above the sheet's bottom into a share of the figure."""
        return (self.bottom_in + above_in) / self.figure.get_figheight()


def new_sheet(figure: Figure, diagram: TimeSpace, bottom_in: float) -> Sheet:
    """Put an empty diagram on a figure."""
    total_in, body = figure.get_figheight(), body_in(diagram)
    positions = drawn_positions(diagram)
    until_s = CYCLES * diagram.cycle_s
    axes = figure.add_axes(
        (
            LEFT / WIDTH,
            (bottom_in + BOTTOM) / total_in,
            1 - (LEFT + RIGHT) / WIDTH,
            (body + 2 * MARGIN_PT / 72) / total_in,
        )
    )
    return Sheet(
        diagram=diagram,
        figure=figure,
        axes=axes,
        bottom_in=bottom_in,
        positions=positions,
        until_s=until_s,
        metres_per_pt=positions[-1] / (body * 72),
        seconds_per_pt=until_s / ((WIDTH - LEFT - RIGHT) * 72),
    )
