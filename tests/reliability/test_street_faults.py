"""Dongying's signals in SUMO: servers killed, the network cut, plans switched, over midnight."""

from dataclasses import asdict
from pathlib import Path

import pytest

from scenarios import dongying
from tests.reliability.street_faults import run_with_faults


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dongying.build(tmp_path_factory.mktemp("city") / "dongying")


def test_controllers_fall_back_and_recover_and_no_second_is_unsafe(
    city: Path, tmp_path: Path
) -> None:
    report = run_with_faults(
        city,
        tmp_path,
        city_id="dongying",
        period="morning",
        demand_begin_s=26100,
        seconds=1050,
        faults=3,
        seed=5,
        second_s=0.03,
        restarts=3,
        orders=6,
    )
    assert (report.kills, report.cuts) == (1, 2)
    assert report.restarts == 15
    assert report.ordered_s > 1000, "holds, flashing and emergencies were shown"
    assert report.violations == []
    assert report.switches >= 2, "the seven corridors, one group, have gone over as one"
    assert report.departed > 1000
    assert report.recoveries_s, "it was apart, and came together again"
    assert report.is_sound, asdict(report)
