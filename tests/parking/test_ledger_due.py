"""The queue of what falls due: in order, however things came; old queues stay as they were."""

import heapq
import random

import pytest

from parking.ledger.due import Due, pop, push


def drained(heap):
    while heap is not None:
        yield heap.least
        heap = pop(heap)


@pytest.mark.parametrize("seed", range(20))
def test_it_gives_back_what_a_plain_heap_gives_back(seed):
    rng = random.Random(seed)
    heap, plain = None, []
    for _ in range(600):
        if plain and rng.random() < 0.45:
            assert heap.least == heapq.heappop(plain)
            heap = pop(heap)
        else:
            due = Due(rng.randrange(50), f"r{rng.randrange(9)}")
            heapq.heappush(plain, due)
            heap = push(heap, due)
    assert list(drained(heap)) == sorted(plain)


@pytest.mark.parametrize("times", [range(3000), range(3000, 0, -1)], ids=["rising", "falling"])
def test_an_old_heap_stays_as_it_was(times):
    heap = None
    for at_ms in times:
        heap = push(heap, Due(at_ms, "r"))
    before = list(drained(heap))
    pop(pop(heap))
    push(heap, Due(-1, "r"))
    assert list(drained(heap)) == before == sorted(Due(at_ms, "r") for at_ms in times)
