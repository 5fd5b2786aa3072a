"""Snapshots of the ledger's state: taken now and then, a little at a time, and begun from."""

import asyncio
import logging
from collections.abc import Callable
from uuid import uuid4

from parking.errors import ParkingError
from parking.ledger import SHAPE, LedgerState, replay
from parking.store import ReservationStore, SnapshotHead
from parking.store.snapshot import digest_of, parts_of, state_in

EVERY = 20_000
"""After so many events, or half as many as the state has reservations, one more is taken."""
LEFT_MAX = 10_000
"""A server that ends leaves at most so many events to be replayed."""
LOOK_S = 2.0
BETWEEN_PARTS_S = 0.005
"""Other work has its turn between two parts, each of which takes about a millisecond."""

log = logging.getLogger(__name__)


def begin(store: ReservationStore, kept_ms: int) -> tuple[LedgerState, int]:
    """Return the state that a store's log leads to, and the revision of its snapshot.

    From the last snapshot and the events after it, or where there is none that counts, from the
    whole log: that is the same state.

    Parameters
    ----------
    store
        Holds both.
    kept_ms
        How long reservations stay in the state after their end, ms.
    """
    state = LedgerState(kept_ms=kept_ms)
    snapshot = store.snapshot()
    if snapshot is not None:
        try:
            found = state_in(snapshot)
        except ValueError as error:
            log.warning("the snapshot is passed over: %s", error)
        else:
            # Another option of this kind: its state would lack reservations, or have too many.
            state = found if found.kept_ms == kept_ms else state
    return replay(store.read(state.revision), state), state.revision


async def save(store: ReservationStore, state: LedgerState, *, between_s: float = 0.0) -> None:
    """Take a snapshot of a state, part by part.

    Raises
    ------
    UnavailableError
        The store cannot be written; then the last snapshot is the one before.
    """
    key, parts = uuid4().hex, []
    for number, part in enumerate(parts_of(state)):
        parts.append(part)
        await asyncio.wrap_future(store.save_part(key, number, part))
        await asyncio.sleep(between_s)
    head = SnapshotHead(key, state.revision, SHAPE, len(parts), digest_of(parts))
    await asyncio.wrap_future(store.save_snapshot(head))


class Snapshots:
    """Has a snapshot taken when there is much to be replayed.

    Parameters
    ----------
    store
        Where they are kept.
    durable
        The state that is on the disk.
    revision
        Of the last snapshot.
    """

    def __init__(
        self, store: ReservationStore, durable: Callable[[], LedgerState], revision: int
    ) -> None:
        self._store = store
        self._durable = durable
        self._revision = revision
        self._saving = asyncio.Lock()

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            state = self._durable()
            if state.revision - self._revision >= max(EVERY, len(state.reservations) // 2):
                await self._save(state, between_s=BETWEEN_PARTS_S)

    async def close(self) -> None:
        """Take a last one, where a start would have much to replay."""
        state = self._durable()
        if state.revision - self._revision > LEFT_MAX:
            await self._save(state)

    async def _save(self, state: LedgerState, *, between_s: float = 0.0) -> None:
        async with self._saving:
            try:
                await save(self._store, state, between_s=between_s)
            except ParkingError as error:
                # The one before still stands, and the log behind it.
                log.warning("no snapshot could be taken: %s", error.message)
            # In any case not again at once.
            self._revision = state.revision
