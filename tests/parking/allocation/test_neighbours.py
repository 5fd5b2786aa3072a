"""Settling anew never makes an answer worse, and keeps every room."""

import random
from dataclasses import replace

import numpy as np
import pytest

from parking.allocation import LotTable, program
from parking.allocation.batch import assign
from parking.allocation.branching import Branched
from parking.allocation.greedy import take_in_order
from parking.allocation.neighbours import settle_anew
from parking.allocation.room import Room
from parking.allocation.rows import find_rows
from parking.allocation.tables import RequestTable
from parking.allocation.wishes import Wishes
from parking.travel import GreatCircle
from tests.parking.allocation.cities import HOUR_MS, mixed_city, mixed_requests

FOR_EVER = np.inf


def batch(seed: int) -> tuple[RequestTable, LotTable, Wishes, Room]:
    rng = random.Random(seed)
    asked = RequestTable.of(mixed_requests(rng, 80, spread_ms=4 * HOUR_MS))
    city = LotTable.of(mixed_city(rng, 12, spaces=2))
    rows = find_rows(asked, city, GreatCircle())
    request, entry = rows.entries()
    nobody = np.zeros(len(request), dtype=np.bool_)
    times = asked.arrive_ms[request], asked.leave_ms[request]
    arcs = Wishes(request, rows.pool[entry], rows.weight[entry], *times, nobody, nobody)
    return asked, city, arcs, Room.of(city, {}, {})


@pytest.mark.parametrize("seed", range(3))
def test_an_answer_becomes_better(seed: int) -> None:
    asked, city, arcs, room = batch(seed)
    optimum = assign(asked, city, time_limit_s=600)
    # Those who stay longest first: a poor answer to begin with.
    start = take_in_order(arcs, np.argsort(arcs.arrive_ms - arcs.leave_ms, kind="stable"), room)
    regret = arcs.weight - arcs.weight.min()
    better = settle_anew(arcs, room, start, regret.astype(float), 1e6, FOR_EVER)
    assert len(np.unique(arcs.request[better])) == len(better) >= len(start)
    assert (len(better), -arcs.weight[better].sum()) > (len(start), -arcs.weight[start].sum())
    served = int((optimum.pool >= 0).sum())
    assert (len(better), -int(arcs.weight[better].sum())) <= (served, -int(optimum.cost_fen.sum()))
    columns = arcs.pool[better], arcs.arrive_ms[better], arcs.leave_ms[better]
    one_more = replace(room, capacity=room.capacity + 1)
    assert (one_more.beside(*columns).over(*columns) > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_large_parts_begin_with_a_good_answer(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, city, *_ = batch(10 + seed)
    plain = assign(asked, city, time_limit_s=600)
    monkeypatch.setattr(program, "LARGE_ARCS", 1)
    started = assign(asked, city, time_limit_s=600)
    assert started.proven
    assert (started.pool >= 0).sum() == (plain.pool >= 0).sum()
    assert started.cost_fen.sum() == plain.cost_fen.sum()


def test_room_beside_stays_is_what_counting_says() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        steps = [np.sort(rng.choice(50, rng.integers(0, 4), replace=False)) for _ in range(4)]
        levels = [
            np.append(rng.integers(0, 4, max(0, len(s) - 1)), [0] * min(1, len(s))) for s in steps
        ]
        first = np.concatenate([[0], np.cumsum([len(s) for s in steps])])
        room = Room(
            np.full(4, 5),
            first,
            np.concatenate(steps).astype(np.int64),
            np.concatenate(levels).astype(np.int64),
        )
        pool, arrive = rng.integers(0, 4, 6), rng.integers(0, 45, 6)
        leave = arrive + rng.integers(1, 9, 6)
        beside = room.beside(pool, arrive, leave)
        for moment in range(55):
            here = (arrive <= moment) & (moment < leave)
            used = np.bincount(pool[here], minlength=4)
            assert (beside.at(moment) == np.maximum(0, room.at(moment) - used)).all()


@pytest.mark.parametrize("seed", range(4))
def test_branching_that_finds_nothing_in_time(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer and no bound from the solver: the linear program's bounds stay."""
    asked, city, *_ = batch(20 + seed)
    best = assign(asked, city, time_limit_s=600)
    nothing = Branched(None, -np.inf, True)
    monkeypatch.setattr(program, "branch", lambda *_, **__: nothing)
    found = assign(asked, city, time_limit_s=600)
    served, most = int((found.pool >= 0).sum()), int((best.pool >= 0).sum())
    assert served <= most <= found.served_bound
    if served == most:
        assert found.bound_fen <= best.cost_fen.sum() <= found.cost_fen.sum()
