"""A switch: a coordination group goes over to a schedule as one, or not at all.

It is proposed for a moment at least two cycles ahead. Controllers check it, keep it and
acknowledge it; the switch is *committed* when all that are known have, or, shortly before its
moment, when a set share has. Below that it is postponed and the silent ones are listed. A
controller goes over only to what it knows is committed: whoever does not hear of it keeps what it
runs, and comes after as soon as it hears.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil

from traffic.street.records import Schedule


class SwitchState(StrEnum):
    """How far a switch has come."""

    PROPOSED = "proposed"
    COMMITTED = "committed"
    CANCELLED = "cancelled"
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True)
class SwitchRules:
    """When switches are carried out.

    Parameters
    ----------
    share
        Of the known controllers, the share that must have acknowledged, above 0, to 1.
    lead_cycles
        How far ahead a switch is proposed at least, in cycles of the longest plan concerned.
    decide_ms
        How long before its moment it is decided at the latest, so that all hear of it in time.
    slack_ms
        Decided later than that by more, its moment is moved: all who are told need the same time.
    most_postponements
        After that many a switch is given up.
    """

    share: float = 0.9
    lead_cycles: int = 2
    decide_ms: int = 10_000
    slack_ms: int = 2_000
    most_postponements: int = 5


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch of one group.

    Parameters
    ----------
    id
        Number within the city, as text.
    group
        The coordination group's id.
    signals
        Those of the group that are concerned: they go over together.
    schedule
        What they go over to.
    activate_at_ms
        When, UTC epoch milliseconds.
    cycle_ms
        The longest cycle concerned.
    by, proposed_ms
        Who asked, and when.
    state
        How far it has come.
    revision
        Of the log, when this state was reached.
    postponed
        How often.
    acknowledged
        Signals whose controllers have checked and kept it.
    refused
        Signals whose controllers will not show it, with the reason.
    silent
        Who had not answered when it was last decided.
    settled
        How many seconds out of step it cost each signal that has come into step with it.
    """

    id: str
    group: str
    signals: tuple[str, ...]
    schedule: Schedule
    activate_at_ms: int
    cycle_ms: int
    by: str
    proposed_ms: int
    state: SwitchState = SwitchState.PROPOSED
    revision: int = 0
    postponed: int = 0
    acknowledged: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    settled: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether it is still to be decided."""
        return self.state is SwitchState.PROPOSED

    def missing(self, known: Collection[str]) -> tuple[str, ...]:
        """Return the known controllers that have not acknowledged, in order."""
        asked = (signal_id for signal_id in self.signals if signal_id in known)
        return tuple(signal_id for signal_id in asked if signal_id not in self.acknowledged)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a proposed switch now."""

    state: SwitchState
    activate_at_ms: int
    silent: tuple[str, ...]


def earliest_ms(now_ms: int, cycle_ms: int, rules: SwitchRules) -> int:
    """Return the first whole second at which a switch may be, seen from now."""
    return ceil((now_ms + rules.lead_cycles * cycle_ms) / 1000) * 1000


def judge(
    switch: Switch, known: Collection[str], now_ms: int, rules: SwitchRules
) -> Verdict | None:
    """Return what becomes of a proposed switch; None = it waits.

    Parameters
    ----------
    known
        Signals whose controllers acknowledge. Where nobody does, nobody is waited for.
    """
    missing = switch.missing(known)
    asked = sum(signal_id in known for signal_id in switch.signals)
    is_due = now_ms >= switch.activate_at_ms - rules.decide_ms
    if missing and not is_due:
        return None
    if asked - len(missing) >= rules.share * asked:
        at_ms = switch.activate_at_ms
        if now_ms > at_ms - rules.decide_ms + rules.slack_ms:
            # Found late, such as after a restart: whoever is told must hear of it in time.
            at_ms = ceil((now_ms + rules.decide_ms) / 1000) * 1000
        return Verdict(SwitchState.COMMITTED, at_ms, missing)
    if switch.postponed >= rules.most_postponements:
        return Verdict(SwitchState.GIVEN_UP, switch.activate_at_ms, missing)
    at_ms = earliest_ms(max(now_ms, switch.activate_at_ms), switch.cycle_ms, rules)
    return Verdict(SwitchState.PROPOSED, at_ms, missing)
