"""When the vehicles of a route file depart: single departures and flows, within a window."""

import math
import re

import numpy as np

from traffic.demand import Floats
from traffic.errors import InvalidInputError
from traffic.io.demand_files import Row

# Departures that another vehicle or a person decides about.
_BY_OTHERS = frozenset({"triggered", "containerTriggered", "split"})


def departures_of(row: Row, begin_s: float, end_s: float) -> tuple[Floats, float]:
    """Return the departures of a row within ``[begin_s, end_s)``, in s, and what each counts.

    A flow by ``number``, ``period`` or ``vehsPerHour`` departs evenly, as SUMO has it, and each
    departure is one vehicle. A random flow (``probability``, ``period="exp(…)"``) is taken at its
    mean: evenly spread, each departure with the weight that makes the sum right. Vehicles whose
    departure another one triggers are not counted.

    Raises
    ------
    InvalidInputError
        A time or a rate is missing or malformed.
    """
    if row.tag == "flow":
        return _flow(row, begin_s, end_s)
    text = row.attributes.get("depart", "")
    if text in _BY_OTHERS:
        return np.zeros(0), 1.0
    depart_s = begin_s if text == "begin" else seconds(text, row, "depart")
    inside = begin_s <= depart_s < end_s
    return np.array([depart_s] if inside else []), 1.0


def seconds(text: str, row: Row, name: str) -> float:
    """Read a time: seconds, or ``[days:]hours:minutes:seconds``."""
    parts = text.split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3, 4) or not all(math.isfinite(number) for number in numbers):
        raise InvalidInputError(
            f"{row.name} has {name}={text!r}; expected seconds or h:m:s", where=row.where
        )
    scales = (86400.0, 3600.0, 60.0, 1.0)[-len(numbers) :]
    return sum(number * scale for number, scale in zip(numbers, scales, strict=True))


def _flow(row: Row, begin_s: float, end_s: float) -> tuple[Floats, float]:
    first_s = _time(row, "begin", 0.0, begin_s)
    # A flow without an end runs as long as the simulation does.
    last_s = _time(row, "end", math.inf, begin_s)
    number = _positive(row, "number")
    period_s, rate_per_s = _rate(row)
    if rate_per_s is not None:
        from_s, to_s = max(first_s, begin_s), min(last_s, end_s)
        mean = max(0.0, to_s - from_s) * rate_per_s
        if number is not None:
            mean = min(mean, number)
        count = math.ceil(mean)
        if count == 0:
            return np.zeros(0), 1.0
        return from_s + (np.arange(count) + 0.5) * (to_s - from_s) / count, mean / count
    if period_s is None:
        if number is None or not math.isfinite(last_s):
            raise InvalidInputError(
                f"{row.name} has no rate; expected number and end, period, vehsPerHour "
                "or probability",
                where=row.where,
            )
        period_s = (last_s - first_s) / number
    if not period_s > 0:
        raise InvalidInputError(f"{row.name} ends before it begins", where=row.where)
    least = max(0, math.ceil((begin_s - first_s) / period_s - 1e-9))
    most = math.ceil((min(last_s, end_s) - first_s) / period_s - 1e-9)
    if number is not None:
        most = min(most, math.ceil(number))
    steps = np.arange(least, max(least, most), dtype=np.float64)
    return first_s + steps * period_s, 1.0


def _rate(row: Row) -> tuple[float | None, float | None]:
    """Return the period of an even flow, or the rate of a random one."""
    found = re.fullmatch(r"exp\((.*)\)", row.attributes.get("period", ""))
    if found:
        return None, _number(row, "period", found[1])
    for name in ("vehsPerHour", "perHour"):
        hourly = _positive(row, name)
        if hourly is not None:
            return 3600 / hourly, None
    period_s = _positive(row, "period")
    if period_s is not None:
        return period_s, None
    return None, _positive(row, "probability")


def _time(row: Row, name: str, default_s: float, begin_s: float) -> float:
    text = row.attributes.get(name)
    if text is None:
        return default_s
    return begin_s if text == "begin" else seconds(text, row, name)


def _positive(row: Row, name: str) -> float | None:
    text = row.attributes.get(name)
    return None if text is None else _number(row, name, text)


def _number(row: Row, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise InvalidInputError(
            f"{row.name} has {name}={text!r}; expected a number above 0", where=row.where
        )
    return value
