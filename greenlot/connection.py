"""How a client of this project reaches a server: TLS, and a token that goes with every call."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from greenlot.errors import StartError

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a server is, and how a caller proves who he is.

    Parameters
    ----------
    address
        ``HOST:PORT``.
    ca
        PEM: who has signed the server's certificate. None = plain text.
    certificate, key
        PEM: the caller's own, where the server asks for one.
    token
        None = without one.
    """

    address: str
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    token: str | None = None

    def channel(self) -> grpc.Channel:
        """Open a channel; its calls carry the token.

        Raises
        ------
        StartError
            A file cannot be read.
        """
        credentials = self.credentials()
        if credentials is None:
            channel = grpc.insecure_channel(self.address)
        else:
            channel = grpc.secure_channel(self.address, credentials)
        if not self.metadata:
            return channel
        return grpc.intercept_channel(channel, _WithMetadata(self.metadata))

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Return what TLS needs; None = plain text.

        Raises
        ------
        StartError
            A file cannot be read.
        """
        if self.ca is None:
            return None
        return grpc.ssl_channel_credentials(
            _bytes(self.ca), _bytes(self.key), _bytes(self.certificate)
        )

    @property
    def metadata(self) -> Metadata:
        """What goes with every call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()


class _Details(grpc.ClientCallDetails):
    """Of a call, with other metadata."""

    def __init__(self, of: Any, metadata: Any) -> None:
        self.method = of.method
        self.timeout = of.timeout
        self.metadata = metadata
        self.credentials = of.credentials
        self.wait_for_ready = of.wait_for_ready
        self.compression = of.compression


class _WithMetadata(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Adds the same to every call."""

    def __init__(self, added: Metadata) -> None:
        self._added = added

    def _go_on(self, continuation: Any, details: Any, request: Any) -> Any:
        metadata = (*(details.metadata or ()), *self._added)
        return continuation(_Details(details, metadata), request)

    intercept_unary_unary: Any = _go_on
    intercept_unary_stream: Any = _go_on
    intercept_stream_unary: Any = _go_on
    intercept_stream_stream: Any = _go_on


def _bytes(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}") from error
