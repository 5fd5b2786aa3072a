"""``greenlot token``: given out once, listed without it, revoked."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from greenlot.cli import app
from greenlot.errors import TokenError
from greenlot.security.callers import Role
from greenlot.security.token_file import read_tokens
from greenlot.security.tokens import SHAPE


def run(data: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["token", words[0], "--data", str(data), *words[1:]])


def test_a_token_is_printed_once_and_kept_as_a_digest(tmp_path: Path) -> None:
    done = run(tmp_path, "add", "--role", "operator", "--name", "north", "--lots", "near, far")
    token = done.stdout.strip()
    assert done.exit_code == 0
    assert SHAPE.fullmatch(token)
    text = (tmp_path / "tokens.json").read_text()
    assert token not in text
    assert token not in run(tmp_path, "list").stdout + run(tmp_path, "list", "--json").stdout
    record = read_tokens(tmp_path / "tokens.json").find(token)
    assert record is not None
    assert record.caller.lots == {"near", "far"}
    assert record.expires_ms is None


def test_all_that_a_token_can_have(tmp_path: Path) -> None:
    for words in (
        ["--role", "controller", "--name", "c", "--signals", "A1,B1", "--days", "30"],
        ["--role", "controller", "--name", "platform", "--signals", "*"],
        ["--role", "operator", "--name", "o", "--operator", "城投", "--operator", "医院"],
        ["--role", "app", "--name", "app", "--rate", "5000"],
    ):
        assert run(tmp_path, "add", *words, "--json").exit_code == 0
    rows = json.loads(run(tmp_path, "list", "--json").stdout)["tokens"]
    assert [row["role"] for row in rows] == ["controller", "controller", "operator", "app"]
    assert [row.get("signals") for row in rows] == [["A1", "B1"], ["*"], None, None]
    assert rows[2]["operators"] == ["医院", "城投"] or rows[2]["operators"] == ["城投", "医院"]
    assert rows[3]["calls_per_s"] == 5000
    assert rows[0]["expires"]
    assert {row["state"] for row in rows} == {"valid"}


def test_a_revoked_token_stays_in_the_list(tmp_path: Path) -> None:
    for _ in range(2):
        run(tmp_path, "add", "--role", "app", "--name", "city-app")
    first = read_tokens(tmp_path / "tokens.json").records[0].id
    assert run(tmp_path, "revoke", first).exit_code == 0
    states = [r.revoked_ms is not None for r in read_tokens(tmp_path / "tokens.json").records]
    assert states == [True, False]
    assert run(tmp_path, "revoke", "city-app").exit_code == 0
    assert "revoked" in run(tmp_path, "list").stdout
    again = run(tmp_path, "revoke", "city-app")
    assert isinstance(again.exception, TokenError)


def test_a_token_given_by_mistake_is_not_repeated(tmp_path: Path) -> None:
    token = run(tmp_path, "add", "--role", "app", "--name", "a").stdout.strip()
    failed = run(tmp_path, "revoke", token)
    assert isinstance(failed.exception, TokenError)
    assert token not in str(failed.exception) + failed.output


@pytest.mark.parametrize("role", [role for role in Role if role not in ("app", "admin")])
def test_what_does_not_go_together_is_refused_and_nothing_is_written(
    tmp_path: Path, role: Role
) -> None:
    wrong = ["--lots", "near"] if role is not Role.OPERATOR else ["--signals", "A1"]
    failed = run(tmp_path, "add", "--role", role, "--name", "x", *wrong)
    assert isinstance(failed.exception, TokenError)
    assert not (tmp_path / "tokens.json").exists()
