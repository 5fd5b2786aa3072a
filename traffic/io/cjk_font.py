"""The one place that teaches pictures and pages Chinese."""

import base64
import importlib.util
import io
from functools import cache
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from matplotlib import font_manager

FILE = "NotoSansCJKsc-Regular.otf"
WEB_FAMILY = "greenlot Han"
# First, as browsers do not draw text again when a font that stands behind others has come.
WEB_FONTS = f'"{WEB_FAMILY}", system-ui, "PingFang SC", "Microsoft YaHei", sans-serif'
# What it is for: Chinese characters and their punctuation. All else is the reader's own font's.
WEB_RANGES = ((0x2E80, 0x9FFF), (0xF900, 0xFAFF), (0xFF00, 0xFFEF))


@cache
def cjk_font_file() -> Path:
    """Find Noto Sans CJK SC, which comes with the ``mplfonts`` wheel.

    Found without importing that package, which would change matplotlib's settings.

    Raises
    ------
    FileNotFoundError
        The wheel does not carry the font.
    """
    spec = importlib.util.find_spec("mplfonts")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        path = Path(folder) / "fonts" / FILE
        if path.is_file():
            return path
    raise FileNotFoundError(f"{FILE}: expected in the package mplfonts")


@cache
def cjk_family() -> str:
    """Register Noto Sans CJK SC with matplotlib; return its name there."""
    path = cjk_font_file()
    font_manager.fontManager.addfont(path)
    return font_manager.FontProperties(fname=path).get_name()


def web_font_face(text: str) -> str:
    """Return a CSS ``@font-face`` that carries the Chinese of ``text`` and no more.

    A page with it shows Chinese on machines without a Chinese font. Its family is ``WEB_FAMILY``.
    The same text gives the same bytes.
    """
    wanted = sorted({c for c in map(ord, text) if any(a <= c <= b for a, b in WEB_RANGES)})
    with TTFont(cjk_font_file(), recalcTimestamp=False) as font:
        options = subset.Options(layout_features=[], name_IDs=[], notdef_outline=True)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=wanted)
        subsetter.subset(font)
        font.flavor = "woff"
        buffer = io.BytesIO()
        font.save(buffer)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    ranges = ",".join(f"U+{a:X}-{b:X}" for a, b in WEB_RANGES)
    return (
        f'@font-face{{font-family:"{WEB_FAMILY}";font-display:block;unicode-range:{ranges};'
        f"src:url(data:font/woff;base64,{data}) format('woff')}}"
    )
