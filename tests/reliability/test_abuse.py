"""Mistakes, floods and late calls: canonical codes with details, and a log without exceptions."""

import asyncio
from pathlib import Path

import grpc

from tests.reliability.abuse import Abuser
from tests.reliability.server_process import ServerProcess
from tests.reliability.soaking import Soak

PARENT = "cities/smallville"


async def test_every_mistake_gets_its_code_and_the_log_stays_clean(
    small_city: Path, tmp_path: Path
) -> None:
    with ServerProcess(small_city, tmp_path / "data") as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            abuser = Abuser(channel, PARENT)
            await abuser.mistakes()
            await abuser.flood()
            await abuser.too_late()
            await abuser.too_long()
        server.stop()
        assert abuser.wrong == []
        assert "Traceback" not in server.words()
        assert "error" not in server.words()


async def test_a_short_soak(small_city: Path, tmp_path: Path) -> None:
    """``benchmarks/ledger_soak.py`` does it for ten minutes and looks at the memory."""
    with ServerProcess(small_city, tmp_path / "data") as server:
        soak = Soak(server.address, PARENT, server.pid, calls_per_s=60)
        await asyncio.wait_for(soak.run(seconds=4), timeout=120)
        server.stop()
        words = server.words()
    assert soak.wrong == []
    assert "Traceback" not in words
    assert soak.calls["RecordDeparture"] > 5
    assert soak.pushes > 5
    assert soak.samples, "the memory was looked at"
