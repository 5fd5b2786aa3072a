"""``greenlot signals export`` and ``submit``: schedules with their plans, out and in."""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import grpc
import typer

from greenlot.city import load_city
from greenlot.cli.client_options import (
    CaOption,
    OwnCertificateOption,
    OwnKeyOption,
    ServerOption,
    TokenFileOption,
    connection_to,
)
from greenlot.connection import Connection
from greenlot.errors import GreenlotError
from greenlot.server import DEFAULT_LISTEN
from traffic.io.gat1049 import read_gat1049, write_gat1049
from traffic.io.protobuf import (
    plan_from_proto,
    plan_to_proto,
    signal_id_from_name,
    timestamp_from_ms,
)
from traffic.io.street_csv import read_street_csv, write_street_csv
from traffic.io.street_messages import certificate_fields, record_id, schedule_parts
from traffic.io.street_sumo import write_street_sumo
from traffic.plan import TimingPlan
from traffic.stages import stages_of
from traffic.street.exchange import Exchange, SetFacts
from traffic.street.records import Origin, Schedule
from traffic.v1 import signal_timing_pb2 as pb
from traffic.v1 import signal_timing_pb2_grpc

CALL_S = 600.0
NOBODY = Origin("", "", 0)


class Format(StrEnum):
    """A way to write a schedule with its plans."""

    GAT1049 = "gat1049"
    CSV = "csv"
    SUMO = "sumo"


CityOption = Annotated[
    Path | None, typer.Option(help="City directory; default: Dongying, built from its recipe.")
]
Cache = Annotated[Path, typer.Option("--data", help="Where Dongying is built.")]


@contextmanager
def _stub(connection: Connection) -> Iterator[signal_timing_pb2_grpc.SignalTimingServiceStub]:
    try:
        with connection.channel() as channel:
            yield signal_timing_pb2_grpc.SignalTimingServiceStub(channel)
    except grpc.RpcError as error:
        raise GreenlotError(
            f"{connection.address}: {error.code().name}: {error.details()}"
        ) from None


def export(
    schedule: Annotated[str, typer.Argument(help="cities/CITY/schedules/NUMBER.")],
    out: Annotated[Path, typer.Option("--output", "-o", help="File; of csv a folder.")],
    form: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.GAT1049,
    server: ServerOption = DEFAULT_LISTEN,
    ca: CaOption = None,
    certificate: OwnCertificateOption = None,
    key: OwnKeyOption = None,
    token_file: TokenFileOption = None,
    day: Annotated[
        str | None, typer.Option("--date", help="Of sumo, the date to write, such as 2026-10-01.")
    ] = None,
    city: CityOption = None,
    data: Cache = Path("greenlot-data"),
) -> None:
    """Write a schedule with all plans that it uses; the file is read back before it appears."""
    with _stub(connection_to(server, ca, certificate, key, token_file)) as stub:
        exchange = _fetch(stub, schedule)
    if form is Format.GAT1049:
        write_gat1049(exchange, out)
    elif form is Format.CSV:
        write_street_csv(exchange, out)
    else:
        try:
            wanted = date.fromisoformat(day or "")
        except ValueError:
            raise GreenlotError(f"--date {day}: expected a date such as 2026-10-01") from None
        write_street_sumo(exchange, load_city(city, cache=data).graph, wanted, out)
    plans = sum(len(own) for own in exchange.plan_sets.values())
    print(f"{len(exchange.plan_sets)} plan sets, {plans} plans -> {out}")


def _fetch(stub: signal_timing_pb2_grpc.SignalTimingServiceStub, name: str) -> Exchange:
    found = stub.GetSchedule(pb.GetScheduleRequest(name=name), timeout=CALL_S)
    city_id = name.split("/")[1]
    days, exceptions = schedule_parts(found.day_plans, found.exceptions, city_id)
    schedule = Schedule(
        id=record_id(city_id, "schedules", found.name, where="name"),
        day_plans=days,
        weekdays=tuple(found.weekdays),
        origin=NOBODY,
        exceptions=exceptions,
        without=tuple(signal_id_from_name(key, where="without") for key in found.without),
    )
    plan_sets, facts = {}, {}
    for set_id in schedule.plan_sets:
        request = pb.GetPlanSetRequest(name=f"cities/{city_id}/planSets/{set_id}")
        answer = stub.GetPlanSet(request, timeout=CALL_S)
        plans = (plan_from_proto(plan) for plan in answer.plans)
        plan_sets[set_id] = {plan.signal_id: plan for plan in plans}
        facts[set_id] = _facts(answer)
    return Exchange(schedule, plan_sets, facts)


