"""A stop: calls that were taken up are answered, streams end with where to go on."""

import asyncio
import signal
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from greenlot.city import load_city
from greenlot.server import CityServer, ServerThread
from greenlot.statuses import RESUME
from parking.v1 import parking_pb2 as pk
from parking.v1 import parking_pb2_grpc
from tests.greenlot.test_serve import serving
from tests.greenlot.test_server import CITY, booking_request
from traffic.v1 import signal_timing_pb2 as st
from traffic.v1 import signal_timing_pb2_grpc

CODE = grpc.StatusCode


class Driver:
    """Books, confirms and gives up again until the server is gone; notes what it was told."""

    def __init__(self, channel: grpc.aio.Channel, name: str) -> None:
        self._stub = parking_pb2_grpc.ParkingServiceStub(channel)
        self.driver_id = name
        self.answered: list[pk.Reservation] = []
        self.errors: list[grpc.aio.AioRpcError] = []
        self.refused_requests: list[str] = []

    async def run(self) -> None:
        while True:
            request = booking_request(driver_id=self.driver_id, height_cm=150)
            try:
                held = await self._stub.RequestAssignment(request, timeout=30)
                self.answered.append(held)
                cancel = pk.CancelReservationRequest(name=held.name, request_id=str(uuid.uuid4()))
                self.answered.append(await self._stub.CancelReservation(cancel, timeout=30))
            except grpc.aio.AioRpcError as error:
                if error.code() is CODE.RESOURCE_EXHAUSTED:
                    await asyncio.sleep(0.05)  # an answer, too: no room, or too often
                    continue
                self.errors.append(error)
                return


async def load_until_gone(address: str, stop: Any) -> list[Driver]:
    """Have 24 drivers at it over 4 connections, and stop the server while they are."""
    channels = [
        grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        for _ in range(4)
    ]
    drivers = [Driver(channels[k % 4], f"d-{k}") for k in range(24)]
    tasks = [asyncio.create_task(driver.run()) for driver in drivers]
    async with asyncio.timeout(60):
        while sum(len(driver.answered) for driver in drivers) < 100:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        stop()
        await asyncio.gather(*tasks)
    for channel in channels:
        await channel.close()
    return drivers


