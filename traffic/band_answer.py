"""Answers a question about green bands in full, as the command line and the service both give it.

That is the plan with its certificate; where no band runs through a corridor, its parts; and for
``no_band`` which two signals alone rule a band out, where there are such.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from traffic.bandwidth import Corridor, Method, Network, Range, Solved, Status, solve
from traffic.bandwidth.partition import Parted, ruling_pair, solve_parted
from traffic.bandwidth.search import OnProgress, Watch
from traffic.errors import InvalidInputError

# The solvers keep seeds in 32 bits.
MAX_SEED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class BandAnswer:
    """What was found; ``parted`` where it was asked, or where no band runs through a corridor."""

    solved: Solved
    parted: Parted | None = None


def answer_bands(
    question: Corridor | Network,
    *,
    method: Method = "maxband",
    cycle_s: Range | None = None,
    max_link_m: float | None = None,
    time_limit_s: float = 60.0,
    most_s: float = math.inf,
    seed: int = 0,
    progress: OnProgress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> BandAnswer:
    """Find the best bands of a corridor or network.

    Parameters
    ----------
    question
        What is asked.
    method
        ``maxband``, ``multiband`` or ``amband``.
    cycle_s
        Beats the question's own.
    max_link_m
        Also part the corridor at links longer than this, m.
    time_limit_s
        Seconds of search for the plan, more than 0; parting may take as long again.
    most_s
        Seconds until all must have ended.
    seed
        0 to 2**31 - 1.
    progress, should_stop
        Told of every step; asked whether to stop with the best so far.

    Raises
    ------
    InvalidInputError
        A parameter out of range; ``where`` is its name.
    SolverError
        Both solvers failed.
    """
    if not 0 <= seed <= MAX_SEED:
        raise InvalidInputError(f"{seed}; expected 0 to {MAX_SEED}", where="seed")
    _check_max_link(question, max_link_m)
    whole_call = Watch(most_s, None, should_stop)
    solved = solve(
        question,
        method=method,
        cycle_s=cycle_s,
        time_limit_s=time_limit_s,
        most_s=most_s,
        seed=seed,
        progress=progress,
        should_stop=should_stop,
    )
    if isinstance(question, Network):
        return BandAnswer(solved)
    none = solved.real.certificate.status is Status.NO_BAND
    parted = None
    if max_link_m is not None or (none and len(question.signals) > 2):
        try:
            parted = solve_parted(
                question,
                method=method,
                cycle_s=cycle_s,
                max_link_m=max_link_m,
                time_limit_s=time_limit_s,
                most_s=whole_call.left_s(),
                seed=seed,
                should_stop=should_stop,
            )
        except InvalidInputError:
            # Not even two neighbours go together: an answer, not a mistake in the question.
            parted = None
    if none and method == "maxband":
        solved = _with_pair(question, solved, cycle_s, whole_call.part(time_limit_s))
    return BandAnswer(solved, parted)


def _check_max_link(question: Corridor | Network, max_link_m: float | None) -> None:
    if max_link_m is None:
        return
    if isinstance(question, Network):
        raise InvalidInputError("parts a corridor, not a network", where="max_link_m")
    shortest_m = min(question.lengths_m)
    if not shortest_m <= max_link_m:
        raise InvalidInputError(
            f"{max_link_m:g}; expected at least {shortest_m:g}, the shortest link",
            where="max_link_m",
        )


def _with_pair(question: Corridor, solved: Solved, cycle_s: Range | None, watch: Watch) -> Solved:
    """Name two signals that alone rule a band out, where there are such."""
    pair = ruling_pair(question, cycle_s, watch.over)
    if pair is None:
        return solved
    first, last = pair
    return replace(solved, proof=f"{solved.proof}; pair bound: {first} and {last} alone allow none")
