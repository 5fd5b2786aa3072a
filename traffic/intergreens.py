"""Intergreens between any two greens of a signal, with the change times of its own programs.

What a network's own programs show is taken as the engineer's word: how long each link is yellow,
and how long after the end of one link's green a conflicting one begins. Pairs that no program
changes between directly get the signal's longest all-red; links that never end get its longest
yellow, or 3 s where nothing is known.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from traffic.errors import UnsafePlanError
from traffic.signals import GREEN, Phase, Signal

DEFAULT_YELLOW_S = 3.0
# After the yellow of lefts that have waited for a gap inside the junction: they start from a
# standstill when the opposing flow has stopped, and are in the way of whoever comes next.
WAITING_CLEARS_S = 1
LEFTS = frozenset("lLt")

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Change:
    """A link's green ends and a conflicting link's begins, or gets the right of way.

    ``gap_s`` is the time from the end of the one green to the beginning of the other.
    """

    ends: int
    begins: int
    gap_s: float


@dataclass(frozen=True, slots=True)
class ChangeTimes:
    """What a signal's own programs show at its changes, in s.

    Parameters
    ----------
    yellow_s
        Shortest and longest yellow of each vehicle link that has one.
    gap_s
        Shortest and longest time from a link's end to a conflicting link's beginning, of pairs
        that some program changes between directly.
    all_red_s
        Shortest and longest of such gaps without their yellow, over the signal's vehicle links; 0
        where there is none.
    """

    yellow_s: Mapping[int, tuple[float, float]]
    gap_s: Mapping[Pair, tuple[float, float]]
    all_red_s: tuple[float, float]

    def yellow(self, link: int) -> tuple[float, float]:
        """Return the shortest yellow to accept of a link, and the one to give."""
        if link in self.yellow_s:
            return self.yellow_s[link]
        if not self.yellow_s:
            return DEFAULT_YELLOW_S, DEFAULT_YELLOW_S
        lows, highs = zip(*self.yellow_s.values(), strict=True)
        return min(lows), max(highs)

    def gap(self, ends: int, begins: int, *, is_crossing: bool) -> tuple[float, float]:
        """Return the shortest gap to accept between two conflicting links, and the one to give.

        People on foot have no yellow: their crossing time is part of their green, unless the
        network's own programs give them a clearance of their own.
        """
        if (ends, begins) in self.gap_s:
            return self.gap_s[ends, begins]
        if is_crossing:
            # Any other change of the same crossing shows what it takes to clear it.
            own = [gap for (a, _), gap in self.gap_s.items() if a == ends]
            return min((low for low, _ in own), default=0.0), max((h for _, h in own), default=0.0)
        yellow = self.yellow(ends)
        return yellow[0] + self.all_red_s[0], yellow[1] + self.all_red_s[1]


@lru_cache(maxsize=8192)
def change_times(signal: Signal) -> ChangeTimes:
    """Learn a signal's change times from its active program, or from the others without one.

    Raises
    ------
    UnsafePlanError
        The signal has no program.
    """
    if not signal.programs:
        raise UnsafePlanError("has no program to learn from", where=f"signal {signal.id}")
    crossings = {link.index for link in signal.links if link.is_crossing}
    yellows: dict[int, list[float]] = {}
    gaps: dict[Pair, list[float]] = {}
    phases = signal.program.phases
    for link in set(range(signal.link_count)) - crossings:
        found = [length_s for _, length_s, _ in runs(phases, link, "y")]
        if found:
            yellows[link] = found
    for change in changes(signal, phases):
        gaps.setdefault((change.ends, change.begins), []).append(change.gap_s)
    yellow_s = {link: (min(found), max(found)) for link, found in yellows.items()}
    all_reds = [
        max(0.0, gap_s - yellow_s[a][0])
        for (a, _), found in gaps.items()
        for gap_s in found
        if a in yellow_s
    ]
    demanded = {pair: (gap_s, gap_s) for pair, gap_s in signal.gaps_s.items()}
    return ChangeTimes(
        yellow_s=yellow_s,
        gap_s={pair: (min(found), max(found)) for pair, found in gaps.items()} | demanded,
        all_red_s=(min(all_reds, default=0.0), max(all_reds, default=0.0)),
    )


def intergreen(signal: Signal, from_state: str, to_state: str) -> tuple[Phase, ...]:
    """Return the phases between two greens of a signal; empty where nothing ends.

    Links that stay green stay as they are, yielding where they yield in one of both. Links that
    end show their own yellow and then red; links that begin stay red until the end. A link that
    keeps its green and loses its right of way to one that begins ends and begins anew, so that
    nobody who had the right of way is caught in the junction. A crossing that ends turns red at
    once; where its own clearance takes longer than the vehicles' change, the vehicles' green goes
    on so that both are over at the same time. Lefts that yield may have to wait inside the junction
    until the opposing flow has stopped; they get a second more to clear it. Whole seconds, rounded
    up.

    Raises
    ------
    UnsafePlanError
        A state has the wrong number of links, or the signal has no program.
    """
    for state in (from_state, to_state):
        if len(state) != signal.link_count:
            raise UnsafePlanError(
                f"state {state!r} has {len(state)} links; expected {signal.link_count}",
                where=f"signal {signal.id}",
            )
    return _intergreen(signal, from_state, to_state)


@lru_cache(maxsize=65536)
def _intergreen(signal: Signal, from_state: str, to_state: str) -> tuple[Phase, ...]:
    times = change_times(signal)
    crossings = {link.index for link in signal.links if link.is_crossing}
    begins = {k for k in range(signal.link_count) if _begins(from_state[k], to_state[k])}
    ends = [
        k
        for k in range(signal.link_count)
        if from_state[k] in GREEN
        and (
            to_state[k] not in GREEN
            or ((from_state[k], to_state[k]) == ("G", "g") and signal.foes[k] & begins)
        )
    ]
    if not ends:
        return ()
    yellow_s = {k: math.ceil(times.yellow(k)[1]) for k in ends if k not in crossings}
    need_s = {k: yellow_s.get(k, 0) for k in ends}
    for k in waiting_lefts(signal, from_state):
        if k in yellow_s and signal.foes[k] & begins:
            need_s[k] += WAITING_CLEARS_S
    for k in ends:
        for foe in signal.foes[k] & begins:
            gap_s = times.gap(k, foe, is_crossing=k in crossings)[1]
            need_s[k] = max(need_s[k], math.ceil(gap_s))
    total_s = max(need_s.values())
    # Vehicles end together, so that the last of them is clear when the next green begins.
    wait_s = total_s - max((need_s[k] for k in yellow_s), default=0)
    rows: list[Phase] = []
    for second in range(total_s):
        state = "".join(
            _ending(k, from_state[k], second - wait_s, yellow_s)
            if k in need_s
            else _staying(from_state[k], to_state[k])
            for k in range(signal.link_count)
        )
        if rows and rows[-1].state == state:
            rows[-1] = Phase(rows[-1].duration_s + 1, state)
        else:
            rows.append(Phase(1, state))
    return tuple(rows)


@lru_cache(maxsize=8192)
def waiting_lefts(signal: Signal, state: str) -> frozenset[int]:
    """Return the left turns of a state that yield to opposing vehicles which are green, too."""
    lefts = {
        link.index for link in signal.links if link.direction in LEFTS and state[link.index] == "g"
    }
    vehicles = {link.index for link in signal.links if not link.is_crossing}
    return frozenset(
        k
        for k in lefts
        if signal.yields_to and any(state[f] in GREEN for f in signal.yields_to[k] & vehicles)
    )


def _begins(before: str, after: str) -> bool:
    """Whether a link turns green, or its yielding green gets the right of way."""
    return after in GREEN and (before not in GREEN or (before, after) == ("g", "G"))


def _staying(before: str, after: str) -> str:
    """What a link shows that does not end."""
    if before in GREEN:
        return "g" if "g" in (before, after) else "G"
    # A right turn after a stop may go on waiting for its gap until its green comes.
    return "s" if before == "s" and (after == "s" or after in GREEN) else "r"


def _ending(k: int, before: str, since_s: int, yellow_s: Mapping[int, int]) -> str:
    """What a link shows ``since_s`` seconds after the vehicles' greens have ended."""
    if k not in yellow_s:
        return "r"
    if since_s < 0:
        return before
    return "y" if since_s < yellow_s[k] else "r"


