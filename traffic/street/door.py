"""The door: no plan comes in that breaks a rule, whoever made it.

Each plan is checked twice by code that shares nothing but the rules' figures: by the rules of plans
(``traffic.safety``) and by showing it, second by second, to the conflict monitor that controllers
carry (``traffic.controller.monitor``).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from traffic.controller.machine import longest_way_s
from traffic.controller.monitor import Monitor
from traffic.errors import UnsafePlanError
from traffic.plan import BrokenPlanError, TimingPlan
from traffic.safety import check_plan, never_green
from traffic.schedule import DAY_S
from traffic.signals import Signal
from traffic.street.groups import Group

IN_STEP_CYCLES = 3
"""Cycles of the new plan after a switch in which every signal is in step."""


MOST_LISTED = 10
"""Refusals that a message tells of one by one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a city allows beyond what is unsafe; whole seconds."""

    min_cycle_s: int = 30
    max_cycle_s: int = 300


@dataclass(frozen=True, slots=True)
class Refusal:
    """A broken rule: of which signal, which rule, which stage, and the value that breaks it.

    ``where`` is the plan's place in what was asked, such as ``plans[3]``; empty = not said.
    """

    signal: str
    rule: str
    stage: str
    value: str
    where: str = ""

    def __str__(self) -> str:
        stage = f": stage {self.stage}" if self.stage else ""
        return f"signal {self.signal}: {self.rule}{stage}: {self.value}"


class RefusedPlanError(UnsafePlanError):
    """Plans that were not let in; ``refusals`` says why, one by one."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        shown = "; ".join(str(refusal) for refusal in refusals[:MOST_LISTED])
        left = len(refusals) - MOST_LISTED
        more = f"; and {left} more" if left > 0 else ""
        super().__init__(shown + more)
        self.refusals = tuple(refusals)

    @property
    def details(self) -> dict[str, str]:
        """The first refusal, field by field, for machines."""
        first = self.refusals[0]
        return {
            "signal": first.signal,
            "rule": first.rule,
            "stage": first.stage,
            "value": first.value,
            **({"where": first.where} if first.where else {}),
        }


def refuse_unsafe(
    signals: Mapping[str, Signal],
    plans: Iterable[TimingPlan | BrokenPlanError],
    groups: Iterable[Group],
    limits: Limits,
) -> None:
    """Let plans that belong together pass, or raise RefusedPlanError with every broken rule.

    In the place of a plan that cannot even be made stands why. What is found out about a plan is
    remembered: the same ones pass again and again.
    """
    found: list[Refusal] = []
    whole: list[TimingPlan] = []
    for k, plan in enumerate(plans):
        if isinstance(plan, BrokenPlanError):
            own = [Refusal(plan.signal_id, b.rule, b.stage, b.value) for b in plan.broken]
        else:
            own = [*_of_plan(signals, plan, limits)]
            whole.append(plan)
        found += [replace(refusal, where=f"plans[{k}]") for refusal in own]
    if not found:
        found = list(uncoordinated(whole, groups))
    if found:
        raise RefusedPlanError(found)


def refuse_ways(
    signals: Mapping[str, Signal],
    changes: Iterable[tuple[TimingPlan, TimingPlan]],
    *,
    in_time: bool = True,
) -> None:
    """Let changes between plans pass, or raise RefusedPlanError where there is no safe way.

    With countdown displays a change waits for the end of a cycle of the old plan; with it, the
    signal is in step within three cycles of the new one, or of the old one where that is longer.
    A way that takes longer is refused, too; ``in_time`` False = it is not.
    """
    seen: set[tuple[TimingPlan, TimingPlan]] = set()
    found: list[Refusal] = []
    for old, new in changes:
        pair = (old.with_offset(0), new.with_offset(0))
        if pair in seen:
            continue
        seen.add(pair)
        signal = signals.get(new.signal_id)
        if signal is None:
            found.append(_gone(new.signal_id))
            continue
        try:
            way_s = longest_way_s(signal, *pair)
        except UnsafePlanError as error:
            found.append(Refusal(new.signal_id, "transition", "", error.message))
            continue
        most_s = (IN_STEP_CYCLES - 1) * max(old.cycle_s, new.cycle_s)
        if in_time and way_s > most_s:
            value = f"takes up to {way_s} s from a stage's begin; expected {most_s} s or less"
            found.append(Refusal(new.signal_id, "transition", "", value))
    if found:
        raise RefusedPlanError(found)


def _of_plan(
    signals: Mapping[str, Signal], plan: TimingPlan, limits: Limits
) -> tuple[Refusal, ...]:
    signal = signals.get(plan.signal_id)
    return (_gone(plan.signal_id),) if signal is None else _of_signal(signal, plan, limits)


def _gone(signal_id: str) -> Refusal:
    return Refusal(signal_id, "signal", "", "not in the city's network")


@lru_cache(maxsize=65536)
def _of_signal(signal: Signal, plan: TimingPlan, limits: Limits) -> tuple[Refusal, ...]:
    return tuple(_broken(signal, plan, limits))


def _broken(signal: Signal, plan: TimingPlan, limits: Limits) -> Iterator[Refusal]:
    if signal.kind != "road" or not signal.programs:
        yield Refusal(plan.signal_id, "signal", "", "is no road signal with a program")
        return
    if not limits.min_cycle_s <= plan.cycle_s <= limits.max_cycle_s:
        expected = f"expected {limits.min_cycle_s} to {limits.max_cycle_s}"
        yield Refusal(plan.signal_id, "cycle", "", f"{plan.cycle_s} s; {expected}")
    broken = (*check_plan(signal, plan), *never_green(signal, plan))
    for violation in broken:
        yield Refusal(plan.signal_id, violation.rule, violation.stage, violation.value)
    if broken:
        return
    watch = Monitor(signal)
    for _ in range(2):
        for stage in plan.stages:
            for phase in plan.phases_of(stage):
                for violation in watch.see(phase.state, int(phase.duration_s)):
                    yield Refusal(plan.signal_id, violation.rule, stage.name, violation.value)
    if DAY_S % plan.cycle_s:
        # Midnight is a change of plans like any other.
        try:
            refuse_ways({signal.id: signal}, [(plan, plan)])
        except RefusedPlanError as error:
            yield from error.refusals


def uncoordinated(plans: Sequence[TimingPlan], groups: Iterable[Group]) -> Iterator[Refusal]:
    """Yield what breaks coordination: in a group, every cycle divides the longest one."""
    by_signal = {plan.signal_id: plan for plan in plans}
    for group in groups:
        own = [by_signal[signal_id] for signal_id in group.signals if signal_id in by_signal]
        longest_s = max((plan.cycle_s for plan in own), default=0)
        for plan in own:
            if longest_s % plan.cycle_s:
                value = f"{plan.cycle_s} s; expected a divisor of its group's {longest_s} s"
                yield Refusal(plan.signal_id, "coordination", "", value)
