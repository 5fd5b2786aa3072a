"""Options that say which server a command calls, and how it proves who it is."""

import os
from pathlib import Path
from typing import Annotated

import typer

from greenlot.connection import Connection
from greenlot.errors import StartError

ServerOption = Annotated[str, typer.Option(envvar="GREENLOT_SERVER", help="HOST:PORT.")]
CaOption = Annotated[
    Path | None,
    typer.Option(envvar="GREENLOT_CA", help="PEM: who signed the server's certificate."),
]
OwnCertificateOption = Annotated[
    Path | None, typer.Option(envvar="GREENLOT_CERTIFICATE", help="PEM: the caller's own.")
]
OwnKeyOption = Annotated[Path | None, typer.Option(envvar="GREENLOT_KEY", help="PEM: its key.")]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(help="File of the token; default: the environment's GREENLOT_TOKEN."),
]


def connection_to(
    server: str,
    ca: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    token_file: Path | None = None,
) -> Connection:
    """Return the connection that a command's options ask for.

    Raises
    ------
    StartError
        The options do not go together, or the token cannot be read.
    """
    if (certificate is None) != (key is None) or (certificate is not None and ca is None):
        raise StartError("--certificate, --key: expected both, and --ca with them")
    return Connection(server, ca, certificate, key, _token(token_file))


def _token(path: Path | None) -> str | None:
    """Return the token: never of the command line, where everybody on the machine sees it."""
    if path is None:
        return os.environ.get("GREENLOT_TOKEN") or None
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "expected a token"
        raise StartError(f"--token-file {path}: {reason}") from error
