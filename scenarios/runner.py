"""Runs a simulated city: SUMO for the roads, gRPC clients for its controllers and drivers."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import grpc
import libsumo

from parking.io.lots import read_lots
from parking.v1 import parking_pb2_grpc
from scenarios.controllers import start_controllers
from scenarios.demand import VEHICLE_TYPE, draw_parkers, write_routes
from scenarios.detectors import read_detectors, sections, write_detectors
from scenarios.drivers import Drivers
from scenarios.spec import Flow, RunResult, RunSpec
from traffic.io.city_tables import read_corridors
from traffic.io.sumo_net import read_network

NETWORK = "network.net.xml"
PARKING_AREAS = "demand/parking.add.xml"


class SimulationError(RuntimeError):
    """A simulated run broke off; the message says where and why."""


def run(
    spec: RunSpec,
    *,
    on_time: Callable[[int], None] | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> RunResult:
    """Run one simulation; at most one at a time in a process.

    Parameters
    ----------
    spec
        What to run.
    on_time
        Told the simulated time, UTC epoch milliseconds, before each simulated second.
    on_progress
        Told the share done, about a hundred times.

    Raises
    ------
    SimulationError
        SUMO cannot load or run the city, or a service answered with anything but a plan, a space,
        or that it has none.
    """
    # SUMO takes a detector's file relative to the file that names it.
    spec = replace(spec, city_dir=spec.city_dir.resolve(), work_dir=spec.work_dir.resolve())
    try:
        return _run(spec, on_time, on_progress)
    except (libsumo.TraCIException, libsumo.FatalTraCIError) as error:
        # Said anew: SUMO's own errors cannot cross to another process.
        message = f"SUMO: {error}; what it says stands on stderr"
        raise SimulationError(f"{spec.work_dir}: {message}") from None
    except grpc.RpcError as error:
        message = f"{error.code().name}: {error.details()}"
        raise SimulationError(f"{spec.work_dir}: a service failed: {message}") from None


def _run(
    spec: RunSpec,
    on_time: Callable[[int], None] | None,
    on_progress: Callable[[float], None] | None,
) -> RunResult:
    began = time.perf_counter()
    spec.work_dir.mkdir(parents=True, exist_ok=True)
    graph = read_network(spec.city_dir / NETWORK)
    corridors = read_corridors(spec.city_dir / "corridors.csv", graph)
    routes = spec.work_dir / "routes.rou.xml"
    write_routes(spec.city_dir, spec.period, spec.seed, spec.begin_s, spec.end_s, routes)
    found = [s for corridor in corridors.values() for s in sections(graph, corridor)]
    detectors, measured = spec.work_dir / "detectors.add.xml", spec.work_dir / "detectors.xml"
    lanes = {
        key: [f"{key}_{lane}" for m in graph.movements_from(key) for lane in m.from_lanes]
        for section in found
        for key in (section.edges[0], section.edges[-1])
    }
    lanes = {key: list(dict.fromkeys(own)) for key, own in lanes.items()}
    write_detectors(found, lanes, detectors, measured, spec.warmup_s)
    libsumo.start(_command(spec, routes, detectors))
    try:
        drivers = _drive(spec, on_time, on_progress, list(graph.signals))
        teleports = int(libsumo.simulation.getParameter("", "stats.teleports.total") or 0)
    finally:
        libsumo.close()
    return RunResult(
        seed=spec.seed,
        signals=spec.signals,
        parking=spec.parking,
        city=_city(spec.work_dir / "trips.xml", spec),
        corridors=read_detectors(found, measured, spec.measured_from_s),
        parkers=drivers.finish(),
        teleports=teleports,
        wall_s=time.perf_counter() - began,
    )


def _command(spec: RunSpec, routes: Path, detectors: Path) -> list[str]:
    return [
        "sumo",
        *("--net-file", str(spec.city_dir / NETWORK)),
        *("--route-files", str(routes)),
        *("--additional-files", f"{spec.city_dir / PARKING_AREAS},{detectors}"),
        *("--begin", str(spec.begin_s), "--end", str(spec.end_s)),
        *("--seed", str(spec.seed)),
        *("--time-to-teleport", "-1"),
        *("--tripinfo-output", str(spec.work_dir / "trips.xml")),
        "--tripinfo-output.write-unfinished",
        "--tripinfo-output.write-undeparted",
        *("--no-step-log", "true", "--no-warnings", "true", "--duration-log.disable", "true"),
    ]


def _drive(
    spec: RunSpec,
    on_time: Callable[[int], None] | None,
    on_progress: Callable[[float], None] | None,
    signal_ids: list[str],
) -> Drivers:
    """Step through the run and return its drivers, all calls of theirs answered."""
    lots = {lot.id: lot for lot in read_lots(spec.city_dir / "lots.geojson")}
    areas = set(libsumo.parkingarea.getIDList())
    parkers = draw_parkers(spec.city_dir, spec.period, spec.seed, spec.begin_s, spec.end_s)
    signals = _channel(spec.signals_target) if spec.signals != "default" else None
    parking = _channel(spec.parking_target) if spec.parking == "service" else None
    try:
        controllers = []
        if signals is not None:
            offset_seed = spec.seed if spec.signals == "random-offsets" else None
            now_ms = spec.midnight_ms + spec.begin_s * 1000
            controllers = start_controllers(
                signal_ids, spec.city_id, signals, now_ms, offset_seed=offset_seed
            )
        drivers = Drivers(
            spec=spec,
            parkers=parkers,
            lots={key: lot for key, lot in lots.items() if key in areas},
            vehicle_type=VEHICLE_TYPE,
            stub=None if parking is None else parking_pb2_grpc.ParkingServiceStub(parking),
        )
        for t_s in range(spec.begin_s, spec.end_s):
            now_ms = spec.midnight_ms + t_s * 1000
            if on_time is not None:
                on_time(now_ms)
            for controller in controllers:
                controller.show(t_s, now_ms)
            drivers.step(t_s)
            libsumo.simulationStep()
            if on_progress is not None and (t_s - spec.begin_s) % 27 == 0:
                on_progress((t_s - spec.begin_s) / (spec.end_s - spec.begin_s))
        drivers.settle()
        return drivers
    finally:
        for channel in (signals, parking):
            if channel is not None:
                channel.close()


def _channel(target: str) -> grpc.Channel:
    channel = grpc.insecure_channel(target)
    grpc.channel_ready_future(channel).result(timeout=30)
    return channel


def _city(trips: Path, spec: RunSpec) -> Flow:
    """Sum up the trips that were demanded in the measured time.

    Delay as the RESCO benchmark defines it: time loss and waiting to depart, over all demanded
    trips, those that never departed counted until the end.
    """
    count, travel, delay, stops = 0, 0.0, 0.0, 0
    for _, row in ET.iterparse(trips):
        if row.tag != "tripinfo":
            continue
        waited_s, depart_s = float(row.attrib["departDelay"]), float(row.attrib["depart"])
        wanted_s = (spec.end_s if depart_s < 0 else depart_s) - waited_s
        if spec.measured_from_s <= wanted_s < spec.end_s:
            count += 1
            travel += waited_s + max(0.0, float(row.attrib["duration"]))
            delay += waited_s + max(0.0, float(row.attrib["timeLoss"]))
            stops += max(0, int(row.attrib["waitingCount"]))
        row.clear()
    if not count:
        return Flow(0, 0.0, 0.0, 0.0)
    return Flow(count, travel / count, delay / count, stops / count)
