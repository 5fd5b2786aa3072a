"""The sheet that a time-space diagram is drawn on: its scale and its colours."""

from dataclasses import dataclass

from matplotlib.axes import Axes

from traffic.timespace import TimeSpace

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


@dataclass(frozen=True, slots=True)
class Sheet:
    """What every part of the drawing needs to know of the paper."""

    diagram: TimeSpace
    axes: Axes
    positions: tuple[float, ...]
    until_s: float
    metres_per_pt: float
    seconds_per_pt: float

    def middle(self, link: int) -> float:
        """Drawn height of the middle of a link."""
        return (self.positions[link] + self.positions[link + 1]) / 2
