"""Servers and databases that are killed while drivers are on the road."""

import asyncio
import contextlib
import random
import signal
from pathlib import Path

from parking.store import PostgresStore, SqliteStore
from tests.reliability.postgres_server import PostgresServer
from tests.reliability.server_process import ServerProcess
from tests.reliability.witness import Witness, driving

CITY_ID = "smallville"
CAPACITIES = {"near": 2, "far": 5}
"""Of the small city's lots, those that a car of 2 m fits in."""
DRIVERS = 12


async def kill_one_server(city: Path, folder: Path, *, kills: int, seed: int) -> Witness:
    """Kill the one server of an embedded store again and again, then compare."""
    ledger = folder / "ledger.sqlite"
    server = ServerProcess(city, folder / "data", f"sqlite:{ledger}")
    witness = _witness(folder, [server], seed)
    choice = random.Random(seed)
    with server:
        async with driving(witness, DRIVERS):
            for _ in range(kills):
                await asyncio.sleep(choice.uniform(0.1, 1.0))
                server.kill()
                await asyncio.to_thread(server.start)
            await asyncio.sleep(0.3)
        server.stop()
    store = SqliteStore(ledger)
    witness.check(list(store.read()))
    store.close()
    return witness


async def kill_replicas(
    city: Path, folder: Path, database: PostgresServer, *, kills: int, restarts: int, seed: int
) -> Witness:
    """Kill one of two servers again and again, and crash their database in between."""
    url = database.url
    servers = [ServerProcess(city, folder / f"data{k}", url) for k in range(2)]
    witness = _witness(folder, servers, seed)
    choice = random.Random(seed)
    deeds = ["server"] * kills + ["database"] * restarts
    choice.shuffle(deeds)
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.kill)
        # Both at once, as they would be.
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
        async with driving(witness, DRIVERS):
            for deed in deeds:
                await asyncio.sleep(choice.uniform(0.1, 1.0))
                if deed == "server":
                    server = choice.choice(servers)
                    server.kill()
                    await asyncio.to_thread(server.start)
                else:
                    await asyncio.to_thread(database.stop, signal.SIGQUIT)
                    await asyncio.to_thread(database.start)
            await asyncio.sleep(0.3)
        for server in servers:
            server.stop()
    store = PostgresStore(url, city=CITY_ID)
    witness.check(list(store.read()))
    store.close()
    return witness


def _witness(folder: Path, servers: list[ServerProcess], seed: int) -> Witness:
    return Witness(
        folder / "acknowledged.jsonl",
        f"cities/{CITY_ID}",
        lambda: [server.address for server in servers],
        CAPACITIES,
        seed=seed,
    )
