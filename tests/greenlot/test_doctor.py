"""What ``greenlot doctor`` says of set-ups that are right and wrong."""

import json
import resource
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from greenlot.cli import app
from greenlot.doctor import (
    Finding,
    Verdict,
    check_clock,
    check_directory,
    check_exposure,
    check_listen,
    check_open_files,
    check_secret,
    check_store,
    check_tls,
    check_tokens,
)
from greenlot.doctor.machine import ClockReading, judge_clock, read_clock
from greenlot.security.certificates import TlsFiles
from greenlot.security.token_file import change_tokens
from greenlot.security.tokens import TokenRecord, digest
from tests.greenlot.secured import CALLERS, secured
from tests.greenlot.security.authority import Authority

NOW = datetime(2026, 11, 25, 5, 0, tzinfo=UTC)
OK, WARNING, WRONG = Verdict.OK, Verdict.WARNING, Verdict.WRONG


def verdicts(findings: list[Finding]) -> list[Verdict]:
    for finding in findings:
        assert finding.says
        assert (finding.verdict is OK) == (finding.do == ""), "what is wrong can be mended"
    return [finding.verdict for finding in findings]


def test_ports() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        found = check_listen("port", taken)
        assert found.verdict is WRONG
        assert "in use" in found.says
    assert check_listen("port", taken).verdict is OK
    assert check_listen("port", "192.0.2.1:50051").verdict is WRONG
    assert check_listen("port", "no.such.host.invalid:50051").verdict is WRONG
    assert check_listen("port", "nonsense").verdict is WRONG


def test_a_server_that_runs_is_recognised(small_city: Path, tmp_path: Path) -> None:
    with secured(small_city, tmp_path) as server:
        found = check_listen("port", server.address)
        stores = check_store(None, tmp_path / "data", "smallville")
    assert found.verdict is WARNING
    assert "SERVING" in found.says
    assert verdicts(stores) == [OK, OK], "it looks while the server writes"


