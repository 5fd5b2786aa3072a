"""The limit for each driver."""

import pytest

from parking.errors import TooManyError
from parking.service.flood import Allowance


def test_a_burst_then_so_many_a_second():
    now = [0.0]
    allowance = Allowance(lambda: now[0], burst=3, per_s=0.5)
    for _ in range(3):
        allowance.take("a")
    with pytest.raises(TooManyError):
        allowance.take("a")
    allowance.take("b")
    now[0] = 2.0
    allowance.take("a")
    with pytest.raises(TooManyError):
        allowance.take("a")


def test_asking_on_while_refused_costs_nothing_more():
    now = [0.0]
    allowance = Allowance(lambda: now[0], burst=1, per_s=1.0)
    allowance.take("a")
    for _ in range(50):
        with pytest.raises(TooManyError):
            allowance.take("a")
    now[0] = 1.0
    allowance.take("a")


def test_it_keeps_a_bounded_number_of_drivers(monkeypatch):
    monkeypatch.setattr("parking.service.flood.DRIVERS_KEPT", 10)
    allowance = Allowance(lambda: 0.0)
    for k in range(100):
        allowance.take(f"d{k}")
    assert len(allowance._left) == 10
