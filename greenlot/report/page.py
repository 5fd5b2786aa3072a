"""The demo's page: one HTML file with everything in it."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from greenlot.report.figures import DEFAULT, RANDOM, REFUSED, SEARCH, WAVE, DemoReport, Measure
from greenlot.report.table import NOT_A_COST, change, is_worse, show, worse_corridors
from traffic.io.cjk_font import WEB_FONTS, web_font_face

TEMPLATE = "page.html"
NAMES_ZH = {
    "travel time": "行程时间",
    "stops": "停车次数",
    "delay": "延误",
    "search time": "寻位时间",
    "drive time": "驾车时间",
    "walk": "步行时间",
    "parked": "已停好",
    REFUSED: "服务无位可给",
    "drivers": "驾驶人数",
}


@dataclass(frozen=True, slots=True)
class Headline:
    """One of the figures that a reader sees first; ``share`` is a relative change."""

    zh: str
    en: str
    share: float
    before: str
    after: str


def write_page(
    report: DemoReport,
    path: Path,
    *,
    map_png: Path,
    diagrams: Sequence[tuple[str, Path]],
    interactive: str = "",
) -> None:
    """Write the page.

    Parameters
    ----------
    report
        The figures.
    path
        The HTML file.
    map_png, diagrams
        The pictures, embedded into the page; ``diagrams`` are (corridor id, PNG).
    interactive
        Where the interactive diagrams are, relative to the page; empty = there are none.
    """
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
        headlines=headlines(report),
        worse=worse_corridors(report),
        worse_by_direction=worse_corridors(report, by_direction=True),
        zh=NAMES_ZH,
        refused=REFUSED,
        show=show,
        change=change,
        verdict=verdict,
        fonts=WEB_FONTS,
        map_png=_embedded(map_png),
        diagrams=[(key, _embedded(png)) for key, png in diagrams],
        interactive=interactive,
    )
    # Which characters the page needs is known only now.
    path.write_text(page.replace("/* FONT */", web_font_face(page), 1), encoding="utf-8")


def headlines(report: DemoReport) -> list[Headline]:
    """Sum the corridors up, and pick the city's and the parkers' main figures."""
    found = []
    corridors = [row for row in report.corridors if row.direction == "both"]
    for k, (zh, en, digits, unit) in enumerate(
        (
            ("走廊行程时间", "travel time, sum of all corridors", 0, " s"),
            ("走廊停车次数", "stops, sum of all corridors", 1, ""),
        )
    ):
        after, before = (
            sum(row.measures[k].by_arm[arm].mean for row in corridors) for arm in (WAVE, RANDOM)
        )
        if before > 0:
            found.append(
                Headline(
                    zh,
                    en,
                    after / before - 1,
                    f"{before:,.{digits}f}{unit}",
                    f"{after:,.{digits}f}{unit}",
                )
            )
    for zh, en, measure, against in (
        ("全城车均延误", "delay a vehicle, city-wide", report.city_wide.measures[2], RANDOM),
        ("停车寻位时间", "search time for a space", report.parkers[0], SEARCH),
    ):
        before, after = measure.by_arm[against].mean, measure.by_arm[WAVE].mean
        if before > 0:
            found.append(
                Headline(zh, en, after / before - 1, f"{before:,.1f} s", f"{after:,.1f} s")
            )
    return found


def verdict(measure: Measure, against: str = RANDOM) -> str:
    """CSS class of a change: good, bad, or unclear beside the spread of the seeds."""
    share = measure.change(WAVE, against)
    if measure.name in NOT_A_COST or share != share:
        return ""
    if measure.difference.n > 1 and not measure.is_clear:
        return "unclear"
    return "bad" if is_worse(measure, against) else "good"


def _embedded(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
