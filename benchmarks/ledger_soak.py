"""Ten minutes of everything at once: ``python -m benchmarks.ledger_soak``.

Drivers' cycles at a rate, each watched; repeated calls; mistakes, floods and late calls. Ended
reservations stay in memory for 30 s here (24 h by default), so that what is kept on purpose stops
growing early. Prints JSON with the server's memory; exits with 1 if a call was answered as it
should not be, the log holds an exception, or the memory grew by more than 5% over the last half.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from pathlib import Path

import tests.reliability  # noqa: F401  (before gRPC: see there)
from benchmarks.ledger_city import CITY, write_load_city
from tests.reliability.server_process import ServerProcess
from tests.reliability.soaking import Soak

KEEP_H = 30 / 3600


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--calls-per-s", type=float, default=120.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        city = write_load_city(root / "city")
        with ServerProcess(city, root / "data", options=["--keep-ended-h", str(KEEP_H)]) as server:

            async def soaked() -> Soak:
                soak = Soak(server.address, CITY, server.pid, calls_per_s=given.calls_per_s)
                await soak.run(given.seconds)
                return soak

            soak = asyncio.run(soaked())
            server.stop()
            words = server.words()
    half = [mb for at_s, mb in soak.samples if at_s > given.seconds / 2]
    quarter = max(1, len(half) // 4)
    begin, end = statistics.median(half[:quarter]), statistics.median(half[-quarter:])
    report = {
        "seconds": given.seconds,
        "calls": dict(soak.calls),
        "refused": dict(soak.refused),
        "abuse_answered": dict(soak._abuser.codes),
        "pushes": soak.pushes,
        "wrong": soak.wrong[:20],
        "exceptions_in_the_log": words.count("Traceback"),
        "first_exception": words.partition("Traceback")[2][:2000],
        "memory_mb": {
            "first": soak.samples[0][1],
            "each_minute": [round(mb) for at_s, mb in soak.samples[:: max(1, round(60 / 5))]],
            "half_time": round(begin, 1),
            "end": round(end, 1),
        },
    }
    print(json.dumps(report, indent=1))
    return 0 if not soak.wrong and "Traceback" not in words and end < 1.05 * begin else 1


if __name__ == "__main__":
    sys.exit(main())
