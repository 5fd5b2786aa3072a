"""The demo's page: one HTML file with everything in it."""

import base64
from collections.abc import Sequence
from pathlib import Path

import jinja2

from greenlot.report.figures import DEFAULT, RANDOM, SEARCH, WAVE, DemoReport
from greenlot.report.table import change, show

TEMPLATE = "page.html"


def write_page(
    report: DemoReport, path: Path, *, map_png: Path, diagrams: Sequence[tuple[str, Path]]
) -> None:
    """Write the page; ``diagrams`` are (corridor id, PNG). Pictures are embedded."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("greenlot.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(TEMPLATE).render(
        report=report,
        arms={"wave": WAVE, "random": RANDOM, "default": DEFAULT, "search": SEARCH},
        show=show,
        change=change,
        map_png=_embedded(map_png),
        diagrams=[(key, _embedded(png)) for key, png in diagrams],
    )
    path.write_text(page, encoding="utf-8")


def _embedded(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
