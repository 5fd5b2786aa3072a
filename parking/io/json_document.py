"""Reads JSON strictly: what other readers would pass over in silence is an error."""

import json
from pathlib import Path
from typing import Any

from parking.errors import InvalidInputError

BOM = b"\xef\xbb\xbf"


class _Repeated(dict[str, Any]):
    """An object in which a key stood twice; ``key`` is the first such."""

    key: str = ""


def read_document(path: Path) -> Any:
    """Read a JSON file in UTF-8; a byte order mark at its beginning is passed over.

    Raises
    ------
    InvalidInputError
        The file cannot be read, is not UTF-8 or not JSON, nests too deep, holds NaN or Infinity,
        or a key stands twice in one object.
    """
    try:
        data = path.read_bytes().removeprefix(BOM)
    except OSError as error:
        raise InvalidInputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInputError(
            f"not UTF-8: {error.reason}, byte {data[error.start]:#04x}", where=f"{path}:{line}"
        ) from None
    repeated: list[_Repeated] = []

    def to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        seen: set[str] = set()
        twice = _Repeated(found)
        twice.key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        repeated.append(twice)
        return twice

    try:
        document = json.loads(text, object_pairs_hook=to_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InvalidInputError(
            f"not JSON: {error.msg}, column {error.colno}", where=f"{path}:{error.lineno}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"not usable JSON: {error}", where=str(path)) from None
    if repeated:
        place = (_place(document, repeated[0]) or "document").removeprefix(".")
        raise InvalidInputError(f"{repeated[0].key!r} stands twice", where=f"{path}: {place}")
    return document


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number")


def _place(value: Any, wanted: dict[str, Any]) -> str | None:
    """Return the path of an object inside a document, or None."""
    if value is wanted:
        return ""
    inner: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        inner = [(f".{key}", item) for key, item in value.items()]
    elif isinstance(value, list):
        inner = [(f"[{k}]", item) for k, item in enumerate(value)]
    for step, item in inner:
        if isinstance(item, dict | list) and (found := _place(item, wanted)) is not None:
            return f"{step}{found}"
    return None
