"""``greenlot signals evaluate`` as a user runs it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from greenlot.cli.evaluate import evaluate, parse_jobs, parse_seeds
from tests.greenlot.test_cli_signals import greenlot
from tests.traffic.io.test_sumo_net import resco
from traffic.errors import InvalidInputError

NET = resco("ingolstadt1")
ROUTES = NET.with_name("ingolstadt1.rou.xml")
BEGIN, END = "57600", "57900"


def arguments(**changes: object) -> list[object]:
    """A sound call, with some options changed, or left out where None."""
    options = {
        "--net": NET,
        "--routes": ROUTES,
        "--begin": BEGIN,
        "--end": END,
        **{f"--{name}": value for name, value in changes.items()},
    }
    given = [(name, value) for name, value in options.items() if value is not None]
    return ["signals", "evaluate", *(part for pair in given for part in pair)]


def test_figures_come_with_spread() -> None:
    """Means and deviations are those of the runs that the answer lists; stdout is pure JSON."""
    done = greenlot(*arguments(seeds="3,5"), "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["seeds"] == [3, 5]
    first, second = (run["delay_s"] for run in answer["runs"])
    assert answer["delay_s"]["mean"] == pytest.approx((first + second) / 2)
    assert answer["delay_s"]["sd"] == pytest.approx(abs(first - second) / 2**0.5)
    assert answer["demanded"]["sd"] == 0
    (junction,) = answer["junctions"]
    assert junction["level_of_service"] in "ABCDEF"
    assert len(junction["levels"]) == 2
    assert junction["max_queue_m"]["mean"] > 0


def test_a_plan_changes_the_figures(tmp_path: Path) -> None:
    """A plan that is given becomes the active one; the printed table names it."""
    state = "r" * 40
    plan = tmp_path / "red.add.xml"
    plan.write_text(
        '<additional><tlLogic id="gneJ207" programID="red" type="static" offset="0">'
        f'<phase duration="60" state="{state}"/></tlLogic></additional>',
        encoding="utf-8",
    )
    before = greenlot(*arguments(seeds="1,"))
    after = greenlot(*arguments(seeds="1,", plan=plan))
    assert before.returncode == after.returncode == 0, after.stderr
    assert before.stdout.startswith("own programs, 57600 to 57900 s, 1 seed")
    assert after.stdout.startswith(f"{plan}, ")
    assert "F" in after.stdout.splitlines()[-1].split()
    assert not before.stderr.strip()


def test_a_mistake_is_one_line_and_exit_2() -> None:
    done = greenlot(*arguments(begin="0", end="60"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.strip() == "greenlot: routes: no vehicle departs from 0 to 60 s"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"net": Path("nowhere.net.xml")}, r"^nowhere\.net\.xml: no such file"),
        ({"routes": f"{ROUTES},gone.rou.xml"}, r"^gone\.rou\.xml: no such file"),
        ({"routes": ","}, "^routes: none given"),
        ({"additional": "gone.add.xml"}, r"^gone\.add\.xml: no such file"),
        ({"plan": Path("gone.add.xml")}, r"^gone\.add\.xml: no such file"),
        ({"plan": ROUTES}, "^sumo: "),
        ({"end": 57600}, "^window: 57600 to 57600 s; expected 0 <= begin < end"),
        ({"seeds": "many"}, "^--seeds: 'many'; expected a count or 1,2,3"),
        ({"seeds": "2,2"}, "^--seeds: '2,2'; a seed stands twice"),
        ({"jobs": 0}, "^--jobs: 0; expected 1 to 256"),
    ],
)
def test_what_a_user_gets_wrong_is_named(changes: dict[str, Any], words: str) -> None:
    """These are input errors: the command line ends with exit status 2."""
    sound = {"net": NET, "routes": str(ROUTES), "begin": int(BEGIN), "end": int(END)}
    with pytest.raises(InvalidInputError, match=words):
        evaluate(**(sound | {"seeds": "2"} | changes))


def test_ctrl_c_leaves_nothing_behind() -> None:
    """Interrupted, it ends at once with status 130, without a trace, and so do its runs."""
    command = [str(Path(sys.executable).with_name("greenlot"))]
    command += map(str, arguments(end="61200", seeds="200"))
    caller = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found: list[str] = []
    try:
        for _ in range(200):
            # Children belong to the thread that started them.
            tasks = Path(f"/proc/{caller.pid}/task").glob("*/children")
            found = [child for path in tasks for child in path.read_text().split()]
            if found:
                break
            time.sleep(0.05)
        caller.send_signal(signal.SIGINT)
        out, err = caller.communicate(timeout=20)
    finally:
        caller.kill()
        caller.wait()
    assert caller.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert not [child for child in found if Path(f"/proc/{child}").exists()]


def test_seeds_are_a_count_or_a_list() -> None:
    assert parse_seeds("3") == (1, 2, 3)
    assert parse_seeds("2", first=1001) == (1001, 1002)
    assert parse_seeds("23,") == (23,)
    assert parse_seeds("9,4") == (9, 4)
    for text in ("", "0", "-1", "1,,2", "1;2", "4,4"):
        with pytest.raises(InvalidInputError):
            parse_seeds(text)


def test_jobs_are_cpus_by_default() -> None:
    assert parse_jobs(None) >= 1
    assert parse_jobs(7) == 7
