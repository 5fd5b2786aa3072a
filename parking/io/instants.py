"""Points in time as files write them: ISO 8601 with a time zone."""

import re
from datetime import UTC, datetime, timedelta

from parking.errors import InvalidInputError
from parking.opening import CIVIL_ZONE

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FIRST_YEAR, _LAST_YEAR = 1970, 2199

# Date and time, extended or basic; Python's own reader would take any letter between them.
_DATE_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8})[T ][0-9]{2}(:?[0-9]{2}(:?[0-9]{2}([.,][0-9]+)?)?)?"
    r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)?"
)


def parse_instant(text: str, *, where: str) -> int:
    """Parse ``2026-11-23T08:00:00+08:00`` into UTC epoch milliseconds.

    Seconds may be left out or have decimals (cut to ms); ``Z`` is UTC. The years 1970 to 2199.

    Raises
    ------
    InvalidInputError
        Not such a time, no time zone, or not a time that exists.
    """
    if _DATE_TIME.fullmatch(text) is None:
        raise InvalidInputError(
            f"{text[:60]!r}; expected a time such as 2026-11-23T08:00:00+08:00", where=where
        )
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputError(f"{text!r}; no such time: {error}", where=where) from None
    if moment.tzinfo is None:
        raise InvalidInputError(
            f"{text!r}; expected a time zone, such as {text}+08:00 or {text}Z", where=where
        )
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise InvalidInputError(
            f"{text!r}; expected the years {_FIRST_YEAR} to {_LAST_YEAR}", where=where
        )
    return (moment - EPOCH) // _MILLISECOND


def format_instant(time_ms: int) -> str:
    """Write UTC epoch milliseconds in the civil zone, with decimals only where needed."""
    moment = (EPOCH + time_ms * _MILLISECOND).astimezone(CIVIL_ZONE)
    return moment.isoformat(timespec="milliseconds" if time_ms % 1000 else "seconds")
