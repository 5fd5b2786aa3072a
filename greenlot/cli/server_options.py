"""Options that say how a server is set up; the same for what serves and for what checks."""

from pathlib import Path
from typing import Annotated

import typer

from greenlot.errors import StartError
from greenlot.security.certificates import TlsFiles

ListenOption = Annotated[
    str, typer.Option(envvar="GREENLOT_LISTEN", help="HOST:PORT; port 0 picks a free one.")
]
DataOption = Annotated[
    Path, typer.Option(envvar="GREENLOT_DATA", help="Where plans and reservations are kept.")
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        envvar="GREENLOT_STORE",
        help="sqlite:PATH (the ledger's file) or postgresql://... (plans and ledger, for "
        "several servers); default: files in --data.",
    ),
]
CertificateOption = Annotated[
    Path | None,
    typer.Option(
        envvar="GREENLOT_TLS_CERTIFICATE",
        help="PEM: the server's certificate, then those that it is signed with. Read again when "
        "it changes.",
    ),
]
KeyOption = Annotated[
    Path | None,
    typer.Option(envvar="GREENLOT_TLS_KEY", help="PEM: its private key, without a password."),
]
ClientCaOption = Annotated[
    Path | None,
    typer.Option(
        envvar="GREENLOT_TLS_CLIENT_CA",
        help="PEM: who signs clients' certificates; then every client needs one (mutual TLS).",
    ),
]
TokensOption = Annotated[
    Path | None,
    typer.Option(
        envvar="GREENLOT_TOKENS", help="File of the tokens; default: tokens.json in --data."
    ),
]
MetricsOption = Annotated[
    str | None,
    typer.Option(
        envvar="GREENLOT_METRICS",
        help="PORT (on loopback) or HOST:PORT of the metrics for Prometheus; default: none.",
    ),
]


def tls_files(
    certificate: Path | None, key: Path | None, client_ca: Path | None
) -> TlsFiles | None:
    """Return where TLS is, or None; raise StartError where half of it is missing."""
    if certificate is None and key is None:
        if client_ca is not None:
            raise StartError("--tls-client-ca: expected --tls-certificate and --tls-key with it")
        return None
    if certificate is None or key is None:
        raise StartError("--tls-certificate, --tls-key: expected both or neither")
    return TlsFiles(certificate, key, client_ca)


def tokens_path(tokens: Path | None, data: Path) -> Path:
    """Return the file of the tokens."""
    return tokens if tokens is not None else data / "tokens.json"
