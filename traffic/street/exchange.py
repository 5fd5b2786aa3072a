"""A schedule with the plans that it uses, as it goes to other systems and comes back."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from traffic.errors import InvalidInputError
from traffic.plan import TimingPlan
from traffic.street.calendar import CIVIL_ZONE
from traffic.street.records import Schedule, refuse_backwards


@dataclass(frozen=True, slots=True)
class SetFacts:
    """What is said of a plan set beside its plans; see ``PlanSet`` and ``Origin``.

    Raises
    ------
    InvalidInputError
        It is valid until before it is valid from.
    """

    valid_from_ms: int | None = None
    valid_until_ms: int | None = None
    certificate: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        refuse_backwards(self.valid_from_ms, self.valid_until_ms)

    def texts(self) -> dict[str, str]:
        """Return the facts as texts by name; what is not said is left out."""
        found = {
            "valid_from": _clock_text(self.valid_from_ms),
            "valid_until": _clock_text(self.valid_until_ms),
            "certificate": json.dumps(dict(self.certificate)) if self.certificate else "",
        }
        return {name: text for name, text in found.items() if text}

    @classmethod
    def of_texts(cls, texts: Mapping[str, str]) -> "SetFacts":
        """Return the facts that texts say; ValueError where they say nothing."""
        certificate = json.loads(texts.get("certificate") or "{}")
        if not isinstance(certificate, dict):
            raise ValueError(f"certificate {texts['certificate']!r}; expected an object")
        from_ms, until_ms = (_clock_ms(texts.get(name, "")) for name in FACTS[:2])
        return cls(from_ms, until_ms, certificate)


FACTS = ("valid_from", "valid_until", "certificate")


def _clock_text(time_ms: int | None) -> str:
    if time_ms is None:
        return ""
    return datetime.fromtimestamp(time_ms / 1000, CIVIL_ZONE).isoformat(timespec="milliseconds")


def _clock_ms(text: str) -> int | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=CIVIL_ZONE)
    return round(moment.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A schedule and its plan sets.

    Parameters
    ----------
    schedule
        Where it comes from does not go along.
    plan_sets
        For each plan set of the schedule its plans, by signal.
    facts
        Of plan sets of which more is said, such as when they may be in force.
    """

    schedule: Schedule
    plan_sets: Mapping[str, Mapping[str, TimingPlan]]
    facts: Mapping[str, SetFacts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        missing = sorted(set(self.schedule.plan_sets) - set(self.plan_sets))
        if missing:
            raise InvalidInputError(f"no plan set {missing[0]!r}", where="plan_sets")

    @property
    def signals(self) -> tuple[str, ...]:
        """All signals with plans, in order."""
        return tuple(sorted({key for plans in self.plan_sets.values() for key in plans}))

    def facts_of(self, set_id: str) -> SetFacts:
        """Return what is said of a plan set beside its plans."""
        return self.facts.get(set_id, SetFacts())

    def differences(self, other: "Exchange") -> Iterator[str]:
        """Yield where another one differs, as far as both say the same things."""
        mine, theirs = self.schedule, other.schedule
        for name in ("day_plans", "weekdays", "exceptions", "without"):
            if getattr(mine, name) != getattr(theirs, name):
                yield f"schedule: {name}"
        for set_id in sorted({*self.plan_sets, *other.plan_sets}):
            if self.facts_of(set_id) != other.facts_of(set_id):
                yield f"plan set {set_id}: validity or certificate"
            own, read = self.plan_sets.get(set_id, {}), other.plan_sets.get(set_id, {})
            for signal_id in sorted({*own, *read}):
                if own.get(signal_id) != read.get(signal_id):
                    yield f"plan set {set_id}: signal {signal_id}"


def require_same(sent: Exchange, read: Exchange, where: str) -> None:
    """Raise InvalidInputError if what was read back is not what was written."""
    found = list(sent.differences(read))
    if found:
        raise InvalidInputError(f"read back differently: {'; '.join(found[:5])}", where=where)
