"""Reads a batch of requests from CSV; the format is described in docs/parking-files.md.

Everything is checked, and a mistake is told with its file, row and column: the row is the line of
the file on which the record begins, the header being line 1.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

from parking.errors import InvalidInputError
from parking.inventory import Connector, SpaceClass, check_id
from parking.io.instants import parse_instant
from parking.requests import (
    MAX_STAY_MS,
    MAX_WALK_M,
    MIN_STAY_MS,
    VALUE_OF_TIME_FEN_PER_H,
    ParkingRequest,
)

COLUMNS = (
    *("id", "origin_lon", "origin_lat", "dest_lon", "dest_lat", "arrive_at", "duration_s"),
    *("class", "height_cm", "connector", "min_power_kw", "max_walk_m", "max_price_fen"),
    "value_of_time_fen_per_h",
)
OPTIONAL_COLUMNS = ("permit",)
BOM = b"\xef\xbb\xbf"
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}(\.0*)?")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
# How ``ParkingRequest`` names what stands in these columns.
_COLUMN_OF = {
    "origin.longitude": "origin_lon",
    "origin.latitude": "origin_lat",
    "destination.longitude": "dest_lon",
    "destination.latitude": "dest_lat",
    "duration": "duration_s",
}


def read_requests(path: str | PathLike[str]) -> tuple[ParkingRequest, ...]:
    """Read requests, in the order of the file.

    Raises
    ------
    InvalidInputError
        The file cannot be read or a cell is wrong; ``where`` is FILE:ROW: COLUMN.
    """
    file = Path(path)
    try:
        data = file.read_bytes().removeprefix(BOM)
    except OSError as error:
        raise InvalidInputError(f"cannot be read: {error.strerror}", where=str(file)) from None
    rows = _rows(_decoded(data, file), file)
    _, header = next(rows, (0, None))
    if header is None:
        raise InvalidInputError("is empty; expected a header", where=str(file))
    positions = _positions(header, file)
    reader = _RowReader(positions)
    requests: list[ParkingRequest] = []
    seen: dict[str, int] = {}
    for line, cells in rows:
        if len(cells) != len(header):
            raise InvalidInputError(
                f"{len(cells)} cells; expected {len(header)}, as in the header",
                where=f"{file}:{line}",
            )
        try:
            request = reader.request(cells)
            first = seen.setdefault(request.id, line)
            if first != line:
                raise InvalidInputError(
                    f"{request.id!r} stands twice, first in row {first}", where="id"
                )
        except InvalidInputError as error:
            column = _COLUMN_OF.get(error.where, error.where)
            raise InvalidInputError(error.message, where=f"{file}:{line}: {column}") from None
        requests.append(request)
    return tuple(requests)


def _decoded(data: bytes, file: Path) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInputError(
            f"not UTF-8: {error.reason}, byte {data[error.start]:#04x}", where=f"{file}:{line}"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InvalidInputError("holds a NUL; expected text", where=f"{file}:{line}")
    return text


def _rows(text: str, file: Path) -> Iterator[tuple[int, Sequence[str]]]:
    """Give each record with the line on which it begins; blank lines are passed over."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begins = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InvalidInputError(f"not CSV: {error}", where=f"{file}:{begins}") from None
        if cells and (len(cells) > 1 or cells[0].strip()):
            yield begins, cells
        begins = reader.line_num + 1


def _positions(header: Sequence[str], file: Path) -> dict[str, int]:
    """Return where each column stands."""
    names = [name.strip() for name in header]
    known = (*COLUMNS, *OPTIONAL_COLUMNS)
    where = f"{file}:1"
    for k, name in enumerate(names):
        if name not in known:
            raise InvalidInputError(
                f"unknown column {name[:60]!r}; expected {', '.join(known)}", where=where
            )
        if name in names[:k]:
            raise InvalidInputError(f"column {name!r} stands twice", where=where)
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise InvalidInputError(f"no column {', '.join(missing)}", where=where)
    return {name: k for k, name in enumerate(names)}


