"""The search of ``OptimizeBands``."""

import math
from collections.abc import Callable

from traffic.band_answer import BandAnswer, answer_bands
from traffic.bandwidth import Range
from traffic.bandwidth.search import Progress
from traffic.errors import InvalidInputError
from traffic.io.band_messages import method_from_proto, question_from_proto
from traffic.service import fields
from traffic.service.searches import Deadline, Search, Step
from traffic.v1 import signal_timing_pb2 as pb

MAX_CYCLE_S = 3600.0
MAX_TIME_LIMIT_S = 86_400.0
# Share of the time to the deadline that the search may take; the rest is for the whole-second plan.
SEARCH_SHARE = 0.6
# Fields of the document that the search itself may refuse.
QUESTION_FIELDS = ("links", "corridors")


def band_search(request: pb.OptimizeBandsRequest, deadline: Deadline) -> Search[BandAnswer]:
    """Read a request; return the search that it asks for.

    Raises
    ------
    InvalidInputError
        ``where`` is the request's field.
    """
    question = question_from_proto(request)
    method = method_from_proto(request)
    cycle_s = _cycle(request)
    max_link_m = fields.ranged(request.max_link_m, 1, 1e6, where="max_link_m")
    wanted_s = fields.ranged(request.time_limit_s, 0.1, MAX_TIME_LIMIT_S, where="time_limit_s")
    seed = fields.seed(request.seed)

    def run(*, progress: Callable[[Step], object], should_stop: Callable[[], bool]) -> BandAnswer:
        # The queue is left behind: said at once, as the search's own first step may take a while.
        progress(Progress("search begins", 0.0, 0.0, math.inf))
        try:
            return answer_bands(
                question,
                method=method,
                cycle_s=cycle_s,
                max_link_m=max_link_m,
                time_limit_s=min(wanted_s or 60.0, max(0.1, SEARCH_SHARE * deadline.left_s())),
                most_s=max(0.1, deadline.left_s()),
                seed=seed,
                progress=progress,
                should_stop=lambda: should_stop() or deadline.left_s() <= 0,
            )
        except InvalidInputError as error:
            if error.where not in QUESTION_FIELDS:
                raise
            raise InvalidInputError(error.message, where=f"question.{error.where}") from error

    return run


def _cycle(request: pb.OptimizeBandsRequest) -> Range | None:
    low, high = request.min_cycle_s, request.max_cycle_s
    if low == 0 and high == 0:
        return None
    if not 1 < low <= MAX_CYCLE_S:
        raise InvalidInputError(
            f"{low:g}; expected more than 1, up to {MAX_CYCLE_S:g}", where="min_cycle_s"
        )
    if high != 0 and not low <= high <= MAX_CYCLE_S:
        raise InvalidInputError(
            f"{high:g}; expected {low:g} (min_cycle_s) to {MAX_CYCLE_S:g}", where="max_cycle_s"
        )
    return Range(low, high or low)
