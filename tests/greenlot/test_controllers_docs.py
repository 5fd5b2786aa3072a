"""The commands of docs/controllers.md and of the Chinese README, as written."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from greenlot.city import load_city
from greenlot.cli import app
from greenlot.server import ServerThread

ROOT = Path(__file__).parents[2]
LONG_RUNNING = ("serve", "controller")


def commands(page: str) -> list[list[str]]:
    """The words of each ``greenlot`` command in a page's blocks of code."""
    blocks = re.findall(r"^```\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    lines = re.split(r"\n(?! )", "\n".join(blocks))
    words = (shlex.split(line, comments=True) for line in lines if line.startswith("greenlot "))
    return [found[1:] for found in words]


def test_the_worked_example_works_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = [words for words in commands("docs/controllers.md") if words[0] not in LONG_RUNNING]
    called = [words[1] for words in shown]
    assert called == [
        *("OptimizePlans", "export", "submit", "ApprovePlanSet", "Activate", "RollBack")
    ]
    monkeypatch.chdir(tmp_path)
    with ServerThread(load_city(None, cache=tmp_path), data=tmp_path / "data") as server:

        def run(*words: str) -> Result:
            done = CliRunner().invoke(app, words, env={"GREENLOT_SERVER": server.address})
            assert done.exit_code == 0, (words, done.output, done.exception)
            return done

        answers = {words[1]: run(*words).stdout for words in shown}
        assert "cities/dongying/planSets/4" in answers["submit"].splitlines()
        assert "SWITCH_STATE_COMMITTED" in answers["Activate"], "there is nobody to wait for"
        assert "SWITCH_STATE_CANCELLED" in answers["RollBack"], "nobody had gone over"
        # The other forms of the page's table, of the same schedule.
        export = ["signals", "export", "cities/dongying/schedules/2"]
        assert "-> tables" in run(*export, "--format", "csv", "-o", "tables").stdout
        sumo = ["--format", "sumo", "--date", "2026-10-01", "--data", str(tmp_path)]
        assert "-> day.add.xml" in run(*export, *sumo, "-o", "day.add.xml").stdout


def test_both_readmes_show_the_same_calls() -> None:
    shown = [
        re.findall(r"^\.venv/bin/greenlot call .*$", (ROOT / name).read_text(), re.MULTILINE)
        for name in ("README.md", "README.zh-CN.md")
    ]
    assert len(shown[0]) >= 4
    assert shown[0] == shown[1]
