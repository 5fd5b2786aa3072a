"""Reasons for many requests at once are those for each by itself."""

import random
from collections import Counter

import numpy as np
import pytest

from parking.allocation import REASONS, LotTable, RequestTable, reasons
from parking.allocation.reasons import NO_POOL_IN_REACH, why_unserved
from parking.travel import GreatCircle
from tests.parking.allocation.cities import mixed_city, mixed_requests
from tests.verification.allocation_model import judge


@pytest.mark.parametrize("block", [1, 40, 10**6])
def test_reasons_of_many(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "BLOCK", block)
    rng = random.Random(8)
    asked, city = mixed_requests(rng, 120), mixed_city(rng, 9)
    pools = [(lot, pool) for lot in city for pool in lot.pools]
    without = [
        i for i, r in enumerate(asked) if not any(judge(r, lot, pool) for lot, pool in pools)
    ]
    table, lots = RequestTable.of(asked), LotTable.of(city)
    words = why_unserved(table, lots, np.array(without), GreatCircle())
    assert list(words) == without
    assert set(words.values()) <= {*REASONS, NO_POOL_IN_REACH}
    assert len(Counter(words.values())) > 3
    for i in without:
        assert why_unserved(table, lots, np.array([i]), GreatCircle()) == {i: words[i]}


def test_nobody_is_asked_about() -> None:
    rng = random.Random(1)
    table, lots = RequestTable.of(mixed_requests(rng, 3)), LotTable.of(mixed_city(rng, 3))
    assert why_unserved(table, lots, np.zeros(0, dtype=np.int64), GreatCircle()) == {}
