"""A million operations against the naive model: ``python -m benchmarks.ledger_ops``.

Every outcome is compared as it comes; see ``tests/reliability/long_run.py``. Prints JSON; exits
with 1 at the first operation that is wrong.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

from parking.store import MemoryStore, PostgresStore, ReservationStore, SqliteStore
from tests.reliability.long_run import LongRun
from tests.reliability.postgres_server import running


def play(store: str, operations: int, seed: int, opened) -> None:
    run, begun = LongRun(opened, seed), time.monotonic()
    writer = asyncio.run(run.play(operations))
    run.close()
    seconds = time.monotonic() - begun
    print(
        json.dumps(
            {
                "store": store,
                "seed": seed,
                "operations": run.done.total(),
                "events": writer.state.revision,
                "restarts": run.restarts,
                "done": dict(sorted(run.done.items())),
                "seconds": round(seconds, 1),
                "operations_per_s": round(run.done.total() / seconds),
            }
        ),
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=["memory", "sqlite", "postgres"], default="sqlite")
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        if given.store == "postgres":
            with running() as database:
                play("postgres", given.operations, given.seed,
                     lambda: PostgresStore(database.url, city="x"))  # fmt: skip
            return
        memory = MemoryStore()

        def opened() -> ReservationStore:
            return memory if given.store == "memory" else SqliteStore(path)

        play(given.store, given.operations, given.seed, opened)


if __name__ == "__main__":
    main()
