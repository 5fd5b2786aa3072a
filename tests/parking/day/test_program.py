"""The slot program and its dual, beside HiGHS."""

import numpy as np
import pytest
from scipy import optimize, sparse

from parking.day.program import SlotProgram
from parking.errors import InvalidInputError


def random_program(seed):
    """Return the arguments of a small random program."""
    rng = np.random.default_rng(seed)
    pools, slots, demands = 4, 6, 60
    capacity = rng.integers(0, 6, (pools, slots)).astype(float)
    demand = np.sort(rng.integers(0, demands, 150))
    pool = rng.integers(0, pools, 150)
    pair = np.unique(np.column_stack([demand, pool]), axis=0)
    value = rng.uniform(10, 2000, len(pair))
    begin = rng.uniform(-1, slots - 0.5, demands)
    end = begin + rng.uniform(0.1, 4, demands)
    return capacity, pair[:, 0], pair[:, 1], value, rng.uniform(0, 2, demands), begin, end


def by_highs(capacity, demand, pool, value, weight, begin, end):
    """Return the optimum of the program as it is written."""
    pools, slots = capacity.shape
    lower = np.maximum(begin[demand, None], np.arange(slots))
    inside = np.maximum(0, np.minimum(end[demand, None], np.arange(slots) + 1) - lower)
    arc = np.repeat(np.arange(len(pool)), slots)
    row = (pool[:, None] * slots + np.arange(slots)).ravel()
    rooms = sparse.csr_array((inside.ravel(), (row, arc)), shape=(pools * slots, len(pool)))
    ones = np.ones(len(pool))
    once = sparse.csr_array((ones, (demand, np.arange(len(pool)))), shape=(len(weight), len(pool)))
    found = optimize.linprog(
        -value,
        A_ub=sparse.vstack([once, rooms]),
        b_ub=np.concatenate([weight, capacity.ravel()]),
        method="highs",
    )
    assert found.status == 0
    return -found.fun


@pytest.mark.parametrize("seed", range(8))
def test_least_dual_is_the_optimum(seed):
    """Minimised on falling smoothings, the bound comes within 0.1% of HiGHS's optimum."""
    arguments = random_program(seed)
    best = by_highs(*arguments)
    program = SlotProgram(*arguments)
    price = np.zeros(arguments[0].shape)
    for smooth_fen in (100.0, 10.0, 1.0, 0.1):
        price = program.prices(price, smooth_fen, 500)
    assert best * (1 - 1e-9) <= program.bound(price) <= best * 1.001


@pytest.mark.parametrize("seed", range(8))
def test_any_prices_bound_the_optimum(seed):
    """Prices out of the blue are a bound as well, only a worse one."""
    arguments = random_program(seed)
    price = np.random.default_rng(seed).uniform(0, 800, arguments[0].shape)
    assert SlotProgram(*arguments).bound(price) >= by_highs(*arguments) - 1e-6


def test_gradient_is_what_is_left_free():
    """The smoothed dual's gradient agrees with finite differences."""
    arguments = random_program(3)
    program = SlotProgram(*arguments)
    price = np.random.default_rng(1).uniform(0, 300, arguments[0].shape)
    program._dual(price, 50.0)
    slack = program._slack.copy()
    for j, t in ((0, 0), (1, 3), (2, 5), (3, 2)):
        more, less = price.copy(), price.copy()
        more[j, t] += 1e-3
        less[j, t] -= 1e-3
        slope = (program._dual(more, 50.0) - program._dual(less, 50.0)) / 2e-3
        assert slope == pytest.approx(slack[j, t], abs=1e-4)


def test_refuses_negative_capacity():
    """A pool cannot have less than nothing."""
    capacity, *others = random_program(0)
    with pytest.raises(InvalidInputError, match="capacity"):
        SlotProgram(capacity - 9, *others)
