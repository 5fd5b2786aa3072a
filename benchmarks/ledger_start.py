"""A start after a day of a big city: ``python -m benchmarks.ledger_start``.

Writes a day's reservations into an embedded store (held, confirmed, parked, left), then starts a
writer on it twice: from the log alone, and from a snapshot with some events behind it. Both must
come to the same state. Prints JSON; exits with 1 if they do not.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from parking.ledger import (
    Arrive,
    Command,
    Confirm,
    Depart,
    Hold,
    LedgerState,
    Rules,
    SetCapacity,
    advance,
    apply,
    evolve,
)
from parking.store import Batch, SqliteStore
from parking.store_writer import LedgerWriter
from parking.store_writer.snapshots import EVERY, save

DAY_MS = 86_400_000
START_MS = 1_795_363_200_000
POOLS = 400
BATCH = 500
RULES = Rules()


def day(reservations: int, seed: int) -> list[tuple[int, Command]]:
    """Return a day's commands in the order of time."""
    rng, found = random.Random(seed), []
    for k in range(reservations):
        pool, name = rng.randrange(POOLS), f"{k:032x}"
        begin = START_MS + rng.randrange(DAY_MS)
        stay = rng.randrange(20, 180) * 60_000
        arrive = begin + rng.randrange(20) * 60_000
        wish = '{"from":[118.66,37.43],"to":[118.67,37.44],"class":"standard","fen_per_h":3000}'
        hold = Hold(name, f"d{k}", f"L{pool}", f"P{pool}", arrive, arrive + stay, 500, wish=wish)
        found.append((begin, hold))
        found.append((begin + 30_000, Confirm(name)))
        found.append((arrive + 60_000, Arrive(name)))
        found.append((arrive + stay - 60_000, Depart(name)))
    found.sort(key=lambda item: item[0])
    return found


def write(store: SqliteStore, reservations: int, seed: int) -> LedgerState:
    """Write the day, some hundred events a commit."""
    state, base, events = LedgerState(), LedgerState(), []
    for pool in range(POOLS):
        state, more = apply(state, SetCapacity(f"P{pool}", f"L{pool}", 10_000), START_MS, RULES)
        events += more
    for at_ms, command in day(reservations, seed):
        state, due = advance(state, at_ms, RULES)
        state, more = apply(state, command, at_ms, RULES)
        events += (*due, *more)
        if len(events) > BATCH:
            store.append(Batch(base.revision, events, (), base, state)).result()
            base, events = state, []
    store.append(Batch(base.revision, events, (), base, state)).result()
    return state


async def started(path: Path) -> tuple[LedgerState, float]:
    """Start a writer; return its state and the seconds that it took."""
    store, begin = SqliteStore(path), time.perf_counter()
    writer = LedgerWriter(store, RULES, lambda: START_MS)
    took_s = time.perf_counter() - begin
    store.close()
    return writer.state, took_s


async def measure(path: Path, reservations: int, seed: int) -> dict:
    store = SqliteStore(path)
    state = write(store, reservations, seed)
    store.close()
    from_log, log_s = await started(path)
    behind = max(EVERY, len(state.reservations) // 2)
    store = SqliteStore(path)
    before = LedgerState()
    for k, event in enumerate(store.read(), 1):
        before = evolve(before, event)
        if k == max(1, state.revision - behind):
            break
    begin = time.perf_counter()
    await save(store, before)
    save_s = time.perf_counter() - begin
    store.close()
    behind_it, worst_s = await started(path)
    store = SqliteStore(path)
    await save(store, state)
    store.close()
    at_end, best_s = await started(path)
    return {
        "events": state.revision,
        "reservations_in_the_state": len(state.reservations),
        "from_the_log_s": round(log_s, 1),
        "from_a_snapshot_s": round(best_s, 2),
        "events_behind_the_oldest": behind,
        "from_the_oldest_snapshot_s": round(worst_s, 2),
        "taking_one_s": round(save_s, 2),
        "load_1min": round(os.getloadavg()[0], 2),
        "same": from_log == behind_it == at_end == state,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reservations", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        report = asyncio.run(measure(path, given.reservations, given.seed))
        report["file_mb"] = round(path.stat().st_size / 1e6)
    print(json.dumps(report, indent=1))
    return 0 if report["same"] else 1


if __name__ == "__main__":
    sys.exit(main())
