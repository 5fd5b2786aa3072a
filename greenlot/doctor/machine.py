"""What the machine gives: ports, open files, a clock that is right."""

import ctypes
import errno
import os
import resource
import socket
import time
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


def check_clock() -> Finding:
    """Whether the clock is right: offsets, validities and holds all go by it."""
    now = datetime.now(UTC)
    if now < BUILT:
        return wrong("clock", f"it says {now:%Y-%m-%d %H:%M} UTC", "set it, and run chrony or ntpd")
    drift_s = _stands_still()
    if drift_s > CLOCK_GOOD_S:
        return wrong(
            "clock",
            f"it jumped by {drift_s:.1f} s while it was looked at",
            "let one program alone set it: chrony or ntpd",
        )
    timex = _Timex()
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "adjtimex") or libc.adjtimex(ctypes.byref(timex)) < 0:
        return warning(
            "clock", "the kernel does not say whether it is kept right", "compare: chronyc tracking"
        )
    if timex.status & STA_UNSYNC:
        return warning(
            "clock",
            f"it says {now:%Y-%m-%d %H:%M:%S} UTC, and nothing keeps it right",
            "run chrony or ntpd: offsets count from local midnight, and 2 s are an alarm",
        )
    error_s = timex.maxerror / 1e6
    if error_s > CLOCK_GOOD_S:
        return warning(
            "clock", f"it may be wrong by {error_s:.2f} s", "see chronyc sources: are they reached?"
        )
    return ok("clock", f"kept right, to {error_s * 1000:.0f} ms at most")


def _stands_still() -> float:
    """Return how much the clock jumps against the monotonic one in a moment, s."""
    wall, steady = time.time(), time.monotonic()
    time.sleep(0.1)
    return abs((time.time() - wall) - (time.monotonic() - steady))
