"""``greenlot call``: by reflection, as the README shows it, with TLS and tokens."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from greenlot.city import load_city
from greenlot.cli import app
from greenlot.errors import StartError
from greenlot.security.certificates import TlsFiles
from greenlot.server import ServerThread
from tests.greenlot.secured import Secured, secured
from tests.greenlot.security.authority import Authority
from tests.greenlot.security.test_access import METHODS
from tests.greenlot.test_server import CITY

README = Path(__file__).parents[2] / "README.md"
SHOWN = re.findall(r"^\.venv/bin/greenlot (call .*)$", README.read_text(), re.MULTILINE)


def run(address: str, *words: str, **environment: str) -> Result:
    return CliRunner().invoke(app, words, env={"GREENLOT_SERVER": address} | environment)


@pytest.fixture(scope="module")
def dongying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server as ``greenlot serve`` begins one: of Dongying, open to this machine."""
    directory = tmp_path_factory.mktemp("dongying")
    with ServerThread(load_city(None, cache=directory), data=directory) as server:
        yield server.address


def documents(text: str) -> list[dict[str, object]]:
    """All JSON documents that stand one after the other in a text."""
    decoder, found = json.JSONDecoder(), []
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:]
    return found


@pytest.mark.parametrize("line", SHOWN)
def test_the_calls_in_the_readme_work_as_written(dongying: str, line: str) -> None:
    done = run(dongying, *shlex.split(line))
    assert done.exit_code == 0, done.output
    if "--list" in line:
        assert set(done.stdout.split()) == {method.full_name for method in METHODS}
    else:
        (answer,) = documents(done.stdout)
        assert answer, "an answer that holds something"


def test_the_readme_shows_some() -> None:
    assert len(SHOWN) >= 4


@pytest.fixture(scope="module")
def tls(small_city: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple]:
    directory = tmp_path_factory.mktemp("tls")
    authority = Authority(directory / "authority")
    pair = authority.issue("server")
    files = TlsFiles(pair.certificate, pair.key, authority.ca)
    with secured(small_city, directory, tls=files) as server:
        yield server, authority


def test_with_tls_a_certificate_and_a_token(tls: tuple[Secured, Authority]) -> None:
    server, authority = tls
    own = authority.issue("client")
    keys = {
        "GREENLOT_CA": str(authority.ca),
        "GREENLOT_CERTIFICATE": str(own.certificate),
        "GREENLOT_KEY": str(own.key),
    }
    lot = json.dumps({"name": f"{CITY}/lots/near"})
    done = run(server.address, "call", "GetLot", lot, **keys, GREENLOT_TOKEN=server.tokens["app"])
    assert documents(done.stdout)[0]["name"] == f"{CITY}/lots/near"
    for token, code in (("", "UNAUTHENTICATED"), ("glt_" + "x" * 43, "UNAUTHENTICATED")):
        done = run(server.address, "call", "GetLot", lot, **keys, GREENLOT_TOKEN=token)
        assert done.exit_code == 1
        assert code in done.stderr
        assert "glt_" not in done.output
    engineer = server.tokens["controller"]
    done = run(server.address, "call", "GetLot", lot, **keys, GREENLOT_TOKEN=engineer)
    assert (done.exit_code, "PERMISSION_DENIED" in done.stderr) == (1, True)


def test_streams_and_mistakes(dongying: str, tmp_path: Path) -> None:
    done = run(dongying, "call", "WatchPlans", '{"parent": "cities/nowhere"}')
    assert done.exit_code == 1
    assert done.stderr.startswith("greenlot: NOT_FOUND: parent: no city")
    done = run(dongying, "call", "GetSign", '{"name": "x"}')
    assert done.stderr.startswith("greenlot: INVALID_ARGUMENT: ")
    for words, said in (
        (["Nothing"], "0 such calls"),
        (["GetLot", "{"], "request: "),
        (["GetLot", '{"nme": ""}'], 'no field named "nme"'),
        (["GetLot", "--key", "k"], "expected both"),
        (["GetLot", "--token-file", str(tmp_path / "none")], "No such file"),
    ):
        failed = run(dongying, "call", *words)
        assert isinstance(failed.exception, StartError)
        assert said in str(failed.exception)
        assert "\n" not in str(failed.exception)


def test_a_full_name_in_either_way_of_writing(dongying: str) -> None:
    for name in ("parking.v1.ParkingService/ListLots", "parking.v1.ParkingService.ListLots"):
        done = run(dongying, "call", name, '{"parent": "cities/dongying", "page_size": 1}')
        assert len(documents(done.stdout)[0]["lots"]) == 1  # type: ignore[arg-type]
