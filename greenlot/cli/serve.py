"""``greenlot serve``: the server with both services."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from greenlot.city import load_city
from greenlot.logs import configure_logging
from greenlot.server import DEFAULT_LISTEN, serve_until_signalled


def serve(
    city: Annotated[
        Path | None, typer.Option(help="City directory; default: Dongying, built from its recipe.")
    ] = None,
    listen: Annotated[
        str, typer.Option(envvar="GREENLOT_LISTEN", help="HOST:PORT; port 0 picks a free one.")
    ] = DEFAULT_LISTEN,
    data: Annotated[
        Path, typer.Option(envvar="GREENLOT_DATA", help="Where plans and reservations are kept.")
    ] = Path("greenlot-data"),
    store: Annotated[
        str | None,
        typer.Option(
            envvar="GREENLOT_STORE",
            help="sqlite:PATH (the ledger's file) or postgresql://... (plans and ledger, for "
            "several servers); default: files in --data.",
        ),
    ] = None,
    keep_ended_h: Annotated[
        float,
        typer.Option(
            min=0,
            max=24 * 365,
            help="Hours that an ended reservation stays in memory, to be listed and looked up.",
        ),
    ] = 24.0,
) -> None:
    """Serve signal timing and parking over gRPC until SIGTERM or Ctrl-C.

    Prints exactly one line, ``listening on HOST:PORT``, on stdout when ready.
    """
    configure_logging()
    loaded = load_city(city, cache=data)
    asyncio.run(
        serve_until_signalled(
            loaded,
            listen=listen,
            data=data,
            store=store,
            kept_ms=round(keep_ended_h * 3_600_000),
            ready=lambda address: print(f"listening on {address}", flush=True),
        )
    )
