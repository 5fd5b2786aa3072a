"""What a solver and a bound are given of a short time."""

from typing import Any

import numpy as np
import pytest
from ortools.math_opt.python import mathopt

from benchmarks.band_instances import random_corridor
from traffic.bandwidth import Range, Status, solve
from traffic.bandwidth.chains import FixedLines
from traffic.bandwidth.limits import cheapest, limits_of
from traffic.bandwidth.problem import METHODS, Method, corridor_problem
from traffic.bandwidth.search import DEAF_S


@pytest.mark.parametrize("method", METHODS)
def test_no_solver_may_outlast_the_call(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the call beats the least time of the whole-second plan."""
    limits_s: list[float] = []

    def seen(model: Any, solver: Any, **rest: Any) -> Any:
        if solver is not mathopt.SolverType.GLOP:
            limits_s.append(rest["params"].time_limit.total_seconds())
        return real(model, solver, **rest)

    real = mathopt.solve
    monkeypatch.setattr(mathopt, "solve", seen)
    asked = random_corridor(6, "free", 0, volumes=True)
    solved = solve(asked, method=method, time_limit_s=4, most_s=5, should_stop=lambda: False)
    assert solved.real.certificate.status in (Status.OPTIMAL, Status.FEASIBLE)
    assert limits_s
    assert max(limits_s) <= 5
    assert DEAF_S <= 10


def test_a_search_that_is_stopped_at_once_proves_nothing() -> None:
    """Neither that a plan is the best nor that there is none; the bound still holds."""
    asked = random_corridor(8, "fixed", 1, volumes=True)
    for method in METHODS:
        stopped = solve(asked, method=method, should_stop=lambda: True).real.certificate
        best = solve(asked, method=method, cycle_s=Range(80, 80)).real.certificate
        assert stopped.status in (Status.UNKNOWN, Status.FEASIBLE)
        assert stopped.bound >= best.value


def test_the_cheapest_bound_stands_where_time_is_over() -> None:
    """It holds wherever the real one does."""
    problem = corridor_problem(random_corridor(8, "fixed", 2, volumes=True), "multiband", None)
    road = problem.roads[0]
    z0, z1 = (problem.cycle_s.high**-1, problem.cycle_s.low**-1)
    most = cheapest(road, "multiband")
    late = limits_of(road, "multiband", lambda: True)
    assert isinstance(late, FixedLines)
    ends = np.linspace(z0, z1, 9)
    assert late.most(ends[:-1], ends[1:]) == pytest.approx([most] * 8)
    assert (limits_of(road, "multiband").most(ends[:-1], ends[1:]) <= most + 1e-12).all()
