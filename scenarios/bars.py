"""The bars that plans are held to, and which of them a comparison clears."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from scenarios.comparison import Comparison, Outcome
from scenarios.peers import Peer
from scenarios.resco import NAMES

PLAIN, REFINED = "greenlot", "greenlot refined"
LEAST_GAIN, MEAN_GAIN = 0.12, 0.25
# Demand exceeds every plan there: no worse than the peers is asked, the least gain hoped for.
OVERSATURATED = "arterial4x4"
REFINED_DELAY_S: Mapping[str, float] = {
    "cologne1": 36.0,
    "cologne3": 30.0,
    "cologne8": 39.0,
    "ingolstadt1": 22.0,
    "ingolstadt7": 43.0,
}
PLANNING_S = 30.0
# A run is in gridlock when that share of its trips is stuck, and twice what the peer leaves.
STUCK_SHARE, STUCK_TIMES = 0.10, 2.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar, where it applies, what was reached, and whether that clears it."""

    name: str
    case: str
    value: float
    limit: float
    met: bool


def bars(comparisons: Sequence[Comparison]) -> tuple[Bar, ...]:
    """Return all bars that apply to what was compared."""
    found = [bar for comparison in comparisons for bar in _of(comparison)]
    gains = {
        comparison.case: 1 - comparison.ratio(own)
        for comparison in comparisons
        if (own := _own(comparison, PLAIN)) is not None
    }
    if set(NAMES) <= set(gains):
        every = [gains[name] for name in NAMES]
        fluid = [gains[name] for name in NAMES if name != OVERSATURATED]
        for name, values in (("RESCO", every), (f"RESCO without {OVERSATURATED}", fluid)):
            mean = statistics.fmean(values)
            found.append(Bar("mean gain", name, mean, MEAN_GAIN, mean >= MEAN_GAIN))
    return tuple(found)


def better_actuated(comparisons: Sequence[Comparison]) -> tuple[tuple[str, str], ...]:
    """Return (case, plan of ours) where SUMO's actuated control has less delay."""
    pairs = []
    for comparison in comparisons:
        actuated = comparison.outcome(Peer.ACTUATED.value)
        for method in (PLAIN, REFINED):
            own = _own(comparison, method)
            if own is None or actuated is None or not actuated.runs:
                continue
            if actuated.spread("delay_s").mean < own.spread("delay_s").mean:
                pairs.append((comparison.case, method))
    return tuple(pairs)


def stuck_seeds(own: Outcome, peer: Outcome) -> tuple[int, ...]:
    """Return the seeds whose runs gridlock where the peer keeps the traffic flowing."""
    return tuple(
        run.seed
        for run, share, other in zip(
            own.runs, own.unfinished_shares, peer.unfinished_shares, strict=True
        )
        if share > max(STUCK_SHARE, STUCK_TIMES * other)
    )


def _own(comparison: Comparison, method: str) -> Outcome | None:
    own = comparison.outcome(method)
    return own if own is not None and own.runs else None


def _of(comparison: Comparison) -> Iterator[Bar]:
    case = comparison.case
    for method in (PLAIN, REFINED):
        own = comparison.outcome(method)
        if own is None:
            continue
        if not own.runs:
            yield Bar(f"{method}: a plan", case, 0, 1, met=False)
            continue
        stuck = len(stuck_seeds(own, comparison.best_static_peer))
        yield Bar(f"{method}: runs in gridlock", case, stuck, 0, stuck == 0)
        broken = len(own.broken)
        yield Bar(f"{method}: safety rules broken", case, broken, 0, broken == 0)
        if method == PLAIN and case in NAMES:
            gain = 1 - comparison.ratio(own)
            limit = 0.0 if case == OVERSATURATED else LEAST_GAIN
            yield Bar("gain", case, gain, limit, gain >= limit)
            seconds = own.made.seconds
            yield Bar("planning s", case, seconds, PLANNING_S, seconds <= PLANNING_S)
        if method == REFINED and case in REFINED_DELAY_S:
            delay_s, limit_s = own.spread("delay_s").mean, REFINED_DELAY_S[case]
            yield Bar("refined delay s", case, delay_s, limit_s, delay_s <= limit_s)
