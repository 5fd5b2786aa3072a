"""How a server is protected, and what can be seen of it."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from greenlot.errors import StartError
from greenlot.interceptors import ServerLimits
from greenlot.security.certificates import ServerCertificate, TlsFiles
from greenlot.security.guard import Guard
from greenlot.security.token_file import TokenFile


@dataclass(frozen=True, slots=True)
class Protection:
    """Who may call, and what may be seen.

    Parameters
    ----------
    tls
        None = plain text.
    tokens
        File of the tokens; None = there are none.
    keeps_anonymous
        On loopback, callers without a token are let in even where there are tokens.
    allows_plaintext
        Listen beyond loopback without TLS, which something in front of the server has.
    limits
        Of the server as a whole.
    metrics
        ``PORT`` or ``HOST:PORT`` of the metrics; None = none.
    is_traced
        Calls are told to OpenTelemetry.
    """

    tls: TlsFiles | None = None
    tokens: Path | None = None
    keeps_anonymous: bool = False
    allows_plaintext: bool = False
    limits: ServerLimits = field(default_factory=ServerLimits)
    metrics: str | None = None
    is_traced: bool = False


def guard_of(
    protection: Protection,
    listen: str,
    tokens: TokenFile | None,
    certificate: ServerCertificate | None,
) -> Guard:
    """Return the guard of a server that listens there.

    Raises
    ------
    StartError
        It would be open: beyond loopback there must be tokens, and TLS unless it is asked for.
    """
    host = host_of(listen)
    is_local = is_loopback(host)
    if not is_local and certificate is None and not protection.allows_plaintext:
        raise StartError(
            f"--listen {listen}: {host} is not loopback; expected --tls-certificate and "
            "--tls-key, or --plaintext where something in front of the server has TLS"
        )
    if not is_local and (tokens is None or not tokens.book.records):
        raise StartError(
            f"--listen {listen}: {host} is not loopback and nobody has a token; see "
            "greenlot token add"
        )
    return Guard(tokens, is_local=is_local, keeps_anonymous=protection.keeps_anonymous)


def host_of(listen: str) -> str:
    """Return the host of ``HOST:PORT``, or raise StartError."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise StartError(f"--listen {listen}: expected HOST:PORT, port 0 to 65535")
    return host


def is_loopback(host: str) -> bool:
    """Whether only the machine itself can reach a host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
