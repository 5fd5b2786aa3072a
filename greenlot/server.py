"""The server: both services of one city on one port, with health and reflection."""

import asyncio
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
from greenlot.errors import StartError
from greenlot.interceptors import ErrorInterceptor
from greenlot.storage import StorageError
from parking.errors import UnavailableError
from parking.service import ParkingService
from parking.store import SqliteStore
from parking.v1 import parking_pb2, parking_pb2_grpc
from traffic.service import SignalTimingService
from traffic.store import PlanStore
from traffic.v1 import signal_timing_pb2, signal_timing_pb2_grpc

DEFAULT_LISTEN = "127.0.0.1:50051"
GRACE_S = 5.0
MAX_MESSAGE_BYTES = 16 * 1024 * 1024

SERVICES = (
    signal_timing_pb2.DESCRIPTOR.services_by_name["SignalTimingService"].full_name,
    parking_pb2.DESCRIPTOR.services_by_name["ParkingService"].full_name,
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
        Directory of the stores; made if missing.
    clock
        Now, in UTC epoch milliseconds.
    """

    def __init__(
        self,
        city: City,
        *,
        listen: str = DEFAULT_LISTEN,
        data: Path,
        clock: Callable[[], int] = system_clock,
    ) -> None:
        self._listen = listen
        self._health = health.aio.HealthServicer()
        try:
            data.mkdir(parents=True, exist_ok=True)
            self._plans = PlanStore(data / f"{city.id}-plans.sqlite")
        except (OSError, StorageError) as error:
            raise StartError(f"--data {data}: {error}") from error
        try:
            self._reservations = SqliteStore(data / f"{city.id}-parking.sqlite")
        except UnavailableError as error:
            self._plans.close()
            raise StartError(f"--data {data}: {error}") from error
        self._signals = SignalTimingService(
            city_id=city.id,
            graph=city.graph,
            corridors=city.corridors,
            turn_flows=city.turn_flows,
            store=self._plans,
            clock=clock,
        )
        self._parking = ParkingService(
            city_id=city.id,
            lots=city.lots,
            store=self._reservations,
            clock=clock,
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
            self._plans.close()
            self._reservations.close()
            raise StartError(f"cannot listen on {self._listen}: {error}") from error
        await self._parking.start()
        await self._server.start()
        for name in ("", *SERVICES):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self.address = f"{host}:{bound}"

    async def stop(self, grace_s: float = GRACE_S) -> None:
        """Drain: say NOT_SERVING, end the streams, let calls under way finish, close the stores."""
        await self._health.enter_graceful_shutdown()
        self._signals.end_streams()
        self._parking.end_streams()
        await self._server.stop(grace_s)
        await self._parking.stop()
        self._plans.close()


async def serve_until_signalled(
    city: City, *, listen: str, data: Path, ready: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or SIGINT, then stop gracefully."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = CityServer(city, listen=listen, data=data)
    await server.start()
    ready(server.address)
    log.info("serving", city=city.id, address=server.address, data=str(data))
    await stop.wait()
    log.info("stopping", address=server.address)
    await server.stop()


class ServerThread:
    """A ``CityServer`` on a thread of its own: for the demo, its workers and tests.

    Use it as a context manager; ``address`` is the bound ``HOST:PORT``.
    """

    def __init__(self, city: City, *, data: Path, clock: Callable[[], int] = system_clock) -> None:
        self._make: Callable[[], CityServer] = lambda: CityServer(
            city, listen="127.0.0.1:0", data=data, clock=clock
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