def test_certificates(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    good, soon = authority.issue("good"), authority.issue("soon", days=(-1, 5))
    past, other = authority.issue("past", days=(-9, -1)), authority.issue("other")
    tls = [TlsFiles(pair.certificate, pair.key, authority.ca) for pair in (good, soon, past)]
    assert [verdicts(check_tls(files)) for files in tls] == [[OK, OK], [WARNING, OK], [WRONG]]
    assert "localhost, 127.0.0.1" in check_tls(tls[0])[0].says
    assert verdicts(check_tls(TlsFiles(good.certificate, other.key))) == [WRONG]
    good.key.chmod(0o644)
    assert verdicts(check_tls(TlsFiles(good.certificate, good.key))) == [OK, WARNING]


def test_tokens(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    assert check_tokens(path) == []
    app_token = TokenRecord("a", CALLERS["app"], digest("glt_1"), 1)
    change_tokens(path, lambda _: [app_token])
    assert verdicts(check_tokens(path)) == [OK]
    ends = TokenRecord("b", CALLERS["operator"], digest("glt_2"), 1, expires_ms=2)
    change_tokens(path, lambda records: [*records, ends])
    assert "1 app" in check_tokens(path)[0].says
    path.chmod(0o644)
    assert verdicts(check_tokens(path)) == [OK, WARNING]
    path.write_text("{")
    assert verdicts(check_tokens(path)) == [WRONG]


@pytest.mark.parametrize(
    ("listen", "has_tokens", "has_tls", "plaintext", "verdict"),
    [
        ("127.0.0.1:50051", False, False, False, OK),
        ("0.0.0.0:50051", False, True, False, WRONG),
        ("0.0.0.0:50051", True, False, False, WRONG),
        ("0.0.0.0:50051", True, False, True, OK),
        ("0.0.0.0:50051", True, True, False, OK),
    ],
)
def test_exposure(
    tmp_path: Path, listen: str, has_tokens: bool, has_tls: bool, plaintext: bool, verdict: Verdict
) -> None:
    path = tmp_path / "tokens.json"
    if has_tokens:
        change_tokens(path, lambda _: [TokenRecord("a", CALLERS["app"], digest("glt_1"), 1)])
    found = check_exposure(
        listen, has_tls=has_tls, allows_plaintext=plaintext, tokens=path, metrics="0.0.0.0:9464"
    )
    assert verdicts(found) == [verdict, WARNING]


def test_open_files() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert check_open_files(1).verdict is (OK if soft >= 501 else WRONG)
    found = check_open_files(10**9)
    assert found.verdict is WRONG
    assert "LimitNOFILE=1000000500" in found.do


def test_the_clock_is_looked_at() -> None:
    # Whether something keeps it right depends on the machine; that it stands still does not.
    assert check_clock().verdict in (OK, WARNING)
    assert abs(read_clock().now.timestamp() - time.time()) < 60


@pytest.mark.parametrize(
    ("reading", "verdict", "says"),
    [
        (ClockReading(NOW, 0.0, True, 0.02), OK, "to 20 ms at most"),
        (ClockReading(datetime(1970, 1, 1, tzinfo=UTC), 0.0, True), WRONG, "1970-01-01"),
        (ClockReading(NOW, 0.9, True), WRONG, "jumped by 0.9 s"),
        (ClockReading(NOW, 0.0, None), WARNING, "does not say"),
        (ClockReading(NOW, 0.0, False), WARNING, "nothing keeps it right"),
        (ClockReading(NOW, 0.0, True, 1.25), WARNING, "may be wrong by 1.25 s"),
    ],
)
def test_what_is_wrong_with_a_clock_is_found(
    reading: ClockReading, verdict: Verdict, says: str
) -> None:
    found = judge_clock(reading)
    assert (found.what, found.verdict) == ("clock", verdict)
    assert says in found.says
    assert bool(found.do) == (verdict is not OK)


def test_a_clock_that_is_set_while_it_is_looked_at_is_found() -> None:
    steady, set_by = [100.0], [0.0]

    def wait(seconds: float) -> None:
        steady[0] += seconds
        set_by[0] = -3.0

    reading = read_clock(lambda: NOW.timestamp() + steady[0] + set_by[0], lambda: steady[0], wait)
    assert reading.jumped_s == pytest.approx(3.0)
    assert judge_clock(reading).verdict is WRONG


def test_the_directory(tmp_path: Path) -> None:
    assert check_directory(tmp_path / "not" / "yet")[0].verdict in (OK, WARNING)
    (tmp_path / "file").write_text("")
    assert verdicts(check_directory(tmp_path / "file")) == [WRONG]
    assert not (tmp_path / "not").exists(), "nothing is made"


def test_a_broken_store_is_told(tmp_path: Path) -> None:
    assert verdicts(check_store(None, tmp_path, None)) == [OK]
    (tmp_path / "smallville-parking.sqlite").write_bytes(b"SQLite format 3\x00" + b"\xff" * 4096)
    found = check_store(None, tmp_path, "smallville")
    assert verdicts(found) == [WRONG]
    assert "restore" in found[0].do
    assert verdicts(check_store("mysql://root:pw@db", tmp_path, None)) == [WRONG]
    assert "pw" not in check_store("mysql://root:pw@db", tmp_path, None)[0].says


def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    address = f"postgresql://greenlot:hunter2secret@127.0.0.1:{port}/city"
    found = check_store(address, tmp_path, None)
    assert verdicts(found) == [WRONG]
    assert "hunter2secret" not in found[0].says
    assert verdicts(check_secret(address, {})) == [WARNING]
    assert check_secret(address, {"GREENLOT_DRIVER_SECRET": "x" * 32}) == []


def test_a_database_is_looked_at(fresh_database: Callable[[], str], tmp_path: Path) -> None:
    found = {item.what: item for item in check_store(fresh_database(), tmp_path, None)}
    assert found["store"].verdict is OK
    assert "PostgreSQL" in found["store"].says
    # The tests' server is fast and loose; that is what the doctor is for.
    assert found.keys() <= {"store", "durability"}


def test_the_command_says_what_is_wrong_and_ends_so(tmp_path: Path) -> None:
    runner = CliRunner()
    options = ["--data", str(tmp_path), "--listen", "127.0.0.1:0", "--connections", "10"]
    done = runner.invoke(app, ["doctor", *options, "--json"])
    findings = json.loads(done.stdout)["findings"]
    wrong = [item for item in findings if item["verdict"] == "wrong"]
    assert done.exit_code == (1 if wrong else 0)
    assert {"port", "access", "store", "ulimit -n", "clock"} <= {item["what"] for item in findings}
    done = runner.invoke(app, ["doctor", *options, "--city", str(tmp_path), "--tls-key", "k"])
    assert done.exit_code == 1
    assert "city.json" in done.stdout
    assert "expected both or neither" in done.stdout
    assert "->" in done.stdout
