"""What is kept: the directory, the stores in it or in a database, the drivers' secret."""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import apsw
import psycopg

from greenlot.doctor.findings import Finding, ok, warning, wrong
from greenlot.driver_secrets import CURRENT
from greenlot.errors import StartError
from greenlot.logs import scrub
from greenlot.stores import is_postgres, sqlite_path

LOW_BYTES, LEAST_BYTES = 2 * 1024**3, 200 * 1024**2
SLOW_FSYNC_MS = 50.0
SKEW_S = 1.0
CONNECT_S = 5


def check_directory(data: Path) -> list[Finding]:
    """Whether the directory can be written, has room, and a disk that is quick enough."""
    place = data
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return [
            wrong("data", f"{data}: cannot be written", f"give it to the server's user: {place}")
        ]
    free = shutil.disk_usage(place).free
    shown = f"{data}: {free / 1024**3:.1f} GiB free"
    if free < LEAST_BYTES:
        found = [wrong("disk", shown, "make room: a full disk makes the store read-only")]
    elif free < LOW_BYTES:
        found = [warning("disk", shown, "make room soon")]
    else:
        found = [ok("disk", shown)]
    took_ms = _fsync_ms(place)
    says = f"a write with fsync takes {took_ms:.1f} ms"
    found.append(
        ok("fsync", says)
        if took_ms <= SLOW_FSYNC_MS
        else warning("fsync", says, "every booking waits for one: take a local SSD")
    )
    return found


def _fsync_ms(place: Path) -> float:
    times = []
    with tempfile.TemporaryFile(dir=place) as stream:
        for _ in range(5):
            began = time.perf_counter()
            stream.write(b"x" * 4096)
            stream.flush()
            os.fsync(stream.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return sorted(times)[2]


def check_store(address: str | None, data: Path, city_id: str | None) -> list[Finding]:
    """Whether the stores can be opened and are sound. Nothing is written."""
    if address is not None and is_postgres(address):
        return _check_postgres(address)
    try:
        ledger = None if address is None else sqlite_path(address)
    except StartError as error:
        return [wrong("store", str(error), "see docs/operations-store.md")]
    files = [] if ledger is None else [ledger]
    pattern = f"{city_id}-*.sqlite" if city_id else "*.sqlite"
    files += [path for path in sorted(data.glob(pattern)) if path not in files]
    if not any(path.exists() for path in files):
        return [ok("store", "there is none yet: the server makes it")]
    return [_check_sqlite(path) for path in files if path.exists()]


def _check_sqlite(path: Path) -> Finding:
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(2000)
            result = connection.execute("PRAGMA quick_check(1)").get
            version = connection.execute("PRAGMA user_version").get
        finally:
            connection.close()
    except apsw.Error as error:
        return wrong("store", f"{path}: {error}", "restore the last backup: greenlot restore")
    if result != "ok":
        return wrong("store", f"{path}: {result}", "restore the last backup: greenlot restore")
    size = path.stat().st_size / 1024**2
    return ok("store", f"{path}: sound, {size:.1f} MiB, schema {version}")


def _check_postgres(address: str) -> list[Finding]:
    try:
        with psycopg.connect(address, connect_timeout=CONNECT_S, autocommit=True) as connection:
            return _look_at_postgres(connection)
    except psycopg.Error as error:
        # Its text may hold the address, and that a password.
        return [wrong("store", f"PostgreSQL: {scrub(str(error).strip())}", "see that it answers")]


def _look_at_postgres(connection: psycopg.Connection[tuple[Any, ...]]) -> list[Finding]:
    settings = {
        name: _one(connection, f"SHOW {name}")
        for name in ("server_version", "fsync", "synchronous_commit", "full_page_writes")
    }
    found = [ok("store", f"PostgreSQL {settings['server_version']} answers")]
    loose = [name for name in ("fsync", "full_page_writes") if settings[name] != "on"]
    if settings["synchronous_commit"] == "off":
        loose.append("synchronous_commit")
    if loose:
        found.append(
            wrong(
                "durability",
                f"{', '.join(loose)} off: a crash loses bookings that were confirmed",
                "switch them on in postgresql.conf",
            )
        )
    began = time.time()
    there = float(_one(connection, "SELECT extract(epoch FROM clock_timestamp())"))
    skew_s = there - (began + time.time()) / 2
    if abs(skew_s) > SKEW_S:
        found.append(
            wrong(
                "database clock",
                f"{skew_s:+.1f} s from this machine's",
                "let chrony or ntpd keep both",
            )
        )
    return found


def _one(connection: psycopg.Connection[tuple[Any, ...]], query: str) -> str:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return str(row[0])


def check_secret(
    address: str | None, environment: Mapping[str, str] | None = None
) -> list[Finding]:
    """Whether drivers can be told apart: servers that share a database share a secret."""
    environment = os.environ if environment is None else environment
    if address is None or not is_postgres(address) or environment.get(CURRENT):
        return []
    return [
        warning(
            "drivers' secret",
            f"{CURRENT} is not set: calls with a plate or a phone number are refused",
            "give all servers of the city the same, at least 32 random bytes",
        )
    ]