def changes(signal: Signal, phases: Sequence[Phase]) -> Iterator[Change]:
    """Yield the direct changes between conflicting links in a program that goes round.

    A change is direct when no other green begins between the end of the one and the beginning of
    the other. A green that stays and loses its right of way to one that begins is a change too.
    """
    for before, after in pairwise((*phases, *phases[:1])):
        for a, (was, now) in enumerate(zip(before.state, after.state, strict=True)):
            if (was, now) == ("G", "g"):
                for b in sorted(signal.foes[a]):
                    if _begins(before.state[b], after.state[b]):
                        yield Change(a, b, 0.0)
    cycle_s = sum(phase.duration_s for phase in phases)
    beginnings = _beginnings(phases)
    times_s = sorted({at_s for found in beginnings.values() for at_s in found})
    for a in range(signal.link_count):
        for start_s, length_s, _ in runs(phases, a, "Gg"):
            end_s = (start_s + length_s) % cycle_s
            if not times_s or length_s >= cycle_s:
                continue
            gap_s = min((at_s - end_s) % cycle_s for at_s in times_s)
            next_s = (end_s + gap_s) % cycle_s
            for b in sorted(signal.foes[a]):
                if any(abs(at_s - next_s) < 1e-6 for at_s in beginnings.get(b, ())):
                    yield Change(a, b, gap_s)


def runs(
    phases: Sequence[Phase], link: int, aspects: str, *, goes_round: bool = True
) -> tuple[tuple[float, float, int], ...]:
    """Return when a link shows some aspects without a break.

    Parameters
    ----------
    goes_round
        Whether the first phase follows the last. Of phases that are a part of something longer,
        runs that touch an end are left out: nobody knows how long they are.

    Returns
    -------
    tuple
        ``(start_s, length_s, first_phase)`` of each run, in order of ``first_phase``; one that
        lasts the whole cycle starts at 0.
    """
    count = len(phases)
    shows = [phase.state[link] in aspects for phase in phases]
    if all(shows):
        return ((0.0, sum(phase.duration_s for phase in phases), 0),) if goes_round else ()
    found = []
    start_s = 0.0
    for k, phase in enumerate(phases):
        if shows[k] and not shows[k - 1]:
            length_s, j = 0.0, k
            while shows[j % count]:
                length_s += phases[j % count].duration_s
                j += 1
            if goes_round or (k > 0 and j < count):
                found.append((start_s, length_s, k))
        start_s += phase.duration_s
    return tuple(found)


def _beginnings(phases: Sequence[Phase]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    start_s = 0.0
    for k, phase in enumerate(phases):
        for link, (before, after) in enumerate(zip(phases[k - 1].state, phase.state, strict=True)):
            if _begins(before, after):
                found.setdefault(link, []).append(start_s)
        start_s += phase.duration_s
    return found
