"""The demo: Dongying before and after, from recipe to page."""

import importlib.metadata
import multiprocessing
import os
import platform
import shutil
import signal
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty
from typing import Any

import grpc

from greenlot.city import City, Period, load_city
from greenlot.clock import SimulatedClock
from greenlot.errors import CityError
from greenlot.report import DemoReport, make_report, write_page
from greenlot.report.city_map import draw_map
from greenlot.report.figures import DEFAULT, RANDOM, SEARCH, WAVE
from greenlot.server import ServerThread
from parking.opening import CIVIL_ZONE
from scenarios.runner import run
from scenarios.spec import ParkingMode, RunResult, RunSpec, SignalMode
from traffic.greenwave import PartBands
from traffic.io.diagram import draw_time_space
from traffic.io.diagram_html import write_time_space_html
from traffic.io.protobuf import plan_from_proto, signal_id_from_name, timestamp_from_ms
from traffic.timespace import time_space
from traffic.v1 import signal_timing_pb2 as pb
from traffic.v1 import signal_timing_pb2_grpc

SIMULATED_DAY = datetime(2026, 11, 23, tzinfo=CIVIL_ZONE)  # a Monday
OPTIMIZE_LIMIT_S = 60.0
INTERACTIVE = "time-space.html"

# What is compared: each arm differs from the first in one thing, the last one in both.
ARMS: Mapping[str, tuple[SignalMode, ParkingMode]] = {
    WAVE: ("service", "service"),
    RANDOM: ("random-offsets", "service"),
    SEARCH: ("service", "search"),
    DEFAULT: ("default", "search"),
}


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What to run; times in whole seconds."""

    out: Path
    seeds: tuple[int, ...]
    period: str
    warmup_s: int
    measured_s: int
    workers: int
    command: str


def run_demo(options: DemoOptions, on_progress: Callable[[str, float], None]) -> DemoReport:
    """Optimise, simulate every arm with every seed, and write pictures, page and figures.

    Parameters
    ----------
    options
        What to run.
    on_progress
        Told what is being done and its share done, 0 to 1.
    """
    began = time.perf_counter()
    options.out.mkdir(parents=True, exist_ok=True)
    on_progress("building Dongying", 0.0)
    city = load_city(cache=options.out)
    on_progress("building Dongying", 1.0)
    period = _period(city, options.period)
    data = options.out / "data"
    # A demo starts from nothing, whatever an earlier one left.
    shutil.rmtree(data, ignore_errors=True)
    midnight_ms = int(SIMULATED_DAY.timestamp() * 1000)
    with ServerThread(city, data=data) as server:
        wave = _optimize(server.address, city, period, midnight_ms, on_progress)
        specs = _specs(options, city, period, midnight_ms, server.address)
        results = _simulate(specs, options.workers, on_progress)
    runs = {arm: [results[arm, seed] for seed in options.seeds] for arm in ARMS}
    diagrams = _draw(options.out, city, wave, on_progress)
    report = make_report(
        runs,
        {key: corridor.name for key, corridor in city.corridors.items()},
        city=city.name,
        period=period.name,
        seeds=options.seeds,
        warmup_s=options.warmup_s,
        measured_s=options.measured_s,
        command=options.command,
        versions=_versions(),
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        cycle_s=wave.cycle_s,
        certificate={
            "status": pb.Certificate.Status.Name(wave.certificate.status)
            .removeprefix("STATUS_")
            .lower(),
            "value": wave.certificate.value,
            "bound": wave.certificate.bound,
            "gap": wave.certificate.gap,
            "solve_s": wave.certificate.solve_s,
            "seed": wave.certificate.seed,
        },
        bands=tuple(_band_rows(city, wave)),
        kept={
            city.graph.signals[signal_id_from_name(k.signal, where="kept")].name: k.reason
            for k in wave.kept
        },
        wall_s=time.perf_counter() - began,
    )
    write_page(
        report,
        options.out / "index.html",
        map_png=options.out / "map.png",
        diagrams=diagrams,
        interactive=INTERACTIVE,
    )
    return report


def _period(city: City, name: str) -> Period:
    for period in city.periods:
        if period.name == name:
            return period
    known = ", ".join(period.name for period in city.periods)
    raise CityError(f"--period {name}: {city.name} has {known}")


def _optimize(
    address: str,
    city: City,
    period: Period,
    midnight_ms: int,
    on_progress: Callable[[str, float], None],
) -> pb.OptimizeResult:
    """Have the server time all corridors and put the plans in force on the simulated day."""
    request = pb.OptimizePlansRequest(
        parent=f"cities/{city.id}",
        period=period.name,
        time_limit_s=OPTIMIZE_LIMIT_S,
        put_in_force=True,
        valid_from=timestamp_from_ms(midnight_ms),
        request_id=str(uuid.uuid4()),
    )
    with grpc.insecure_channel(address) as channel:
        stub = signal_timing_pb2_grpc.SignalTimingServiceStub(channel)
        for step in stub.OptimizePlans(request, timeout=10 * OPTIMIZE_LIMIT_S):
            if step.HasField("result"):
                return step.result
            on_progress("timing seven corridors", step.progress.done_share)
    raise CityError("the server ended the search without a result")


def _specs(
    options: DemoOptions, city: City, period: Period, midnight_ms: int, address: str
) -> dict[tuple[str, int], RunSpec]:
    return {
        (arm, seed): RunSpec(
            city_dir=city.directory,
            city_id=city.id,
            period=period.name,
            begin_s=period.begin_s,
            seed=seed,
            signals=signals,
            parking=parking,
            signals_target=address,
            parking_target="",
            midnight_ms=midnight_ms,
            work_dir=options.out / "runs" / f"{arm}-{seed}",
            warmup_s=options.warmup_s,
            measured_s=options.measured_s,
        )
        for seed in options.seeds
        for arm, (signals, parking) in ARMS.items()
    }


Told = tuple[tuple[str, int], float]
_told: "Queue[Told] | None" = None


def _prepare_worker(told: "Queue[Told]") -> None:
    global _told
    _told = told
    # Ctrl-C reaches the whole group: a worker dies at once and without a word.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _run_one(key: tuple[str, int], spec: RunSpec) -> RunResult:
    """Run one simulation in a worker; drivers get a parking server of the run's own.

    What is parked belongs to a run, and so does its clock.
    """

    def progress(share: float) -> None:
        if _told is not None:
            _told.put((key, share))

    shutil.rmtree(spec.work_dir, ignore_errors=True)
    if spec.parking == "search":
        return run(spec, on_progress=progress)
    clock = SimulatedClock(spec.midnight_ms + spec.begin_s * 1000)
    city = load_city(spec.city_dir, cache=spec.work_dir)
    with ServerThread(city, data=spec.work_dir / "data", clock=clock) as server:
        own = replace(spec, parking_target=server.address)
        return run(own, on_time=clock.advance_to, on_progress=progress)


def _simulate(
    specs: Mapping[tuple[str, int], RunSpec],
    workers: int,
    on_progress: Callable[[str, float], None],
) -> dict[tuple[str, int], RunResult]:
    """Run all simulations, some at a time, each in a process of its own."""
    # Spawned, never forked: gRPC has threads here. libsumo: one simulation a process.
    context = multiprocessing.get_context("spawn")
    told: Queue[Told] = context.Queue()
    pool = ProcessPoolExecutor(
        workers,
        mp_context=context,
        initializer=_prepare_worker,
        initargs=(told,),
        max_tasks_per_child=1,
    )
    futures: dict[tuple[str, int], Future[RunResult]] = {}
    shares = dict.fromkeys(specs, 0.0)
    try:
        for key, spec in specs.items():
            futures[key] = pool.submit(_run_one, key, spec)
        while not all(future.done() for future in futures.values()):
            for key, future in futures.items():
                if future.done():
                    future.result()
                    shares[key] = 1.0
            try:
                key, share = told.get(timeout=0.5)
                shares[key] = max(shares[key], share)
            except Empty:
                pass
            on_progress(f"simulating {len(specs)} runs", sum(shares.values()) / len(shares))
        results = {key: future.result() for key, future in futures.items()}
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    pool.shutdown()
    on_progress(f"simulating {len(specs)} runs", 1.0)
    return results


def _draw(
    out: Path, city: City, wave: pb.OptimizeResult, on_progress: Callable[[str, float], None]
) -> list[tuple[str, Path]]:
    """Draw the map and a diagram of each corridor."""
    draw_map(
        city.graph,
        city.corridors,
        city.lots,
        out / "map.png",
        title=f"{city.name}：绿波走廊与停车场 green-wave corridors and car parks",
    )
    plans = {plan.signal_id: plan for plan in map(plan_from_proto, wave.plans)}
    names = {key: s.name for key, s in city.graph.signals.items()}
    diagrams = []
    drawn = []
    for k, (key, corridor) in enumerate(city.corridors.items()):
        on_progress("drawing", k / len(city.corridors))
        # At a crossing the other road's name says where one is.
        crossing = {
            s: "/".join(n for n in names[s].split("/") if n != corridor.name) or names[s]
            for s in corridor.signal_ids
        }
        message = next(c for c in wave.corridors if c.corridor.endswith(f"/{key}"))
        bands = [_part_bands(part, corridor.signal_ids) for part in message.parts]
        diagram = time_space(corridor, plans, bands, cycle_s=wave.cycle_s, names=crossing)
        path = out / f"time-space-{key}.png"
        draw_time_space(diagram, path)
        diagrams.append((key, path))
        drawn.append(diagram)
    write_time_space_html(drawn, out / INTERACTIVE, title=f"{city.name} 时距图")
    on_progress("drawing", 1.0)
    return diagrams


def _part_bands(part: pb.BandPart, signal_ids: Sequence[str]) -> PartBands:
    first = signal_ids.index(signal_id_from_name(part.signals[0], where="part"))
    return PartBands(
        first=first,
        last=first + len(part.signals) - 1,
        band_out_s=part.band_out_s,
        band_in_s=part.band_in_s,
        start_out_s=part.start_out_s,
        start_in_s=part.start_in_s,
        speed_out_mps=tuple(part.speed_out_mps),
        speed_in_mps=tuple(part.speed_in_mps),
    )


def _band_rows(city: City, wave: pb.OptimizeResult) -> list[dict[str, Any]]:
    rows = []
    for message in wave.corridors:
        key = message.corridor.rpartition("/")[2]
        for part in message.parts:
            ends = [
                city.graph.signals[signal_id_from_name(name, where="part")].name
                for name in (part.signals[0], part.signals[-1])
            ]
            rows.append(
                {
                    "corridor": f"{key} {city.corridors[key].name}",
                    "first": ends[0],
                    "last": ends[1],
                    "band_out_s": part.band_out_s,
                    "band_in_s": part.band_in_s,
                }
            )
    return rows


def _versions() -> dict[str, str]:
    names = ("greenlot", "ortools", "eclipse-sumo", "grpcio", "networkx", "numpy")
    return {name: importlib.metadata.version(name) for name in names}
