"""The one writer of a city's ledger: commands in, durable answers out.

Decisions are made at once on the state in memory, in the order in which they come; the caller is
answered when the store has them on the disk, many in one commit. What the store cannot write did
not happen: the state falls back to the last one that is on the disk, and what had been decided on
top of the lost part is decided anew.

Where several servers share the store, another may have written meanwhile. Then the store hands
the others' events over while it holds the city's lock, and the batch is decided anew on top of
them: what is written was decided on the state that it follows.

- ``writer``: the writer itself. ``job``: a decision on its way to the disk. ``flight``: decisions
  that share a commit. ``requests``: one answer for each request id. ``snapshots``: what a start
  begins from.
"""

from parking.store_writer.job import Follow, Reply
from parking.store_writer.writer import LedgerWriter, Listener

__all__ = ["Follow", "LedgerWriter", "Listener", "Reply"]
