"""The file that tokens are kept in: digests, owners, ends. Only its owner can read it."""

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from greenlot.errors import TokenError
from greenlot.security.callers import Caller, Role
from greenlot.security.files import file_stamp
from greenlot.security.tokens import TokenBook, TokenRecord

log = structlog.get_logger()

VERSION = 1
ALL = "*"
"""Stands in a file for "all signals"."""


def read_tokens(path: Path) -> TokenBook:
    """Read a file of tokens; one that is not there holds none.

    Raises
    ------
    TokenError
        It cannot be read, or holds a mistake.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return TokenBook()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from error
    try:
        document = json.loads(text)
    except ValueError as error:
        raise TokenError(f"{path}: not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise TokenError(f"{path}: expected an object with version {VERSION}")
    rows = document.get("tokens")
    if not isinstance(rows, list):
        raise TokenError(f"{path}: tokens: expected a list")
    records = []
    for k, row in enumerate(rows):
        try:
            records.append(_record(row))
        except (KeyError, TypeError, ValueError, TokenError) as error:
            # The text of a KeyError is the key alone.
            raise TokenError(f"{path}: tokens[{k}]: {error}") from error
    for what in ("id", "sha256"):
        if len({getattr(record, what) for record in records}) < len(records):
            raise TokenError(f"{path}: tokens: an {what} stands twice")
    return TokenBook(records)


def change_tokens(
    path: Path, change: Callable[[Sequence[TokenRecord]], Sequence[TokenRecord]]
) -> None:
    """Change a file of tokens: others who change it wait, and readers see all of it or nothing.

    Raises
    ------
    TokenError
        It cannot be read or written, or ``change`` refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            rows = [_row(record) for record in change(read_tokens(path).records)]
            _replace(path, json.dumps({"version": VERSION, "tokens": rows}, indent=1) + "\n")
    except OSError as error:
        raise TokenError(f"{path}: {error.strerror}") from error


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    made = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(made, "w", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), 0o600)
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _row(record: TokenRecord) -> dict[str, Any]:
    caller = record.caller
    row: dict[str, Any] = {
        "id": record.id,
        "name": caller.name,
        "role": str(caller.role),
        "sha256": record.sha256,
        "created_ms": record.created_ms,
        "expires_ms": record.expires_ms,
        "revoked_ms": record.revoked_ms,
    }
    if caller.role is Role.CONTROLLER:
        row["signals"] = [ALL] if caller.signals is None else sorted(caller.signals)
    if caller.role is Role.OPERATOR:
        row["lots"] = sorted(caller.lots)
        row["operators"] = sorted(caller.operators)
    if caller.calls_per_s is not None:
        row["calls_per_s"] = caller.calls_per_s
    return row


def _record(row: Mapping[str, Any]) -> TokenRecord:
    if not isinstance(row, dict):
        raise TokenError("expected an object")
    signals = _words(row, "signals")
    caller = Caller(
        name=_typed(row, "name", str),
        role=Role(_typed(row, "role", str)),
        signals=None if signals == {ALL} else signals,
        lots=_words(row, "lots"),
        operators=_words(row, "operators"),
        calls_per_s=float(row["calls_per_s"]) if "calls_per_s" in row else None,
    )
    return TokenRecord(
        id=_typed(row, "id", str),
        caller=caller,
        sha256=_typed(row, "sha256", str),
        created_ms=_typed(row, "created_ms", int),
        expires_ms=_time(row, "expires_ms"),
        revoked_ms=_time(row, "revoked_ms"),
    )


def _typed(row: Mapping[str, Any], key: str, kind: type) -> Any:
    if not isinstance(row.get(key), kind):
        raise TokenError(f"{key}: expected {kind.__name__}")
    return row[key]


def _time(row: Mapping[str, Any], key: str) -> int | None:
    return None if row.get(key) is None else int(_typed(row, key, int))


def _words(row: Mapping[str, Any], key: str) -> frozenset[str]:
    words = row.get(key, [])
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise TokenError(f"{key}: expected a list of ids")
    return frozenset(words)


class TokenFile:
    """A file of tokens, followed: what was given out or revoked counts within a second.

    A file that is gone holds none. One with a mistake changes nothing: who was let in still is.

    Raises
    ------
    TokenError
        At the beginning, it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = file_stamp(path)
        self.book = read_tokens(path)
        self.changes = 0
        """How often it was taken over."""

    def follow(self) -> None:
        """Look whether the file has changed, and take it over if it can be used."""
        stamp = file_stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.book = read_tokens(self._path)
        except TokenError as error:
            log.error("the tokens cannot be read; those from before stay", why=str(error))
            return
        self.changes += 1
        log.info("tokens taken over", tokens=len(self.book.records))
