"""Pools without a lot's document: only how many reservations they carry."""

import asyncio
from collections.abc import Mapping

from parking.ledger import SetCapacity
from parking.store_writer import LedgerWriter


async def set_capacities(writer: LedgerWriter, capacities: Mapping[str, tuple[str, int]]) -> None:
    """Bring pools to their bookable spaces: pool id -> (lot id, spaces)."""
    await asyncio.gather(
        *(
            writer.carry_out(SetCapacity(pool_id, lot_id, spaces))
            for pool_id, (lot_id, spaces) in capacities.items()
            if (known := writer.state.pools.get(pool_id)) is None or known.capacity != spaces
        )
    )
