"""gRPC by hand: HTTP/2 frames as no well-behaved client would send them."""

import socket
import struct
from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Make one frame; its length is what the payload has."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def field(name: str, value: bytes) -> bytes:
    """Write a header down literally, without any table."""
    assert len(name) < 127
    return b"\x00" + bytes([len(name)]) + name.encode() + _length(len(value)) + value


def _length(size: int) -> bytes:
    if size < 127:
        return bytes([size])
    rest, out = size - 127, bytearray([127])
    while rest >= 128:
        out.append(rest % 128 + 128)
        rest //= 128
    return bytes([*out, rest])


def headers(path: str, **more: bytes) -> bytes:
    """Write the headers of a call."""
    fields = {
        ":method": b"POST",
        ":scheme": b"http",
        ":path": path.encode(),
        ":authority": b"localhost",
        "te": b"trailers",
        "content-type": b"application/grpc",
    } | {name.replace("_", "-"): value for name, value in more.items()}
    return b"".join(field(name, value) for name, value in fields.items())


def message(body: bytes, *, claimed: int | None = None, flag: int = 0) -> bytes:
    """Frame a message; ``claimed`` is the length that it says it has."""
    return struct.pack(">BI", flag, len(body) if claimed is None else claimed) + body


class Peer:
    """A raw connection to a server."""

    def __init__(self, address: str, timeout_s: float = 5) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=timeout_s)

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def hello(self) -> "Peer":
        """Send what begins a connection."""
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))
        return self

    def call(self, path: str, data: bytes, *, ends: bool = True, **more: bytes) -> None:
        """Begin a call with headers and one frame of data."""
        self.socket.sendall(
            frame(HEADERS, END_HEADERS, 1, headers(path, **more))
            + frame(DATA, END_STREAM if ends else 0, 1, data)
        )

    def frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Read frames until the server closes the connection, or says nothing."""
        try:
            while True:
                head = self._exactly(9)
                size = int.from_bytes(head[:3], "big")
                kind, flags, stream = struct.unpack(">BBI", head[3:])
                yield kind, flags, stream, self._exactly(size)
        except (EOFError, OSError):
            return

    def answered(self) -> bytes:
        """Read until the call or the connection ends; return all that was said of the call."""
        said = b""
        for kind, flags, stream, payload in self.frames():
            if stream == 1:
                said += payload
            if kind == GOAWAY or (stream == 1 and (kind == RST_STREAM or flags & END_STREAM)):
                break
        return said

    def _exactly(self, size: int) -> bytes:
        out = b""
        while len(out) < size:
            more = self.socket.recv(size - len(out))
            if not more:
                raise EOFError
            out += more
        return out
