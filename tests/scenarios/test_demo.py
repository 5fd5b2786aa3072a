"""The whole idea, small: server, plans, simulated clients, report. Real SUMO, real gRPC."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

GREENLOT = str(Path(sys.executable).with_name("greenlot"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Two simulated minutes of every arm: the output directory and stdout."""
    out = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [
            *(GREENLOT, "demo", "--out", str(out), "--seeds", "1", "--json"),
            *("--warmup-s", "120", "--measured-s", "120"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_stdout_is_the_report_and_nothing_else(demo: tuple[Path, str]) -> None:
    out, stdout = demo
    report = json.loads(stdout)
    assert report == json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert [c["id"] for c in report["corridors"] if c["direction"] == "both"]
    arms = {"green-wave", "random-offsets", "sumo-default"}
    for measure in report["city_wide"]["measures"]:
        assert arms <= set(measure["by_arm"])
        assert all(s["n"] == 1 for s in measure["by_arm"].values())
    assert report["certificate"]["bound"] >= report["certificate"]["value"] > 0


def test_every_corridor_is_drawn_and_the_page_stands_alone(demo: tuple[Path, str]) -> None:
    out, _ = demo
    pictures = sorted(path.name for path in out.glob("*.png"))
    assert "map.png" in pictures
    assert [f"time-space-C{k}.png" for k in range(1, 8)] == pictures[1:8]
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "东营" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_options_out_of_range_are_refused(tmp_path: Path) -> None:
    for options, words in (
        (["--seeds", "0"], "--seeds 0: expected 1 to 100"),
        (["--warmup-s", "700"], "expected a multiple of --warmup-s 700"),
        (["--period", "night"], "--period night"),
    ):
        done = subprocess.run(
            [GREENLOT, "demo", "--out", str(tmp_path), *options],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert words in done.stderr
