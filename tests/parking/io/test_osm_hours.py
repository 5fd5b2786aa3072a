"""Opening hours as OpenStreetMap writes them."""

import pytest

from parking.errors import InvalidInputError
from parking.io.osm_hours import windows_of_osm
from parking.opening import OpeningWindow, is_open

# Monday 2026-11-23 00:00 in Asia/Shanghai.
MONDAY_MS = 1_795_363_200_000
HOUR_MS = 3_600_000


def window(days: str, begin: str, end: str) -> OpeningWindow:
    def minutes(text: str) -> int:
        return int(text[:2]) * 60 + int(text[3:])

    return OpeningWindow(frozenset(map(int, days)), minutes(begin), minutes(end))


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("24/7", []),
        ("Mo-Su 00:00-24:00", []),
        ("Mo-Fr 07:00-19:00", [window("12345", "07:00", "19:00")]),
        (
            "Mo-Fr 07:00-19:00; Sa 08:00-14:00",
            [window("12345", "07:00", "19:00"), window("6", "08:00", "14:00")],
        ),
        ("Mo-Su 07:00-19:00; Su off", [window("123456", "07:00", "19:00")]),
        ("Fr 22:00-06:00", [window("5", "22:00", "06:00")]),
        ("Su 22:00-06:00", [window("7", "22:00", "06:00")]),
        (
            "Mo 08:00-12:00,14:00-18:00",
            [window("1", "08:00", "12:00"), window("1", "14:00", "18:00")],
        ),
        ("Mo-Fr", [window("12345", "00:00", "24:00")]),
        ("Mo 12:00-24:00", [window("1", "12:00", "24:00")]),
    ],
)
def test_weekly_hours(text: str, windows: list[OpeningWindow]) -> None:
    found, always_closed, remarks = windows_of_osm(text)
    assert (sorted(found, key=str), always_closed, remarks) == (sorted(windows, key=str), False, ())


def test_a_stretch_over_several_days_has_no_gap() -> None:
    found, _, _ = windows_of_osm("Mo 08:00-24:00; Tu 00:00-24:00; We 00:00-10:00")
    assert is_open(found, MONDAY_MS + 8 * HOUR_MS, MONDAY_MS + 58 * HOUR_MS)
    assert not is_open(found, MONDAY_MS + 8 * HOUR_MS, MONDAY_MS + 58 * HOUR_MS + 1)
    assert not is_open(found, MONDAY_MS + 7 * HOUR_MS, MONDAY_MS + 10 * HOUR_MS)


@pytest.mark.parametrize("text", ["off", "24/7 off", "Mo-Su closed"])
def test_never_open_is_not_always_open(text: str) -> None:
    assert windows_of_osm(text) == ((), True, ())


@pytest.mark.parametrize(
    ("text", "windows", "remark"),
    [
        ("PH off; Mo-Fr 08:00-18:00", [window("12345", "08:00", "18:00")], "holidays"),
        (
            "Mo-Fr 08:00-18:00; Jul-Aug Mo-Fr 10:00-20:00",
            [window("12345", "10:00", "18:00")],
            "differs from week to week",
        ),
        ("Mo-Fr 08:00-12:00, Sa unknown", [window("12345", "08:00", "12:00")], "unknown"),
    ],
)
def test_what_a_week_cannot_say_is_kept_out(
    text: str, windows: list[OpeningWindow], remark: str
) -> None:
    found, always_closed, remarks = windows_of_osm(text)
    assert (list(found), always_closed) == (windows, False)
    assert len(remarks) == 1
    assert remark in remarks[0]


@pytest.mark.parametrize("text", ["", "whenever", "Mo-Fr 25:00-26:00x", "x" * 600])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        windows_of_osm(text)
