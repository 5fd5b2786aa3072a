import itertools
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.image import imread

from traffic.errors import InvalidInputError
from traffic.io.diagram import draw_time_space, draw_time_spaces
from traffic.io.diagram_html import write_time_space_html
from traffic.io.diagram_labels import fitted, spread
from traffic.timespace import Band, Parting, SignalRow, TimeSpace

NAMES = ("西四路", "西三路", "燕山路", "西二路", "西一路", "天目山路")
POSITIONS_M = (0.0, 1202.0, 1960.0, 2609.0, 3982.0, 7461.0)


def corridor(name: str = "C5 黄河路") -> TimeSpace:
    """黄河路's west, with bands through three signals and two links too long for any."""
    green = ((0.0, 34.0),)
    rows = tuple(
        SignalRow(f"s{k}", text, x, green, green, 0, left_out=((40.0, 52.0),))
        for k, (text, x) in enumerate(zip(NAMES, POSITIONS_M, strict=True))
    )
    bands = (
        Band("out", 1, 3, (4.0, 49.5, 88.4), 18.4, (16.67, 16.67)),
        Band("in", 1, 3, (92.0, 46.5, 7.6), 18.8, (16.67, 16.67)),
    )
    partings = (
        Parting(0, 1202.0, "long"),
        Parting(3, 1373.0, "no_band"),
        Parting(4, 3479.0, "long"),
    )
    return TimeSpace(name, 85, rows, bands, partings)


def test_png_shows_every_colour_and_is_the_same_each_time(tmp_path):
    """Reds, greens and both bands are on the picture; no time or version makes two files differ."""
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    draw_time_space(corridor(), first)
    draw_time_space(corridor(), second)
    assert first.read_bytes() == second.read_bytes()
    pixels = np.round(255 * imread(first)[..., :3]).astype(int).reshape(-1, 3)
    seen = {tuple(colour) for colour in np.unique(pixels, axis=0).tolist()}
    for colour in ((0xB3, 0x26, 0x1E), (0xD8, 0x66, 0x5D), (0xD5, 0xEC, 0xDD)):
        assert colour in seen


def test_svg_is_drawn_and_the_same_each_time(tmp_path):
    """Well-formed; glyphs are paths, so no font is needed."""
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    draw_time_space(corridor(), first)
    draw_time_space(corridor(), second)
    assert first.read_bytes() == second.read_bytes()
    assert ET.parse(first).getroot().tag.endswith("svg")
    assert "<text" not in first.read_text(encoding="utf-8")


def test_nothing_is_cut_off(tmp_path):
    """A white margin all round, also with long names and fourteen close signals."""
    rows = tuple(
        SignalRow(
            f"cluster_{k}_1757124352_long_id",
            "胜利大街与府前大街",
            160.0 * k + (4000 if k > 9 else 0),
            ((k, k + 40.0),),
            ((k, k + 40.0),),
            k,
        )
        for k in range(14)
    )
    path = tmp_path / "long.png"
    draw_time_space(TimeSpace("C14 十四个路口", 120, rows, ()), path)
    picture = imread(path)[..., :3]
    for edge in (picture[:6], picture[-6:], picture[:, :6], picture[:, -6:]):
        assert (edge == 1.0).all()


def test_another_ending_is_refused(tmp_path):
    """Nothing is written."""
    with pytest.raises(InvalidInputError, match=r"\.png or \.svg"):
        draw_time_space(corridor(), tmp_path / "a.pdf")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("positions", [(0.0, 1.0, 2.0), (0.0, 10.0, 11.0, 12.0, 40.0), (0.0, 50.0)])
def test_labels_are_spread_as_little_as_it_takes(positions):
    """At least the gap apart, in order, and around the same mean."""
    places = spread(positions, 5.0)
    assert all(b - a >= 5.0 - 1e-9 for a, b in itertools.pairwise(places))
    assert sum(places) == pytest.approx(sum(positions))
    if all(b - a >= 5.0 for a, b in itertools.pairwise(positions)):
        assert places == pytest.approx(list(positions))


def test_html_needs_nothing_from_elsewhere(tmp_path):
    """The script and the font are inside; the same diagrams give the same file."""
    first, second = tmp_path / "a.html", tmp_path / "b.html"
    write_time_space_html([corridor()], first, title="东营")
    write_time_space_html([corridor()], second, title="东营")
    assert first.read_bytes() == second.read_bytes()
    page = first.read_text(encoding="utf-8")
    assert "<script src" not in page
    assert "<link" not in page
    assert "font/woff;base64," in page
    assert "18.4 s" in page


def test_html_escapes_names(tmp_path):
    """A name cannot become markup or end the script."""
    path = tmp_path / "a.html"
    write_time_space_html([corridor("</script><b>x")], path, title="<i>t")
    page = path.read_text(encoding="utf-8")
    assert "</script><b>x" not in page
    assert "<title>&lt;i&gt;t</title>" in page


def test_several_diagrams_stand_on_one_sheet(tmp_path):
    """As high as each alone, together."""
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    draw_time_space(corridor(), one)
    draw_time_spaces([corridor(), corridor("C6 北一路")], two)
    assert imread(two).shape[0] == pytest.approx(2 * imread(one).shape[0], abs=2)
    assert imread(two).shape[1] == imread(one).shape[1]
    with pytest.raises(InvalidInputError):
        draw_time_spaces([], two)


@pytest.mark.parametrize(
    ("text", "short"), [("府前大街", "府前大街"), ("东营市人民政府", "东营…府")]
)
def test_names_that_do_not_fit_lose_their_middle(text, short):
    assert fitted(text, 4.2) == short
