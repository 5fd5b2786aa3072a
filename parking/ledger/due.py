"""What falls due when: a persistent priority queue (a leftist heap).

Persistent, because the ledger's state is immutable: an old state keeps its old queue.
Okasaki, Purely Functional Data Structures (1998), section 3.1.
"""

from typing import NamedTuple


class Due(NamedTuple):
    """Something that falls due: first by time, then by id, so the order is one and the same."""

    at_ms: int
    reservation_id: str


class Heap(NamedTuple):
    """A node: the least entry of its tree, with the shorter right spine."""

    rank: int
    least: Due
    left: "Heap | None"
    right: "Heap | None"


def push(heap: Heap | None, due: Due) -> Heap:
    """Return the heap with one entry more, in O(log n)."""
    node = Heap(1, due, None, None)
    return node if heap is None else _merge(heap, node)


def pop(heap: Heap) -> Heap | None:
    """Return the heap without its least entry, in O(log n)."""
    if heap.left is None or heap.right is None:
        return heap.left
    return _merge(heap.left, heap.right)


def _merge(one: Heap, other: Heap) -> Heap:
    if other.least < one.least:
        one, other = other, one
    right = other if one.right is None else _merge(one.right, other)
    left = one.left
    if left is None:
        return Heap(1, one.least, right, None)
    if left.rank < right.rank:
        left, right = right, left
    return Heap(right.rank + 1, one.least, left, right)
