"""``greenlot bench signals``, and plans that are made in a process of their own."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from greenlot.cli import plan_process
from greenlot.cli.bench import bench_signals
from greenlot.cli.bench_report import print_report
from greenlot.cli.plan_process import Settings, make_plan, plan_apart
from scenarios.comparison import Made
from scenarios.resco import resco_inputs
from scenarios.run_store import RunStore
from scenarios.simulation import Inputs
from tests.greenlot.test_cli_signals import greenlot
from traffic.errors import InvalidInputError

INPUTS = resco_inputs("ingolstadt1")
FAKE = '''
"""Stands in for the optimiser."""
import os, time
from pathlib import Path
from scenarios.peers import write_actuated
from traffic.io.sumo_net import read_network

def good(inputs, out, *, seed, time_limit_s, refine_s):
    with (Path(__file__).parent / "calls").open("a") as calls:
        calls.write(f"{seed} {time_limit_s:g} {refine_s:g}\\\\n")
    write_actuated(read_network(inputs.net), out)
    held = bytearray(200 * 1024**2)
    held[::4096] = b"x" * len(held[::4096])

def bad(inputs, out, **options):
    raise ValueError("no luck")

def dead(inputs, out, **options):
    os._exit(9)

def slow(inputs, out, **options):
    (Path(__file__).parent / "begun").touch()
    time.sleep(60)
'''


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Directory of a module that a spawned process can import."""
    (tmp_path / "fake_plans.py").write_text(FAKE.replace("\\\\", "\\"), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def settings(name: str) -> Settings:
    return Settings(5, 30.0, 2.0, f"fake_plans:{name}")


def test_a_plan_is_made_once(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It warms up first; memory is its process's own; it is made anew by another program only."""
    monkeypatch.setattr(plan_process, "_program_key", lambda: "one")
    store, plan = RunStore(fake / "runs"), fake / "plan.add.xml"
    made = make_plan(INPUTS, plan, settings("good"), store)
    assert made.failed == ""
    assert made.peak_mb is not None
    assert 250 < made.peak_mb < 2000
    assert made.seconds > 0
    assert (fake / "calls").read_text().splitlines() == ["5 1 0", "5 30 2"]
    assert make_plan(INPUTS, plan, settings("good"), store) == made
    monkeypatch.setattr(plan_process, "_program_key", lambda: "two")
    asked: list[Settings] = []

    def apart(inputs: Inputs, out: Path, own: Settings) -> Made:
        asked.append(own)
        return Made(failed="asked anew")

    monkeypatch.setattr(plan_process, "plan_apart", apart)
    assert make_plan(INPUTS, plan, settings("good"), store).failed == "asked anew"
    assert asked == [settings("good")]


def test_a_search_that_breaks_off_is_an_answer(fake: Path) -> None:
    """An error, a process that dies, an optimiser that is not there."""
    plan = fake / "plan.add.xml"
    assert plan_process._made(INPUTS, plan, settings("bad")).failed == "ValueError: no luck"
    assert plan_process._made(INPUTS, plan, settings("gone")).failed.startswith("AttributeError: ")
    assert plan_apart(INPUTS, plan, settings("dead")).failed == "the search died, status 9"


def test_ctrl_c_ends_the_search(fake: Path) -> None:
    def interrupt() -> None:
        for _ in range(400):
            if (fake / "begun").exists():
                break
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        plan_apart(INPUTS, fake / "plan.add.xml", settings("slow"))
    thread.join()
    assert time.monotonic() - began < 40
    assert not Path(f"/proc/{os.getpid()}/task").exists() or not _children()


def _children() -> list[str]:
    # multiprocessing keeps a tracker of its own; what was sleeping is gone.
    files = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    found = [child for file in files for child in file.read_text().split()]
    names = [Path(f"/proc/{child}/cmdline").read_bytes().decode() for child in found]
    return [name for name in names if "spawn_main" in name]


def test_the_table_compares_on_judging_seeds(
    fake: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON and Markdown have every method; the plan of the search is judged as its file."""
    monkeypatch.setattr(plan_process, "OPTIMIZER", "fake_plans:good")
    bench_signals(scenario=["ingolstadt1"], seeds="2", out=fake / "out", as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["seeds"] == [1001, 1002]
    (case,) = document["cases"]
    rows = {row["method"]: row for row in case["rows"]}
    assert list(rows)[-1] == "greenlot"
    assert len(rows) == 5
    # This stand-in is SUMO's actuated control.
    assert rows["greenlot"]["delay_s"] == rows["actuated"]["delay_s"]
    assert rows[case["best_static_peer"]]["ratio"] == 1
    names = [bar["name"] for bar in document["bars"]]
    assert names == [
        "greenlot: runs in gridlock",
        "greenlot: safety rules broken",
        "gain",
        "planning s",
    ]
    markdown = (fake / "out" / "comparison.md").read_text(encoding="utf-8")
    assert markdown.count("\n| ") > 6
    print_report(document, as_json=False)
    printed = capsys.readouterr().out
    assert "SUMO's actuated control is still better than: none" in printed
    assert "judging seeds 1001, 1002" in printed


def test_mistakes_end_with_exit_2() -> None:
    done = greenlot("bench", "signals", "--scenario", "paris")
    assert done.returncode == 2
    assert done.stderr.startswith("greenlot: --scenario: no scenario 'paris'; there are cologne1")
    with pytest.raises(InvalidInputError, match="--time-limit"):
        bench_signals(time_limit=0)
    with pytest.raises(InvalidInputError, match="--refine"):
        bench_signals(refine=-1)
