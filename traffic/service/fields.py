"""Checks of the fields that several calls have."""

import math
from collections.abc import Sequence
from uuid import UUID

from traffic.band_answer import MAX_SEED
from traffic.errors import InvalidInputError

DEFAULT_PAGE = 100
MAX_PAGE = 1000


def page(ids: Sequence[str], size: int, token: str) -> tuple[Sequence[str], str]:
    """Cut one page out of sorted ids; the token is the last id of the page before."""
    if not 0 <= size <= MAX_PAGE:
        raise InvalidInputError(f"{size}; expected 0 to {MAX_PAGE}", where="page_size")
    if token and token not in ids:
        raise InvalidInputError("not a token of this list", where="page_token")
    start = ids.index(token) + 1 if token else 0
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
            f"{request_id[:64]!r}; expected a UUID with put_in_force", where="request_id"
        ) from None
