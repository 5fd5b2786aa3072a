"""Turns opening hours as OpenStreetMap writes them into weekly windows.

The grammar is the library's (``opening-hours-py``); here its answer is read over some years, week
by week. What differs from week to week (months, dates, sunrise) has no place in a weekly window:
then only what is open in every week is kept, and a remark says so.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from opening_hours import OpeningHours, State, validate

from parking.errors import InvalidInputError
from parking.opening import DAY_MINUTES, WEEK_MINUTES, OpeningWindow

# Weeks from a Monday on: a whole cycle of leap years.
FIRST_MONDAY = datetime(2024, 1, 1)
WEEKS = 4 * 52 + 1
MAX_LENGTH = 512

Spans = frozenset[tuple[int, int]]


def windows_of_osm(text: str) -> tuple[tuple[OpeningWindow, ...], bool, tuple[str, ...]]:
    """Parse ``Mo-Fr 07:00-19:00; Sa 08:00-14:00``.

    Returns
    -------
    windows, always_closed, remarks
        No windows = always open, unless ``always_closed``. Remarks say what was left out.

    Raises
    ------
    InvalidInputError
        Not in the notation.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidInputError(f"{len(text)} characters; expected at most {MAX_LENGTH}")
    if not validate(text):
        raise InvalidInputError(f"{text[:60]!r}; expected opening hours such as Mo-Fr 07:00-19:00")
    hours = OpeningHours(text, auto_country=False, auto_timezone=False)
    remarks: list[str] = []
    if re.search(r"\b[PS]H\b", text):
        remarks.append("holidays are not known here: they count as ordinary days")
    weeks, unsure = _weeks(hours)
    if unsure:
        remarks.append("where it says unknown, it counts as closed")
    kept = _in_all(weeks)
    if any(week != kept for week in weeks):
        remarks.append("it differs from week to week: only what is open in every week is kept")
    if sum(end - begin for begin, end in kept) == WEEK_MINUTES:
        return (), False, tuple(remarks)
    return _windows(kept), not kept, tuple(remarks)


def _weeks(hours: OpeningHours) -> tuple[tuple[Spans, ...], bool]:
    """Return each week's open spans, min after Monday 00:00, and whether any is unknown."""
    open_spans: list[list[tuple[int, int]]] = [[] for _ in range(WEEKS)]
    unsure = False
    last = FIRST_MONDAY + timedelta(weeks=WEEKS)
    for begin, end, state, _ in hours.intervals(FIRST_MONDAY, last):
        unsure = unsure or state == State.UNKNOWN
        if state == State.OPEN:
            for week, span in _split(_minutes(begin), _minutes(min(end, last))):
                open_spans[week].append(span)
    return tuple(frozenset(spans) for spans in open_spans), unsure


def _minutes(moment: datetime) -> int:
    return (moment - FIRST_MONDAY) // timedelta(minutes=1)


def _split(begin: int, end: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """Cut a span at the weeks' ends."""
    while begin < end:
        week, into = divmod(begin, WEEK_MINUTES)
        length = min(end - begin, WEEK_MINUTES - into)
        yield week, (into, into + length)
        begin += length


def _in_all(weeks: tuple[Spans, ...]) -> Spans:
    """Return what is open in every week, as spans that do not touch."""
    different = set(weeks)
    if len(different) == 1:
        return different.pop()
    open_minutes = [0] * WEEK_MINUTES
    for week in different:
        for begin, end in week:
            for minute in range(begin, end):
                open_minutes[minute] += 1
    spans: list[tuple[int, int]] = []
    for minute, count in enumerate(open_minutes):
        if count == len(different):
            if spans and spans[-1][1] == minute:
                spans[-1] = (spans[-1][0], minute + 1)
            else:
                spans.append((minute, minute + 1))
    return frozenset(spans)


def _windows(spans: Spans) -> tuple[OpeningWindow, ...]:
    """Lay spans of a week out as windows of at most a day, those of equal times together."""
    days: dict[tuple[int, int], set[int]] = {}
    for begin, end in _joined_over_sunday(spans):
        while begin < end:
            day, from_minutes = divmod(begin, DAY_MINUTES)
            length = min(end - begin, DAY_MINUTES)
            if length < end - begin:
                # A longer one goes on at midnight.
                length = DAY_MINUTES - from_minutes
            to_minutes = from_minutes + length
            if to_minutes > DAY_MINUTES:
                to_minutes -= DAY_MINUTES
            days.setdefault((from_minutes, to_minutes), set()).add(day % 7 + 1)
            begin += length
    return tuple(
        OpeningWindow(frozenset(found), *times)
        for times, found in sorted(days.items(), key=lambda item: (min(item[1]), item[0]))
    )


def _joined_over_sunday(spans: Spans) -> list[tuple[int, int]]:
    """Put together what ends on Sunday at midnight and goes on from there."""
    ordered = sorted(spans)
    if len(ordered) > 1 and ordered[0][0] == 0 and ordered[-1][1] == WEEK_MINUTES:
        first = ordered.pop(0)
        ordered[-1] = (ordered[-1][0], WEEK_MINUTES + first[1])
    return ordered
