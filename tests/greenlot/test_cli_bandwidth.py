"""``greenlot signals bandwidth`` as a user runs it."""

import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from greenlot.cli.bandwidth import bandwidth as command
from tests.traffic.io.band_checker import check_answer
from tests.traffic.io.band_examples import crossing, hard, no_band, plain, street
from traffic.errors import InvalidInputError


def greenlot(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command beside the interpreter."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("greenlot")), *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def bandwidth(
    directory: Path, document: dict[str, Any], *options: object
) -> subprocess.CompletedProcess[str]:
    """Ask a question that stands in a file of a directory."""
    path = directory / "question.json"
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return greenlot("signals", "bandwidth", path, *options)


def test_stdout_is_the_answer_and_nothing_else(tmp_path: Path) -> None:
    done = bandwidth(tmp_path, street())
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    check_answer(street(), answer)
    assert done.stderr.strip() == ""
    # Unrounded: the real optimum's cycle is no round number.
    assert answer["cycle_s"] != round(answer["cycle_s"], 6)


def test_the_answer_goes_to_a_file_and_a_line_about_it_to_stdout(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    done = bandwidth(tmp_path, crossing(), "-o", plan, "--method", "amband")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("optimal: cycle ")
    answer = json.loads(plan.read_text(encoding="utf-8"))
    check_answer(crossing(), answer)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plan.json", "question.json"]


@pytest.mark.parametrize(
    ("option", "low", "high"), [("90", 90, 90), ("60:75", 60, 75), ("80.5", 80.5, 80.5)]
)
def test_the_cycle_option_beats_the_file(
    tmp_path: Path, option: str, low: float, high: float
) -> None:
    done = bandwidth(tmp_path, street(cycle_s=100), "--cycle", option)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert low - 1e-6 <= answer["cycle_s"] <= high + 1e-6
    check_answer(street(), answer, cycle_s=[low, high])


def test_no_band_is_an_answer_with_its_proof(tmp_path: Path) -> None:
    """Exit 0, also where not even two neighbours go together; there is nothing to draw."""
    done = bandwidth(tmp_path, no_band(), "--diagram", tmp_path / "none.png")
    assert done.returncode == 0
    answer = json.loads(done.stdout)
    check_answer(no_band(), answer)
    assert answer["status"] == "no_band"
    assert "a and b alone allow none" in answer["proof"]
    assert "no plan to draw" in done.stderr
    assert not (tmp_path / "none.png").exists()


def test_a_long_link_parts_a_corridor_where_that_is_asked(tmp_path: Path) -> None:
    document = plain(0, 300, 1500, 1900)
    done = bandwidth(tmp_path, document, "--max-link-m", "1000", "--diagram", tmp_path / "d.svg")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    check_answer(document, answer)
    parts = [[s["id"] for s in part["signals"]] for part in answer["parted"]["corridors"]]
    assert parts == [["a", "b"], ["c", "d"]]
    assert (tmp_path / "d.svg").stat().st_size > 0


@pytest.mark.parametrize("ending", ["png", "svg", "html"])
@pytest.mark.parametrize("document", [street(), crossing()], ids=["corridor", "network"])
def test_diagrams_of_corridors_and_networks(
    tmp_path: Path, document: dict[str, Any], ending: str
) -> None:
    picture = tmp_path / f"diagram.{ending}"
    done = bandwidth(tmp_path, document, "--diagram", picture)
    assert done.returncode == 0, done.stderr
    assert picture.stat().st_size > 10_000
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("options", "where", "words"),
    [
        ({"cycle": "fast"}, "--cycle", "'fast'; expected 90 or 60:120"),
        ({"cycle": "120:60"}, "--cycle", "'120:60'"),
        ({"method": "best"}, "--method", "'best'; expected maxband, multiband, amband"),
        ({"time_limit": math.nan}, "--time-limit", "nan"),
        ({"time_limit": 0}, "--time-limit", "0"),
        ({"seed": -1}, "--seed", "-1; expected 0 to 2147483647"),
        ({"max_link_m": 5}, "--max-link-m", "5; expected at least 370"),
        ({"diagram": Path("d.pdf")}, "--diagram", "d.pdf; expected .png, .svg, .html"),
        ({"diagram": Path("no/such/d.png")}, "--diagram", "no directory no/such"),
        ({"output": Path("no/such/plan.json")}, "-o", "no directory no/such"),
        ({"output": Path()}, "-o", ". is a directory"),
        ({"output": Path("/proc/plan.json")}, "-o", "/proc/plan.json"),
    ],
)
def test_a_wrong_option_is_named(
    tmp_path: Path, options: dict[str, Any], where: str, words: str
) -> None:
    path = tmp_path / "question.json"
    path.write_text(json.dumps(street()), encoding="utf-8")
    with pytest.raises(InvalidInputError) as caught:
        command(path, **options)
    assert caught.value.where == where
    assert words in caught.value.message
    assert [p.name for p in tmp_path.iterdir()] == ["question.json"]


def test_the_question_is_not_written_over(tmp_path: Path) -> None:
    done = bandwidth(tmp_path, street(), "-o", tmp_path / "question.json")
    assert done.returncode == 2
    assert "is the question" in done.stderr


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("green_out", 1.2, "signals[1].green_out"),
        ("green_in", math.nan, "signals[1].green_in"),
    ],
)
def test_impossible_input_is_one_line_with_the_field_and_exit_2(
    tmp_path: Path, path: str, value: float, field: str
) -> None:
    document = street()
    document["signals"][1][path] = value
    done = bandwidth(tmp_path, document)
    assert done.returncode == 2
    assert f"question.json: {field}: " in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_blocks_that_overlap_are_refused(tmp_path: Path) -> None:
    document = crossing()
    document["junctions"][0]["blocks"][1]["start_share"] = 0.2
    done = bandwidth(tmp_path, document)
    assert done.returncode == 2
    assert "junctions[0].blocks[1].start_share: the block of 0.45 from 0.2 overlaps" in done.stderr


def test_ctrl_c_ends_the_search_and_leaves_nothing(tmp_path: Path) -> None:
    """SCIP takes the signal for itself; the command must not."""
    question = tmp_path / "question.json"
    question.write_text(json.dumps(hard()), encoding="utf-8")
    command = [
        *(str(Path(sys.executable).with_name("greenlot")), "signals", "bandwidth", str(question)),
        *("--method", "multiband", "--time-limit", "100"),
        *("-o", str(tmp_path / "plan.json"), "--diagram", str(tmp_path / "plan.png")),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        time.sleep(10)  # Long enough to start on a busy machine.
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    assert [p.name for p in tmp_path.iterdir()] == ["question.json"]


def test_a_search_cut_short_says_how_far_it_may_be_from_the_best(tmp_path: Path) -> None:
    done = bandwidth(tmp_path, hard(), "--method", "multiband", "--time-limit", "2")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    check_answer(hard(), answer)
    assert answer["status"] == "feasible"
    assert 0 < answer["gap"] < 1
