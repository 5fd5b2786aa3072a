"""The rules that every plan keeps before it may be shown on a street."""

from collections.abc import Iterator
from dataclasses import dataclass

from traffic.errors import UnsafePlanError
from traffic.plan import TimingPlan
from traffic.signals import GREEN, Signal
from traffic.stages import MIN_VEHICLE_GREEN_S, greens_of, pedestrian_need_s

MIN_YELLOW_S = 3


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule: which one, where, and the value that breaks it."""

    rule: str
    stage: str
    value: str

    def __str__(self) -> str:
        return f"{self.rule}: stage {self.stage}: {self.value}"


def check_plan(signal: Signal, plan: TimingPlan) -> tuple[Violation, ...]:
    """Check a plan against what the network knows of its signal.

    Rules: ``links`` (one character for each link); ``conflict`` (no two conflicting links both
    ``G``, except pairs that the network's own program shows so); ``minimum-green`` (5 s for
    vehicles); ``pedestrian`` (walk and clearance fit into green and intergreen); ``intergreen``
    (no link goes from green to red without 3 s of yellow, or the network's own shorter yellow,
    and no link turns green while a conflicting one is still yellow); ``lagging-left`` (a left
    that yields may not go on when the opposing through has ended, the yellow trap). That a
    plan's times add up, and its offset, are rules of ``TimingPlan`` itself.
    """
    if len(plan.stages[0].green_state) != signal.link_count:
        value = f"{len(plan.stages[0].green_state)} links; expected {signal.link_count}"
        return (Violation("links", "all", value),)
    return (
        *_conflicts(signal, plan),
        *_minimum_greens(signal, plan),
        *_intergreens(signal, plan),
        *_yellow_traps(signal, plan),
    )


def require_safe(signal: Signal, plan: TimingPlan) -> TimingPlan:
    """Return the plan, or raise UnsafePlanError with every broken rule."""
    broken = check_plan(signal, plan)
    if broken:
        listed = "; ".join(str(violation) for violation in broken)
        raise UnsafePlanError(listed, where=f"signal {signal.id}")
    return plan


def _own_pairs(signal: Signal) -> set[frozenset[int]]:
    """Conflicting pairs that the network's own programs show green together."""
    return {
        frozenset((a, b))
        for program in signal.programs
        for phase in program.phases
        for a in range(min(signal.link_count, len(phase.state)))
        for b in signal.foes[a]
        if b < len(phase.state) and phase.state[a] == phase.state[b] == "G"
    }


def _conflicts(signal: Signal, plan: TimingPlan) -> Iterator[Violation]:
    known = _own_pairs(signal)
    for stage in plan.stages:
        for state in (stage.green_state, *(phase.state for phase in stage.intergreen)):
            for a in range(signal.link_count):
                for b in signal.foes[a]:
                    both = state[a] == state[b] == "G"
                    if a < b and both and frozenset((a, b)) not in known:
                        yield Violation("conflict", stage.name, f"links {a} and {b} both G")


def _minimum_greens(signal: Signal, plan: TimingPlan) -> Iterator[Violation]:
    # What counts is how long a link stays green, over as many stages as that takes.
    crossings = {link.index for link in signal.links if link.is_crossing}
    used = {link.index for link in signal.links}
    for link in sorted(used - crossings):
        for start_s, end_s in plan.greens(link):
            if end_s - start_s < MIN_VEHICLE_GREEN_S:
                value = f"link {link}: {end_s - start_s} s; expected {MIN_VEHICLE_GREEN_S} or more"
                yield Violation("minimum-green", _stage_of(plan, link), value)
    for stage in plan.stages:
        need_s = pedestrian_need_s(signal, stage.green_state)
        if stage.duration_s < need_s:
            value = f"{stage.duration_s} s with intergreen; expected {need_s} or more"
            yield Violation("pedestrian", stage.name, value)


def _stage_of(plan: TimingPlan, link: int) -> str:
    return next(s.name for s in plan.stages if s.green_state[link] in GREEN)


def _least_yellow_s(signal: Signal) -> float:
    own = [
        phase.duration_s
        for program in signal.programs
        for phase in program.phases
        if "y" in phase.state
    ]
    return min([MIN_YELLOW_S, *own])


def _intergreens(signal: Signal, plan: TimingPlan) -> Iterator[Violation]:
    least_s = _least_yellow_s(signal)
    crossings = {link.index for link in signal.links if link.is_crossing}
    rows = [(stage.name, phase) for stage in plan.stages for phase in plan.phases_of(stage)]
    for k, (name, phase) in enumerate(rows):
        before = rows[k - 1][1]
        for link in range(signal.link_count):
            was, now = before.state[link], phase.state[link]
            if link not in crossings and was in GREEN and now in "rs" and was != now:
                yield Violation("intergreen", name, f"link {link} ends without yellow")
            if was == "y" and now != "y" and before.duration_s < least_s:
                value = f"link {link}: yellow {before.duration_s:g} s; expected {least_s:g}"
                yield Violation("intergreen", name, value)
            if now == "G" and was != "G":
                for foe in signal.foes[link]:
                    if phase.state[foe] == "y":
                        value = f"link {link} turns green while link {foe} is yellow"
                        yield Violation("intergreen", name, value)


def _yellow_traps(signal: Signal, plan: TimingPlan) -> Iterator[Violation]:
    """A permissive left must not outlast the opposing through."""
    lefts = {link.index for link in signal.links if link.direction in {"l", "L"}}
    throughs = {link.index for link in signal.links if link.direction == "s"}
    for k, stage in enumerate(plan.stages):
        following = plan.stages[(k + 1) % len(plan.stages)]
        stay = greens_of(stage.green_state) & greens_of(following.green_state)
        for left in sorted(lefts & stay):
            yields = stage.green_state[left] == "g" and following.green_state[left] == "g"
            ended = signal.foes[left] & throughs & greens_of(stage.green_state)
            if yields and ended - greens_of(following.green_state):
                value = f"link {left} still yields when its opposing through has ended"
                yield Violation("lagging-left", stage.name, value)
