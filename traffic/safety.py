"""The rules that every plan keeps before it may be shown on a street.

A rule looks at phases one after the other, as they are shown, and at nothing else: the same code
checks a plan, a file that was written, and what a peer's tool wrote.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from traffic.errors import UnsafePlanError
from traffic.intergreens import ChangeTimes, change_times, runs
from traffic.plan import TimingPlan, Violation
from traffic.right_of_way import conflicts, is_off, odd_aspects
from traffic.signals import GREEN, Phase, Signal
from traffic.stages import (
    MIN_VEHICLE_GREEN_S,
    PEDESTRIAN_SPEED_MPS,
    PEDESTRIAN_WALK_S,
    greens_of,
    pedestrian_need_s,
)

# Durations of phases are sums of floats.
_SLACK_S = 1e-6


@dataclass(frozen=True, slots=True)
class Rules:
    """What the rules demand beyond what a network shows.

    Parameters
    ----------
    min_green_s
        Shortest green of a vehicle link, in s, over as many phases as it takes.
    walk_s, walking_speed_mps
        A crossing's green lasts at least the walk and its length at this speed.
    """

    min_green_s: float = MIN_VEHICLE_GREEN_S
    walk_s: float = PEDESTRIAN_WALK_S
    walking_speed_mps: float = PEDESTRIAN_SPEED_MPS


DEFAULT_RULES = Rules()


def check_plan(
    signal: Signal, plan: TimingPlan, rules: Rules = DEFAULT_RULES
) -> tuple[Violation, ...]:
    """Check a plan against what the network knows of its signal.

    The rules are those of ``check_phases``, but for people on foot: a stage's green and
    intergreen together must last what its crossings need. That a plan's times add up, and its
    offset, are rules of ``TimingPlan`` itself.
    """
    phases = plan.phases()
    names = tuple(stage.name for stage in plan.stages for _ in plan.phases_of(stage))
    found = check_phases(signal, phases, rules, names=names)
    on_foot = tuple(
        Violation("pedestrian", stage.name, f"{stage.duration_s} s with intergreen; {expected}")
        for stage in plan.stages
        if len(stage.green_state) == signal.link_count
        and stage.duration_s < (need_s := pedestrian_need_s(signal, stage.green_state))
        for expected in (f"expected {need_s} or more",)
    )
    return (*(v for v in found if v.rule != "pedestrian"), *on_foot)


def never_green(signal: Signal, plan: TimingPlan) -> Iterator[Violation]:
    """Yield the links that a plan never serves though the network's own program does.

    A link that the city lets stay red is left out.
    """
    served = served_links(signal) - signal.may_stay_red
    for link in sorted(served.difference(*(greens_of(phase.state) for phase in plan.phases()))):
        yield Violation("never-green", "", f"link {link} is red for ever")


@lru_cache(maxsize=8192)
def served_links(signal: Signal) -> frozenset[int]:
    """Links that the network's own active program serves: green, while nothing is yellow."""
    states = [phase.state for phase in signal.program.phases if "y" not in phase.state]
    return frozenset().union(*(greens_of(state) for state in states))


def require_safe(signal: Signal, plan: TimingPlan) -> TimingPlan:
    """Return the plan, or raise UnsafePlanError with every broken rule."""
    broken = check_plan(signal, plan)
    if broken:
        listed = "; ".join(str(violation) for violation in broken)
        raise UnsafePlanError(listed, where=f"signal {signal.id}")
    return plan


