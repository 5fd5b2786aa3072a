import pytest

from traffic.timespace import Band, Parting, SignalRow, TimeSpace
from traffic.timespace_shapes import (
    BROKEN_LINK_M,
    band_polygons,
    drawn_positions,
    not_green,
    shown_windows,
)

GREEN = ((0.0, 30.0),)
ROWS = tuple(
    SignalRow(str(k), str(k), position_m, GREEN, GREEN, 0)
    for k, position_m in enumerate((0.0, 400.0, 3400.0, 3700.0))
)
BAND = Band("out", 0, 1, (10.0, 50.0), 12.0, (10.0,))
DIAGRAM = TimeSpace("t", 60, ROWS, (BAND,), (Parting(1, 3000.0, "long"),))


def test_long_links_are_broken_others_to_scale():
    """Only the over-long link is drawn shorter than it is."""
    assert drawn_positions(DIAGRAM) == (0.0, 400.0, 400.0 + BROKEN_LINK_M, 700.0 + BROKEN_LINK_M)


@pytest.mark.parametrize(
    ("windows", "shown"),
    [
        (((0.0, 30.0),), ((0.0, 30.0), (60.0, 90.0))),
        (((50.0, 70.0),), ((0.0, 10.0), (50.0, 70.0), (110.0, 120.0))),
        ((), ()),
        (((-10.0, 5.0),), ((0.0, 5.0), (50.0, 65.0), (110.0, 120.0))),
    ],
)
def test_windows_repeat_and_are_cut(windows, shown):
    """Every cycle, cut at both ends of the sheet."""
    assert shown_windows(windows, 60.0, 120.0) == shown


def test_red_is_what_green_leaves():
    """Greens and reds together cover the sheet once."""
    windows = ((50.0, 70.0), (20.0, 25.0))
    green = shown_windows(windows, 60.0, 150.0)
    red = not_green(windows, 60.0, 150.0)
    assert sum(b - a for a, b in green) + sum(b - a for a, b in red) == pytest.approx(150.0)
    assert not_green((), 60.0, 150.0) == ((0.0, 150.0),)
    assert not_green(((0.0, 60.0),), 60.0, 150.0) == ()


def test_a_band_is_drawn_for_every_cycle_in_sight():
    """Each outline is the front there and the rear back; none lies wholly outside."""
    outlines = list(band_polygons(DIAGRAM, BAND, 120.0))
    assert outlines[1] == ((10.0, 0.0), (50.0, 400.0), (62.0, 400.0), (22.0, 0.0))
    assert [outline[0][0] for outline in outlines] == [-50.0, 10.0, 70.0]
    for outline in outlines:
        assert max(t for t, _ in outline) > 0
        assert min(t for t, _ in outline) < 120.0
