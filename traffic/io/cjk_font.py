"""The one place that teaches matplotlib Chinese."""

import importlib.util
from functools import cache
from pathlib import Path

from matplotlib import font_manager

FILE = "NotoSansCJKsc-Regular.otf"


@cache
def cjk_family() -> str:
    """Register Noto Sans CJK SC, which comes with the ``mplfonts`` wheel; return its name.

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
            font_manager.fontManager.addfont(path)
            return font_manager.FontProperties(fname=path).get_name()
    raise FileNotFoundError(f"{FILE}: expected in the package mplfonts")
