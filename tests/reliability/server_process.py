"""``greenlot serve`` as a process of its own, to be killed."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

GREENLOT = str(Path(sys.executable).with_name("greenlot"))


class ServerProcess:
    """A server on a city and a store; ``start`` again after it died."""

    def __init__(
        self, city: Path, data: Path, store: str | None = None, options: Sequence[str] = ()
    ) -> None:
        self._words = ["--city", str(city), "--data", str(data), "--listen", "127.0.0.1:0"]
        if store is not None:
            self._words += ["--store", store]
        self._words += options
        self._log = data.parent / f"{data.name}.log"
        self._process: subprocess.Popen[str] | None = None
        self.address = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it listens."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [GREENLOT, "serve", *self._words], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("listening on "):
            raise RuntimeError(f"the server does not start:\n{self.words()[-2000:]}")
        self.address = line.split()[-1]

    def kill(self) -> None:
        """SIGKILL, as the kernel does it to whoever eats too much memory."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: let it finish."""
        self._end(signal.SIGTERM)

    def words(self) -> str:
        """What it has logged."""
        return self._log.read_text()

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self.address = ""
        self._process.send_signal(number)
        self._process.communicate(timeout=60)
        self._process = None
