"""Checks of the fields that several calls have."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from uuid import UUID

from traffic.band_answer import MAX_SEED
from traffic.errors import InvalidInputError

DEFAULT_PAGE = 100
MAX_PAGE = 1000


def page(ids: Sequence[str], size: int, token: str) -> tuple[Sequence[str], str]:
    """Cut one page out of sorted ids; the token is the last id of the page before."""
    _check_size(size)
    if token and token not in ids:
        raise InvalidInputError("not a token of this list", where="page_token")
    return _cut(ids, size, ids.index(token) + 1 if token else 0)


def page_of_passing(ids: Sequence[str], size: int, token: str) -> tuple[Sequence[str], str]:
    """Cut one page out of ids in order that come and go: that of the token may be gone.

    So any text may be one: a token that was given out is never refused, however long ids are.
    """
    _check_size(size)
    return _cut(ids, size, bisect_right(ids, token) if token else 0)


def _check_size(size: int) -> None:
    if not 0 <= size <= MAX_PAGE:
        raise InvalidInputError(f"{size}; expected 0 to {MAX_PAGE}", where="page_size")


def _cut(ids: Sequence[str], size: int, start: int) -> tuple[Sequence[str], str]:
    cut = ids[start : start + (size or DEFAULT_PAGE)]
    more = start + len(cut) < len(ids)
    return cut, cut[-1] if more else ""


def ranged(value: float, low: float, high: float, *, where: str) -> float | None:
    """Return a field's value, or None where it is 0 (not given)."""
    if value == 0:
        return None
    if not (math.isfinite(value) and low <= value <= high):
        raise InvalidInputError(f"{value:g}; expected {low:g} to {high:g}", where=where)
    return value


def seed(value: int) -> int:
    """Return a seed that the solvers take."""
    if not 0 <= value <= MAX_SEED:
        raise InvalidInputError(f"{value}; expected 0 to {MAX_SEED}", where="seed")
    return value


def check_request_id(request_id: str) -> None:
    """Refuse what is no UUID."""
    try:
        UUID(request_id)
    except ValueError:
        raise InvalidInputError(
            f"{request_id[:64]!r}; expected a UUID", where="request_id"
        ) from None
