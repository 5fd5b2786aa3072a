"""``greenlot controller``: the reference controller of one signal, as a client of a server."""

import asyncio
import contextlib
import json
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

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
from traffic.client.held_file import read_held
from traffic.client.link import CHANNEL_OPTIONS, Link
from traffic.client.seconds import whole_seconds
from traffic.controller.controller import Controller, Manual
from traffic.controller.machine import Shown
from traffic.street.calendar import CIVIL_ZONE

ORDERS = "hold, release, flash, steady, pre-empt STAGE (of the own plan), clear, status, quit"


class _SystemTime:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def controller(
    signal: Annotated[str, typer.Argument(help="The signal's id in the city's network.")],
    server: ServerOption = DEFAULT_LISTEN,
    city: Annotated[
        Path | None, typer.Option(help="City directory; default: Dongying, built from its recipe.")
    ] = None,
    data: Annotated[Path, typer.Option(help="Where the controller keeps what it holds.")] = Path(
        "greenlot-controller"
    ),
    countdown: Annotated[
        int, typer.Option(min=0, max=300, help="Seconds that countdown displays show; 0 = none.")
    ] = 0,
    ca: CaOption = None,
    certificate: OwnCertificateOption = None,
    key: OwnKeyOption = None,
    token_file: TokenFileOption = None,
    seconds: Annotated[
        float, typer.Option(min=0, help="Stop after that many seconds; 0 = run on.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a change.")] = False,
) -> None:
    """Run one signal's controller: follow the server's plans, and go on safely without it.

    Prints every change of the lamps. Orders come on stdin, one a line: hold, release, flash,
    steady, pre-empt STAGE, clear, status, quit.
    """
    connection = connection_to(server, ca, certificate, key, token_file)
    loaded = load_city(city, cache=data)
    if signal not in loaded.graph.signals:
        raise GreenlotError(f"no signal {signal!r} in {loaded.name}")
    data.mkdir(parents=True, exist_ok=True)
    path = data / f"{loaded.id}-{signal}.json"
    own = Controller(
        loaded.graph.signals[signal],
        held=read_held(path, city_id=loaded.id, signal_id=signal),
        countdown_s=countdown,
    )
    asyncio.run(_run(own, connection, loaded.id, path, seconds, as_json=as_json))


async def _run(
    own: Controller,
    connection: Connection,
    city_id: str,
    path: Path,
    seconds: float,
    *,
    as_json: bool,
) -> None:
    credentials = connection.credentials()
    channel = (
        grpc.aio.insecure_channel(connection.address, CHANNEL_OPTIONS)
        if credentials is None
        else grpc.aio.secure_channel(connection.address, credentials, CHANNEL_OPTIONS)
    )
    own_time = _SystemTime()
    link = Link(
        own,
        channel,
        city_id=city_id,
        time=own_time,
        path=path,
        metadata=connection.metadata,
        on_trouble=lambda what: print(f"link: {what}", file=sys.stderr),
    )
    linking = asyncio.create_task(link.run())
    orders: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def listen() -> None:
        # A thread: a file or a closed stdin cannot be waited for otherwise.
        with contextlib.suppress(RuntimeError, ValueError):
            for line in sys.stdin:
                loop.call_soon_threadsafe(orders.put_nowait, line)

    threading.Thread(target=listen, name="orders", daemon=True).start()
    try:
        await _lamps(own, link, orders, own_time, seconds, as_json=as_json)
    finally:
        linking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await linking
        await channel.close()


async def _lamps(
    own: Controller,
    link: Link,
    orders: "asyncio.Queue[str]",
    own_time: "_SystemTime",
    seconds: float,
    *,
    as_json: bool,
) -> None:
    manual = Manual()
    begun_s = time.monotonic()
    last: tuple[Any, ...] = ()
    async for now_ms in whole_seconds(own_time):
        while not orders.empty():
            line = orders.get_nowait()
            if line.strip() == "quit":
                return
            if line.strip() == "status":
                last = ()
                continue
            manual = _ordered(line, manual, len(own.own_plan.stages))
        shown = own.step(now_ms, manual)
        status = own.status()
        now = (shown.state, shown.mode, status.switch, link.is_up)
        if now != last:
            print(_line(now_ms, shown, own, link, as_json=as_json), flush=True)
            last = now
        if seconds and time.monotonic() - begun_s >= seconds:
            return


def _ordered(line: str, manual: Manual, stages: int) -> Manual:
    word, _, rest = line.strip().partition(" ")
    changes: dict[str, dict[str, Any]] = {
        "hold": {"hold": True},
        "release": {"hold": False},
        "flash": {"flash": True},
        "steady": {"flash": False},
        "clear": {"pre_empt": None},
    }
    if word == "pre-empt" and rest.isdigit() and int(rest) < stages:
        change: dict[str, Any] = {"pre_empt": int(rest)}
    elif word in changes and not rest:
        change = changes[word]
    else:
        print(f"orders: {line.strip()!r}; expected {ORDERS}", file=sys.stderr)
        return manual
    now = {"hold": manual.hold, "flash": manual.flash, "pre_empt": manual.pre_empt}
    return Manual(**(now | change))


def _line(now_ms: int, shown: Shown, own: Controller, link: Link, *, as_json: bool) -> str:
    status = own.status()
    if as_json:
        row = {
            "time_ms": now_ms,
            "state": shown.state,
            "mode": str(shown.mode),
            "in_step": shown.in_step,
            "switch": status.switch,
            "revision": status.revision,
            "link": link.is_up,
            "clock_error_s": link.clock_error_s,
            "countdown": list(shown.numbers),
            "faults": list(status.faults),
        }
        return json.dumps(row)
    clock = datetime.fromtimestamp(now_ms / 1000, CIVIL_ZONE).strftime("%H:%M:%S")
    step = "in step" if shown.in_step else "out of step"
    plan = f"switch {status.switch}" if status.switch else "own plan"
    link_says = "link up" if link.is_up else "no link"
    return f"{clock} {shown.state} {shown.mode} {step}, {plan}, {link_says}"
