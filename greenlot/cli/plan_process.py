"""Makes a plan in a process of its own, which tells how long it took and how much memory."""

import hashlib
import json
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

import greenlot
import traffic
from scenarios.comparison import Made
from scenarios.run_store import RunStore, write_json
from scenarios.simulation import Inputs

OPTIMIZER = "greenlot.plans:optimize_to_file"
WARM_UP_S = 1.0
PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How to make a plan; ``optimizer`` is ``module:function``, called as
    ``function(inputs, out, seed=..., time_limit_s=..., refine_s=...)``.
    """

    seed: int
    time_limit_s: float
    refine_s: float
    optimizer: str


def make_plan(inputs: Inputs, out: Path, settings: Settings, store: RunStore) -> Made:
    """Make a plan, or take the one that is there from the same inputs, settings and program."""
    note = out.with_suffix(".json")
    key = f"{store.inputs_key(inputs)} {settings} {_program_key()}"
    key = hashlib.sha256(key.encode()).hexdigest()
    if out.is_file() and note.is_file():
        known = json.loads(note.read_text(encoding="utf-8"))
        if known.pop("key", "") == key:
            return Made(**known)
    note.unlink(missing_ok=True)
    made = plan_apart(inputs, out, settings)
    if not made.failed:
        write_json(note, {"key": key, **asdict(made)})
    return made


def plan_apart(inputs: Inputs, out: Path, settings: Settings) -> Made:
    """Make a plan in a process of its own, after a short search to warm up.

    What breaks the search off is an answer: it stands in ``failed``.
    """
    # Spawned, so that the memory is the search's own and not ours.
    context = multiprocessing.get_context("spawn")
    told, teller = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(teller, inputs, out, settings))
    process.start()
    teller.close()
    try:
        made = told.recv()
    except EOFError:
        process.join()
        return Made(failed=f"the search died, status {process.exitcode}")
    except BaseException:
        _stop(process.pid, process.join, process.is_alive)
        raise
    process.join()
    assert isinstance(made, Made)
    return made


def _stop(
    pid: int | None, join: Callable[[float | None], None], is_alive: Callable[[], bool]
) -> None:
    """Let a search end what it started itself, and then end it."""
    for sent in (signal.SIGINT, signal.SIGKILL):
        if is_alive() and pid is not None:
            os.kill(pid, sent)
            join(PATIENCE_S)


def _work(teller: Connection, inputs: Inputs, out: Path, settings: Settings) -> None:
    try:
        teller.send(_made(inputs, out, settings))
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        teller.close()


def _made(inputs: Inputs, out: Path, settings: Settings) -> Made:
    try:
        module, _, name = settings.optimizer.partition(":")
        optimize = getattr(import_module(module), name)
        with tempfile.TemporaryDirectory(prefix="warm-up.") as directory:
            first = Path(directory) / "plan.add.xml"
            optimize(inputs, first, seed=settings.seed, time_limit_s=WARM_UP_S, refine_s=0.0)
        began = time.perf_counter()
        optimize(
            inputs,
            out,
            seed=settings.seed,
            time_limit_s=settings.time_limit_s,
            refine_s=settings.refine_s,
        )
        return Made(time.perf_counter() - began, peak_memory_mb())
    except Exception as error:
        return Made(failed=f"{type(error).__name__}: {error}")


def peak_memory_mb() -> float:
    """Peak memory in MB of this process, or of the largest process that it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    # Linux hands the figure of the process that started this one on; its own stands in /proc.
    status = Path("/proc/self/status")
    if status.is_file():
        rows = dict(row.split(":", 1) for row in status.read_text().splitlines() if ":" in row)
        own = int(rows["VmHWM"].split()[0])
    else:
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    in_mb = 1024.0**2 if sys.platform == "darwin" else 1024.0
    return max(own, children) / in_mb


def _program_key() -> str:
    """Digest of the code that makes plans: a plan of an older program is no plan of this one."""
    engine, root = Path(traffic.__file__).parent, Path(greenlot.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(
        [*engine.rglob("*.py"), *root.glob("plans*.py"), *root.glob("plans/**/*.py")]
    ):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
