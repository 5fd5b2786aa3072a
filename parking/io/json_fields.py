"""Takes single values out of JSON objects, with exact types; absent and null are the same."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from parking.errors import InvalidInputError, ParkingError
from parking.io.instants import parse_instant

Row = Mapping[str, Any]
Word = TypeVar("Word", bound=StrEnum)
T = TypeVar("T")

LARGEST = 2**63
LIKE = 0.85
"""How alike (``difflib``) a stray key and a known one must be to be taken for a slip."""


def shown(value: object) -> str:
    """Return a value for a message, cut short."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def nested(where: str, read: Callable[[Row], T], row: object) -> T:
    """Read an object inside another and put its place before whatever is wrong with it."""
    try:
        if not isinstance(row, dict):
            raise InvalidInputError(f"{shown(row)}; expected an object")
        return read(row)
    except ParkingError as error:
        dot = "." if error.where else ""
        raise InvalidInputError(error.message, where=f"{where}{dot}{error.where}") from None


def only(row: Row, *keys: str) -> None:
    """Raise InvalidInputError at a key that is not one of these."""
    for key in row:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; expected {', '.join(keys)}"
            raise InvalidInputError(f"unknown{hint}", where=shown(key).strip("'"))


def no_slips(row: Row, *keys: str) -> None:
    """Raise InvalidInputError at a key that is almost one of these, which itself is absent."""
    absent = {key.casefold(): key for key in keys if key not in row}
    for key in row:
        if key not in keys:
            near = difflib.get_close_matches(key.casefold(), absent, 1, LIKE)
            if near:
                raise InvalidInputError(
                    f"unknown; did you mean {absent[near[0]]!r}?", where=shown(key).strip("'")
                )


def text(row: Row, key: str, *, required: bool = False) -> str:
    """Return a text; absent = empty."""
    value = row.get(key)
    if value is None and not required:
        return ""
    if value is None:
        raise InvalidInputError("is missing", where=key)
    if not isinstance(value, str):
        raise InvalidInputError(f"{shown(value)}; expected text", where=key)
    try:
        # Half of a surrogate pair is JSON, but no file can hold it.
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInputError(f"{shown(value)}; expected Unicode text", where=key) from None
    return value


def number(row: Row, key: str) -> float | None:
    """Return a finite number, or None where it is absent."""
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInputError(f"{shown(value)}; expected a number", where=key)
    if not abs(value) <= LARGEST:
        raise InvalidInputError(f"{shown(value)}; expected a smaller number", where=key)
    return value


def whole(row: Row, key: str) -> int | None:
    """Return a whole number (2 or 2.0), or None where it is absent."""
    value = number(row, key)
    if value is None:
        return None
    if value != int(value):
        raise InvalidInputError(f"{shown(value)}; expected a whole number", where=key)
    return int(value)


def flag(row: Row, key: str) -> bool:
    """Return true or false; absent = false."""
    value = row.get(key)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise InvalidInputError(f"{shown(value)}; expected true or false", where=key)
    return value


def items(row: Row, key: str) -> Sequence[Any]:
    """Return a list; absent = empty."""
    value = row.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidInputError(f"{shown(value)}; expected a list", where=key)
    return value


def word(row: Row, key: str, kind: type[Word]) -> Word | None:
    """Return one of an enumeration's words, or None where it is absent."""
    value = row.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or value not in list(kind):
        raise InvalidInputError(f"{shown(value)}; expected one of {', '.join(kind)}", where=key)
    return kind(value)


def instant(row: Row, key: str) -> int | None:
    """Return a time in UTC epoch milliseconds, or None where it is absent."""
    return parse_instant(text(row, key), where=key) if row.get(key) is not None else None
