"""A city's server in simulated time: ``python -m tests.reliability.simulated_server``."""

import argparse
import asyncio
import gc
from pathlib import Path

from greenlot.city import load_city
from greenlot.city_server import CityServer
from greenlot.clock import MappedClock
from greenlot.logs import configure_logging


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--city", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clock", type=Path, required=True)
    parser.add_argument("--second", type=float, required=True, help="a simulated second, in s")
    given = parser.parse_args()
    configure_logging()
    city = load_city(given.city, cache=given.data)
    clock = MappedClock(given.clock)
    server = CityServer(city, listen="127.0.0.1:0", data=given.data, clock=clock)
    await server.start()
    signals = server._signals
    signals.desk.tick_s = max(0.02, given.second)
    signals.heartbeat_s = max(0.5, 30 * given.second)
    gc.freeze()
    print(f"listening on {server.address}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
