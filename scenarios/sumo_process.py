"""SUMO's programs as child processes that end with the work they are for."""

import os
import re
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import sumo

from traffic.errors import InvalidInputError

_ERROR = re.compile(r"^Error: (.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)


class SumoError(RuntimeError):
    """SUMO broke off without saying why."""


def sumo_environment() -> dict[str, str]:
    """Return the environment in which SUMO's programs and tools find their own data."""
    return {**os.environ, "SUMO_HOME": str(sumo.SUMO_HOME)}


def sumo_program(name: str) -> str:
    """Return the path of one of SUMO's programs."""
    return str(Path(sumo.SUMO_HOME) / "bin" / name)


def run_sumo(options: Sequence[str], *, program: str = "sumo") -> None:
    """Run one of SUMO's programs and end it when the call is broken off.

    Raises
    ------
    InvalidInputError
        It refuses its input; the message is its own first one.
    SumoError
        It broke off without a message.
    """
    command = [sumo_program(program), *options]
    status, said = run_child(command)
    if status:
        errors = _ERROR.findall(said)
        if not errors:
            told = said.strip().splitlines()[-1:] or ["no message"]
            raise SumoError(f"{program} ended with status {status}: {told[0]}")
        message = " ".join(errors[0].split())
        raise InvalidInputError(message, where=program)


def run_child(command: Sequence[str], *, cwd: Path | None = None) -> tuple[int, str]:
    """Run a program to its end; return its status and what it said on stderr.

    It ends when this call is broken off, or when the ``SimulationPool`` that runs it is.
    """
    children: _Children | None = getattr(_here, "children", None)
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=sumo_environment(),
        cwd=cwd,
    )
    try:
        if children is not None:
            children.add(child)
        _, said = child.communicate()
    except BaseException:
        child.kill()
        child.communicate()
        raise
    finally:
        if children is not None:
            children.discard(child)
    return child.returncode, said


class _Children:
    """The processes that a pool runs now; once stopped, it lets none live."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def add(self, child: subprocess.Popen[str]) -> None:
        with self._lock:
            self._running.add(child)
            if self._stopped:
                child.kill()

    def discard(self, child: subprocess.Popen[str]) -> None:
        with self._lock:
            self._running.discard(child)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for child in self._running:
                child.kill()


_here = threading.local()


def _adopt(children: _Children) -> None:
    _here.children = children


class SimulationPool(ThreadPoolExecutor):
    """Threads that each wait for a SUMO process; left by an exception, it ends them all.

    The work is SUMO's, so threads do; any other executor does, too: ``simulate`` pickles.
    """

    def __init__(self, workers: int) -> None:
        self._children = _Children()
        super().__init__(workers, initializer=_adopt, initargs=(self._children,))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for all runs, or end them when the block was broken off."""
        if kind is not None:
            self.shutdown(wait=False, cancel_futures=True)
            self._children.stop()
        self.shutdown(wait=True)
