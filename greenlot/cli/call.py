"""``greenlot call``: one call to a server, by reflection."""

import sys
from typing import Annotated

import grpc
import typer

from greenlot.cli.client_options import (
    CaOption,
    OwnCertificateOption,
    OwnKeyOption,
    ServerOption,
    TokenFileOption,
    connection_to,
)
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
    server: ServerOption = DEFAULT_LISTEN,
    ca: CaOption = None,
    certificate: OwnCertificateOption = None,
    key: OwnKeyOption = None,
    token_file: TokenFileOption = None,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds; default: as long as it takes.")
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List the server's calls.")] = False,
) -> None:
    """Make a call: JSON in, JSON out; what the server offers is asked of the server.

    An answer with an error is one line on stderr, and exit status 1.
    """
    connection = connection_to(server, ca, certificate, key, token_file)
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
