"""``greenlot parking day``: small towns, and what it refuses."""

import json

import pytest

from parking.io.lots import write_lots
from tests.greenlot.test_cli_parking import greenlot
from tests.parking.day.days import lot


@pytest.fixture
def town(tmp_path):
    """Return a file with two small lots."""
    path = tmp_path / "lots.geojson"
    write_lots([lot("a", 6), lot("b", 9, away_m=300.0)], path)
    return path


def test_days_of_a_small_town(town):
    """All three methods, none above the bound; progress goes to stderr."""
    done = greenlot("parking", "day", "--lots", town, "--load", 120, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [row["method"] for row in document["means"]] == [
        "bid prices",
        "batches, no prices",
        "first come",
    ]
    assert all(0 < run["share"] <= 1 for run in document["runs"])
    assert "120%, seed 1" in done.stderr
    assert set(document["runs"][0]["districts"]) == {"a", "b"}


@pytest.mark.parametrize(
    ("option", "value"), [("--load", "0"), ("--load", "301"), ("--error", "6"), ("--seeds", "x")]
)
def test_refuses_what_makes_no_sense(town, option, value):
    """One line, exit status 2."""
    done = greenlot("parking", "day", "--lots", town, option, value)
    assert (done.returncode, done.stdout) == (2, "")
    assert option in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_refuses_a_city_without_spaces(tmp_path):
    """Nothing to give: said in one line."""
    path = tmp_path / "lots.geojson"
    write_lots([lot("a", 0)], path)
    done = greenlot("parking", "day", "--lots", path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no space is bookable" in done.stderr
