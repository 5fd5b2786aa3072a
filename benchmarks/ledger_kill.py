"""Kill real servers under load, many times: ``python -m benchmarks.ledger_kill --kills 50``.

Drivers book, come and go through ``greenlot serve`` and keep an fsynced file of every answer that
they were given. Prints one JSON object a store; exit status 1 if anything acknowledged was lost,
anything was given twice, or a lot was overfull. A process crash, not a loss of power.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

import tests.reliability  # noqa: F401  (before gRPC: see there)
from tests.conftest import write_city
from tests.reliability.killing import DRIVERS, kill_one_server, kill_replicas
from tests.reliability.postgres_server import running


async def measure(store: str, kills: int, restarts: int, seed: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        root, begun = Path(folder), time.monotonic()
        city = write_city(root / "city")
        if store == "sqlite":
            witness = await kill_one_server(city, root, kills=kills, seed=seed)
        else:
            with running() as database:
                witness = await kill_replicas(
                    city, root, database, kills=kills, restarts=restarts, seed=seed
                )
        report = {
            "store": store,
            "servers": 1 if store == "sqlite" else 2,
            "drivers": DRIVERS,
            "kills": kills,
            "database_crashes": 0 if store == "sqlite" else restarts,
            "seed": seed,
            "acknowledged": dict(witness.acknowledged),
            "calls_made_again": witness.retried,
            "reservations_given": len(witness.given),
            "wrong": witness.wrong,
            "seconds": round(time.monotonic() - begun, 1),
        }
        print(json.dumps(report), flush=True)
        return not witness.wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--restarts", type=int, default=10, help="crashes of the database")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    stores = ["sqlite", "postgres"] if given.store == "both" else [given.store]
    sound = [asyncio.run(measure(s, given.kills, given.restarts, given.seed)) for s in stores]
    return 0 if all(sound) else 1


if __name__ == "__main__":
    sys.exit(main())
