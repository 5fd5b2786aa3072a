"""The server as a process of its own, and on a thread."""

import asyncio
import gc
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from greenlot.city import City
from greenlot.city_server import DEFAULT_LISTEN, PARKING, SERVICES, CityServer
from greenlot.clock import system_clock
from greenlot.errors import StoreBrokenError
from greenlot.pauses import keep_pauses_short
from greenlot.protection import Protection
from parking.ledger.state import KEPT_MS

__all__ = [
    "DEFAULT_LISTEN",
    "PARKING",
    "SERVICES",
    "CityServer",
    "Protection",
    "ServerThread",
    "serve_until_signalled",
]

log = structlog.get_logger()

COLLECTED_AFTER = (20_000, 50, 200)
"""The ledger's state is made of very many small things that never form a cycle: to look through
them as often as Python does by itself (700, 10, 10) takes 8% of a busy server's time."""


async def serve_until_signalled(
    city: City,
    *,
    listen: str,
    data: Path,
    store: str | None = None,
    kept_ms: int = KEPT_MS,
    protection: Protection | None = None,
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
    server = CityServer(
        city, listen=listen, data=data, store=store, kept_ms=kept_ms, protection=protection
    )
    await server.start()
    # What is there now stays: the collector need not look at it ever again.
    keep_pauses_short()
    gc.set_threshold(*COLLECTED_AFTER)
    ready(server.address)
    log.info(
        "serving",
        city=city.id,
        address=server.address,
        data=str(data),
        tls=protection is not None and protection.tls is not None,
        metrics=server.metrics_address,
    )
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
        protection: Protection | None = None,
    ) -> None:
        self._make: Callable[[], CityServer] = lambda: CityServer(
            city,
            listen="127.0.0.1:0",
            data=data,
            store=store,
            clock=clock,
            protection=protection,
        )
        self._started: Future[str] = Future()
        self._thread = threading.Thread(target=self._main, name="city-server", daemon=True)

    @property
    def address(self) -> str:
        """Where it listens."""
        return self._started.result()

    @property
    def metrics_address(self) -> str:
        """Where its metrics are; empty = nowhere."""
        self._started.result()
        return self._server.metrics_address

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
            server = self._server = self._make()
            await server.start()
        except BaseException as error:
            self._started.set_exception(error)
            return
        self._started.set_result(server.address)
        await self._stop.wait()
        await server.stop(grace_s=0.5)
