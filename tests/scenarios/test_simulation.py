"""Runs of the ``sumo`` program, counted by hand against what went in."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from scenarios.measures import first_edges, level_of_service
from scenarios.simulation import Inputs, simulate
from scenarios.sumo_process import SimulationPool, run_child, sumo_program
from traffic.errors import InvalidInputError

NETWORK = "network.net.xml"
WAYS = ("A1B1 B1C1", "C1B1 B1A1", "B0B1 B1B2", "B2B1 B1B0")
EVERY_S = 3


@pytest.fixture
def inputs(small_city: Path, tmp_path: Path) -> Inputs:
    """Four streams over one crossing, a vehicle every 3 s each, from 90 s before the window."""
    path = tmp_path / "routes.rou.xml"
    rows = [
        f'<vehicle id="{k}.{depart_s}" depart="{depart_s}"><route edges="{way}"/></vehicle>'
        for depart_s in range(10, 700, EVERY_S)
        for k, way in enumerate(WAYS)
    ]
    path.write_text(f"<routes>{''.join(rows)}</routes>", encoding="utf-8")
    return Inputs(small_city / NETWORK, (path,), (), 100, 400)


def _all_red(inputs: Inputs, path: Path) -> Path:
    """A program that lets nobody through the middle crossing."""
    links = 0
    for line in inputs.net.read_text(encoding="utf-8").splitlines():
        if 'tl="B1"' in line:
            links += 1
    path.write_text(
        '<additional><tlLogic id="B1" type="static" programID="red" offset="0">'
        f'<phase duration="60" state="{"r" * links}"/></tlLogic></additional>',
        encoding="utf-8",
    )
    return path


def test_every_demanded_trip_counts(inputs: Inputs) -> None:
    """Trips of the window are there once each, whether they finished or not."""
    measured = simulate(inputs, seed=1)
    assert measured.demanded == len(range(100, 400, EVERY_S)) * len(WAYS)
    assert measured.finished + measured.running + measured.undeparted == measured.demanded
    assert measured.finished > 0
    assert 0 <= measured.insertion_s <= measured.delay_s < measured.travel_s
    assert measured.teleports == 0


def test_gridlock_shows(inputs: Inputs, tmp_path: Path) -> None:
    """Under an endless red nobody gets through, and waiting outside counts until the end."""
    measured = simulate(inputs, _all_red(inputs, tmp_path / "plan.xml"), seed=1, junctions=True)
    assert measured.demanded == 400
    assert measured.finished == 0
    assert measured.undeparted > 0
    # Wanting to depart evenly over 300 s, and standing from then on but for the way to the queue.
    assert 100 < measured.delay_s < 150
    middle = next(j for j in measured.junctions if j.signal_id == "B1")
    assert middle.vehicles == measured.demanded
    assert middle.level_of_service == "F"
    assert middle.control_delay_s == pytest.approx(measured.delay_s, abs=0.01)
    assert {approach.edge_id for approach in middle.approaches} >= {"A1B1", "B0B1"}
    # The edge is 279 m, and full.
    assert 270 < middle.max_queue_m < 280


def test_junctions_share_the_delay(inputs: Inputs) -> None:
    """Measuring junctions changes no vehicle; time lost at them is part of all time lost."""
    plain, measured = simulate(inputs, seed=3), simulate(inputs, seed=3, junctions=True)
    assert measured.delay_s == plain.delay_s
    lost_s = sum(j.vehicles * j.control_delay_s for j in measured.junctions)
    assert 0 < lost_s <= measured.delay_s * measured.demanded
    assert {j.signal_id for j in measured.junctions} >= {"A1", "B1", "C1"}
    assert next(j for j in measured.junctions if j.signal_id == "B1").level_of_service in "BCD"


def test_same_seed_same_figures(inputs: Inputs) -> None:
    """Runs repeat, and so side by side; another seed differs."""
    with SimulationPool(2) as pool:
        runs = [pool.submit(simulate, inputs, None, seed) for seed in (1, 1, 2)]
    first, again, other = (run.result().delay_s for run in runs)
    assert first == again != other


def test_another_executor_may_run_it(inputs: Inputs) -> None:
    """What is given and what comes back crosses to another process."""
    assert pickle.loads(pickle.dumps((simulate, inputs))) == (simulate, inputs)  # noqa: S301
    measured = simulate(inputs, junctions=True)
    assert pickle.loads(pickle.dumps(measured)) == measured  # noqa: S301


def test_driven_routes_are_written(inputs: Inputs, tmp_path: Path) -> None:
    path = tmp_path / "driven.rou.xml"
    simulate(inputs, driven_routes=path)
    assert 'edges="A1B1 B1C1"' in path.read_text(encoding="utf-8")


def test_additional_files_resolve_as_in_sumo(inputs: Inputs, tmp_path: Path) -> None:
    """A file that an additional file names stands beside it, wherever the caller is."""
    folder = tmp_path / "own"
    folder.mkdir()
    detector = folder / "detector.add.xml"
    detector.write_text(
        '<additional><inductionLoop id="d" lane="A1B1_0" pos="50" period="60" file="out.xml"/>'
        "</additional>",
        encoding="utf-8",
    )
    simulate(Inputs(inputs.net, inputs.routes, (detector,), 100, 200))
    assert (folder / "out.xml").is_file()


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        (
            '<routes><vehicle id="v" depart="150"><route edges="A1B1 nowhere"/></vehicle></routes>',
            "The edge 'nowhere' within the route for vehicle 'v' is not known",
        ),
        ("<routes><vehicle", "sumo: "),
        ("<routes/>", "no vehicle departs from 100 to 400 s"),
    ],
)
def test_mistakes_in_routes(inputs: Inputs, tmp_path: Path, routes: str, message: str) -> None:
    """SUMO's own first message comes through as one error."""
    path = tmp_path / "bad.rou.xml"
    path.write_text(routes, encoding="utf-8")
    with pytest.raises(InvalidInputError, match=message):
        simulate(Inputs(inputs.net, (path,), (), 100, 400))


