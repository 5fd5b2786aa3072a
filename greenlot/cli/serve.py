"""``greenlot serve``: the server with both services."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from greenlot.city import load_city
from greenlot.cli.server_options import (
    CertificateOption,
    ClientCaOption,
    DataOption,
    KeyOption,
    ListenOption,
    MetricsOption,
    StoreOption,
    TokensOption,
    tls_files,
    tokens_path,
)
from greenlot.interceptors import ServerLimits
from greenlot.logs import LogFormat, configure_logging
from greenlot.protection import Protection
from greenlot.server import DEFAULT_LISTEN, serve_until_signalled


def serve(
    city: Annotated[
        Path | None,
        typer.Option(
            envvar="GREENLOT_CITY",
            help="City directory; default: Dongying, built from its recipe.",
        ),
    ] = None,
    listen: ListenOption = DEFAULT_LISTEN,
    data: DataOption = Path("greenlot-data"),
    store: StoreOption = None,
    keep_ended_h: Annotated[
        float,
        typer.Option(
            min=0,
            max=24 * 365,
            help="Hours that an ended reservation stays in memory, to be listed and looked up.",
        ),
    ] = 24.0,
    tls_certificate: CertificateOption = None,
    tls_key: KeyOption = None,
    tls_client_ca: ClientCaOption = None,
    tokens: TokensOption = None,
    anonymous: Annotated[
        bool,
        typer.Option(
            "--anonymous",
            help="On loopback, let callers without a token in although there are tokens.",
        ),
    ] = False,
    plaintext: Annotated[
        bool,
        typer.Option(
            "--plaintext",
            envvar="GREENLOT_PLAINTEXT",
            help="Listen beyond loopback without TLS, because something in front has it.",
        ),
    ] = False,
    metrics: MetricsOption = None,
    tracing: Annotated[
        bool,
        typer.Option(
            "--tracing",
            envvar="GREENLOT_TRACING",
            help="Tell calls to OpenTelemetry, as its own environment variables say.",
        ),
    ] = False,
    log_format: Annotated[
        LogFormat, typer.Option(envvar="GREENLOT_LOG_FORMAT", help="How a line of the log looks.")
    ] = LogFormat.TEXT,
    log_calls: Annotated[
        bool,
        typer.Option(
            "--log-calls",
            envvar="GREENLOT_LOG_CALLS",
            help="A line in the log for each call, not only for those that change plans and lots.",
        ),
    ] = False,
    max_calls: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Unary calls at the same time.")
    ] = ServerLimits().in_flight,
    max_streams: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Open streams at the same time.")
    ] = ServerLimits().streams,
) -> None:
    """Serve signal timing and parking over gRPC until SIGTERM or Ctrl-C.

    Prints exactly one line, ``listening on HOST:PORT``, on stdout when ready.
    """
    configure_logging(shape=log_format)
    protection = Protection(
        tls=tls_files(tls_certificate, tls_key, tls_client_ca),
        tokens=tokens_path(tokens, data),
        keeps_anonymous=anonymous,
        allows_plaintext=plaintext,
        limits=ServerLimits(in_flight=max_calls, streams=max_streams, logs_all=log_calls),
        metrics=metrics,
        is_traced=tracing,
    )
    loaded = load_city(city, cache=data)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(
            serve_until_signalled(
                loaded,
                listen=listen,
                data=data,
                store=store,
                kept_ms=round(keep_ended_h * 3_600_000),
                protection=protection,
                ready=lambda address: print(f"listening on {address}", flush=True),
            )
        )
