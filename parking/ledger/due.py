"""What falls due when: a persistent priority queue (a pairing heap).

Persistent, because the ledger's state is immutable: an old state keeps its old queue. Adding takes
one step, which every command does; taking the least out takes O(log n) steps, spread over all that
was added. Fredman, Sedgewick, Sleator, Tarjan, The pairing heap (Algorithmica 1, 1986).
"""

from typing import NamedTuple


class Due(NamedTuple):
    """Something that falls due: first by time, then by id, so the order is one and the same."""

    at_ms: int
    reservation_id: str


class Heap(NamedTuple):
    """A tree whose root is its least entry; ``first`` of its children, ``after`` it the next one.

    The root of a whole heap has nothing after it.
    """

    least: Due
    first: "Heap | None" = None
    after: "Heap | None" = None


def push(heap: Heap | None, due: Due) -> Heap:
    """Return the heap with one entry more."""
    if heap is None:
        return Heap(due)
    if due < heap.least:
        return Heap(due, heap)
    return Heap(heap.least, Heap(due, None, heap.first))


def pop(heap: Heap) -> Heap | None:
    """Return the heap without its least entry; None = it was the last."""
    pairs, one = [], heap.first
    while one is not None:
        other = one.after
        if other is None:
            pairs.append(Heap(one.least, one.first))
            break
        one, following = _merge(one, other), other.after
        pairs.append(one)
        one = following
    if not pairs:
        return None
    merged = pairs.pop()
    while pairs:
        merged = _merge(pairs.pop(), merged)
    return merged


def _merge(one: Heap, other: Heap) -> Heap:
    if other.least < one.least:
        one, other = other, one
    return Heap(one.least, Heap(other.least, other.first, one.first))