def test_mistakes_in_what_is_given(inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"gone\.xml: no such file"):
        simulate(inputs, tmp_path / "gone.xml")
    with pytest.raises(InvalidInputError, match="begin < end"):
        Inputs(inputs.net, inputs.routes, (), 400, 400)
    with pytest.raises(InvalidInputError, match="at least one"):
        Inputs(inputs.net, ())


def test_levels_of_service() -> None:
    """HCM's limits belong to the better level."""
    limits = {0: "A", 10: "A", 10.1: "B", 20: "B", 35: "C", 55: "D", 80: "E", 80.1: "F"}
    assert {limit: level_of_service(limit) for limit in limits} == limits


def test_where_vehicles_start(tmp_path: Path) -> None:
    """Trips, routes of their own, named routes and flows."""
    path = tmp_path / "routes.rou.xml"
    path.write_text(
        '<routes><route id="r" edges="e3 e4"/><trip id="a" depart="0" from="e1" to="e2"/>'
        '<vehicle id="b" depart="0"><route edges="e2 e3"/></vehicle>'
        '<flow id="c.x" begin="0" end="9" number="3" route="r"/>'
        '<trip id="z" depart="0" fromTaz="t" toTaz="t"/></routes>',
        encoding="utf-8",
    )
    found = first_edges([path], ["a", "b", "c.x.2", "z"])
    assert found == {"a": "e1", "b": "e2", "c.x.2": "e3"}


def test_a_broken_off_pool_ends_its_own_children(tmp_path: Path) -> None:
    """Left by an exception, a pool ends what it runs; another child of ours lives on."""
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    began = time.monotonic()
    runs: list[Future[tuple[int, str]]] = []
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    try:
        with pytest.raises(KeyboardInterrupt), SimulationPool(2) as pool:  # noqa: PT012
            runs = [pool.submit(run_child, sleep) for _ in range(4)]
            time.sleep(0.3)
            raise KeyboardInterrupt
        assert time.monotonic() - began < 30
        ended = [run.result()[0] for run in runs if not run.cancelled()]
        assert ended == [-signal.SIGKILL] * 2
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_interrupt_ends_the_run(inputs: Inputs, tmp_path: Path) -> None:
    """A signal to the caller alone ends SUMO too, and its files are gone."""
    script = textwrap.dedent(
        f"""
        import tempfile
        from pathlib import Path
        from scenarios.simulation import Inputs, simulate
        tempfile.tempdir = {str(tmp_path)!r}
        inputs = Inputs(Path({str(inputs.net)!r}), (Path({str(inputs.routes[0])!r}),), (), 0, 10**8)
        simulate(inputs)
        """
    )
    caller = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            children = Path(f"/proc/{caller.pid}/task/{caller.pid}/children")
            found = children.read_text().split() if children.exists() else []
            # Only what has become SUMO: before that, Python is still starting it.
            if found and Path(f"/proc/{found[0]}/comm").read_text().strip() == "sumo":
                break
            time.sleep(0.05)
        else:
            pytest.skip("no /proc here, or no child within 10 s")
        caller.send_signal(signal.SIGINT)
        caller.wait(30)
    finally:
        caller.kill()
        caller.wait()
    for child in found:
        with pytest.raises(ProcessLookupError):
            os.kill(int(child), 0)
    assert not list(tmp_path.glob("sumo.*"))


def test_programs_are_sumos_own() -> None:
    assert Path(sumo_program("sumo")).is_file()
