"""What the machine gives: ports, open files, a clock that is right."""

import ctypes
import errno
import os
import resource
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from greenlot.doctor.findings import Finding, ok, warning, wrong
from greenlot.errors import StartError
from greenlot.protection import host_of

SPARE_FILES = 500
"""Files of the server itself: stores, sockets, libraries."""
CLOCK_GOOD_S = 0.5
LOOK_S = 0.1
BUILT = datetime(2026, 1, 1, tzinfo=UTC)
"""No machine that runs this program can be earlier."""
STA_UNSYNC = 0x40


class _Timex(ctypes.Structure):
    """The beginning of the kernel's ``struct timex``, and room for the rest of it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def check_listen(what: str, address: str) -> Finding:
    """Whether an address can be listened on."""
    try:
        host, port = host_of(address).strip("[]"), int(address.rpartition(":")[2])
    except StartError:
        return wrong(what, f"{address} is no address", "give HOST:PORT, port 0 to 65535")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return wrong(what, f"{address}: {error.strerror}", "give an address of this machine")
    family, kind, protocol, _, place = found[0]
    with socket.socket(family, kind, protocol) as trial:
        # As gRPC does: a port whose last connections are still closing is free.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(place)
        except OSError as error:
            return _taken(what, address, error)
    return ok(what, f"{address} is free")


def _taken(what: str, address: str, error: OSError) -> Finding:
    if error.errno == errno.EACCES:
        return wrong(
            what, f"{address} is not allowed", "take a port from 1024 on, or CAP_NET_BIND_SERVICE"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return wrong(
            what, f"{address} is not an address of this machine", "see the addresses: ip addr"
        )
    if error.errno != errno.EADDRINUSE:
        return wrong(what, f"{address}: {os.strerror(error.errno or 0)}", "take another address")
    with grpc.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
        except grpc.RpcError:
            return wrong(
                what,
                f"{address} is in use, by something that does not say that it is a server of ours",
                f"see who it is: ss -ltnp 'sport = :{address.rpartition(':')[2]}'",
            )
    state = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return warning(
        what,
        f"a gRPC server listens on {address} already, its health is {state}",
        "stop it before another one starts",
    )


def check_open_files(connections: int) -> Finding:
    """Whether so many callers can be connected: each takes a file descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + SPARE_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        shown = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
        return ok("ulimit -n", f"{shown}, enough for {connections} connections")
    do = f"ulimit -n {needed}, or LimitNOFILE={needed} in the systemd unit"
    if hard != resource.RLIM_INFINITY and hard < needed:
        do += f"; the hard limit is {hard}, which root raises in /etc/security/limits.conf"
    return wrong("ulimit -n", f"{soft}, {connections} connections need {needed}", do)


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What the machine says of its clock.

    Parameters
    ----------
    now
        The time.
    jumped_s
        By how much it jumped against the monotonic clock while it was looked at.
    is_kept
        Whether something keeps it right, as the kernel says; None = it does not say.
    error_s
        By how much it may be wrong, as the kernel says.
    """

    now: datetime
    jumped_s: float
    is_kept: bool | None
    error_s: float = 0.0


def check_clock() -> Finding:
    """Whether the clock is right: offsets, validities and holds all go by it."""
    return judge_clock(read_clock())


def judge_clock(reading: ClockReading) -> Finding:
    """Return what is to be said of a clock."""
    now = reading.now
    if now < BUILT:
        return wrong("clock", f"it says {now:%Y-%m-%d %H:%M} UTC", "set it, and run chrony or ntpd")
    if reading.jumped_s > CLOCK_GOOD_S:
        return wrong(
            "clock",
            f"it jumped by {reading.jumped_s:.1f} s while it was looked at",
            "let one program alone set it: chrony or ntpd",
        )
    if reading.is_kept is None:
        return warning(
            "clock", "the kernel does not say whether it is kept right", "compare: chronyc tracking"
        )
    if not reading.is_kept:
        return warning(
            "clock",
            f"it says {now:%Y-%m-%d %H:%M:%S} UTC, and nothing keeps it right",
            "run chrony or ntpd: offsets count from local midnight, and 2 s are an alarm",
        )
    if reading.error_s > CLOCK_GOOD_S:
        return warning(
            "clock",
            f"it may be wrong by {reading.error_s:.2f} s",
            "see chronyc sources: are they reached?",
        )
    return ok("clock", f"kept right, to {reading.error_s * 1000:.0f} ms at most")


def read_clock(
    wall_s: Callable[[], float] = time.time,
    steady_s: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> ClockReading:
    """Look at the machine's clock for a moment, and ask the kernel about it."""
    wall, steady = wall_s(), steady_s()
    wait(LOOK_S)
    now_s = wall_s()
    jumped_s = abs((now_s - wall) - (steady_s() - steady))
    now = datetime.fromtimestamp(now_s, UTC)
    timex = _Timex()
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "adjtimex") or libc.adjtimex(ctypes.byref(timex)) < 0:
        return ClockReading(now, jumped_s, None)
    return ClockReading(now, jumped_s, not timex.status & STA_UNSYNC, timex.maxerror / 1e6)
