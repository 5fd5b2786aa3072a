"""Requests as CSV: what is read, and what is refused with its row and column."""

import math
from pathlib import Path

import pytest

from parking.errors import InvalidInputError
from parking.inventory import Connector, SpaceClass
from parking.io.requests_csv import COLUMNS, read_requests

PLAIN = {
    "id": "r1",
    "origin_lon": "118.50",
    "origin_lat": "37.40",
    "dest_lon": "118.60",
    "dest_lat": "37.45",
    "arrive_at": "2026-11-23T08:00:00+08:00",
    "duration_s": "3600",
}
# Monday 2026-11-23 00:00 in Asia/Shanghai.
MONDAY_MS = 1_795_363_200_000
EIGHT_MS = MONDAY_MS + 8 * 3_600_000


def line(**cells: str) -> str:
    return ",".join((PLAIN | cells).get(name, "") for name in COLUMNS)


def write(tmp_path: Path, *lines: str, header: str = ",".join(COLUMNS)) -> Path:
    path = tmp_path / "requests.csv"
    path.write_bytes("\n".join([header, *lines, ""]).encode())
    return path


def test_empty_cells_stand_for_the_defaults(tmp_path: Path) -> None:
    (request,) = read_requests(write(tmp_path, line()))
    assert (request.origin_lon, request.origin_lat) == (118.5, 37.4)
    assert (request.dest_lon, request.dest_lat) == (118.6, 37.45)
    assert (request.arrive_ms, request.leave_ms) == (EIGHT_MS, EIGHT_MS + 3_600_000)
    assert request.space_class is SpaceClass.STANDARD
    assert (request.height_cm, request.connector, request.min_power_kw) == (0, None, 0.0)
    assert request.max_walk_m == 1500
    assert request.max_price_fen is None
    assert request.value_of_time_fen_per_h == 3000
    assert request.permits == frozenset()


def test_every_cell_is_read(tmp_path: Path) -> None:
    cells = {
        "class": "charging",
        "height_cm": "180",
        "connector": "gbt_dc",
        "min_power_kw": "22.5",
        "max_walk_m": "inf",
        "max_price_fen": "0",
        "value_of_time_fen_per_h": "0",
    }
    (request,) = read_requests(write(tmp_path, line(**cells)))
    assert request.space_class is SpaceClass.CHARGING
    assert (request.height_cm, request.connector) == (180, Connector.GBT_DC)
    assert (request.min_power_kw, request.max_walk_m) == (22.5, math.inf)
    assert (request.max_price_fen, request.value_of_time_fen_per_h) == (0, 0)


def test_columns_stand_in_any_order_and_permits_may_be_added(tmp_path: Path) -> None:
    names = ["permit", *reversed(COLUMNS)]
    cells = PLAIN | {"permit": "staff; 残疾人"}
    row = ",".join(cells.get(name, "") for name in names)
    (request,) = read_requests(write(tmp_path, row, header=",".join(names)))
    assert request.dest_lat == 37.45
    assert request.permits >= {"staff", "残疾人"}


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-11-23T00:00:00Z", EIGHT_MS),
        ("2026-11-23T08:00+08:00", EIGHT_MS),
        ("2026-11-23 08:00:00+0800", EIGHT_MS),
        ("20261123T080000+08", EIGHT_MS),
        ("2026-11-23T08:00:00.123+08:00", EIGHT_MS + 123),
        ("2026-11-23T08:00:00.1239Z", EIGHT_MS + 8 * 3_600_000 + 123),
        ("2026-11-22T19:00:00-05:00", EIGHT_MS),
    ],
)
def test_times_with_a_zone(tmp_path: Path, text: str, ms: int) -> None:
    (request,) = read_requests(write(tmp_path, line(arrive_at=text)))
    assert request.arrive_ms == ms


def test_byte_order_mark_line_ends_quotes_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "requests.csv"
    rows = [",".join(COLUMNS), "", line(id='"a,""b"""'), line(id="东营 1"), ""]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode())
    assert [request.id for request in read_requests(path)] == ['a,"b"', "东营 1"]


def test_whole_numbers_as_a_spreadsheet_writes_them(tmp_path: Path) -> None:
    (request,) = read_requests(write(tmp_path, line(height_cm="180.0", duration_s=" 3600. ")))
    assert (request.height_cm, request.leave_ms - request.arrive_ms) == (180, 3_600_000)


