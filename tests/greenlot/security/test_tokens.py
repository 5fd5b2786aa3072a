"""Tokens: made, kept as digests in a file, given out and revoked."""

import json
import multiprocessing
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from greenlot.errors import TokenError
from greenlot.security.callers import Caller, Role
from greenlot.security.token_file import TokenFile, change_tokens, read_tokens
from greenlot.security.tokens import SHAPE, TokenBook, TokenRecord, digest, new_token

NOW_MS = 1_795_000_000_000
APP = Caller("app", Role.APP)


def record(token: str = "glt_x", key: str = "a1", caller: Caller = APP, **more: int) -> TokenRecord:
    return TokenRecord(key, caller, digest(token), NOW_MS, **more)


def test_tokens_have_256_random_bits_and_one_shape() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(SHAPE.fullmatch(token) for token in tokens)


def test_a_book_finds_a_token_by_its_digest_alone() -> None:
    token = new_token()
    book = TokenBook([record(token)])
    assert book.find(token) is book.records[0]
    assert book.find(token[:-1]) is None
    assert book.find(digest(token)) is None, "the digest opens nothing"
    assert book.find("") is None
    assert token not in repr(book.records)


def test_a_token_ends_when_it_expires_or_is_revoked() -> None:
    assert record(expires_ms=NOW_MS + 10).is_valid(NOW_MS + 9)
    assert not record(expires_ms=NOW_MS + 10).is_valid(NOW_MS + 10)
    assert not record(revoked_ms=NOW_MS).is_valid(NOW_MS)


@pytest.mark.parametrize(
    ("caller", "words"),
    [
        (Caller("", Role.APP), "name"),
        (Caller("two words", Role.APP), "name"),
        (Caller("c", Role.CONTROLLER), "a controller needs some"),
        (Caller("a", Role.APP, signals=frozenset({"s"})), "nobody else has any"),
        (Caller("a", Role.APP, signals=None), "nobody else has any"),
        (Caller("o", Role.OPERATOR), "an operator needs some"),
        (Caller("e", Role.ENGINEER, lots=frozenset({"l"})), "nobody else has any"),
        (Caller("c", Role.CONTROLLER, signals=frozenset({"cities/x/signals/s"})), "slash"),
        (Caller("o", Role.OPERATOR, lots=frozenset({""})), "ids"),
        (Caller("a", Role.APP, calls_per_s=0.0), "calls_per_s"),
        (Caller("n", None), "role"),
    ],
)
def test_a_record_that_makes_no_sense_is_refused(caller: Caller, words: str) -> None:
    with pytest.raises(TokenError, match=words):
        record(caller=caller)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "tokens.json"
    records = [
        record("glt_1", "1", Caller("c", Role.CONTROLLER, signals=frozenset({"A1", "B1"}))),
        record("glt_2", "2", Caller("all", Role.CONTROLLER, signals=None), expires_ms=NOW_MS + 1),
        record("glt_3", "3", Caller("o", Role.OPERATOR, lots=frozenset({"near"}))),
        record("glt_4", "4", Caller("p", Role.OPERATOR, operators=frozenset({"城投"}))),
        record("glt_5", "5", Caller("app", Role.APP, calls_per_s=7.5), revoked_ms=NOW_MS + 5),
    ]
    change_tokens(path, lambda _: records)
    assert list(read_tokens(path).records) == records
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "glt_" not in path.read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "version 1"),
        ('{"version": 2, "tokens": []}', "version 1"),
        ('{"version": 1}', "tokens: expected a list"),
        ('{"version": 1, "tokens": [3]}', r"tokens\[0\]: expected an object"),
        ('{"version": 1, "tokens": [{"name": "a", "role": "king"}]}', r"tokens\[0\].*king"),
    ],
)
def test_a_file_with_a_mistake_is_refused_with_its_place(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(text)
    with pytest.raises(TokenError, match=words):
        read_tokens(path)
    with pytest.raises(TokenError):
        change_tokens(path, lambda records: records)
    assert path.read_text() == text, "nothing half-written"


@pytest.mark.parametrize("field", ["name", "role", "sha256", "created_ms", "id"])
def test_a_record_without_a_field_is_refused(tmp_path: Path, field: str) -> None:
    path = tmp_path / "tokens.json"
    change_tokens(path, lambda _: [record()])
    document = json.loads(path.read_text())
    del document["tokens"][0][field]
    path.write_text(json.dumps(document))
    with pytest.raises(TokenError, match=field):
        read_tokens(path)


def test_a_file_that_is_not_there_holds_none(tmp_path: Path) -> None:
    assert read_tokens(tmp_path / "none.json").records == ()


def _add(path: Path, first: int) -> None:
    for k in range(first, first + 10):
        change_tokens(path, lambda records, k=k: [*records, record(f"glt_{k}", f"k{k}")])


def test_two_who_add_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    context = multiprocessing.get_context("spawn")
    other = context.Process(target=_add, args=(path, 100))
    other.start()
    _add(path, 200)
    other.join()
    assert len(read_tokens(path).records) == 20


def test_a_followed_file_is_taken_over_and_a_mistake_in_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    followed = TokenFile(path)
    assert followed.book.records == ()
    change_tokens(path, lambda _: [record()])
    followed.follow()
    assert len(followed.book.records) == 1
    change_tokens(path, lambda records: [replace(r, revoked_ms=NOW_MS) for r in records])
    followed.follow()
    assert not followed.book.records[0].is_valid(NOW_MS)
    kept = followed.book
    path.write_text("{")
    followed.follow()
    assert followed.book is kept
    path.unlink()
    followed.follow()
    assert followed.book.records == (), "who removes the file wants nobody let in"
