"""A city's signals under faults: servers killed, networks cut, plans switched, over midnight."""

import random
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path

import grpc

from greenlot.clock import MappedClock
from scenarios.street_run import Moment, StreetSpec, run_street
from tests.reliability.proxy import Proxy
from tests.reliability.street_orders import STEADY, Junctions
from traffic.controller.controller import fixed_plan
from traffic.controller.machine import LEAST_ALL_RED_S, Mode
from traffic.io.city_tables import read_corridors
from traffic.io.protobuf import plan_to_proto
from traffic.io.sumo_net import read_network
from traffic.network import RoadGraph
from traffic.plan import TimingPlan
from traffic.safety import check_phases
from traffic.street.calendar import midnight_ms
from traffic.street.door import IN_STEP_CYCLES
from traffic.street.groups import Group, coordination_groups
from traffic.transition import phases_of
from traffic.v1 import signal_timing_pb2 as pb
from traffic.v1 import signal_timing_pb2_grpc

CYCLES_S = (90, 87, 100)
CUT_S = 60


class Server:
    """A server in simulated time, behind the proxy, to be killed."""

    def __init__(self, city: Path, root: Path, clock: Path, second_s: float, proxy: Proxy) -> None:
        self._words = [
            *(sys.executable, "-m", "tests.reliability.simulated_server"),
            *("--city", str(city), "--data", str(root / "data"), "--clock", str(clock)),
            *("--second", str(second_s)),
        ]
        self._log = root / "server.log"
        self._proxy = proxy
        self._process: subprocess.Popen[str] | None = None
        self.is_up = False

    def start(self) -> None:
        """Start it and lead the proxy to it."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                self._words, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("listening on "):
            raise RuntimeError(f"the server does not start:\n{self._log.read_text()[-2000:]}")
        self._proxy.lead_to(int(line.rpartition(":")[2]))
        self.is_up = True

    def kill(self) -> None:
        """SIGKILL."""
        self.is_up = False
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


@dataclass(slots=True)
class FaultReport:
    """What happened and what was seen.

    Parameters
    ----------
    violations
        What any second of any signal broke.
    kills, cuts, switches
        How many faults, and how often a group of several signals had gone over as one.
    restarts, ordered_s
        How many controllers lost their power; signal seconds of holds, flashing and emergencies.
    longest_out_s
        Of all signals and all times, the longest run of seconds out of step with its own plan,
        from the end of an order, a start or a flashing on.
    recoveries_s
        Each time that groups were not all in step with one switch while server, network and all
        links were there: how long until they were. It counts from the moment at which the last
        link was up again. Signals that an order or a restart has brought out of step are left out.
    most_s
        What that may be: three of the longest cycles.
    """

    signals: int = 0
    seconds: int = 0
    violations: list[str] = field(default_factory=list)
    kills: int = 0
    cuts: int = 0
    switches: int = 0
    restarts: int = 0
    ordered_s: int = 0
    departed: int = 0
    longest_out_s: int = 0
    recoveries_s: list[int] = field(default_factory=list)
    most_s: int = IN_STEP_CYCLES * max(CYCLES_S)
    wall_s: float = 0.0

    @property
    def is_sound(self) -> bool:
        """Whether nothing was unsafe and everything came back in time."""
        return (
            not self.violations
            and self.longest_out_s <= self.most_s
            and all(taken_s <= self.most_s for taken_s in self.recoveries_s)
        )


def plans_of(graph: RoadGraph, cycle_s: int, rng: random.Random) -> list[TimingPlan]:
    """A plan for each signal: its own program stretched to a cycle, at an offset by chance."""
    plans: list[TimingPlan] = []
    for signal in graph.signals.values():
        own = fixed_plan(signal)
        stages = list(own.stages)
        while (now_s := sum(stage.duration_s for stage in stages)) != cycle_s:
            step = 1 if now_s < cycle_s else -1
            free = [k for k, s in enumerate(stages) if s.green_s + step >= s.min_green_s]
            k = rng.choice(free)
            stage = stages[k]
            stages[k] = type(stage)(
                stage.name,
                stage.green_state,
                stage.green_s + step,
                stage.min_green_s,
                stage.intergreen,
            )
        offset_s = rng.randrange(cycle_s)
        plans.append(TimingPlan(signal.id, cycle_s, offset_s, tuple(stages)))
    return plans


class Engineer:
    """Makes plan sets and schedules, and switches, however often calls fail."""

    def __init__(self, target: str, city_id: str) -> None:
        self._parent = f"cities/{city_id}"
        self._city_id = city_id
        self._channel = grpc.insecure_channel(target)
        self._stub = signal_timing_pb2_grpc.SignalTimingServiceStub(self._channel)
        self.schedules: list[str] = []

    def prepare(self, graph: RoadGraph, begin_s: int, rng: random.Random) -> None:
        """Two schedules over all plan sets, whose periods change every few minutes."""
        names: list[str] = []
        for cycle_s in CYCLES_S:
            made = self._stub.CreatePlanSet(
                pb.CreatePlanSetRequest(
                    parent=self._parent,
                    request_id=str(uuid.uuid4()),
                    title=f"{cycle_s} s",
                    plans=[plan_to_proto(p, self._city_id) for p in plans_of(graph, cycle_s, rng)],
                ),
                timeout=120,
            )
            names.append(made.name)
            self._stub.ApprovePlanSet(
                pb.ApprovePlanSetRequest(name=made.name, request_id=str(uuid.uuid4())), timeout=20
            )
        for shift in range(2):
            # Every hour, and once between: never sooner than three cycles after another change.
            starts = sorted({*range(0, 86400, 3600), (begin_s + 900) % 86400})
            periods = [
                pb.Period(begin_s=s, plan_set=names[(k + shift) % len(names)])
                for k, s in enumerate(starts)
            ]
            schedule = pb.Schedule(
                title=f"schedule {shift}",
                day_plans=[pb.DayPlan(name="all", periods=periods)],
                weekdays=["all"] * 7,
            )
            made = self._stub.CreateSchedule(
                pb.CreateScheduleRequest(
                    parent=self._parent, request_id=str(uuid.uuid4()), schedule=schedule
                ),
                timeout=120,
            )
            self._stub.ApproveSchedule(
                pb.ApproveScheduleRequest(name=made.name, request_id=str(uuid.uuid4())), timeout=20
            )
            self.schedules.append(made.name)

    def activate(self, schedule: str) -> pb.ActivateResponse | None:
        """Propose a schedule, again and again until answered; None = a switch is under way."""
        request = pb.ActivateRequest(
            parent=self._parent, request_id=str(uuid.uuid4()), schedule=schedule
        )
        for _ in range(20):
            try:
                return self._stub.Activate(request, timeout=10, wait_for_ready=True)
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
                    return None
        return None

    def close(self) -> None:
        """Let go of the server."""
        self._channel.close()


def run_with_faults(
    city_dir: Path,
    root: Path,
    *,
    city_id: str,
    period: str,
    demand_begin_s: int,
    seconds: int,
    faults: int,
    seed: int,
    second_s: float,
    before_midnight_s: int = 300,
    restarts: int = 0,
    orders: int = 0,
) -> FaultReport:
    """Run a city under faults at random moments, over a midnight.

    Parameters
    ----------
    faults
        How many; each is a kill of the server or a cut of 60 s of the network, by chance.
    second_s
        Real seconds that a simulated one takes at least.
    before_midnight_s
        How long before midnight the run begins.
    restarts, orders
        How often five controllers lose their power, or are given an order. A third of the signals
        has displays for the last 9 s, a tenth for the whole cycle.
    """
    rng = random.Random(seed)
    graph = read_network(city_dir / "network.net.xml")
    corridors = read_corridors(city_dir / "corridors.csv", graph)
    groups = coordination_groups(graph.signals, corridors)
    report = FaultReport(signals=len(graph.signals), seconds=seconds)
    begin_ms = midnight_ms(date(2026, 11, 24)) - 1000 * before_midnight_s
    clock = MappedClock(root / "clock", begin_ms)
    begun = time.monotonic()
    with Proxy() as proxy:
        server = Server(city_dir, root, root / "clock", second_s, proxy)
        server.start()
        engineer = Engineer(f"127.0.0.1:{proxy.port}", city_id)
        try:
            engineer.prepare(graph, 86400 - before_midnight_s, rng)
            assert engineer.activate(engineer.schedules[0]) is not None
            acts = _Acts(report, server, proxy, engineer, rng, seconds, faults, groups)
            roads = sorted(key for key, one in graph.signals.items() if one.kind == "road")
            acts.junctions = junctions = Junctions(
                roads, rng, last=acts.last, restarts=restarts, orders=orders
            )
            record = run_street(
                StreetSpec(
                    city_dir=city_dir,
                    city_id=city_id,
                    period=period,
                    begin_s=demand_begin_s,
                    seed=seed,
                    seconds=seconds,
                    begin_ms=begin_ms,
                    second_s=second_s,
                    target=f"127.0.0.1:{proxy.port}",
                    work_dir=root / "run",
                    countdown_s={
                        key: 300 if k % 10 == 1 else 9
                        for k, key in enumerate(roads)
                        if k % 3 == 0 or k % 10 == 1
                    },
                ),
                on_second=lambda second, now_ms: acts.act(second, now_ms, clock),
                seen=acts.look,
                ordered=junctions.ordered,
                restarted=junctions.restarted,
            )
            acts.finish()
        finally:
            engineer.close()
            server.kill()
    report.departed = record.departed
    report.violations = [f"{key} {broken}" for key, broken in record.violations]
    for key, states in record.states.items():
        begins = [0, *record.restarts.get(key, ())]
        report.restarts += len(begins) - 1
        for begin, end in pairwise((*begins, len(states))):
            # The rules of plans, over everything that SUMO showed; pedestrians are the monitor's.
            own = states[begin:end]
            for broken in check_phases(graph.signals[key], phases_of(own), goes_round=False):
                if broken.rule != "pedestrian":
                    report.violations.append(f"{key} {broken}")
            if {*"".join(own[:LEAST_ALL_RED_S])} != {"r"}:
                report.violations.append(f"{key} does not begin all red at {begin} s")
    report.wall_s = time.monotonic() - begun
    return report


class _Acts:
    """What goes wrong when, and what is seen of it."""

    def __init__(
        self,
        report: FaultReport,
        server: Server,
        proxy: Proxy,
        engineer: Engineer,
        rng: random.Random,
        seconds: int,
        faults: int,
        groups: tuple[Group, ...],
    ) -> None:
        self._report, self._server, self._proxy = report, server, proxy
        self._engineer = engineer
        self.junctions = Junctions((), rng, last=0, restarts=0, orders=0)
        # Not at the very end, so that the last recovery is seen.
        self.last = last = seconds - CUT_S - 2 * report.most_s
        moments = sorted(rng.sample(range(200, last), faults))
        kinds = ["kill", "silence", "reset"]
        # Each kind comes up; their order is by chance.
        picked = [kinds[k % len(kinds)] for k in range(faults)]
        rng.shuffle(picked)
        self._faults = list(zip(moments, picked, strict=True))
        self._switches = set(range(150, last, 450))
        self._mend_at: int | None = None
        self._starting: threading.Thread | None = None
        self._apart_since: int | None = None
        self._out: dict[str, int] = {}
        self._groups = groups
        self._last: dict[str, str] = {}
        self._next = 0
        self._busy: list[threading.Thread] = []

    def act(self, second: int, now_ms: int, clock: MappedClock) -> None:
        """Do what is planned for a second."""
        clock.advance_to(now_ms)
        if self._mend_at is not None and second >= self._mend_at:
            self._proxy.mend()
            self._mend_at = None
        if second in self._switches:
            self._next += 1
            schedule = self._engineer.schedules[self._next % 2]
            self._spawn(lambda: self._engineer.activate(schedule))
        if self._faults and second >= self._faults[0][0]:
            if self._mend_at is not None or not self._server.is_up:
                return
            _, kind = self._faults.pop(0)
            if kind == "kill":
                self._report.kills += 1
                self._server.kill()
                self._spawn(self._server.start)
            else:
                self._report.cuts += 1
                self._proxy.cut(reset=kind == "reset")
                self._mend_at = second + CUT_S

    def _spawn(self, work: object) -> None:
        thread = threading.Thread(target=work, daemon=True)  # type: ignore[arg-type]
        thread.start()
        self._busy.append(thread)

    def look(self, moment: Moment) -> None:
        """Take note of one second."""
        report = self._report
        off = self.junctions.off(moment)
        for key, shown in moment.shown.items():
            self._out[key] = 0 if shown.in_step else self._out.get(key, 0) + 1
            if shown.mode not in STEADY:
                self._out[key] = 0
                report.ordered_s += shown.mode is not Mode.START_UP
            report.longest_out_s = max(report.longest_out_s, self._out[key])
        agreed = True
        for group in self._groups:
            running = {moment.switches[key] for key in group.signals}
            agreed = agreed and len(running) == 1
            if len(running) == 1 and running != {self._last.get(group.id, "")}:
                report.switches += len(group.signals) > 1
                self._last[group.id] = running.pop()
        there = self._server.is_up and self._mend_at is None
        whole = moment.up == len(moment.shown)
        late = {key for key, shown in moment.shown.items() if not shown.in_step}
        together = agreed and late <= {*off}
        if not there or not whole:
            self._apart_since = None
        elif together:
            if self._apart_since is not None:
                report.recoveries_s.append(moment.second - self._apart_since)
            self._apart_since = None
        elif self._apart_since is None:
            self._apart_since = moment.second

    def finish(self) -> None:
        """Wait for what is under way."""
        self._proxy.mend()
        for thread in self._busy:
            thread.join(timeout=60)