def check_phases(
    signal: Signal,
    phases: Sequence[Phase],
    rules: Rules = DEFAULT_RULES,
    *,
    names: Sequence[str] = (),
    goes_round: bool = True,
) -> tuple[Violation, ...]:
    """Check a program, phase by phase.

    Rules: ``links`` (one character for each link); ``aspect`` (nothing but green, yellow and red,
    and ``s`` and ``u`` where the network's own programs show them beside the same greens; a
    signal that flashes altogether may be part of what was shown, not of a program that goes round);
    ``conflict`` (no two conflicting links both
    ``G``, and none ``g`` that does not have to yield, except pairs that the network's own programs
    show so); ``minimum-green`` of vehicle links; ``pedestrian`` (a crossing's green lasts the walk
    and its length at walking speed); ``yellow`` (no vehicle link goes from green to red without
    its own yellow, nor loses its right of way to one that begins); ``intergreen`` (between a
    link's end and a conflicting one's beginning lies at least what the network's own program
    shows); ``yellow-trap`` (a left that yields must not end while the opposing through goes on:
    the opposing left may lag only where this one is protected or banned).

    Parameters
    ----------
    names
        For people, one for each phase; their numbers from 1 by default.
    goes_round
        Whether the first phase follows the last. If not, greens and yellows that touch an end
        are not held to a least duration.

    Returns
    -------
    tuple of Violation
        Empty where all rules are kept.
    """
    names = names or tuple(str(k + 1) for k in range(len(phases)))
    for k, phase in enumerate(phases):
        if len(phase.state) != signal.link_count:
            value = f"{len(phase.state)} links; expected {signal.link_count}"
            return (Violation("links", names[k], value),)
    if not phases:
        return (Violation("links", "none", "no phases"),)
    crossings = frozenset(link.index for link in signal.links if link.is_crossing)
    check = _Check(
        signal, tuple(phases), rules, tuple(names), change_times(signal), crossings, goes_round
    )
    return (
        *check.aspects(),
        *check.conflicts(),
        *check.minimum_greens(),
        *check.yellows(),
        *check.intergreens(),
        *check.yellow_traps(),
    )


@dataclass(frozen=True, slots=True)
class _Check:
    """One program under check."""

    signal: Signal
    phases: tuple[Phase, ...]
    rules: Rules
    names: tuple[str, ...]
    times: ChangeTimes
    crossings: frozenset[int]
    goes_round: bool

    @property
    def vehicles(self) -> tuple[int, ...]:
        """Links that a vehicle uses; an index without a way may show anything."""
        return tuple(sorted({link.index for link in self.signal.links} - self.crossings))

    def aspects(self) -> Iterator[Violation]:
        for name, phase in zip(self.names, self.phases, strict=True):
            if self.goes_round or not is_off(phase.state):
                for link in odd_aspects(self.signal, phase.state):
                    yield Violation("aspect", name, f"link {link} is {phase.state[link]}")

    def conflicts(self) -> Iterator[Violation]:
        for name, phase in zip(self.names, self.phases, strict=True):
            for a, b in conflicts(self.signal, phase.state):
                shown = f"{phase.state[a]} and {phase.state[b]}"
                yield Violation("conflict", name, f"links {a} and {b} are {shown}")

    def minimum_greens(self) -> Iterator[Violation]:
        for link in self.vehicles:
            least_s = max(self.rules.min_green_s, self.signal.min_green_s.get(link, 0.0))
            yield from self._short(link, least_s, "minimum-green")
        for way in self.signal.links:
            if way.is_crossing:
                need_s = self.rules.walk_s + way.length_m / self.rules.walking_speed_mps
                yield from self._short(way.index, need_s, "pedestrian")

    def _short(self, link: int, least_s: float, rule: str) -> Iterator[Violation]:
        for _, length_s, k in self._runs(link, "Gg"):
            if length_s < min(least_s, self._cycle_s) - _SLACK_S:
                value = f"link {link}: {length_s:g} s; expected {least_s:.4g} or more"
                yield Violation(rule, self.names[k], value)

    def _runs(self, link: int, aspects: str) -> tuple[tuple[float, float, int], ...]:
        return runs(self.phases, link, aspects, goes_round=self.goes_round)

    @property
    def _cycle_s(self) -> float:
        return sum(phase.duration_s for phase in self.phases)

    def yellows(self) -> Iterator[Violation]:
        own = own_sudden_ends(self.signal)
        for link in self.vehicles:
            least_s = self.times.yellow(link)[0]
            for _, length_s, k in self._runs(link, "y"):
                if length_s < least_s - _SLACK_S:
                    value = f"link {link}: {length_s:g} s; expected {least_s:g}"
                    yield Violation("yellow", self.names[k], value)
            for k, (before, after) in enumerate(self._steps()):
                ends = before.state[link] in GREEN and after.state[link] not in "Ggy"
                if ends and link not in own:
                    yield Violation("yellow", self.names[k], f"link {link} ends without yellow")

    def _steps(self) -> Iterator[tuple[Phase, Phase]]:
        return pairwise((*self.phases, *(self.phases[:1] if self.goes_round else ())))

    def intergreens(self) -> Iterator[Violation]:
        for k, (before, after) in enumerate(self._steps()):
            ended: dict[int, float | None] = {}
            for b, (was, now) in enumerate(zip(before.state, after.state, strict=True)):
                if was == now or now not in GREEN or (was, now) == ("G", "g"):
                    continue
                for a in sorted(self.signal.foes[b]):
                    if a not in ended:
                        ended[a] = self._since_end(a, k)
                    gap_s = ended[a]
                    if gap_s is None:
                        continue
                    least_s, _ = self.times.gap(a, b, is_crossing=a in self.crossings)
                    if gap_s < least_s - _SLACK_S:
                        value = f"link {b} begins {gap_s:g} s after link {a}; expected {least_s:g}"
                        yield Violation("intergreen", self.names[(k + 1) % len(self.names)], value)

    def _since_end(self, a: int, k: int) -> float | None:
        """Seconds since link ``a`` has ended when phase ``k`` is over; None = it goes on.

        A link that stays green and begins to yield at that moment has ended there.
        """
        count = len(self.phases)
        now = self.phases[(k + 1) % count].state[a]
        if now in GREEN:
            return 0.0 if (self.phases[k].state[a], now) == ("G", "g") else None
        gap_s = 0.0
        for j in range(count if self.goes_round else k + 1):
            phase = self.phases[(k - j) % count]
            if phase.state[a] in GREEN:
                return gap_s
            gap_s += phase.duration_s
        return None

    def yellow_traps(self) -> Iterator[Violation]:
        for left, through, k in _traps(self.signal, self.phases, goes_round=self.goes_round):
            if (left, through) not in _own_traps(self.signal):
                value = f"link {left} yields and ends while link {through} goes on"
                yield Violation("yellow-trap", self.names[k], value)


