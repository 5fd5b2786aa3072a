"""A city of many signals that share one corridor, served: ``python -m benchmarks.signal_city``.

Every signal is a plain crossing of two roads; all of them are one coordination group. Prints
``listening on HOST:PORT`` and serves until killed. With ``--echo`` it is a bare grpc.aio server
that answers GetPlan with the same bytes each time: what a server in Python could at most.
"""

import argparse
import asyncio
import gc
from dataclasses import replace
from pathlib import Path

import grpc

from greenlot.city import City
from greenlot.city_server import CityServer
from greenlot.logs import configure_logging
from greenlot.pauses import keep_pauses_short
from greenlot.server import COLLECTED_AFTER
from tests.traffic.small_plans import plan, signal
from traffic.corridors import Corridor, Crossing
from traffic.io.protobuf import plan_to_proto
from traffic.network import RoadGraph
from traffic.plan import TimingPlan

CITY = "thousands"


def signal_ids(count: int) -> list[str]:
    """Names of the signals."""
    return [f"s{k:05}" for k in range(count)]


def plans(count: int, offset_s: int) -> list[TimingPlan]:
    """A plan for each, 90 s, whose offsets go along the corridor."""
    one = plan("s", 0, (50, 30))
    return [
        replace(one, signal_id=key, offset_s=(offset_s + 7 * k) % one.cycle_s)
        for k, key in enumerate(signal_ids(count))
    ]


def city_of(count: int) -> City:
    """The city, without streets: signals and their corridor are all that is served."""
    signals = tuple(signal(key) for key in signal_ids(count))
    road = Corridor(
        "main", "大道", tuple(Crossing(s.id, (0,), (), (), (), "", "") for s in signals), ()
    )
    return City(
        id=CITY,
        name="千路口",
        directory=Path(),
        graph=RoadGraph((), (), (), signals),
        corridors={"main": road},
        periods=(),
        turn_flows={},
        lots=(),
    )


async def serve(count: int, listen: str, data: Path) -> None:
    configure_logging(40)
    server = CityServer(city_of(count), listen=listen, data=data)
    await server.start()
    # As greenlot serve does.
    keep_pauses_short()
    gc.set_threshold(*COLLECTED_AFTER)
    print(f"listening on {server.address}", flush=True)
    await asyncio.Event().wait()


async def echo() -> None:
    answer = plan_to_proto(plans(1, 0)[0], CITY).SerializeToString()

    async def say(request: bytes, context: object) -> bytes:
        return answer

    handler = grpc.method_handlers_generic_handler(
        "traffic.v1.SignalTimingService", {"GetPlan": grpc.unary_unary_rpc_method_handler(say)}
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--signals", type=int, default=5000)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--data", type=Path, default=Path("signal-city"))
    parser.add_argument("--echo", action="store_true")
    given = parser.parse_args()
    asyncio.run(echo() if given.echo else serve(given.signals, given.listen, given.data))
