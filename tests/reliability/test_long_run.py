"""A bounded run of what ``benchmarks/ledger_ops.py`` does a million times."""

from pathlib import Path

import pytest

from parking.store import MemoryStore, SqliteStore
from tests.reliability.long_run import LongRun


@pytest.mark.parametrize(("kind", "operations"), [("memory", 8000), ("sqlite", 8000)])
async def test_thousands_of_operations(kind: str, operations: int, tmp_path: Path) -> None:
    memory = MemoryStore()
    run = LongRun(
        lambda: memory if kind == "memory" else SqliteStore(tmp_path / "ledger.db"),
        seed=operations,
    )
    await run.play(operations)
    run.close()
    assert run.done.total() >= operations
    assert run.restarts >= 4
    for deed in ("Hold", "Hold refused", "Confirm", "Arrive", "Depart", "Cancel", "Extend"):
        assert run.done[deed] > 20, deed
