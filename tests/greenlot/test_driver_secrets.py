"""Where the drivers' secret comes from."""

import stat

import pytest

from greenlot.driver_secrets import CURRENT, PREVIOUS, driver_secrets
from greenlot.errors import StartError


def test_a_server_of_its_own_makes_one_and_keeps_it(tmp_path):
    made = driver_secrets(tmp_path / "data", "city", shared=False, environment={})
    again = driver_secrets(tmp_path / "data", "city", shared=False, environment={})
    other = driver_secrets(tmp_path / "data", "town", shared=False, environment={})
    assert made == again != other
    (path,) = (tmp_path / "data").glob("city*")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(made.current) == 32


def test_the_environment_goes_first(tmp_path):
    given = {CURRENT: "c" * 16, PREVIOUS: "p" * 16}
    secrets = driver_secrets(tmp_path, "city", shared=True, environment=given)
    assert (secrets.current, secrets.previous) == (b"c" * 16, b"p" * 16)
    assert list(tmp_path.iterdir()) == []


def test_servers_that_share_a_store_must_be_given_it(tmp_path):
    assert driver_secrets(tmp_path, "city", shared=True, environment={}) is None


def test_a_bad_secret_is_told(tmp_path):
    with pytest.raises(StartError, match="at least 16"):
        driver_secrets(tmp_path, "city", shared=True, environment={CURRENT: "short"})
    (tmp_path / "city-driver-secret").write_text("not hex")
    with pytest.raises(StartError, match="damaged"):
        driver_secrets(tmp_path, "city", shared=False, environment={})
