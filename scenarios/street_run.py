"""SUMO with reference controllers at every signal: clients of the service that may lose it."""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import libsumo

from scenarios.demand import write_routes
from traffic.client.held_file import read_held
from traffic.client.link import CHANNEL_OPTIONS, Link, Rhythm
from traffic.controller.controller import NOTHING, Controller, Manual
from traffic.controller.machine import Shown
from traffic.controller.monitor import Monitor
from traffic.io.sumo_net import read_network
from traffic.network import RoadGraph
from traffic.plan import Violation
from traffic.signals import GREEN, Signal

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
    countdown_s
        Of signals with countdown displays, how many seconds these show.
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
    countdown_s: Mapping[str, int] = field(default_factory=dict)

    def held_path(self, signal_id: str) -> Path:
        """Where a controller keeps what it holds."""
        return self.work_dir / f"held-{signal_id}.json"

    def controller(self, signal: Signal) -> Controller:
        """Return a signal's controller as it comes up, with what its file has."""
        held = read_held(self.held_path(signal.id), city_id=self.city_id, signal_id=signal.id)
        return Controller(signal, held=held, countdown_s=self.countdown_s.get(signal.id, 0))


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

    ``violations`` are by signal, with the second; ``states`` what SUMO showed, second by second;
    ``restarts`` the seconds at which a controller began anew.
    """

    violations: list[tuple[str, Violation]] = field(default_factory=list)
    states: dict[str, list[str]] = field(default_factory=dict)
    restarts: dict[str, list[int]] = field(default_factory=dict)
    departed: int = 0
    arrived: int = 0


class _Time:
    """The simulation's time, for the links."""

    def __init__(self, begin_ms: int, second_s: float) -> None:
        self.time_ms = begin_ms
        self._second_s = second_s

    def now_ms(self) -> int:
        return self.time_ms

    def monotonic_s(self) -> float:
        return self.time_ms / 1000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._second_s)


class _Links:
    """The controllers' links, on a thread of their own."""

    def __init__(self, spec: StreetSpec, controllers: dict[str, Controller], own: _Time) -> None:
        self._spec, self._controllers, self._time = spec, controllers, own
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)
        self.links: dict[str, Link] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._channel_of: dict[str, grpc.aio.Channel] = {}
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
        for channel, key in zip(
            itertools.cycle(self._channels), sorted(self._controllers), strict=False
        ):
            self._channel_of[key] = channel
            self._connect(key)

    def _connect(self, key: str) -> None:
        spec = self._spec
        self.links[key] = Link(
            self._controllers[key],
            self._channel_of[key],
            city_id=spec.city_id,
            time=self._time,
            rhythm=Rhythm(
                retry_s=5.0,
                call_s=max(2.0, 10 * spec.second_s),
                silence_s=max(3.0, 75 * spec.second_s),
            ),
            path=spec.held_path(key),
            seed=spec.seed,
        )
        self._tasks[key] = self._loop.create_task(self.links[key].run())

    def restart(self, key: str) -> None:
        """Take a controller's power away and give it back: it knows what its file has."""

        async def anew() -> None:
            self._tasks[key].cancel()
            await asyncio.gather(self._tasks[key], return_exceptions=True)
            self._controllers[key] = self._spec.controller(self._controllers[key].signal)
            self._connect(key)

        asyncio.run_coroutine_threadsafe(anew(), self._loop).result()

    async def _close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for channel in self._channels:
            await channel.close()


def run_street(
    spec: StreetSpec,
    *,
    on_second: Callable[[int, int], None],
    seen: Callable[[Moment], None],
    ordered: Callable[[int, str], Manual] = lambda second, signal_id: NOTHING,
    restarted: Callable[[int], Collection[str]] = lambda second: (),
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
    ordered
        What is ordered at a junction in a second.
    restarted
        Which signals' controllers begin anew in a second.
    """
    spec.work_dir.mkdir(parents=True, exist_ok=True)
    graph = read_network(spec.city_dir / NETWORK)
    controllers = {
        key: spec.controller(signal)
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
            run = _Run(spec, graph, controllers, links, own)
            for second in _paced(spec):
                own.time_ms = spec.begin_ms + 1000 * second
                on_second(second, own.time_ms)
                for key in restarted(second):
                    run.restart(key, second)
                seen(run.step(second, {key: ordered(second, key) for key in controllers}))
            return run.record
    finally:
        libsumo.close()


class _Run:
    """Controllers, their lamps in SUMO, and who watches both."""

    def __init__(
        self,
        spec: StreetSpec,
        graph: RoadGraph,
        controllers: dict[str, Controller],
        links: _Links,
        own: _Time,
    ) -> None:
        self._spec, self._graph, self._controllers = spec, graph, controllers
        self._links, self._time = links, own
        self._monitors = {key: Monitor(graph.signals[key]) for key in controllers}
        self._last: dict[str, Shown] = {}
        self.record = StreetRecord(states={key: [] for key in controllers})

    def restart(self, key: str, second: int) -> None:
        """Begin a controller anew; what was shown before does not bind it: there was no power."""
        self._links.restart(key)
        self._monitors[key] = Monitor(self._graph.signals[key])
        self._last.pop(key, None)
        self.record.restarts.setdefault(key, []).append(second)

    def step(self, second: int, orders: Mapping[str, Manual]) -> Moment:
        """Show one second, let SUMO drive by it, and see what SUMO shows."""
        record, now_ms = self.record, self._time.time_ms
        shown = {key: own.step(now_ms, orders[key]) for key, own in self._controllers.items()}
        for key, row in shown.items():
            libsumo.trafficlight.setRedYellowGreenState(key, row.state)
        libsumo.simulationStep()
        record.departed += libsumo.simulation.getDepartedNumber()
        record.arrived += libsumo.simulation.getArrivedNumber()
        for key in self._controllers:
            # What SUMO shows, not what it was told.
            state = libsumo.trafficlight.getRedYellowGreenState(key)
            record.states[key].append(state)
            record.violations += [(key, broken) for broken in self._monitors[key].see(state)]
            if key in self._last:
                record.violations += [
                    (key, broken) for broken in broken_numbers(self._last[key], shown[key], second)
                ]
        self._last = shown
        switches = {key: own.status().switch for key, own in self._controllers.items()}
        up = sum(link.is_up for link in self._links.links.values())
        return Moment(second, shown, up, switches)


def broken_numbers(before: Shown, now: Shown, second: int) -> Iterator[Violation]:
    """Yield the countdown numbers of a second that the next second does not keep."""
    for link, number in enumerate(before.numbers):
        if number is None:
            continue
        turns = (before.state[link] in GREEN) != (now.state[link] in GREEN)
        if turns != (number == 1) or (number > 1 and now.numbers[link] != number - 1):
            value = f"link {link} showed {number}, then {now.numbers[link]}"
            yield Violation("countdown", str(second), value)


def _paced(spec: StreetSpec) -> Iterator[int]:
    """Yield the seconds of a run, none before its time."""
    next_s = time.monotonic()
    for second in range(spec.seconds):
        wait_s = next_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        next_s = max(next_s, time.monotonic() - spec.second_s) + spec.second_s
        yield second