class _RowReader:
    """Reads one record after the other; equal cells are parsed once."""

    def __init__(self, positions: dict[str, int]) -> None:
        self._at = [positions[name] for name in COLUMNS]
        self._permit_at = positions.get("permit")
        self._instant = lru_cache(maxsize=4096)(lambda text: parse_instant(text, where="arrive_at"))
        self._parse: tuple[Callable[[str], Any], ...] = tuple(
            lru_cache(maxsize=4096)(parse)
            for parse in (
                _duration_ms,
                lambda text: _word(text, "class", SpaceClass) or SpaceClass.STANDARD,
                lambda text: _whole(text, "height_cm", 0),
                lambda text: _word(text, "connector", Connector),
                lambda text: _number(text, "min_power_kw") if text else 0.0,
                _walk_m,
                lambda text: _whole(text, "max_price_fen", None),
                lambda text: _whole(text, "value_of_time_fen_per_h", VALUE_OF_TIME_FEN_PER_H),
                _permits,
            )
        )

    def request(self, cells: Sequence[str]) -> ParkingRequest:
        """Return the request of a record."""
        key, *rest = (cells[k] for k in self._at)
        check_id(key, where="id")
        text = [cell.strip() for cell in rest]
        degrees = [_number(text[k], COLUMNS[k + 1]) for k in range(4)]
        if not text[4]:
            raise InvalidInputError("is empty", where="arrive_at")
        arrive_ms = self._instant(text[4])
        permit = cells[self._permit_at].strip() if self._permit_at is not None else ""
        stay_ms, space_class, height, connector, power, walk, price, value, permits = (
            parse(cell) for parse, cell in zip(self._parse, (*text[5:], permit), strict=True)
        )
        return ParkingRequest(
            id=key,
            origin_lon=degrees[0],
            origin_lat=degrees[1],
            dest_lon=degrees[2],
            dest_lat=degrees[3],
            arrive_ms=arrive_ms,
            leave_ms=arrive_ms + stay_ms,
            space_class=space_class,
            height_cm=height,
            connector=connector,
            min_power_kw=power,
            max_walk_m=walk,
            max_price_fen=price,
            value_of_time_fen_per_h=value,
            permits=permits,
        )


def _number(text: str, column: str) -> float:
    if _NUMBER.fullmatch(text) is None:
        expected = "a number" if text else "a number; the cell is empty"
        raise InvalidInputError(f"{text[:60]!r}; expected {expected}", where=column)
    value = float(text)
    if not math.isfinite(value):
        raise InvalidInputError(f"{text[:60]!r}; expected a smaller number", where=column)
    return value


def _whole(text: str, column: str, default: int | None) -> int | None:
    if not text:
        return default
    if _WHOLE.fullmatch(text) is None:
        raise InvalidInputError(f"{text[:60]!r}; expected a whole number", where=column)
    return int(text.partition(".")[0])


def _duration_ms(text: str) -> int:
    seconds = _whole(text, "duration_s", None)
    if seconds is None:
        raise InvalidInputError("is empty", where="duration_s")
    if not MIN_STAY_MS <= seconds * 1000 <= MAX_STAY_MS:
        longest = timedelta(milliseconds=MAX_STAY_MS) // timedelta(seconds=1)
        raise InvalidInputError(
            f"{text[:60]}; expected {MIN_STAY_MS // 1000} to {longest} s (14 days)",
            where="duration_s",
        )
    return seconds * 1000


def _word(text: str, column: str, kind: type[SpaceClass] | type[Connector]) -> Any:
    if not text:
        return None
    if text not in list(kind):
        raise InvalidInputError(f"{text[:60]!r}; expected one of {', '.join(kind)}", where=column)
    return kind(text)


def _walk_m(text: str) -> float:
    if not text:
        return MAX_WALK_M
    return math.inf if text == "inf" else _number(text, "max_walk_m")


def _permits(text: str) -> frozenset[str]:
    """Several permits are parted by semicolons; the whole cell counts as well."""
    return frozenset(part.strip() for part in (text, *text.split(";"))) - {""}
