"""The benchmark of allocations runs, and its exact peers agree with ours."""

import re

import pytest

from benchmarks import allocation


def test_a_quick_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks.allocation", "--quick", "--repeats", "1"])
    assert allocation.main() == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert len(re.findall(r"^\| 500 x 60 \|", printed.out, re.MULTILINE)) == 6
    assert "networkx" in printed.out
    assert "seed 1" in printed.out
