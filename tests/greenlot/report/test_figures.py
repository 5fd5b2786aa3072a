import io
import json
import math
from dataclasses import replace

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console

from greenlot.report import DemoReport, make_report, print_tables, write_page
from greenlot.report.figures import DEFAULT, RANDOM, REFUSED, SEARCH, WAVE
from greenlot.report.page import headlines, verdict
from greenlot.report.table import change, show, worse_corridors
from scenarios.spec import Flow, Parkers, RunResult, Spread

SEEDS = (1, 2, 3)
# Travel time of each arm's corridors, by seed: C1 gets better, C2 worse, C3 stays unclear.
TRAVEL_S = {
    WAVE: {"C1": (80, 82, 84), "C2": (110, 112, 114), "C3": (100, 90, 95)},
    RANDOM: {"C1": (100, 100, 106), "C2": (100, 101, 102), "C3": (95, 96, 94)},
    DEFAULT: {"C1": (120, 122, 124), "C2": (120, 122, 124), "C3": (120, 122, 124)},
    SEARCH: {"C1": (80, 82, 84), "C2": (110, 112, 114), "C3": (100, 90, 95)},
}
NAMES = {"C1": "西四路", "C2": "<b>济南路", "C3": "府前大街"}


def result(arm: str, k: int) -> RunResult:
    corridors = {
        (key, side): Flow(100, values[k] + (0 if side == "out" else 10), 20.0, 2.0)
        for key, values in TRAVEL_S[arm].items()
        for side in ("out", "in")
    }
    parkers = Parkers(200, 190, 4, 300.0, 10.0 if arm == WAVE else 60.0, 120.0)
    return RunResult(
        seed=SEEDS[k],
        signals="service",
        parking="service",
        city=Flow(5000, 300.0, 100.0 if arm == WAVE else 125.0, 5.0),
        corridors=corridors,
        parkers=parkers,
        teleports=0,
        wall_s=1.0,
    )


def report(seeds: int = 3) -> DemoReport:
    return make_report(
        {arm: [result(arm, k) for k in range(seeds)] for arm in TRAVEL_S},
        NAMES,
        city="东营",
        period="morning",
        seeds=SEEDS[:seeds],
        warmup_s=900,
        measured_s=1800,
        command="greenlot demo --out '<x>'",
        versions={"greenlot": "0.1.0"},
        machine="x86_64, 2 cores",
        cycle_s=85,
        certificate={
            "status": "feasible",
            "value": 5.8,
            "bound": 5.9,
            "gap": 0.017,
            "solve_s": 7.0,
            "seed": 0,
        },
        bands=(
            {
                "corridor": "C1 西四路",
                "first": "西四路/南二路",
                "last": "西四路/北二路",
                "band_out_s": 17.0,
                "band_in_s": 18.7,
            },
        ),
        kept={"华山路": "its own stages conflict"},
        wall_s=200.0,
    )


def row(key: str, direction: str = "both"):
    return next(c for c in report().corridors if (c.id, c.direction) == (key, direction))


def test_means_and_differences_over_seeds():
    """Both directions averaged; the difference is taken seed by seed."""
    travel = row("C1").measures[0]
    assert travel.by_arm[WAVE] == Spread(87.0, 2.0, 3)
    assert row("C1", "out").measures[0].by_arm[WAVE].mean == 82.0
    assert travel.difference.mean == pytest.approx((-20 - 18 - 22) / 3)
    assert travel.difference.sd == pytest.approx(2.0)
    assert travel.change(WAVE, RANDOM) == pytest.approx(87 / 107 - 1)


def test_changes_say_what_got_worse_and_what_is_unclear():
    """A corridor that got worse is named; a change inside the spread is marked."""
    assert change(row("C1").measures[0]) == "-18.7%"
    assert change(row("C2").measures[0]) == "+10.4% worse"
    assert change(row("C3").measures[0]) == "≈ +0.0%"
    assert verdict(row("C1").measures[0]) == "good"
    assert verdict(row("C2").measures[0]) == "bad"
    assert verdict(row("C3").measures[0]) == "unclear"
    assert worse_corridors(report()) == ["C2 <b>济南路 (travel time +10.4% worse)"]
    assert len(worse_corridors(report(), by_direction=True)) == 2


def test_one_seed_has_no_spread():
    """No ± 0 that would look like certainty, and nothing called unclear or clear."""
    alone = report(1)
    travel = alone.corridors[0].measures[0]
    assert show(travel.by_arm[WAVE], "s") == "85.0"
    assert not travel.is_clear
    assert change(travel) == "-19.0%"