def test_a_header_alone_is_no_requests(tmp_path: Path) -> None:
    assert read_requests(str(write(tmp_path))) == ()


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"id": ""}, "id: is empty"),
        ({"id": "  "}, "id: is empty"),
        ({"id": "r\x07"}, "id: 'r\\x07'; expected no control characters"),
        ({"origin_lon": ""}, "origin_lon: ''; expected a number; the cell is empty"),
        ({"origin_lon": "nan"}, "origin_lon: 'nan'; expected a number"),
        ({"origin_lat": "1e999"}, "origin_lat: '1e999'; expected a smaller number"),
        ({"origin_lat": "118,5"}, "15 cells; expected 14"),
        ({"dest_lon": "1_0"}, "dest_lon: '1_0'; expected a number"),
        ({"dest_lon": "200"}, "dest_lon: 200.0; expected -180 to 180"),
        ({"dest_lat": "118.6"}, "dest_lat: 118.6; expected -90 to 90"),
        ({"dest_lat": "３７"}, "dest_lat: '３７'; expected a number"),
        ({"arrive_at": ""}, "arrive_at: is empty"),
        (
            {"arrive_at": "2026-11-23T08:00:00"},
            "arrive_at: '2026-11-23T08:00:00'; expected a time zone",
        ),
        ({"arrive_at": "2026-11-23"}, "arrive_at: '2026-11-23'; expected a time such as"),
        ({"arrive_at": "2026-11-31T08:00Z"}, "arrive_at: '2026-11-31T08:00Z'; no such time"),
        ({"arrive_at": "0001-01-01T00:00+14:00"}, "expected the years 1970 to 2199"),
        ({"arrive_at": "1795392000"}, "arrive_at: '1795392000'; expected a time such as"),
        ({"duration_s": ""}, "duration_s: is empty"),
        ({"duration_s": "59"}, "duration_s: 59; expected 60 to 1209600 s (14 days)"),
        ({"duration_s": "1209601"}, "duration_s: 1209601; expected 60 to 1209600 s"),
        ({"duration_s": "3600.5"}, "duration_s: '3600.5'; expected a whole number"),
        ({"duration_s": "-3600"}, "duration_s: -3600; expected 60"),
        ({"class": "Standard"}, "class: 'Standard'; expected one of standard, accessible"),
        ({"height_cm": "-1"}, "height_cm: -1; expected 0 to 1000"),
        ({"height_cm": "tall"}, "height_cm: 'tall'; expected a whole number"),
        ({"connector": "ccs"}, "connector: 'ccs'; expected one of gbt_ac, gbt_dc"),
        ({"min_power_kw": "-7"}, "min_power_kw: -7.0; expected 0 or more"),
        ({"min_power_kw": "inf"}, "min_power_kw: 'inf'; expected a number"),
        ({"max_walk_m": "-0.1"}, "max_walk_m: -0.1; expected 0 or more"),
        ({"max_walk_m": "nan"}, "max_walk_m: 'nan'; expected a number"),
        ({"max_price_fen": "-1"}, "max_price_fen: -1; expected 0 or more"),
        ({"max_price_fen": "12.34"}, "max_price_fen: '12.34'; expected a whole number"),
        ({"value_of_time_fen_per_h": "1000001"}, "value_of_time_fen_per_h: 1000001; expected"),
    ],
)
def test_a_mistake_is_told_with_its_row_and_column(
    tmp_path: Path, cells: dict[str, str], message: str
) -> None:
    path = write(tmp_path, line(id="r0"), line(**cells))
    with pytest.raises(InvalidInputError) as caught:
        read_requests(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert message in str(caught.value)


def test_an_id_stands_once(tmp_path: Path) -> None:
    path = write(tmp_path, line(id="a"), line(id="b"), line(id="a"))
    with pytest.raises(InvalidInputError, match=":4: id: 'a' stands twice, first in row 2"):
        read_requests(path)


def test_rows_are_lines_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "", line(id='"two\nlines"'.replace("\n", "")), "", line(id=""))
    with pytest.raises(InvalidInputError, match=":5: id: is empty"):
        read_requests(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (",".join(COLUMNS[:-1]), ":1: no column value_of_time_fen_per_h"),
        (",".join([*COLUMNS, "dest_lat"]), ":1: column 'dest_lat' stands twice"),
        (",".join([*COLUMNS, "colour"]), ":1: unknown column 'colour'"),
        (";".join(COLUMNS), ":1: unknown column 'id;origin_lon"),
        (",".join(COLUMNS).upper(), ":1: unknown column 'ID'"),
    ],
)
def test_a_header_is_exact(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_requests(write(tmp_path, line(), header=header))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty; expected a header"),
        (b"\n\n", "is empty; expected a header"),
        (",".join(COLUMNS).encode("utf-16"), ":1: not UTF-8"),
        (",".join(COLUMNS).encode() + b"\n" + "东营".encode("gb18030"), ":2: not UTF-8"),
        (",".join(COLUMNS).encode() + b"\n\nr\x00", ":3: holds a NUL"),
        (",".join(COLUMNS).encode() + b'\n"r1', ":2: not CSV: unexpected end of data"),
        (",".join(COLUMNS).encode() + b'\n"r1"x,', ":2: not CSV: "),
        (",".join(COLUMNS).encode() + b"\n" + b"x" * 200_000, ":2: not CSV: field larger"),
        (",".join(COLUMNS).encode() + b"\nr1,118.5", ":2: 2 cells; expected 14"),
    ],
)
def test_a_file_that_is_no_such_table(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "requests.csv"
    path.write_bytes(data)
    with pytest.raises(InvalidInputError) as caught:
        read_requests(path)
    assert message in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read: No such file"):
        read_requests(tmp_path / "nowhere.csv")
    with pytest.raises(InvalidInputError, match="cannot be read: Is a directory"):
        read_requests(tmp_path)
