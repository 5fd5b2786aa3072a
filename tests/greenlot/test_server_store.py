"""A server whose store cannot be written: what it says, what still works, and how it comes back."""

import asyncio
import time
import uuid
from pathlib import Path

import apsw
import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from greenlot.city import load_city
from greenlot.city_server import SIGNALS
from greenlot.errors import StartError
from greenlot.server import PARKING, CityServer
from greenlot.stores import open_stores
from parking.v1 import parking_pb2 as pk
from parking.v1 import parking_pb2_grpc
from tests.reliability.abuse import good_request
from tests.reliability.postgres_server import running
from traffic.controller.controller import fixed_plan
from traffic.io.protobuf import plan_to_proto
from traffic.v1 import signal_timing_pb2 as st
from traffic.v1 import signal_timing_pb2_grpc

PARENT = "cities/smallville"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Caller:
    """A client of a server in the same process."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.aio.insecure_channel(address)
        self.parking = parking_pb2_grpc.ParkingServiceStub(self.channel)
        self._health = health_pb2_grpc.HealthStub(self.channel)

    async def health(self, service: str) -> int:
        request = health_pb2.HealthCheckRequest(service=service)
        return (await self._health.Check(request, timeout=20)).status

    async def until_health(self, status: int, service: str = PARKING) -> None:
        """Wait until a service says so."""
        until = time.monotonic() + 40
        while await self.health(service) != status:
            assert time.monotonic() < until
            await asyncio.sleep(0.1)

    async def book(self) -> pk.Reservation:
        return await self.parking.RequestAssignment(good_request(PARENT), timeout=30)

    async def come_and_go(self, times: int) -> None:
        for _ in range(times):
            await self.step("CancelReservation", (await self.book()).name)

    async def step(self, call: str, name: str) -> pk.Reservation:
        request = getattr(pk, f"{call}Request")(name=name, request_id=str(uuid.uuid4()))
        return await getattr(self.parking, call)(request, timeout=30)


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The reason in the ErrorInfo of a refused call."""
    status, info = rpc_status.from_call(error), error_details_pb2.ErrorInfo()
    assert status is not None, "an error without details"
    assert any(detail.Unpack(info) for detail in status.details)
    return info.reason


async def served(city: Path, folder: Path, store: str | None = None) -> tuple[CityServer, Caller]:
    server = CityServer(
        load_city(city, cache=folder), listen="127.0.0.1:0", data=folder / "data", store=store
    )
    await server.start()
    return server, Caller(server.address)


def limit_pages(server: CityServer, pages: int | None, *, of: str = "reservations") -> None:
    """Let a store's file have so many pages; None = as many as it has now."""
    database = getattr(server._stores, of)._database
    count = pages or database.reader.execute("PRAGMA page_count").get
    database.submit(lambda c: c.execute(f"PRAGMA max_page_count={count}").get).result()


async def test_a_full_disk_is_read_only_until_there_is_space(small_city, tmp_path):
    server, caller = await served(small_city, tmp_path)
    held = await caller.book()
    limit_pages(server, None)
    with pytest.raises(grpc.aio.AioRpcError) as full:
        await caller.come_and_go(200)
    assert full.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason_of(full.value) == "READ_ONLY"
    assert str(tmp_path) not in str(full.value.details())
    await caller.until_health(NOT_SERVING)
    assert await caller.health("") == SERVING
    found = await caller.parking.GetReservation(
        pk.GetReservationRequest(name=held.name), timeout=20
    )
    assert found.state == pk.Reservation.STATE_HELD
    limit_pages(server, 1_000_000)
    await caller.until_health(SERVING)
    assert (await caller.step("ConfirmReservation", held.name)).state == (
        pk.Reservation.STATE_CONFIRMED
    )
    await caller.channel.close()
    await server.stop(grace_s=0.5)


