import base64
import io
import re

from fontTools.ttLib import TTFont

from traffic.io.cjk_font import cjk_family, web_font_face


def carried(css: str) -> set[str]:
    data = base64.b64decode(re.search(r"base64,([^)]+)\)", css).group(1))
    return {chr(code) for code in TTFont(io.BytesIO(data)).getBestCmap()}


def test_simplified_chinese_face():
    """Not the Japanese one, whose characters look different."""
    assert cjk_family() == "Noto Sans CJK SC"


def test_a_page_carries_the_chinese_it_needs_and_no_more():
    """Latin and signs are left to the reader's own font."""
    assert carried(web_font_face("东营 C5 ± “x”，")) == set("东营，")


def test_same_text_same_bytes():
    """No time of making in the font."""
    assert web_font_face("绿波带") == web_font_face("带波绿")
