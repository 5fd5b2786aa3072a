"""Both services of one city on one port, with health and reflection, behind one door."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from greenlot.city import City
from greenlot.clock import system_clock
from greenlot.driver_secrets import driver_secrets
from greenlot.errors import StartError
from greenlot.interceptors import CallInterceptor
from greenlot.protection import Protection, guard_of, host_of
from greenlot.security.access import UNARY_S
from greenlot.security.callers import Role
from greenlot.security.certificates import ServerCertificate
from greenlot.security.city_directory import CityDirectory
from greenlot.security.token_file import TokenFile
from greenlot.storage import Condition, StorageError
from greenlot.stores import is_postgres, open_stores
from greenlot.telemetry.calls import CURRENT
from greenlot.telemetry.metrics import Gauges, MetricsEndpoint, ServerCollector
from greenlot.telemetry.statistics import Statistics
from greenlot.telemetry.tracing import open_tracing
from parking.errors import UnavailableError
from parking.ledger.state import KEPT_MS
from parking.service import ParkingService
from parking.store import ReservationStore
from parking.v1 import parking_pb2, parking_pb2_grpc
from traffic.service import SignalTimingService
from traffic.store import PlanStore
from traffic.v1 import signal_timing_pb2, signal_timing_pb2_grpc

DEFAULT_LISTEN = "127.0.0.1:50051"
GRACE_S = UNARY_S + 5.0
"""Longer than any unary call: none that was taken up is cut off by a stop."""
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
MAX_PENDING_CALLS = 50_000
"""Calls that wait to be taken up: thousands of watchers may come back at the same moment."""
STORE_LOOK_S = 1.0
"""How often the state of the store is looked at, and a store that fails is tried again."""
FILES_LOOK_S = 1.0
"""How often certificates and tokens are looked at."""
HANDSHAKE_S = 10
"""A connection that has not said by then what it wants is closed."""
MAX_METADATA_BYTES = 16 * 1024
STOP_LOOK_S = 0.1

PARKING = parking_pb2.DESCRIPTOR.services_by_name["ParkingService"].full_name
SIGNALS = signal_timing_pb2.DESCRIPTOR.services_by_name["SignalTimingService"].full_name
SERVICES = (SIGNALS, PARKING)

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
    protection
        Who may call. The default lets in whoever is on the machine itself.

    Raises
    ------
    StartError, TokenError, CertificateError
        Something of the set-up is wrong.
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
        protection: Protection | None = None,
    ) -> None:
        self._listen = listen
        self._protection = protection = protection or Protection()
        self._tokens = TokenFile(protection.tokens) if protection.tokens is not None else None
        self._certificate = ServerCertificate(protection.tls) if protection.tls else None
        guard = guard_of(protection, listen, self._tokens, self._certificate)
        self._health = health.aio.HealthServicer()
        shared = store is not None and is_postgres(store)
        secrets = driver_secrets(data, city.id, shared=shared)
        self._stores = open_stores(store, data=data, city_id=city.id)
        self._tasks: list[asyncio.Task[None]] = []
        self.broken = asyncio.Event()
        self._is_draining = False
        self._signals = SignalTimingService(
            city_id=city.id,
            graph=city.graph,
            corridors=city.corridors,
            turn_flows=city.turn_flows,
            store=self._stores.plans,
            clock=clock,
            settings=city.street,
            caller=_caller_name,
            is_controller=_may_be_controller,
        )
        self._parking = ParkingService(
            city_id=city.id,
            lots=city.lots,
            store=self._stores.reservations,
            clock=clock,
            secrets=secrets,
            kept_ms=kept_ms,
            caller=_caller_name,
        )
        self.statistics = Statistics()
        self._parking.finder.solved = self.statistics.allocation.add
        self._tracing = open_tracing() if protection.is_traced else None
        self._calls = CallInterceptor(
            guard,
            CityDirectory(city.id, self._parking),
            self.statistics,
            limits=protection.limits,
            tracing=self._tracing,
        )
        self._collector = ServerCollector(self.statistics, self._gauges, city.id)
        self._metrics: MetricsEndpoint | None = None
        self.address = ""

    async def start(self) -> None:
        """Listen and serve; ``address`` is known from then on.

        Raises
        ------
        StartError
            The address cannot be listened on.
        """
        self._server = grpc.aio.server(
            interceptors=[self._calls],
            options=[
                # A second server on the same port is a mistake, not a load balancer.
                ("grpc.so_reuseport", 0),
                ("grpc.server.max_pending_requests", MAX_PENDING_CALLS),
                ("grpc.server_handshake_timeout_ms", HANDSHAKE_S * 1000),
                ("grpc.max_metadata_size", MAX_METADATA_BYTES),
                ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
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
            bound = self._bind()
            if self._protection.metrics is not None:
                self._metrics = MetricsEndpoint(self._protection.metrics, self._collector)
        except (RuntimeError, StartError) as error:
            self._stores.close()
            if isinstance(error, StartError):
                raise
            raise StartError(f"cannot listen on {self._listen}: {error}") from error
        await self._signals.start()
        await self._parking.start()
        await self._server.start()
        for name in ("", *SERVICES):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self._tasks = [
            asyncio.create_task(work)
            for work in (
                self._look_at_store(PARKING, self._stores.reservations),
                self._look_at_store(SIGNALS, self._stores.plans),
                self._look_at_files(),
                self._calls.look_after(),
            )
        ]
        self.address = f"{host_of(self._listen)}:{bound}"

    def _bind(self) -> int:
        if self._certificate is None:
            return self._server.add_insecure_port(self._listen)
        return self._server.add_secure_port(self._listen, self._certificate.credentials())

    @property
    def metrics_address(self) -> str:
        """``HOST:PORT`` of the metrics; empty = there are none."""
        return self._metrics.address if self._metrics is not None else ""

    async def stop(self, grace_s: float = GRACE_S) -> None:
        """Drain: say NOT_SERVING, take no more calls, end the streams, finish what is under way.

        Unary calls that were taken up are answered, unless they take longer than ``grace_s``.
        Watches end with UNAVAILABLE and the revision to go on from; other streams with UNAVAILABLE.
        """
        self._is_draining = True
        await self._health.enter_graceful_shutdown()
        self._signals.end_streams()
        self._parking.end_streams()
        await self._calls.turn_away()
        ends_s = time.monotonic() + grace_s
        stopping = asyncio.create_task(self._server.stop(grace_s))
        draining = asyncio.create_task(self._calls.drain())
        while not stopping.done() and time.monotonic() < ends_s:
            await asyncio.wait([stopping], timeout=STOP_LOOK_S)
            if draining.done() and not self._calls.unary_calls:
                # What is left are streams whose clients do not read: nobody waits for them.
                await asyncio.wait([stopping], timeout=1.0)
                break
        if not stopping.done():
            await self._server.stop(None)
        await stopping
        draining.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(draining, *self._tasks, return_exceptions=True)
        # Let go of it while the loop still runs, which it needs to end.
        del self._server
        await self._signals.stop()
        await self._parking.stop()
        self._stores.close()
        if self._metrics is not None:
            await asyncio.to_thread(self._metrics.close)
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.close)

    def _gauges(self) -> Gauges:
        tokens: Counter[str] = Counter()
        if self._tokens is not None:
            now_ms = system_clock()
            tokens.update(
                str(record.caller.role)
                for record in self._tokens.book.records
                if record.is_valid(now_ms)
            )
        certificate = self._certificate
        return Gauges(
            store_condition=str(self._stores.reservations.condition),
            ledger_revision=self._parking.desk.writer.durable.revision,
            plan_store_condition=str(self._stores.plans.condition),
            street=self._signals.figures(),
            certificate_ends_s=certificate.tls.not_after.timestamp() if certificate else None,
            certificate_failures=certificate.failures if certificate else 0,
            tokens=dict(tokens),
            is_draining=self._is_draining,
        )

    async def _look_at_files(self) -> None:
        """Take over certificates and tokens that have changed."""
        while True:
            await asyncio.sleep(FILES_LOOK_S)
            if self._certificate is not None:
                self._certificate.follow()
            if self._tokens is not None:
                self._tokens.follow()

    async def _look_at_store(self, service: str, store: PlanStore | ReservationStore) -> None:
        """Say in the health of a service whether its store can be written.

        Reading goes on, and so does the other service: the overall health stays SERVING. A store
        that failed is tried again until it works; one that is broken needs a restart.
        """
        seen = Condition.OK
        while True:
            await asyncio.sleep(STORE_LOOK_S)
            if store.condition not in (Condition.OK, Condition.BROKEN):
                with contextlib.suppress(UnavailableError, StorageError):
                    await asyncio.wrap_future(store.probe())
            if store.condition is seen:
                continue
            seen = store.condition
            log.warning("a store's condition changed", service=service, condition=str(seen))
            serving = health_pb2.HealthCheckResponse.SERVING
            failing = health_pb2.HealthCheckResponse.NOT_SERVING
            await self._health.set(service, serving if seen is Condition.OK else failing)
            if seen is Condition.BROKEN:
                self.broken.set()


def _caller_name() -> str:
    call = CURRENT.get()
    return call.caller.name if call is not None else ""


def _may_be_controller() -> bool:
    """Whether a call comes from a controller; without tokens, whoever calls may be one."""
    call = CURRENT.get()
    return call is None or call.caller.role is Role.CONTROLLER or not call.caller.name
