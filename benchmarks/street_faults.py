"""Kill the server and cut the network under SUMO: ``python -m benchmarks.street_faults``.

Every signal of Dongying has the reference controller, a client of a real server in a process of its
own behind a proxy; both live in the simulation's time. At random moments the server is killed and
restarted, or the network is cut for 60 s, in silence or with a reset; controllers lose their power,
and are held, set to flashing and called by emergency vehicles; some have countdown displays.
Meanwhile schedules change plans (cycles of 90, 87 and 100 s), an engineer switches schedules, and a
midnight passes. Every second of every signal is what SUMO showed. Prints one JSON object; exit
status 1 if a second was unsafe or a recovery took longer than three cycles.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import tests.reliability  # noqa: F401  (before gRPC: see there)
from scenarios import dongying
from tests.reliability.street_faults import run_with_faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=7200, help="simulated")
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--restarts", type=int, default=10, help="of five controllers each")
    parser.add_argument("--orders", type=int, default=15, help="to five controllers each")
    parser.add_argument("--second", type=float, default=0.03, help="a simulated second, in s")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        report = run_with_faults(
            dongying.build(root / "city" / "dongying"),
            root,
            city_id="dongying",
            period="morning",
            demand_begin_s=26100,
            seconds=given.seconds,
            faults=given.faults,
            seed=given.seed,
            second_s=given.second,
            restarts=given.restarts,
            orders=given.orders,
        )
    row = asdict(report) | {"sound": report.is_sound, "seed": given.seed, "load": os.getloadavg()}
    print(json.dumps(row))
    return 0 if report.is_sound else 1


if __name__ == "__main__":
    sys.exit(main())
