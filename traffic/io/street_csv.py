"""Plans and a schedule as tables (CSV, UTF-8): ``plans.csv``, ``schedule.csv``, ``plan_sets.csv``.

The third one may be missing: then nothing is said of plan sets but their plans.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from traffic.errors import InvalidInputError, TrafficError
from traffic.io.sumo_additional import write_whole
from traffic.plan import Stage, TimingPlan
from traffic.signals import Phase
from traffic.street.exchange import FACTS, Exchange, SetFacts, require_same
from traffic.street.records import DayPlan, Origin, Period, Schedule

PLANS, SCHEDULE, SETS = "plans.csv", "schedule.csv", "plan_sets.csv"
SET_COLUMNS = ("plan_set", *FACTS)
PLAN_COLUMNS = (
    *("plan_set", "signal", "cycle_s", "offset_s", "coordinated_stage"),
    *("stage", "name", "green_state", "green_s", "min_green_s", "intergreen"),
)
SCHEDULE_COLUMNS = ("kind", "key", "begin_s", "value")
NOBODY = Origin("", "import", 0)


def write_street_csv(exchange: Exchange, folder: Path) -> None:
    """Write the tables into a folder, and read them back before they appear.

    ``plans.csv`` has a row for each stage; its intergreen reads ``3:yyrr|2:rrrr``. The rows of
    ``schedule.csv`` are of kind ``period`` (day plan, begin_s, plan set), ``weekday`` (1 Monday to
    7, day plan), ``exception`` (date, day plan) and ``without`` (signal). ``plan_sets.csv`` says
    when a set may be in force (ISO 8601, of the city's zone without one) and, as JSON, what was
    proved.

    Raises
    ------
    InvalidInputError
        The tables would not say the same as was given.
    """
    plans, schedule = _plan_rows(exchange), _schedule_rows(exchange)
    texts = [
        _table(PLAN_COLUMNS, plans),
        _table(SCHEDULE_COLUMNS, schedule),
        _table(SET_COLUMNS, _set_rows(exchange)),
    ]
    require_same(exchange, _read(texts, folder), str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in zip((PLANS, SCHEDULE, SETS), texts, strict=True):
        write_whole(folder / name, text)


def _plan_rows(exchange: Exchange) -> Iterator[tuple[object, ...]]:
    for set_id, plans in exchange.plan_sets.items():
        for plan in plans.values():
            for k, stage in enumerate(plan.stages):
                between = "|".join(f"{int(p.duration_s)}:{p.state}" for p in stage.intergreen)
                yield (
                    *(set_id, plan.signal_id, plan.cycle_s, plan.offset_s),
                    *(plan.coordinated_stage, k, stage.name, stage.green_state),
                    *(stage.green_s, stage.min_green_s, between),
                )


def _schedule_rows(exchange: Exchange) -> Iterator[tuple[object, ...]]:
    schedule = exchange.schedule
    for day in schedule.day_plans:
        for period in day.periods:
            yield "period", day.name, period.begin_s, period.plan_set
    for k, name in enumerate(schedule.weekdays):
        yield "weekday", k + 1, "", name
    for date, name in schedule.exceptions:
        yield "exception", date, "", name
    for signal_id in schedule.without:
        yield "without", signal_id, "", ""


def _set_rows(exchange: Exchange) -> Iterator[tuple[object, ...]]:
    for set_id in exchange.plan_sets:
        texts = exchange.facts_of(set_id).texts()
        yield set_id, *(texts.get(name, "") for name in FACTS)


def _table(columns: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def read_street_csv(folder: Path) -> Exchange:
    """Read the tables of a folder.

    Raises
    ------
    InvalidInputError
        A column is missing or a value malformed; ``where`` is FILE:ROW.
    """
    texts: list[str] = []
    for name in (PLANS, SCHEDULE, SETS):
        if name == SETS and not (folder / name).exists():
            break
        try:
            texts.append((folder / name).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError(f"cannot be read: {error}", where=str(folder / name)) from None
    return _read(texts, folder)


def _rows(text: str, columns: tuple[str, ...], where: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(text))
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        raise InvalidInputError(f"no column {missing[0]!r}", where=f"{where}:1")
    for row in reader:
        yield reader.line_num, {name: row[name] or "" for name in columns}


def _read(texts: Sequence[str], folder: Path) -> Exchange:
    plans, schedule, *others = texts
    facts = _facts(others[0], str(folder / SETS)) if others else {}
    own = _plans(plans, str(folder / PLANS))
    return Exchange(_schedule(schedule, str(folder / SCHEDULE)), own, facts)


def _facts(text: str, where: str) -> dict[str, SetFacts]:
    found: dict[str, SetFacts] = {}
    for number, row in _rows(text, SET_COLUMNS, where):
        try:
            found[row["plan_set"]] = SetFacts.of_texts(row)
        except (ValueError, TrafficError) as error:
            raise InvalidInputError(str(error), where=f"{where}:{number}") from None
    return found


def _plans(text: str, where: str) -> dict[str, dict[str, TimingPlan]]:
    heads: dict[tuple[str, str], tuple[int, int, int, int]] = {}
    stages: dict[tuple[str, str], list[Stage]] = {}
    for number, row in _rows(text, PLAN_COLUMNS, where):
        key = (row["plan_set"], row["signal"])
        try:
            head = (int(row["cycle_s"]), int(row["offset_s"]), int(row["coordinated_stage"]))
            first = heads.setdefault(key, (*head, number))
            own = stages.setdefault(key, [])
            if first[:3] != head or int(row["stage"]) != len(own):
                raise InvalidInputError("rows of a plan that do not fit together")
            between = tuple(
                Phase(int(part.partition(":")[0]), part.partition(":")[2])
                for part in row["intergreen"].split("|")
                if part
            )
            green_s, least_s = int(row["green_s"]), int(row["min_green_s"])
            own.append(Stage(row["name"], row["green_state"], green_s, least_s, between))
        except (ValueError, TrafficError) as error:
            raise InvalidInputError(str(error), where=f"{where}:{number}") from None
    found: dict[str, dict[str, TimingPlan]] = {}
    for (set_id, signal_id), (cycle_s, offset_s, coordinated, number) in heads.items():
        try:
            own_stages = tuple(stages[set_id, signal_id])
            plan = TimingPlan(signal_id, cycle_s, offset_s, own_stages, coordinated)
        except TrafficError as error:
            raise InvalidInputError(str(error), where=f"{where}:{number}") from None
        found.setdefault(set_id, {})[signal_id] = plan
    return found


def _schedule(text: str, where: str) -> Schedule:
    days: dict[str, list[Period]] = {}
    weekdays: dict[str, str] = {}
    exceptions: list[tuple[str, str]] = []
    without: list[str] = []
    for number, row in _rows(text, SCHEDULE_COLUMNS, where):
        kind, key, value = row["kind"], row["key"], row["value"]
        if kind == "period":
            if not row["begin_s"].isdigit():
                raise InvalidInputError(
                    f"begin_s {row['begin_s']!r}; expected seconds", where=f"{where}:{number}"
                )
            days.setdefault(key, []).append(Period(int(row["begin_s"]), value))
        elif kind == "weekday":
            weekdays[key] = value
        elif kind == "exception":
            exceptions.append((key, value))
        elif kind == "without":
            without.append(key)
        else:
            raise InvalidInputError(
                f"kind {kind!r}; expected period, weekday, exception or without",
                where=f"{where}:{number}",
            )
    try:
        return Schedule(
            id="0",
            day_plans=tuple(DayPlan(name, tuple(periods)) for name, periods in days.items()),
            weekdays=tuple(weekdays.get(str(k + 1), "") for k in range(7)),
            origin=NOBODY,
            exceptions=tuple(exceptions),
            without=tuple(without),
        )
    except TrafficError as error:
        raise InvalidInputError(str(error), where=where) from None
