"""The arcs of a batch whose stays come and go, and what an answer to it says."""

from dataclasses import dataclass

import numpy as np

from parking.allocation.tables import Flags, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Wishes:
    """Arcs of a batch.

    Parameters
    ----------
    request, pool, weight
        Of each arc, sorted by request.
    arrive_ms, leave_ms
        Of each arc's request.
    must
        Whether the arc's request holds a place: it is served before others are.
    home
        Whether the arc is that place.
    """

    request: Ints
    pool: Ints
    weight: Ints
    arrive_ms: Ints
    leave_ms: Ints
    must: Flags
    home: Flags

    def __len__(self) -> int:
        return len(self.request)

    def take(self, chosen: Ints | Flags) -> "Wishes":
        """Return some of the arcs."""
        return Wishes(
            self.request[chosen],
            self.pool[chosen],
            self.weight[chosen],
            self.arrive_ms[chosen],
            self.leave_ms[chosen],
            self.must[chosen],
            self.home[chosen],
        )

    def numbered(self) -> tuple[int, Ints]:
        """Return how many requests there are, and each arc's request numbered from 0."""
        different, number = np.unique(self.request, return_inverse=True)
        return len(different), np.asarray(number.reshape(-1), dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class ProgramAnswer:
    """Chosen arcs with both proven bounds.

    Parameters
    ----------
    arcs
        Numbers of the chosen arcs among those asked about.
    kept, kept_bound
        Of those who hold a place, how many are served, and no answer serves more.
    served_bound
        No answer that keeps as many serves more.
    bound
        No answer that keeps and serves as many weighs less.
    parts
        Problems that were solved apart.
    branched
        Of which so many were not settled by the linear program.
    """

    arcs: Ints
    kept: int
    kept_bound: int
    served_bound: int
    bound: int
    parts: int
    branched: int
