"""The server: both services of one city on one port, with health and reflection."""

import asyncio
import contextlib
import gc
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from greenlot.city import City
from greenlot.clock import system_clock
from greenlot.driver_secrets import driver_secrets
from greenlot.errors import StartError, StoreBrokenError
from greenlot.interceptors import ErrorInterceptor
from greenlot.storage import Condition
from greenlot.stores import is_postgres, open_stores
from parking.errors import UnavailableError
from parking.ledger.state import KEPT_MS
from parking.service import ParkingService
from parking.v1 import parking_pb2, parking_pb2_grpc
from traffic.service import SignalTimingService
from traffic.v1 import signal_timing_pb2, signal_timing_pb2_grpc

DEFAULT_LISTEN = "127.0.0.1:50051"
GRACE_S = 5.0
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
MAX_PENDING_CALLS = 50_000
"""Calls that wait to be taken up: thousands of watchers may come back at the same moment."""
STORE_LOOK_S = 1.0
"""How often the state of the store is looked at, and a store that fails is tried again."""

PARKING = parking_pb2.DESCRIPTOR.services_by_name["ParkingService"].full_name
SERVICES = (
    signal_timing_pb2.DESCRIPTOR.services_by_name["SignalTimingService"].full_name,
    PARKING,
)

log = structlog.get_logger()


class CityServer:
    """Both services of a city, on one event loop.

    Parameters
    ----------
    city
        The loaded city.
    listen
        ``HOST:PORT``; port 0 picks a free one.
    data
        Directory of the stores that are files; made if missing.
    store
        Address of the stores, see ``open_stores``; None = files in ``data``.
    kept_ms
        How long a reservation stays in memory after its end, ms.
    clock
        Now, in UTC epoch milliseconds.
    """

    def __init__(
        self,
        city: City,
        *,
        listen: str = DEFAULT_LISTEN,
        data: Path,
        store: str | None = None,
        kept_ms: int = KEPT_MS,
        clock: Callable[[], int] = system_clock,
    ) -> None:
        self._listen = listen
        self._health = health.aio.HealthServicer()
        shared = store is not None and is_postgres(store)
        secrets = driver_secrets(data, city.id, shared=shared)
        self._stores = open_stores(store, data=data, city_id=city.id)
        self._looking: asyncio.Task[None] | None = None
        self.broken = asyncio.Event()
        self._signals = SignalTimingService(
            city_id=city.id,
            graph=city.graph,
            corridors=city.corridors,
            turn_flows=city.turn_flows,
            store=self._stores.plans,
            clock=clock,
        )
        self._parking = ParkingService(
            city_id=city.id,
            lots=city.lots,
            store=self._stores.reservations,
            clock=clock,
            secrets=secrets,
            kept_ms=kept_ms,
        )
        self.address = ""

    async def start(self) -> None:
        """Listen and serve; ``address`` is known from then on.

        Raises
        ------
        StartError
            The address cannot be listened on.
        """
        host, _, port = self._listen.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise StartError(f"--listen {self._listen}: expected HOST:PORT, port 0 to 65535")
        self._server = grpc.aio.server(
            interceptors=[ErrorInterceptor()],
            options=[
                # A second server on the same port is a mistake, not a load balancer.
                ("grpc.so_reuseport", 0),
                ("grpc.server.max_pending_requests", MAX_PENDING_CALLS),
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.keepalive_timeout_ms", 20_000),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
            ],
        )
        signal_timing_pb2_grpc.add_SignalTimingServiceServicer_to_server(
            self._signals, self._server
        )
        parking_pb2_grpc.add_ParkingServiceServicer_to_server(self._parking, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        try:
            bound = self._server.add_insecure_port(self._listen)
        except RuntimeError as error:
            self._stores.close()
            raise StartError(f"cannot listen on {self._listen}: {error}") from error
        await self._parking.start()
        await self._server.start()
        for name in ("", *SERVICES):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self._looking = asyncio.create_task(self._look_at_store())
        self.address = f"{host}:{bound}"

    async def stop(self, grace_s: float = GRACE_S) -> None:
        """Drain: say NOT_SERVING, end the streams, let calls under way finish, close the stores."""
        await self._health.enter_graceful_shutdown()
        self._signals.end_streams()
        self._parking.end_streams()
        if self._looking is not None:
            self._looking.cancel()
        await self._server.stop(grace_s)
        # Let go of it while the loop still runs, which it needs to end.
        del self._server
        await self._parking.stop()
        self._stores.close()

    async def _look_at_store(self) -> None:
        """Say in the health of the parking service whether its store can be written.

        Reading goes on, and so do the signals: the overall health stays SERVING. A store that
        failed is tried again until it works; one that is broken needs a restart.
        """
        store, seen = self._stores.reservations, Condition.OK
        while True:
            await asyncio.sleep(STORE_LOOK_S)
            if store.condition not in (Condition.OK, Condition.BROKEN):
                with contextlib.suppress(UnavailableError):
                    await asyncio.wrap_future(store.probe())
            if store.condition is seen:
                continue
            seen = store.condition
            log.warning("the parking store's condition changed", condition=str(seen))
            serving = health_pb2.HealthCheckResponse.SERVING
            failing = health_pb2.HealthCheckResponse.NOT_SERVING
            await self._health.set(PARKING, serving if seen is Condition.OK else failing)
            if seen is Condition.BROKEN:
                self.broken.set()


async def serve_until_signalled(
    city: City,
    *,
    listen: str,
    data: Path,
    store: str | None = None,
    kept_ms: int = KEPT_MS,
    ready: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT, then stop gracefully.

    Raises
    ------
    StoreBrokenError
        What is on the disk is unknown: a new start reads it anew.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = CityServer(city, listen=listen, data=data, store=store, kept_ms=kept_ms)
    await server.start()
    # What is there now stays: the collector need not look at it ever again.
    gc.collect()
    gc.freeze()
    ready(server.address)
    log.info("serving", city=city.id, address=server.address, data=str(data))
    waits = [asyncio.create_task(event.wait()) for event in (stop, server.broken)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    log.info("stopping", address=server.address)
    await server.stop()
    if server.broken.is_set():
        raise StoreBrokenError("the parking store failed while writing; start again to read it")


class ServerThread:
    """A ``CityServer`` on a thread of its own: for the demo, its workers and tests.

    Use it as a context manager; ``address`` is the bound ``HOST:PORT``.
    """

    def __init__(
        self,
        city: City,
        *,
        data: Path,
        store: str | None = None,
        clock: Callable[[], int] = system_clock,
    ) -> None:
        self._make: Callable[[], CityServer] = lambda: CityServer(
            city, listen="127.0.0.1:0", data=data, store=store, clock=clock
        )
        self._started: Future[str] = Future()
        self._thread = threading.Thread(target=self._main, name="city-server", daemon=True)

    @property
    def address(self) -> str:
        """Where it listens."""
        return self._started.result()

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _main(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        try:
            server = self._make()
            await server.start()
        except BaseException as error:
            self._started.set_exception(error)
            return
        self._started.set_result(server.address)
        await self._stop.wait()
        await server.stop(grace_s=0.5)
