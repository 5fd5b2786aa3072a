"""What every search shares: its deadline, the caller's wishes, and a safe call of a solver."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from ortools.math_opt.python import mathopt
from ortools.util.python.solve_interrupter import SolveInterrupter

from traffic.bandwidth.quiet import quiet
from traffic.errors import SolverError

# Values, in cycles, that differ by less count as equal; solvers' tolerances are of this size.
TOLERANCE = 1e-6
POLL_S = 0.05
# HiGHS does not hear an interrupter: where the caller may stop it runs no longer than this at once.
DEAF_S = 10.0
FAILED = (
    mathopt.TerminationReason.OTHER_ERROR,
    mathopt.TerminationReason.NUMERICAL_ERROR,
    mathopt.TerminationReason.IMPRECISE,
    mathopt.TerminationReason.UNBOUNDED,
)


@dataclass(frozen=True, slots=True)
class Progress:
    """A step of a search: what is done, the share done, best value and bound in cycles."""

    message: str
    done_share: float
    value: float
    bound: float


class OnProgress(Protocol):
    """Is told of every step."""

    def __call__(self, step: Progress, /) -> object:
        """Take a step."""


class Watch:
    """Time and the caller's wishes."""

    def __init__(
        self,
        limit_s: float,
        progress: OnProgress | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        self._began = time.perf_counter()
        self._limit_s = limit_s
        self._progress = progress
        self._should_stop = should_stop

    def part(self, limit_s: float) -> "Watch":
        """Make a watch for a part of the work, which ends with the whole and may be stopped too."""
        return Watch(min(limit_s, self.left_s()), None, self._should_stop)

    def elapsed_s(self) -> float:
        """Seconds since the search began."""
        return time.perf_counter() - self._began

    def left_s(self) -> float:
        """Seconds until the limit, 0 when it has passed."""
        return max(0.0, self._limit_s - self.elapsed_s())

    def stopped(self) -> bool:
        """Whether the caller wants no more."""
        return self._should_stop is not None and self._should_stop()

    def over(self) -> bool:
        """Whether to stop with the best so far."""
        return self.left_s() <= 0 or self.stopped()

    def tell(self, message: str, value: float, bound: float) -> None:
        """Report a step."""
        if self._progress is not None:
            done = min(1.0, self.elapsed_s() / self._limit_s)
            self._progress(Progress(message, done, value, bound))

    def solve(
        self,
        model: mathopt.Model,
        *,
        seed: int,
        limit_s: float,
        highs: bool = False,
        gap: float = 0.0,
        most_nodes: int | None = None,
        fallback: bool = True,
    ) -> mathopt.SolveResult:
        """Solve a program with SCIP, or HiGHS, within the time that is left.

        ``gap`` is the relative gap that is good enough, ``most_nodes`` ends the search sooner.
        Without ``fallback`` the other solver is not asked where the first one fails.

        Raises
        ------
        SolverError
            The solver failed, and so did the other one, where that was to be asked.
        """
        limit = timedelta(seconds=max(0.05, min(limit_s, self.left_s())))
        params = mathopt.SolveParameters(
            time_limit=limit,
            random_seed=seed,
            relative_gap_tolerance=gap,
            absolute_gap_tolerance=TOLERANCE / 10,
            node_limit=most_nodes,
        )
        order = [mathopt.SolverType.HIGHS, mathopt.SolverType.GSCIP]
        if not highs:
            order.reverse()
        wrong: list[str] = []
        for solver in order if fallback else order[:1]:
            if solver is mathopt.SolverType.HIGHS and self._should_stop is not None:
                params.time_limit = min(limit, timedelta(seconds=DEAF_S))
            if solver is mathopt.SolverType.HIGHS and wrong:
                # HiGHS's presolve was seen to break sound models of this kind.
                params.presolve = mathopt.Emphasis.OFF
            try:
                result = self._interruptible(model, solver, params)
            except (AttributeError, RuntimeError, ValueError) as error:
                # MathOpt raises the first of these where it stumbles over HiGHS's own error.
                wrong.append(f"{solver.name}: {error.__context__ or error}")
                continue
            if result.termination.reason not in FAILED:
                return result
            wrong.append(f"{solver.name}: {result.termination}")
        raise SolverError("; ".join(wrong), where="bandwidth")

    def _interruptible(
        self,
        model: mathopt.Model,
        solver: mathopt.SolverType,
        params: mathopt.SolveParameters,
    ) -> mathopt.SolveResult:
        if self._should_stop is None:
            with quiet():
                return mathopt.solve(model, solver, params=params)
        interrupter = SolveInterrupter()
        done = threading.Event()

        def wait() -> None:
            while not done.wait(POLL_S):
                if self.stopped():
                    interrupter.interrupt()
                    return

        watcher = threading.Thread(target=wait, daemon=True)
        watcher.start()
        try:
            with quiet():
                return mathopt.solve(model, solver, params=params, interrupter=interrupter)
        finally:
            done.set()
            watcher.join()
