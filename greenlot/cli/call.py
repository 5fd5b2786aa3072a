"""``greenlot call``: one call to a server, by reflection."""

import os
import sys
from pathlib import Path
from typing import Annotated

import grpc
import typer

from greenlot.connection import Connection
from greenlot.errors import StartError
from greenlot.reflected import ReflectedServer
from greenlot.server import DEFAULT_LISTEN


def call(
    method: Annotated[
        str | None, typer.Argument(help="Its name, such as GetLot, or in full.")
    ] = None,
    request: Annotated[
        str,
        typer.Argument(help="The request as JSON, or - to read it; a line each for a stream."),
    ] = "{}",
    server: Annotated[
        str, typer.Option(envvar="GREENLOT_SERVER", help="HOST:PORT.")
    ] = DEFAULT_LISTEN,
    ca: Annotated[
        Path | None,
        typer.Option(envvar="GREENLOT_CA", help="PEM: who signed the server's certificate."),
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(envvar="GREENLOT_CERTIFICATE", help="PEM: the caller's own.")
    ] = None,
    key: Annotated[Path | None, typer.Option(envvar="GREENLOT_KEY", help="PEM: its key.")] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File of the token; default: the environment's GREENLOT_TOKEN."),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds; default: as long as it takes.")
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List the server's calls.")] = False,
) -> None:
    """Make a call: JSON in, JSON out; what the server offers is asked of the server.

    An answer with an error is one line on stderr, and exit status 1.
    """
    if (certificate is None) != (key is None) or (certificate is not None and ca is None):
        raise StartError("--certificate, --key: expected both, and --ca with them")
    connection = Connection(server, ca, certificate, key, _token(token_file))
    try:
        reflected = ReflectedServer(connection)
        try:
            if list_all or method is None:
                for item in reflected.methods():
                    print(item.full_name)
                return
            text = sys.stdin.read() if request == "-" else request
            found = reflected.find(method)
            requests = text.splitlines() if found.client_streaming else [text]
            for answer in reflected.call(found, requests, timeout_s=timeout):
                print(answer, flush=True)
        finally:
            reflected.close()
    except grpc.RpcError as error:
        code, words = getattr(error, "code", lambda: None)(), getattr(error, "details", str)()
        print(f"greenlot: {getattr(code, 'name', 'UNKNOWN')}: {words}", file=sys.stderr)
        raise typer.Exit(1) from None


def _token(path: Path | None) -> str | None:
    """Return the token: never of the command line, where everybody on the machine sees it."""
    if path is None:
        return os.environ.get("GREENLOT_TOKEN") or None
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "expected a token"
        raise StartError(f"--token-file {path}: {reason}") from error