@pytest.mark.parametrize(
    ("spread", "unit", "text"),
    [
        (Spread(1234.5, 10.2, 3), "s", "1,234 ± 10"),
        (Spread(12.34, 0.56, 3), "s", "12.3 ± 0.6"),
        (Spread(1.234, 0.5, 3), "", "1.23 ± 0.50"),
        (Spread(98.76, 0.5, 3), "%", "98.8 ± 0.5"),
        (Spread(400.0, 3.0, 3), "", "400 ± 3"),
    ],
)
def test_digits(spread, unit, text):
    """As many as the figure deserves."""
    assert show(spread, unit) == text


def test_change_against_nothing_is_no_number():
    """A figure that was 0 has no relative change."""
    measure = replace(
        row("C1").measures[0], by_arm={WAVE: Spread(1, 0, 3), RANDOM: Spread(0, 0, 3)}
    )
    assert math.isnan(measure.change(WAVE, RANDOM))
    assert change(measure) == "-"


def test_a_corridor_that_nobody_drove_is_named():
    """It has no row, and the report says so."""
    runs = {arm: [result(arm, k) for k in range(3)] for arm in TRAVEL_S}
    del runs[DEFAULT][1].corridors["C2", "in"]
    facts = {
        field: getattr(report(), field)
        for field in report().to_json()
        if field not in {"corridors", "city_wide", "parkers", "unmeasured"}
    }
    found = make_report(runs, NAMES, **facts)
    assert found.unmeasured == ("C2 <b>济南路 both", "C2 <b>济南路 in")
    assert [c.direction for c in found.corridors if c.id == "C2"] == ["out"]
    stream = io.StringIO()
    print_tables(found, Console(file=stream, width=200))
    assert "C2 <b>济南路 both" in stream.getvalue()


def test_json_has_all_figures_and_only_numbers():
    """It parses strictly; an infinite gap is null."""
    endless = replace(report(), certificate={"gap": math.inf})
    text = json.dumps(endless.to_json(), allow_nan=False)
    plain = json.loads(text)
    assert plain["certificate"]["gap"] is None
    assert plain["corridors"][0]["measures"][0]["by_arm"][WAVE] == {"mean": 87, "sd": 2, "n": 3}
    assert plain["seeds"] == [1, 2, 3]


def test_terminal_tables():
    """Every corridor, the city, the parkers, and the certificate."""
    stream = io.StringIO()
    print_tables(report(), Console(file=stream, width=120))
    text = stream.getvalue()
    for part in ("C1 西四路", "全城", "+10.4% worse", "search time, s", REFUSED, "5.800", "5.900"):
        assert part in text


def test_headlines():
    """Corridors summed up, the city's delay, the parkers' search."""
    found = {line.en: line for line in headlines(report())}
    assert found["delay a vehicle, city-wide"].share == pytest.approx(-0.2)
    assert found["search time for a space"].share == pytest.approx(10 / 60 - 1)
    travel = found["travel time, sum of all corridors"]
    assert travel.share == pytest.approx((87 + 117 + 100) / (107 + 106 + 100) - 1)


def picture(path):
    figure = Figure(figsize=(1, 1))
    FigureCanvasAgg(figure)
    figure.savefig(path)
    return path


def test_page_is_complete_and_escaped(tmp_path):
    """One file: pictures and font inside, names as text, figures and what got worse."""
    png = picture(tmp_path / "p.png")
    path = tmp_path / "index.html"
    write_page(report(), path, map_png=png, diagrams=[("C1", png)], interactive="ts.html")
    page = path.read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 2
    assert "font/woff;base64," in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<b>济南路" not in page
    assert "&lt;b&gt;济南路" in page
    assert "&#39;&lt;x&gt;&#39;" in page
    assert 'href="ts.html"' in page
    assert "+10.4% worse" in page
    assert "its own stages conflict" in page


def test_page_is_the_same_each_time(tmp_path):
    """Same report, same bytes."""
    png = picture(tmp_path / "p.png")
    for name in ("a.html", "b.html"):
        write_page(report(), tmp_path / name, map_png=png, diagrams=[("C1", png)])
    first = (tmp_path / "a.html").read_bytes()
    assert first == (tmp_path / "b.html").read_bytes()
    assert b"ts.html" not in first