async def test_sigterm_under_load_fails_no_call_that_was_taken_up(
    small_city: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with serving(small_city, data) as (process, address):
        drivers = await load_until_gone(address, lambda: process.send_signal(signal.SIGTERM))
        assert await asyncio.to_thread(process.wait, 60) == 0
        assert process.stderr is not None
        log = process.stderr.read()
        assert "Traceback" not in log
        assert "level='error'" not in log
    codes = Counter(error.code() for driver in drivers for error in driver.errors)
    assert set(codes) == {CODE.UNAVAILABLE}, codes
    # A refused call was not taken up: the ledger has exactly what was answered.
    with (
        ServerThread(load_city(small_city, cache=tmp_path), data=data) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        stub = parking_pb2_grpc.ParkingServiceStub(channel)
        for driver in drivers:
            known = {held.name: held.state for held in driver.answered}
            kept, token = {}, ""
            while True:
                page = stub.ListReservations(
                    pk.ListReservationsRequest(
                        parent=CITY, driver_id=driver.driver_id, page_size=200, page_token=token
                    ),
                    timeout=20,
                )
                kept |= {held.name: held.state for held in page.reservations}
                token = page.next_page_token
                if not token:
                    break
            assert kept == known, driver.errors


async def test_streams_end_with_unavailable_and_the_revision_to_go_on_from(
    small_city: Path, tmp_path: Path
) -> None:
    server = CityServer(
        load_city(small_city, cache=tmp_path), listen="127.0.0.1:0", data=tmp_path / "data"
    )
    await server.start()
    async with asyncio.timeout(50), grpc.aio.insecure_channel(server.address) as channel:
        parking = parking_pb2_grpc.ParkingServiceStub(channel)
        signals = signal_timing_pb2_grpc.SignalTimingServiceStub(channel)
        health: Any = health_pb2_grpc.HealthStub(channel)
        held = await parking.RequestAssignment(booking_request(driver_id="d-1"), timeout=30)
        watches = [
            parking.WatchReservation(pk.WatchReservationRequest(name=held.name)),
            parking.WatchReservations(pk.WatchReservationsRequest(parent=CITY, driver_id="d-1")),
            parking.WatchSigns(pk.WatchSignsRequest(parent=CITY)),
            signals.WatchPlans(st.WatchPlansRequest(parent=CITY)),
        ]
        revisions = [held.revision, held.revision, held.revision, 0]
        for k in (0, 1, 3):
            await watches[k].read()
        checks = health.Watch(health_pb2.HealthCheckRequest())
        assert (await checks.read()).status == health_pb2.HealthCheckResponse.SERVING
        search = signals.OptimizePlans(
            st.OptimizePlansRequest(parent=CITY, time_limit_s=600, min_cycle_s=60, max_cycle_s=120)
        )
        await search.read()
        counts = signals.ReportDetectorCounts()
        await counts.write(st.ReportDetectorCountsRequest(signal=f"{CITY}/signals/A1"))
        began = time.monotonic()
        stopping = asyncio.create_task(server.stop())
        assert (await checks.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        for watch, revision in zip(watches, revisions, strict=True):
            assert await _end(watch) is CODE.UNAVAILABLE
            trailing = dict(await watch.trailing_metadata())
            assert int(trailing[RESUME]) >= revision
            assert trailing["x-request-id"]
            assert await _details(watch) == ("STOPPING", trailing[RESUME])
        assert await _end(search) in (CODE.UNAVAILABLE, CODE.OK)
        assert await _end(checks) is CODE.UNAVAILABLE
        assert await counts.code() is CODE.UNAVAILABLE
        await stopping
        assert time.monotonic() - began < 20, "nothing was waited for that does not end"


async def _end(call: Any) -> grpc.StatusCode:
    """Read a stream to its end; the code that it ends with."""
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return error.code()
    return CODE.OK


async def _details(call: Any) -> tuple[str, str]:
    """Reason and revision in a call's ErrorInfo."""
    info = error_details_pb2.ErrorInfo()
    status = await rpc_status.aio.from_call(call)
    assert status is not None
    for detail in status.details:
        detail.Unpack(info)
    return info.reason, info.metadata["revision"]


async def test_a_watch_goes_on_elsewhere_and_misses_nothing(
    small_city: Path, tmp_path: Path
) -> None:
    """From the revision that a stopped server gave, the next one says what has changed since."""
    city, data = load_city(small_city, cache=tmp_path), tmp_path / "data"
    first = CityServer(city, listen="127.0.0.1:0", data=data)
    await first.start()
    async with grpc.aio.insecure_channel(first.address) as channel:
        stub = parking_pb2_grpc.ParkingServiceStub(channel)
        held = await stub.RequestAssignment(booking_request(driver_id="d-1"), timeout=30)
        watch = stub.WatchReservations(pk.WatchReservationsRequest(parent=CITY, driver_id="d-1"))
        await watch.read()
        await first.stop()
        assert await _end(watch) is CODE.UNAVAILABLE
        revision = int(dict(await watch.trailing_metadata())[RESUME])
    second = CityServer(city, listen="127.0.0.1:0", data=data)
    await second.start()
    async with grpc.aio.insecure_channel(second.address) as channel:
        stub = parking_pb2_grpc.ParkingServiceStub(channel)
        watch = stub.WatchReservations(
            pk.WatchReservationsRequest(parent=CITY, driver_id="d-1", revision=revision)
        )
        confirm = pk.ConfirmReservationRequest(name=held.name, request_id=str(uuid.uuid4()))
        await stub.ConfirmReservation(confirm, timeout=30)
        news = await asyncio.wait_for(watch.read(), 20)
        assert (news.name, news.state) == (held.name, pk.Reservation.STATE_CONFIRMED)
        watch.cancel()
    await second.stop()


async def test_a_stopped_server_takes_no_more_calls(small_city: Path, tmp_path: Path) -> None:
    server = CityServer(
        load_city(small_city, cache=tmp_path), listen="127.0.0.1:0", data=tmp_path / "data"
    )
    await server.start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = parking_pb2_grpc.ParkingServiceStub(channel)
        await stub.ListLots(pk.ListLotsRequest(parent=CITY), timeout=20)
        await server.stop()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ListLots(pk.ListLotsRequest(parent=CITY), timeout=20)
    assert caught.value.code() is CODE.UNAVAILABLE