async def test_plans_that_cannot_be_written_are_said_in_their_service_s_health(
    small_city, tmp_path
):
    server, caller = await served(small_city, tmp_path)
    signals = signal_timing_pb2_grpc.SignalTimingServiceStub(caller.channel)
    own = load_city(small_city, cache=tmp_path).graph.signals
    plans = [plan_to_proto(fixed_plan(signal), "smallville") for signal in own.values()]

    async def make(times: int) -> None:
        for _ in range(times):
            request = st.CreatePlanSetRequest(
                parent=PARENT, request_id=str(uuid.uuid4()), plans=plans
            )
            await signals.CreatePlanSet(request, timeout=30)

    await make(1)
    limit_pages(server, None, of="plans")
    with pytest.raises(grpc.aio.AioRpcError) as full:
        await make(200)
    assert full.value.code() is grpc.StatusCode.UNAVAILABLE
    await caller.until_health(NOT_SERVING, SIGNALS)
    assert server._gauges().plan_store_condition == "read_only"
    assert await caller.health(PARKING) == await caller.health("") == SERVING
    listed = await signals.ListPlanSets(st.ListPlanSetsRequest(parent=PARENT), timeout=20)
    assert listed.plan_sets, "reading goes on"
    # It is tried again and again, and stays so as long as there is no room.
    await asyncio.sleep(2.5)
    assert await caller.health(SIGNALS) == NOT_SERVING
    limit_pages(server, 1_000_000, of="plans")
    await caller.until_health(SERVING, SIGNALS)
    await make(1)
    assert server._gauges().street.revision == server._signals.desk.street.revision
    await caller.channel.close()
    await server.stop(grace_s=0.5)


async def test_a_store_that_broke_asks_for_a_restart(small_city, tmp_path):
    server, caller = await served(small_city, tmp_path)
    held = await caller.book()
    database = server._stores.reservations._database

    def broken(step: str) -> None:
        if step == "commit":
            raise apsw.IOError("the disk went away")

    database._failpoint = broken
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await caller.step("ConfirmReservation", held.name)
    assert reason_of(failed.value) == "DOUBTFUL"
    await asyncio.wait_for(server.broken.wait(), timeout=20)
    assert await caller.health(PARKING) == NOT_SERVING
    await caller.channel.close()
    await server.stop(grace_s=0.5)
    server, caller = await served(small_city, tmp_path)
    assert (await caller.step("ConfirmReservation", held.name)).state == (
        pk.Reservation.STATE_CONFIRMED
    )
    await caller.channel.close()
    await server.stop(grace_s=0.5)


async def test_a_database_that_is_away_is_waited_for(small_city, tmp_path):
    with running() as database:
        server, caller = await served(small_city, tmp_path, database.url)
        server._stores.reservations._database._patience_s = 0.2
        held = await caller.book()
        database.stop()
        with pytest.raises(grpc.aio.AioRpcError) as away:
            await caller.step("ConfirmReservation", held.name)
        assert reason_of(away.value) in ("UNREACHABLE", "DOUBTFUL")
        await caller.until_health(NOT_SERVING)
        assert (
            await caller.parking.GetReservation(
                pk.GetReservationRequest(name=held.name), timeout=20
            )
        ).state == pk.Reservation.STATE_HELD
        await asyncio.to_thread(database.start)
        await caller.until_health(SERVING)
        assert (await caller.step("ConfirmReservation", held.name)).state == (
            pk.Reservation.STATE_CONFIRMED
        )
        await caller.channel.close()
        await server.stop(grace_s=0.5)


async def test_two_servers_of_one_database_tell_each_other_s_watchers(
    small_city, tmp_path, fresh_database
):
    url = fresh_database()
    one, at_one = await served(small_city, tmp_path, url)
    other, at_other = await served(small_city, tmp_path, url)
    held = await at_one.book()
    watch = at_other.parking.WatchReservation(pk.WatchReservationRequest(name=held.name))
    states = [(await watch.read()).state]
    for call in ("ConfirmReservation", "RecordArrival", "RecordDeparture"):
        await at_one.step(call, held.name)
        states.append((await asyncio.wait_for(watch.read(), timeout=20)).state)
    assert states == [
        pk.Reservation.STATE_HELD,
        pk.Reservation.STATE_CONFIRMED,
        pk.Reservation.STATE_PARKED,
        pk.Reservation.STATE_COMPLETED,
    ]
    for caller, server in ((at_one, one), (at_other, other)):
        await caller.channel.close()
        await server.stop(grace_s=0.5)


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("mysql://root:secret@h/x", "expected sqlite:PATH or postgresql://"),
        ("sqlite:", "expected sqlite:PATH"),
        ("sqlite://host/x", "expected sqlite:PATH"),
        ("postgresql://ann:secret@127.0.0.1:1/x", "cannot be opened"),
    ],
)
def test_a_store_that_cannot_be_opened_is_one_clear_line(tmp_path, store, words):
    with pytest.raises(StartError, match=words) as refused:
        open_stores(store, data=tmp_path, city_id="x")
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_ledger_of_sqlite_path_lies_there(tmp_path):
    stores = open_stores(f"sqlite:{tmp_path / 'my.db'}", data=tmp_path / "data", city_id="x")
    stores.close()
    assert (tmp_path / "my.db").is_file()
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "x-plans.sqlite",
        "x-plans.sqlite.lock",
    ]