@lru_cache(maxsize=8192)
def own_sudden_ends(signal: Signal) -> frozenset[int]:
    """Links that the network's own programs end without yellow."""
    return frozenset(
        link
        for program in signal.programs
        for before, after in pairwise((*program.phases, *program.phases[:1]))
        if len(before.state) == len(after.state) == signal.link_count
        for link in range(signal.link_count)
        if before.state[link] in GREEN and after.state[link] not in "Ggy"
    )


@lru_cache(maxsize=8192)
def _own_traps(signal: Signal) -> frozenset[tuple[int, int]]:
    """Lefts and throughs for which the network's own program has a yellow trap."""
    return frozenset((left, through) for left, through, _ in _traps(signal, signal.program.phases))


def _traps(
    signal: Signal, phases: Sequence[Phase], *, goes_round: bool = True
) -> Iterator[tuple[int, int, int]]:
    """Yield ``(left, through, phase)`` where a yielding left ends and the through goes on."""
    lefts = {link.index for link in signal.links if link.direction in {"l", "L"}}
    throughs = {link.index for link in signal.links if link.direction == "s"}
    count = len(phases)
    # Of phases that do not go round, nobody knows what follows the last.
    last = 2 * count if goes_round else count
    for left in sorted(lefts):
        for k, phase in enumerate(phases):
            if phase.state[left] != "g" or phases[(k + 1) % count].state[left] in GREEN:
                continue
            # Until the left is red: what is green all the way, and before, does not stop for it.
            j = k + 1
            while phases[j % count].state[left] == "y" and j < k + count:
                j += 1
            if j >= last:
                continue
            shown = [phases[i % count].state for i in range(k, j + 1)]
            for through in sorted(signal.foes[left] & throughs):
                if all(state[through] == "G" for state in shown):
                    yield left, through, k
