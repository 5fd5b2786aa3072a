"""SIGKILL under load: what was acknowledged is there, no space is given twice.

A process crash, not a loss of power. ``benchmarks/ledger_kill.py`` does the same fifty times.
"""

from pathlib import Path

from tests.reliability.killing import kill_one_server, kill_replicas
from tests.reliability.postgres_server import running


async def test_an_embedded_store_survives_its_server(small_city: Path, tmp_path: Path) -> None:
    witness = await kill_one_server(small_city, tmp_path, kills=3, seed=1)
    assert witness.wrong == []
    assert witness.acknowledged["RecordDeparture"] > 0
    assert witness.retried > 0, "nobody was under way when it was killed"


async def test_two_servers_survive_each_other_and_their_database(
    small_city: Path, tmp_path: Path
) -> None:
    with running() as database:
        witness = await kill_replicas(small_city, tmp_path, database, kills=2, restarts=1, seed=2)
    assert witness.wrong == []
    assert witness.acknowledged["RecordDeparture"] > 0
    assert witness.retried > 0, "nobody was under way when it was killed"
