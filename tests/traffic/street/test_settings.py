"""What a city sets itself is checked, and used."""

import json
import shutil
from pathlib import Path

import pytest

from greenlot.city import load_city
from greenlot.errors import CityError
from greenlot.server import ServerThread
from tests.greenlot.test_cli_signals import greenlot
from traffic.errors import InvalidInputError
from traffic.street.door import Limits
from traffic.street.health import HealthRules
from traffic.street.settings import SETTINGS, StreetSettings
from traffic.street.switching import SwitchRules


def test_what_is_not_set_is_as_everywhere() -> None:
    assert StreetSettings.of({}) == StreetSettings(Limits(), SwitchRules(), HealthRules())


def test_each_name_sets_its_rule() -> None:
    given = {
        "share": 0.75,
        "lead_cycles": 3,
        "decide_s": 20,
        "postponements": 1,
        "min_cycle_s": 40,
        "max_cycle_s": 180,
        "silent_s": 300,
    }
    assert set(given) == set(SETTINGS)
    made = StreetSettings.of(given)
    assert made.limits == Limits(40, 180)
    assert made.health == HealthRules(silent_ms=300_000)
    assert made.switching == SwitchRules(
        share=0.75, lead_cycles=3, decide_ms=20_000, most_postponements=1
    )
    assert "75% of its controllers, 3 cycles ahead" in made.summary


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shares": 0.5}, "shares: expected one of share, lead_cycles"),
        ({"share": 0}, "share: 0; expected a number, 0.01 to 1"),
        ({"share": True}, "share: True; expected a number"),
        ({"share": "0.9"}, "share: '0.9'; expected a number"),
        ({"lead_cycles": 1}, "lead_cycles: 1; expected a whole number, 2 to 20"),
        ({"silent_s": 61.5}, "silent_s: 61.5; expected a whole number"),
        ({"min_cycle_s": 200, "max_cycle_s": 100}, "min_cycle_s: 200; expected at most"),
        ({"max_cycle_s": 20}, "min_cycle_s: 30; expected at most max_cycle_s, 20"),
    ],
)
def test_bad_settings_are_refused(given: dict, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        StreetSettings.of(given)
    assert str(caught.value).startswith(message)


def test_a_city_sets_them_and_its_server_and_the_doctor_know(
    small_city: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "city"
    shutil.copytree(small_city, folder)
    manifest = json.loads((folder / "city.json").read_text())
    given = {"share": 0.8, "max_cycle_s": 120, "silent_s": 240}
    (folder / "city.json").write_text(json.dumps(manifest | {"street": given}))
    city = load_city(folder, cache=tmp_path)
    with ServerThread(city, data=tmp_path / "data") as server:
        desk = server._server._signals.desk
        assert desk.city.switching.share == 0.8
        assert desk.city.limits.max_cycle_s == 120
        assert desk.rules.silent_ms == 240_000
    done = greenlot("doctor", "--city", str(folder), "--data", str(tmp_path / "data"), "--json")
    says = {row["what"]: row["says"] for row in json.loads(done.stdout)["findings"]}
    assert "cycles of 30 to 120 s; a switch needs 80%" in says["street"]
    for wrong, message in (({"share": 2}, "street.share: 2; expected"), ([], "street: []")):
        (folder / "city.json").write_text(json.dumps(manifest | {"street": wrong}))
        with pytest.raises(CityError, match=r"city.json: ") as caught:
            load_city(folder, cache=tmp_path)
        assert message in str(caught.value)
