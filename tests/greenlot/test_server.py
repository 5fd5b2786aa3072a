"""A real server over the wire: both services, health, reflection, errors, restart."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

from greenlot.city import load_city
from greenlot.clock import SimulatedClock
from greenlot.errors import StartError
from greenlot.server import SERVICES, ServerThread
from parking.v1 import parking_pb2 as pk
from parking.v1 import parking_pb2_grpc
from tests.reliability.abuse import good_request
from traffic.v1 import signal_timing_pb2 as st
from traffic.v1 import signal_timing_pb2_grpc

CITY = "cities/smallville"
NOW_MS = 1_795_000_000_000
BESIDE_NEAR = pk.LatLng(latitude=37.43, longitude=118.66)


def booking_request(**changes: Any) -> pk.RequestAssignmentRequest:
    """Ask for an hour beside the lot ``near``."""
    return good_request(CITY, **{"height_cm": 200, **changes})


class Clients:
    """Stubs of everything that one server offers, and its clock."""

    def __init__(self, address: str, clock: SimulatedClock) -> None:
        self.address = address
        self.clock = clock
        self.channel = grpc.insecure_channel(address)
        self.signals = signal_timing_pb2_grpc.SignalTimingServiceStub(self.channel)
        self.parking = parking_pb2_grpc.ParkingServiceStub(self.channel)

    request = staticmethod(booking_request)


@pytest.fixture
def clients(small_city: Path, tmp_path: Path) -> Iterator[Clients]:
    clock = SimulatedClock(NOW_MS)
    city = load_city(small_city, cache=tmp_path)
    with ServerThread(city, data=tmp_path / "data", clock=clock) as server:
        found = Clients(server.address, clock)
        yield found
        found.channel.close()


def _finish(answer: Any) -> None:
    """Read a stream to its end; a unary answer has come already."""
    if not hasattr(answer, "DESCRIPTOR"):
        list(answer)


def refusal(call: Any, request: Any) -> tuple[grpc.StatusCode, error_details_pb2.ErrorInfo, str]:
    """Code, ErrorInfo and violated field of a call that is refused."""
    with pytest.raises(grpc.RpcError) as caught:
        _finish(call(request, timeout=20))
    info, field = error_details_pb2.ErrorInfo(), ""
    status = rpc_status.from_call(caught.value)
    assert status is not None, "an error without details"
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            field = bad.field_violations[0].field
    return caught.value.code(), info, field


def optimize(
    clients: Clients, **fields: object
) -> tuple[list[st.OptimizeProgress], st.OptimizeResult]:
    request = st.OptimizePlansRequest(
        parent=CITY, min_cycle_s=60, max_cycle_s=70, time_limit_s=20, **fields
    )
    steps = list(clients.signals.OptimizePlans(request, timeout=60))
    assert [s.HasField("result") for s in steps] == [False] * (len(steps) - 1) + [True]
    return [s.progress for s in steps[:-1]], steps[-1].result


def test_health_and_reflection_know_both_services(clients: Clients) -> None:
    stub = health_pb2_grpc.HealthStub(clients.channel)
    for name in ("", *SERVICES):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert set(SERVICES) <= set(ProtoReflectionDescriptorDatabase(clients.channel).get_services())


def test_signals_and_corridors_are_listed_page_by_page(clients: Clients) -> None:
    names, token = [], ""
    while True:
        page = clients.signals.ListSignals(
            st.ListSignalsRequest(parent=CITY, page_size=4, page_token=token), timeout=5
        )
        names += [signal.name for signal in page.signals]
        token = page.next_page_token
        if not token:
            break
    assert names == [f"{CITY}/signals/{a}{b}" for a in "ABC" for b in "012"]
    corridors = clients.signals.ListCorridors(st.ListCorridorsRequest(parent=CITY), timeout=5)
    assert [c.display_name for c in corridors.corridors] == ["东西路", "南北路"]
    assert list(corridors.corridors[0].signals) == [
        f"{CITY}/signals/{x}" for x in ("A1", "B1", "C1")
    ]


def test_plans_are_computed_put_in_force_watched_and_kept_over_a_restart(
    small_city: Path, tmp_path: Path
) -> None:
    city = load_city(small_city, cache=tmp_path)
    clock = SimulatedClock(NOW_MS)
    body = {"put_in_force": True, "request_id": str(uuid.uuid4())}
    with ServerThread(city, data=tmp_path / "data", clock=clock) as server:
        clients = Clients(server.address, clock)
        watch = clients.signals.WatchPlans(
            st.WatchPlansRequest(parent=CITY, signals=[f"{CITY}/signals/B1"]), timeout=60
        )
        assert next(watch).revision == 0
        progress, result = optimize(clients, **body)
        assert progress[-1].done_share == 1.0
        assert result.revision == 1
        assert {p.cycle_s for p in result.plans} == {result.cycle_s}
        pushed = next(watch)
        assert pushed.revision == 1
        assert [p.signal for p in pushed.plans] == [f"{CITY}/signals/B1"]
        watch.cancel()
        # The same id and body: the first answer, not a second set.
        assert optimize(clients, **body)[1] == result
        code, _, field = refusal(
            clients.signals.OptimizePlans, st.OptimizePlansRequest(parent=CITY, seed=5, **body)
        )
        assert (code, field) == (grpc.StatusCode.INVALID_ARGUMENT, "request_id")
        clients.channel.close()
    with ServerThread(city, data=tmp_path / "data", clock=clock) as server:
        clients = Clients(server.address, clock)
        plan = clients.signals.GetPlan(st.GetPlanRequest(name=f"{CITY}/signals/B1"), timeout=5)
        assert plan.revision == 1
        assert [s.green_s for s in plan.stages] == [
            s.green_s for p in result.plans if p.signal == plan.signal for s in p.stages
        ]
        clients.channel.close()


def test_a_plan_is_in_force_only_from_its_time_on(clients: Clients) -> None:
    name = f"{CITY}/signals/A1"
    code, _, _ = refusal(clients.signals.GetPlan, st.GetPlanRequest(name=name))
    assert code is grpc.StatusCode.NOT_FOUND
    optimize(clients, put_in_force=True, request_id=str(uuid.uuid4()))
    assert clients.signals.GetPlan(st.GetPlanRequest(name=name), timeout=5).revision == 1
    earlier = st.GetPlanRequest(name=name)
    earlier.time.FromMilliseconds(NOW_MS - 1)
    code, _, _ = refusal(clients.signals.GetPlan, earlier)
    assert code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"parent": "cities/nowhere"}, grpc.StatusCode.NOT_FOUND, ""),
        ({"corridors": [f"{CITY}/corridors/XX"]}, grpc.StatusCode.NOT_FOUND, ""),
        ({"period": "midnight"}, grpc.StatusCode.NOT_FOUND, ""),
        ({"min_cycle_s": 5}, grpc.StatusCode.INVALID_ARGUMENT, "min_cycle_s"),
        ({"max_cycle_s": 999}, grpc.StatusCode.INVALID_ARGUMENT, "max_cycle_s"),
        ({"speed_mps": float("nan")}, grpc.StatusCode.INVALID_ARGUMENT, "speed_mps"),
        ({"speed_mps": 400.0}, grpc.StatusCode.INVALID_ARGUMENT, "speed_mps"),
        ({"time_limit_s": -1.0}, grpc.StatusCode.INVALID_ARGUMENT, "time_limit_s"),
        ({"put_in_force": True}, grpc.StatusCode.INVALID_ARGUMENT, "request_id"),
    ],
)
def test_a_bad_optimisation_is_refused_with_the_field(
    clients: Clients, fields: dict[str, object], code: grpc.StatusCode, field: str
) -> None:
    request = st.OptimizePlansRequest(**({"parent": CITY} | fields))
    got, info, where = refusal(clients.signals.OptimizePlans, request)
    assert (got, where) == (code, field)
    assert info.domain == "greenlot"


def test_a_reservation_lives_from_search_to_departure(clients: Clients) -> None:
    search = pk.SearchLotsRequest(
        parent=CITY, destination=pk.LatLng(latitude=37.43, longitude=118.66)
    )
    found = clients.parking.SearchLots(search, timeout=5).lots
    assert [lot.display_name for lot in found] == ["停车场 near", "停车场 low", "停车场 far"]
    assert found[0].pools[0].bookable == 2
    assert found[0].pools[0].price_fen == 500
    held = clients.parking.RequestAssignment(clients.request(), timeout=5)
    assert (held.state, held.lot) == (pk.Reservation.STATE_HELD, f"{CITY}/lots/near")
    assert held.hold_expires_at.ToMilliseconds() == NOW_MS + 15 * 60_000
    assert clients.parking.SearchLots(search, timeout=5).lots[0].pools[0].bookable == 1
    watch = clients.parking.WatchReservation(pk.WatchReservationRequest(name=held.name), timeout=30)
    states = [next(watch).state]
    for call, kind in (
        (clients.parking.ConfirmReservation, pk.ConfirmReservationRequest),
        (clients.parking.RecordArrival, pk.RecordArrivalRequest),
        (clients.parking.RecordDeparture, pk.RecordDepartureRequest),
    ):
        answer = call(kind(name=held.name, request_id=str(uuid.uuid4())), timeout=5)
        states.append(next(watch).state)
        assert answer.state == states[-1]
    assert list(watch) == [], "the watch ends when the reservation is over"
    assert states == [
        pk.Reservation.STATE_HELD,
        pk.Reservation.STATE_CONFIRMED,
        pk.Reservation.STATE_PARKED,
        pk.Reservation.STATE_COMPLETED,
    ]
    assert clients.parking.SearchLots(search, timeout=5).lots[0].pools[0].bookable == 2


def test_the_nearest_lot_fills_up_then_the_next_then_nobody_is_served(clients: Clients) -> None:
    calls = [
        clients.parking.RequestAssignment.future(clients.request(), timeout=20) for _ in range(9)
    ]
    lots, refused = [], 0
    for call in calls:
        if call.exception() is None:
            lots.append(call.result().lot.rpartition("/")[2])
        else:
            assert call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            refused += 1
    assert sorted(lots) == ["far"] * 5 + ["near"] * 2
    assert refused == 2
    code, info, _ = refusal(clients.parking.RequestAssignment, clients.request())
    assert (code, info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "FULL")


def test_a_hold_expires_by_the_clock_and_gives_its_space_back(clients: Clients) -> None:
    held = clients.parking.RequestAssignment(clients.request(), timeout=5)
    clients.clock.advance_to(NOW_MS + 15 * 60_000)
    confirm = pk.ConfirmReservationRequest(name=held.name, request_id=str(uuid.uuid4()))
    code, info, _ = refusal(clients.parking.ConfirmReservation, confirm)
    assert (code, info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "IS_EXPIRED")
    watch = clients.parking.WatchReservation(pk.WatchReservationRequest(name=held.name), timeout=30)
    assert [m.state for m in watch][-1] == pk.Reservation.STATE_EXPIRED


def test_the_same_request_id_gives_the_same_answer_and_never_two_spaces(clients: Clients) -> None:
    request = clients.request()
    calls = [clients.parking.RequestAssignment.future(request, timeout=20) for _ in range(5)]
    assert len({call.result().name for call in calls}) == 1
    other = clients.request(request_id=request.request_id)
    code, _, field = refusal(clients.parking.RequestAssignment, other)
    assert (code, field) == (grpc.StatusCode.INVALID_ARGUMENT, "request_id")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"origin": pk.LatLng(latitude=95, longitude=118)}, "origin.latitude"),
        ({"destination": pk.LatLng(latitude=37, longitude=1000)}, "destination.longitude"),
        ({"destination": pk.LatLng(latitude=float("nan"), longitude=1)}, "destination.latitude"),
        ({"request_id": "not-a-uuid"}, "request_id"),
        ({"driver_id": ""}, "driver_id"),
        ({"driver_id": "x" * 100_000}, "driver_id"),
        ({"height_cm": -3}, "height_cm"),
        ({"max_walk_m": float("inf")}, "max_walk_m"),
        ({"max_price_fen": -1}, "max_price_fen"),
        ({"value_of_time_fen_per_h": 10**9}, "value_of_time_fen_per_h"),
        ({"space_class": 77}, "space_class"),
    ],
)
def test_a_bad_request_is_refused_with_the_field_and_changes_nothing(
    clients: Clients, changes: dict[str, object], field: str
) -> None:
    code, _, where = refusal(clients.parking.RequestAssignment, clients.request(**changes))
    assert (code, where) == (grpc.StatusCode.INVALID_ARGUMENT, field)
    search = pk.SearchLotsRequest(
        parent=CITY, destination=pk.LatLng(latitude=37.43, longitude=118.66)
    )
    assert clients.parking.SearchLots(search, timeout=5).lots[0].pools[0].bookable == 2


def test_an_unknown_reservation_is_not_found(clients: Clients) -> None:
    name = f"{CITY}/reservations/none"
    code, _, _ = refusal(clients.parking.GetReservation, pk.GetReservationRequest(name=name))
    assert code is grpc.StatusCode.NOT_FOUND


def test_a_second_server_on_the_same_data_is_refused(
    clients: Clients, small_city: Path, tmp_path: Path
) -> None:
    city = load_city(small_city, cache=tmp_path)
    with pytest.raises(StartError, match="in use"), ServerThread(city, data=tmp_path / "data"):
        pass
