"""The calls of engineers: plan sets, schedules, switches, how signals are."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from traffic.errors import InvalidInputError
from traffic.io.protobuf import ms_from_timestamp, plan_from_proto
from traffic.io.street_messages import (
    alarm_to_proto,
    origin_from,
    plan_set_to_proto,
    record_id,
    schedule_parts,
    schedule_to_proto,
    status_to_proto,
    switch_to_proto,
)
from traffic.plan import BrokenPlanError, TimingPlan
from traffic.service import fields
from traffic.service.desk import Asked, Desk
from traffic.service.searches import Context
from traffic.street import decisions, going_back, going_over
from traffic.street.decisions import Steps
from traffic.street.door import refuse_unsafe
from traffic.street.events import Event, Kind, PlanSetMade, ScheduleMade, switches_in
from traffic.street.records import PlanSet, Schedule, all_week
from traffic.street.state import Street
from traffic.v1 import signal_timing_pb2 as pb

MOST_PLANS = 20_000
M = TypeVar("M")


def asked(request: Any) -> Asked:
    """Return who asks for a write: its request id and a digest of call and body."""
    fields.check_request_id(request.request_id)
    body = request.SerializeToString(deterministic=True)
    digest = hashlib.sha256(request.DESCRIPTOR.full_name.encode() + b"\0" + body).digest()
    return Asked(request.request_id, digest)


class RecordCalls:
    """What engineers call."""

    desk: Desk

    # -- plan sets

    async def CreatePlanSet(self, request: pb.CreatePlanSetRequest, context: Context) -> pb.PlanSet:
        """See proto/traffic/v1."""
        desk = self.desk
        desk.check_parent(request.parent)
        if not 1 <= len(request.plans) <= MOST_PLANS:
            raise InvalidInputError(
                f"{len(request.plans)}; expected 1 to {MOST_PLANS}", where="plans"
            )
        for k, plan in enumerate(request.plans):
            desk.signal_id(plan.signal, where=f"plans[{k}].signal")
        plans = await self._plans(request)
        certificate = request.certificate if request.HasField("certificate") else None
        author = desk.author(request.author)
        now_ms = desk.clock()
        origin = origin_from(
            author, request.source, request.title, request.note, now_ms, certificate
        )
        times = [
            ms_from_timestamp(getattr(request, name), where=name)
            if request.HasField(name)
            else None
            for name in ("valid_from", "valid_until")
        ]

        def decide(street: Street, *, is_checked: bool = True) -> tuple[Event, ...]:
            plan_set = PlanSet(next(street.next_ids()), plans, origin, *times)
            return decisions.make_plan_set(
                street, desk.city, plan_set, now_ms, is_checked=is_checked
            )

        def reply(street: Street, happened: tuple[Event, ...]) -> bytes:
            made = next(e.plan_set for e in happened if isinstance(e, PlanSetMade))
            return self._plan_set(made.id, street).SerializeToString()

        look = partial(decide, is_checked=False)
        answer = await desk.carry_out_looked_at(decide, asked(request), reply, look=look)
        return pb.PlanSet.FromString(answer)

    async def _plans(self, request: pb.CreatePlanSetRequest) -> tuple[TimingPlan, ...]:
        """Return the plans of a request, or raise RefusedPlanError with all that is wrong."""
        read: list[TimingPlan | BrokenPlanError] = []
        for k, message in enumerate(request.plans):
            try:
                read.append(plan_from_proto(message))
            except BrokenPlanError as error:
                read.append(error)
            except InvalidInputError as error:
                where = f"plans[{k}].{error.where}"
                raise InvalidInputError(error.message, where=where) from None
        plans = tuple(plan for plan in read if isinstance(plan, TimingPlan))
        if len(plans) < len(read):
            city = self.desk.city
            await asyncio.to_thread(refuse_unsafe, city.signals, read, city.groups, city.limits)
        return plans

    def _plan_set(
        self, set_id: str, street: Street | None = None, *, with_plans: bool = False
    ) -> pb.PlanSet:
        street = street or self.desk.street
        plan_set = street.plan_set(set_id)
        now_ms = self.desk.clock()
        return plan_set_to_proto(plan_set, street, self.desk.city_id, now_ms, with_plans=with_plans)

    async def GetPlanSet(self, request: pb.GetPlanSetRequest, context: Context) -> pb.PlanSet:
        """See proto/traffic/v1."""
        set_id = record_id(self.desk.city_id, "planSets", request.name, where="name")
        return self._plan_set(set_id, with_plans=True)

    async def ListPlanSets(
        self, request: pb.ListPlanSetsRequest, context: Context
    ) -> pb.ListPlanSetsResponse:
        """See proto/traffic/v1."""
        ids, token = self._page(request, sorted(self.desk.street.plan_sets, key=int))
        return pb.ListPlanSetsResponse(
            plan_sets=[self._plan_set(key) for key in ids], next_page_token=token
        )

    async def ApprovePlanSet(
        self, request: pb.ApprovePlanSetRequest, context: Context
    ) -> pb.PlanSet:
        """See proto/traffic/v1."""
        answer = await self._change_record(request, "plan-set", decisions.approve)
        return pb.PlanSet.FromString(answer)

    async def RetirePlanSet(self, request: pb.RetirePlanSetRequest, context: Context) -> pb.PlanSet:
        """See proto/traffic/v1."""
        answer = await self._change_record(request, "plan-set", decisions.retire)
        return pb.PlanSet.FromString(answer)

    async def _change_record(
        self,
        request: Any,
        kind: Kind,
        change: Callable[[Street, Kind, str, str, int], tuple[Event, ...]],
    ) -> bytes:
        desk = self.desk
        collection = "planSets" if kind == "plan-set" else "schedules"
        key = record_id(desk.city_id, collection, request.name, where="name")
        author, now_ms = desk.author(request.author), desk.clock()
        message = self._plan_set if kind == "plan-set" else self._schedule
        return await desk.carry_out(
            lambda street: change(street, kind, key, author, now_ms),
            asked(request),
            lambda street, _: message(key, street).SerializeToString(),
        )

    # -- schedules

    async def CreateSchedule(
        self, request: pb.CreateScheduleRequest, context: Context
    ) -> pb.Schedule:
        """See proto/traffic/v1."""
        desk = self.desk
        desk.check_parent(request.parent)
        given = request.schedule
        days, exceptions = schedule_parts(given.day_plans, given.exceptions, desk.city_id)
        without = tuple(
            sorted(
                {
                    desk.signal_id(name, where=f"schedule.without[{k}]")
                    for k, name in enumerate(given.without)
                }
            )
        )
        now_ms = desk.clock()
        author = desk.author(request.author)
        origin = origin_from(author, given.source, given.title, given.note, now_ms, None)

        def decide(street: Street) -> tuple[Event, ...]:
            schedule = Schedule(
                next(street.next_ids()), days, tuple(given.weekdays), origin, exceptions, without
            )
            return decisions.make_schedule(street, desk.city, schedule)

        def reply(street: Street, happened: tuple[Event, ...]) -> bytes:
            made = next(e.schedule for e in happened if isinstance(e, ScheduleMade))
            return self._schedule(made.id, street).SerializeToString()

        answer = await desk.carry_out_looked_at(decide, asked(request), reply)
        return pb.Schedule.FromString(answer)

    def _schedule(self, key: str, street: Street | None = None) -> pb.Schedule:
        street = street or self.desk.street
        schedule = street.schedule(key)
        return schedule_to_proto(schedule, street, self.desk.city_id, self.desk.clock())

    async def GetSchedule(self, request: pb.GetScheduleRequest, context: Context) -> pb.Schedule:
        """See proto/traffic/v1."""
        return self._schedule(record_id(self.desk.city_id, "schedules", request.name, where="name"))

    async def ListSchedules(
        self, request: pb.ListSchedulesRequest, context: Context
    ) -> pb.ListSchedulesResponse:
        """See proto/traffic/v1."""
        ids, token = self._page(request, sorted(self.desk.street.schedules, key=int))
        return pb.ListSchedulesResponse(
            schedules=[self._schedule(key) for key in ids], next_page_token=token
        )

    async def ApproveSchedule(
        self, request: pb.ApproveScheduleRequest, context: Context
    ) -> pb.Schedule:
        """See proto/traffic/v1."""
        answer = await self._change_record(request, "schedule", decisions.approve)
        return pb.Schedule.FromString(answer)

    async def RetireSchedule(
        self, request: pb.RetireScheduleRequest, context: Context
    ) -> pb.Schedule:
        """See proto/traffic/v1."""
        answer = await self._change_record(request, "schedule", decisions.retire)
        return pb.Schedule.FromString(answer)

    # -- switches

    async def Activate(self, request: pb.ActivateRequest, context: Context) -> pb.ActivateResponse:
        """See proto/traffic/v1."""
        desk = self.desk
        desk.check_parent(request.parent)
        which = request.WhichOneof("target")
        if which is None:
            raise InvalidInputError("expected plan_set or schedule", where="target")
        collection = "planSets" if which == "plan_set" else "schedules"
        key = record_id(desk.city_id, collection, getattr(request, which), where=which)
        at_ms = (
            ms_from_timestamp(request.activate_at, where="activate_at")
            if request.HasField("activate_at")
            else None
        )
        author, now_ms = desk.author(request.author), desk.clock()
        groups = tuple(request.groups)

        def decide(street: Street) -> tuple[Event, ...]:
            steps = Steps(street)
            schedule = (
                always(steps, key, author, now_ms)
                if which == "plan_set"
                else street.schedule(key, where="schedule")
            )
            steps.add(
                going_over.activate(
                    steps.street,
                    desk.city,
                    schedule,
                    at_ms=at_ms,
                    by=author,
                    now_ms=now_ms,
                    groups=groups,
                )
            )
            return steps.events

        def reply(street: Street, happened: tuple[Event, ...]) -> bytes:
            switches = self._switches(switches_in(happened), street)
            return pb.ActivateResponse(switches=switches).SerializeToString()

        answer = await desk.carry_out_looked_at(decide, asked(request), reply)
        return pb.ActivateResponse.FromString(answer)

    async def RollBack(self, request: pb.RollBackRequest, context: Context) -> pb.RollBackResponse:
        """See proto/traffic/v1."""
        desk = self.desk
        desk.check_parent(request.parent)
        author, now_ms = desk.author(request.author), desk.clock()
        groups = tuple(request.groups)

        def decide(street: Street) -> tuple[Event, ...]:
            return going_back.roll_back(street, desk.city, groups, by=author, now_ms=now_ms)

        def reply(street: Street, happened: tuple[Event, ...]) -> bytes:
            switches = self._switches(switches_in(happened), street)
            return pb.RollBackResponse(switches=switches).SerializeToString()

        answer = await desk.carry_out_looked_at(decide, asked(request), reply)
        return pb.RollBackResponse.FromString(answer)

    def _switches(
        self, ids: Sequence[str], street: Street, *, with_settled: bool = True
    ) -> list[pb.Switch]:
        desk = self.desk
        return [
            switch_to_proto(
                street.switch(key),
                street,
                desk.healths,
                desk.city_id,
                desk.clock(),
                with_settled=with_settled,
            )
            for key in ids
        ]

    async def GetSwitch(self, request: pb.GetSwitchRequest, context: Context) -> pb.Switch:
        """See proto/traffic/v1."""
        key = record_id(self.desk.city_id, "switches", request.name, where="name")
        return self._switches([key], self.desk.street)[0]

    async def ListSwitches(
        self, request: pb.ListSwitchesRequest, context: Context
    ) -> pb.ListSwitchesResponse:
        """See proto/traffic/v1."""
        newest = sorted(self.desk.street.switches, key=int, reverse=True)
        ids, token = self._page(request, newest)
        switches = self._switches(ids, self.desk.street, with_settled=False)
        return pb.ListSwitchesResponse(switches=switches, next_page_token=token)

    async def CancelSwitch(self, request: pb.CancelSwitchRequest, context: Context) -> pb.Switch:
        """See proto/traffic/v1."""
        desk = self.desk
        key = record_id(desk.city_id, "switches", request.name, where="name")
        author, now_ms = desk.author(request.author), desk.clock()
        answer = await desk.carry_out(
            lambda street: going_over.cancel(street, desk.city, key, by=author, now_ms=now_ms),
            asked(request),
            lambda street, _: self._switches([key], street)[0].SerializeToString(),
        )
        return pb.Switch.FromString(answer)

    # -- how signals are

    async def ListSignalStatus(
        self, request: pb.ListSignalStatusRequest, context: Context
    ) -> pb.ListSignalStatusResponse:
        """See proto/traffic/v1."""
        desk = self.desk
        ids, token = self._page(request, sorted(desk.city.signals))
        rows = [status_to_proto(key, desk.healths.get(key), desk.city_id) for key in ids]
        return pb.ListSignalStatusResponse(statuses=rows, next_page_token=token)

    async def ListAlarms(
        self, request: pb.ListAlarmsRequest, context: Context
    ) -> pb.ListAlarmsResponse:
        """See proto/traffic/v1."""
        alarms = {
            f"{alarm.since_ms:020}/{'/'.join(alarm.key)}": alarm
            for alarm in self.desk.street.alarms.values()
        }
        self.desk.check_parent(request.parent)
        ids, token = fields.page_of_passing(sorted(alarms), request.page_size, request.page_token)
        return pb.ListAlarmsResponse(
            alarms=[alarm_to_proto(alarms[key], self.desk.city_id) for key in ids],
            next_page_token=token,
        )

    async def SetAutoApply(
        self, request: pb.SetAutoApplyRequest, context: Context
    ) -> pb.SetAutoApplyResponse:
        """See proto/traffic/v1."""
        desk = self.desk
        desk.check_parent(request.parent)
        author, now_ms = desk.author(request.author), desk.clock()
        answer = await desk.carry_out(
            lambda street: decisions.set_auto_apply(street, request.enabled, author, now_ms),
            asked(request),
            lambda street, _: pb.SetAutoApplyResponse(
                enabled=street.auto_apply
            ).SerializeToString(),
        )
        return pb.SetAutoApplyResponse.FromString(answer)

    def _page(self, request: Any, ids: Sequence[str]) -> tuple[Sequence[str], str]:
        self.desk.check_parent(request.parent)
        return fields.page(ids, request.page_size, request.page_token)


def always(steps: Steps, set_id: str, author: str, now_ms: int) -> Schedule:
    """Return the schedule that runs an approved plan set always; make it where there is none."""
    plan_set = steps.street.plan_set(set_id, where="plan_set")
    for schedule_id in steps.street.schedules_using(set_id):
        schedule = steps.street.schedule(schedule_id)
        alike = all_week(schedule.id, set_id, schedule.origin) == schedule
        marks = steps.street.approved, steps.street.retired
        approved, retired = (("schedule", schedule.id) in found for found in marks)
        if alike and approved and not retired:
            return schedule
    origin = origin_from(author, "Activate", plan_set.origin.title, "", now_ms, None)
    made = all_week(next(steps.street.next_ids()), set_id, origin)
    steps.add((ScheduleMade(made),))
    steps.add(decisions.approve(steps.street, "schedule", made.id, author, now_ms))
    return made
