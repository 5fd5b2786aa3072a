"""SUMO with reference controllers at every signal: clients of the service that may lose it."""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import libsumo

from scenarios.demand import write_routes
from traffic.client.link import CHANNEL_OPTIONS, Link, Rhythm
from traffic.controller.controller import Controller
from traffic.controller.machine import Shown
from traffic.controller.monitor import Monitor
from traffic.io.sumo_net import read_network
from traffic.network import RoadGraph
from traffic.safety import Violation

NETWORK = "network.net.xml"


@dataclass(frozen=True, slots=True)
class StreetSpec:
    """A run of a city's signals by their controllers.

    Parameters
    ----------
    city_dir, city_id
        The city.
    period, begin_s, seed
        Its demand, and the simulation's begin in s after midnight of that demand.
    seconds
        How long to run, simulated.
    begin_ms
        What the controllers' clocks say at the begin, UTC epoch milliseconds.
    second_s
        Real seconds that a simulated one takes at least.
    target
        ``HOST:PORT`` of the signal service.
    work_dir
        For the run's files and for what controllers keep.
    channels
        Connections that the controllers share.
    """

    city_dir: Path
    city_id: str
    period: str
    begin_s: int
    seed: int
    seconds: int
    begin_ms: int
    second_s: float
    target: str
    work_dir: Path
    channels: int = 4


@dataclass(frozen=True, slots=True)
class Moment:
    """One second of all signals, as SUMO showed them.

    Parameters
    ----------
    second
        Since the run's begin.
    shown
        By signal.
    up
        How many controllers have their link.
    switches
        Which switch's plan each signal runs; empty = its own.
    """

    second: int
    shown: Mapping[str, Shown]
    up: int
    switches: Mapping[str, str]

    @property
    def out_of_step(self) -> int:
        """How many signals show something else than their plan."""
        return sum(not shown.in_step for shown in self.shown.values())


@dataclass(slots=True)
class StreetRecord:
    """What was seen.

    ``violations`` are by signal, with the second; ``states`` what SUMO showed, second by second.
    """

    violations: list[tuple[str, Violation]] = field(default_factory=list)
    states: dict[str, list[str]] = field(default_factory=dict)
    departed: int = 0
    arrived: int = 0


class _Time:
    """The simulation's time, for the links."""

    def __init__(self, begin_ms: int, second_s: float) -> None:
        self.time_ms = begin_ms
        self._second_s = second_s

    def now_ms(self) -> int:
        return self.time_ms

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._second_s)


class _Links:
    """The controllers' links, on a thread of their own."""

    def __init__(self, spec: StreetSpec, controllers: Mapping[str, Controller], own: _Time) -> None:
        self._spec, self._controllers, self._time = spec, controllers, own
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)
        self.links: dict[str, Link] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._channels: list[grpc.aio.Channel] = []

    def __enter__(self) -> "_Links":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        spec = self._spec
        # A channel of its own each: gRPC else shares one connection.
        options = [
            (*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1)) for _ in range(spec.channels)
        ]
        self._channels = [grpc.aio.insecure_channel(spec.target, own) for own in options]
        rhythm = Rhythm(
            retry_s=5.0, call_s=max(2.0, 10 * spec.second_s), silence_s=max(3.0, 75 * spec.second_s)
        )
        for channel, (key, controller) in zip(
            itertools.cycle(self._channels), sorted(self._controllers.items()), strict=False
        ):
            link = Link(
                controller,
                channel,
                city_id=spec.city_id,
                time=self._time,
                rhythm=rhythm,
                path=spec.work_dir / f"held-{key}.json",
                seed=spec.seed,
            )
            self.links[key] = link
            self._tasks.append(self._loop.create_task(link.run()))

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for channel in self._channels:
            await channel.close()


def run_street(
    spec: StreetSpec,
    *,
    on_second: Callable[[int, int], None],
    seen: Callable[[Moment], None],
) -> StreetRecord:
    """Run a city's signals; at most one SUMO at a time in a process.

    Parameters
    ----------
    spec
        What to run.
    on_second
        Told the second and the simulated time in ms, before it is simulated.
    seen
        Told what was shown, after it.
    """
    spec.work_dir.mkdir(parents=True, exist_ok=True)
    graph = read_network(spec.city_dir / NETWORK)
    controllers = {
        key: Controller(signal)
        for key, signal in graph.signals.items()
        if signal.kind == "road" and signal.programs
    }
    routes = spec.work_dir / "routes.rou.xml"
    end_s = spec.begin_s + spec.seconds
    write_routes(spec.city_dir, spec.period, spec.seed, spec.begin_s, end_s, routes)
    own = _Time(spec.begin_ms, spec.second_s)
    libsumo.start(
        [
            *("sumo", "--net-file", str(spec.city_dir / NETWORK), "--route-files", str(routes)),
            *("--additional-files", str(spec.city_dir / "demand/parking.add.xml")),
            *("--begin", str(spec.begin_s), "--end", str(end_s), "--seed", str(spec.seed)),
            *("--time-to-teleport", "-1", "--no-step-log", "true", "--no-warnings", "true"),
            *("--duration-log.disable", "true"),
        ]
    )
    try:
        with _Links(spec, controllers, own) as links:
            return _steps(spec, graph, controllers, links, own, on_second, seen)
    finally:
        libsumo.close()


def _steps(
    spec: StreetSpec,
    graph: RoadGraph,
    controllers: Mapping[str, Controller],
    links: _Links,
    own: _Time,
    on_second: Callable[[int, int], None],
    seen: Callable[[Moment], None],
) -> StreetRecord:
    record = StreetRecord(states={key: [] for key in controllers})
    monitors = {key: Monitor(graph.signals[key]) for key in controllers}
    for second in _paced(spec):
        own.time_ms = spec.begin_ms + 1000 * second
        on_second(second, own.time_ms)
        shown = {key: controller.step(own.time_ms) for key, controller in controllers.items()}
        for key, row in shown.items():
            libsumo.trafficlight.setRedYellowGreenState(key, row.state)
        libsumo.simulationStep()
        record.departed += libsumo.simulation.getDepartedNumber()
        record.arrived += libsumo.simulation.getArrivedNumber()
        for key in controllers:
            # What SUMO shows, not what it was told.
            state = libsumo.trafficlight.getRedYellowGreenState(key)
            record.states[key].append(state)
            record.violations += [(key, broken) for broken in monitors[key].see(state)]
        switches = {key: controller.status().switch for key, controller in controllers.items()}
        up = sum(link.is_up for link in links.links.values())
        seen(Moment(second, shown, up, switches))
    return record


def _paced(spec: StreetSpec) -> Iterator[int]:
    """Yield the seconds of a run, none before its time."""
    next_s = time.monotonic()
    for second in range(spec.seconds):
        wait_s = next_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        next_s = max(next_s, time.monotonic() - spec.second_s) + spec.second_s
        yield second
