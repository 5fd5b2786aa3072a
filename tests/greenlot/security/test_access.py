"""The table of calls: complete, and what each role may do."""

import pytest
from google.protobuf.descriptor import Descriptor, MethodDescriptor

from greenlot.security.access import PARKING_CALLS, POLICIES, SIGNAL_TIMING_CALLS, Kind, Policy
from greenlot.security.callers import Role
from greenlot.server import SERVICES
from parking.v1 import parking_pb2
from traffic.v1 import signal_timing_pb2

METHODS: list[MethodDescriptor] = [
    method
    for file in (signal_timing_pb2.DESCRIPTOR, parking_pb2.DESCRIPTOR)
    for service in file.services_by_name.values()
    for method in service.methods
]


def policy(method: MethodDescriptor) -> Policy:
    return POLICIES[f"/{method.containing_service.full_name}/{method.name}"]


def test_the_table_has_every_call_of_both_services() -> None:
    """A new call without an entry fails here, and is refused to everybody."""
    assert {method.containing_service.full_name for method in METHODS} == set(SERVICES)
    missing = [
        method.full_name
        for method in METHODS
        if f"/{method.containing_service.full_name}/{method.name}" not in POLICIES
    ]
    assert missing == []


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_the_fields_that_name_what_is_own_are_there_and_strings(method: MethodDescriptor) -> None:
    for role, own in policy(method).own.items():
        assert role in (Role.CONTROLLER, Role.OPERATOR)
        message: Descriptor = method.input_type
        *path, last = own.field.split(".")
        for step in path:
            message = message.fields_by_name[step].message_type
        field = message.fields_by_name[last]
        if own.kind is Kind.LOT_DESCRIPTION:
            assert field.message_type.full_name == "parking.v1.LotDescription"
        else:
            assert field.type == field.TYPE_STRING
        assert (own.kind is Kind.SIGNAL) == (role is Role.CONTROLLER)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_call_has_limits_and_streams_alone_have_no_end(method: MethodDescriptor) -> None:
    its = policy(method)
    assert not its.is_public
    assert 0 < its.max_bytes <= 16 * 1024 * 1024
    is_stream = method.server_streaming or method.client_streaming
    assert is_stream or (its.max_s is not None and its.max_s <= 30)


def test_controllers_and_operators_reach_only_what_is_named_here() -> None:
    """What may be reached without naming one's own is public in a city: lists, lots, signs."""
    free = {
        role: {name for calls in (SIGNAL_TIMING_CALLS, PARKING_CALLS) for name, its in calls.items()
               if role in its.roles}
        for role in (Role.CONTROLLER, Role.OPERATOR)
    }  # fmt: skip
    assert free[Role.CONTROLLER] == {"ListSignals", "ListCorridors"}
    assert free[Role.OPERATOR] == {
        *("SearchLots", "GetLot", "ListLots", "GetSign", "ListSigns", "WatchSigns"),
    }


def test_no_call_that_writes_plans_is_open_to_anybody_but_engineers() -> None:
    writes = ("Create", "Approve", "Retire", "Activate", "RollBack", "Cancel", "Set", "Optimize")
    for name, its in SIGNAL_TIMING_CALLS.items():
        if name.startswith(writes):
            assert its.roles == {Role.ENGINEER}
            assert not its.own


def test_drivers_data_is_for_the_app_alone() -> None:
    for name in ("RegisterDriver", "ExportDriver", "EraseDriver", "WatchReservations"):
        allowed = {role for role in Role if PARKING_CALLS[name].allows(role)}
        assert allowed == {Role.APP, Role.ADMIN}


def test_nobody_may_make_a_call_that_is_not_public() -> None:
    assert [name for name, its in POLICIES.items() if its.allows(None)] == []
    assert {name for name, its in POLICIES.items() if its.is_public} == {
        f"/grpc.health.v1.Health/{call}" for call in ("Check", "List", "Watch")
    }
