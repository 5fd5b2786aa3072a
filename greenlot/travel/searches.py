"""Shortest ways between many points, one search an entrance, kept for the next batch."""

from collections import OrderedDict
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KEPT_BYTES = 256 * 2**20
"""Searches that are kept; the one that was not used for longest goes first."""


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """How points reach a graph: each by at most two nodes, shape (points, 2).

    Parameters
    ----------
    node
        Numbers of the nodes.
    offset
        From the point to its node, or from the node to the point; infinite = not that way.
    """

    node: Ints
    offset: Floats

    def count(self) -> int:
        """Return how many different nodes there are."""
        return len(np.unique(self.node[np.isfinite(self.offset)]))


@numba.njit(cache=True, nogil=True)
def _least(rows, row_of, near, node, far, i, j, out):  # type: ignore[no-untyped-def]
    for k in range(len(i)):
        best = np.inf
        for a in range(2):
            here = near[i[k], a]
            if here < best:
                row = row_of[i[k], a]
                for b in range(2):
                    way = here + rows[row, node[j[k], b]] + far[j[k], b]
                    best = min(best, way)
        out[k] = best


class Searches:
    """Shortest ways in one directed graph.

    Parameters
    ----------
    begins, ends, weight
        Of the arcs, shape (arcs,); weights more than 0.
    nodes
        How many.
    """

    def __init__(self, begins: Ints, ends: Ints, weight: Floats, nodes: int) -> None:
        order = np.lexsort((weight, ends, begins))
        first = np.ones(len(order), dtype=np.bool_)
        first[1:] = (np.diff(begins[order]) != 0) | (np.diff(ends[order]) != 0)
        kept = order[first]  # The best of parallel arcs; a sparse matrix would add them up.
        shape = (nodes, nodes)
        self.nodes = nodes
        self._forward = csr_array((weight[kept], (begins[kept], ends[kept])), shape=shape)
        self._backward = csr_array((weight[kept], (ends[kept], begins[kept])), shape=shape)
        self._known: OrderedDict[tuple[bool, int], Floats] = OrderedDict()

    def between(self, sources: Ends, targets: Ends, i: Ints, j: Ints) -> Floats:
        """Return the shortest way from source ``i[k]`` to target ``j[k]``; infinite = none.

        Searches begin at the side with fewer nodes.
        """
        forward = sources.count() < targets.count()
        near, far = (sources, targets) if forward else (targets, sources)
        here, there = (i, j) if forward else (j, i)
        out = np.empty(len(i))
        room = max(1, KEPT_BYTES // (16 * self.nodes))
        order = None if len(near.node) <= room else np.argsort(here, kind="stable")
        for begin in range(0, len(near.node), room):
            end = min(begin + room, len(near.node))
            own: slice | Ints = slice(None)
            if order is not None:
                low, high = np.searchsorted(here, [begin, end], sorter=order)
                own = order[low:high]
            rows, row_of = self._rows(near.node[begin:end], forward)
            found = np.empty(len(here[own]))
            _least(
                rows,
                row_of,
                near.offset[begin:end],
                far.node,
                far.offset,
                here[own] - begin,
                there[own],
                found,
            )
            out[own] = found
        return out

    def _rows(self, nodes: Ints, forward: bool) -> tuple[Floats, Ints]:
        """Return the searches from some nodes, and the row of each node."""
        keys, row_of = np.unique(nodes, return_inverse=True)
        missing = [int(key) for key in keys if (forward, int(key)) not in self._known]
        graph = self._forward if forward else self._backward
        found = {}
        if missing:
            ways = dijkstra(graph, indices=missing)
            found = dict(zip(missing, np.asarray(ways), strict=True))
        rows = np.empty((len(keys), self.nodes))
        for k, key in enumerate(keys.tolist()):
            row = found.get(key)
            if row is None:
                row = self._known[forward, key]
            rows[k] = row
            self._known[forward, key] = row
            self._known.move_to_end((forward, key))
        while len(self._known) * 8 * self.nodes > KEPT_BYTES:
            self._known.popitem(last=False)
        return rows, row_of.reshape(nodes.shape)