def _facts(answer: pb.PlanSet) -> SetFacts:
    times = (
        answer.valid_from.ToMilliseconds() if answer.HasField("valid_from") else None,
        answer.valid_until.ToMilliseconds() if answer.HasField("valid_until") else None,
    )
    return SetFacts(*times, certificate_fields(answer.certificate))


def _plan_set_request(
    parent: str, plans: Iterable[TimingPlan], facts: SetFacts, where: str
) -> pb.CreatePlanSetRequest:
    city_id = parent.split("/")[1]
    try:
        certificate = pb.Certificate(**facts.certificate) if facts.certificate else None
    except (TypeError, ValueError) as error:
        raise GreenlotError(f"{where}: certificate: {error}") from None
    from_ms, until_ms = facts.valid_from_ms, facts.valid_until_ms
    return pb.CreatePlanSetRequest(
        parent=parent,
        request_id=str(uuid.uuid4()),
        plans=[plan_to_proto(plan, city_id) for plan in plans],
        certificate=certificate,
        valid_from=None if from_ms is None else timestamp_from_ms(from_ms),
        valid_until=None if until_ms is None else timestamp_from_ms(until_ms),
    )


def submit(
    path: Annotated[Path, typer.Argument(help="A file of GA/T 1049.2 style, or a folder of csv.")],
    author: Annotated[str, typer.Option(help="Who submits it.")] = "",
    title: Annotated[str, typer.Option(help="For people.")] = "",
    server: ServerOption = DEFAULT_LISTEN,
    ca: CaOption = None,
    certificate: OwnCertificateOption = None,
    key: OwnKeyOption = None,
    token_file: TokenFileOption = None,
    city: CityOption = None,
    data: Cache = Path("greenlot-data"),
) -> None:
    """Hand a schedule with its plans in as drafts; prints their names, the schedule's last."""
    loaded = load_city(city, cache=data)
    if path.is_dir():
        exchange = read_street_csv(path)
    else:
        roads = {k: s for k, s in loaded.graph.signals.items() if s.kind == "road" and s.programs}
        exchange = read_gat1049(path, {key: stages_of(s) for key, s in roads.items()})
    parent = f"cities/{loaded.id}"
    source = f"submit {path.name}"[:200]
    requests = {
        set_id: _plan_set_request(parent, plans.values(), exchange.facts_of(set_id), str(path))
        for set_id, plans in exchange.plan_sets.items()
    }
    names: dict[str, str] = {}
    with _stub(connection_to(server, ca, certificate, key, token_file)) as stub:
        for set_id in exchange.plan_sets:
            request = requests[set_id]
            request.MergeFrom(pb.CreatePlanSetRequest(title=title, author=author, source=source))
            made = stub.CreatePlanSet(request, timeout=CALL_S)
            names[set_id] = made.name
            print(made.name)
        schedule = exchange.schedule
        message = pb.Schedule(
            title=title,
            source=source,
            day_plans=[
                pb.DayPlan(
                    name=own.name,
                    periods=[
                        pb.Period(begin_s=p.begin_s, plan_set=names[p.plan_set])
                        for p in own.periods
                    ],
                )
                for own in schedule.day_plans
            ],
            weekdays=schedule.weekdays,
            exceptions=[
                pb.DateException(date=when, day_plan=name) for when, name in schedule.exceptions
            ],
            without=[f"{parent}/signals/{key}" for key in schedule.without],
        )
        answer = stub.CreateSchedule(
            pb.CreateScheduleRequest(
                parent=parent, request_id=str(uuid.uuid4()), schedule=message, author=author
            ),
            timeout=CALL_S,
        )
        print(answer.name)
