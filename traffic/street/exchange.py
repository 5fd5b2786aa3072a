"""A schedule with the plans that it uses, as it goes to other systems and comes back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from traffic.errors import InvalidInputError
from traffic.plan import TimingPlan
from traffic.street.records import Schedule


@dataclass(frozen=True, slots=True)
class Exchange:
    """A schedule and its plan sets.

    Parameters
    ----------
    schedule
        Where it comes from does not go along.
    plan_sets
        For each plan set of the schedule its plans, by signal.
    """

    schedule: Schedule
    plan_sets: Mapping[str, Mapping[str, TimingPlan]]

    def __post_init__(self) -> None:
        missing = sorted(set(self.schedule.plan_sets) - set(self.plan_sets))
        if missing:
            raise InvalidInputError(f"no plan set {missing[0]!r}", where="plan_sets")

    @property
    def signals(self) -> tuple[str, ...]:
        """All signals with plans, in order."""
        return tuple(sorted({key for plans in self.plan_sets.values() for key in plans}))

    def differences(self, other: "Exchange") -> Iterator[str]:
        """Yield where another one differs, as far as both say the same things."""
        mine, theirs = self.schedule, other.schedule
        for name in ("day_plans", "weekdays", "exceptions", "without"):
            if getattr(mine, name) != getattr(theirs, name):
                yield f"schedule: {name}"
        for set_id in sorted({*self.plan_sets, *other.plan_sets}):
            own, read = self.plan_sets.get(set_id, {}), other.plan_sets.get(set_id, {})
            for signal_id in sorted({*own, *read}):
                if own.get(signal_id) != read.get(signal_id):
                    yield f"plan set {set_id}: signal {signal_id}"


def require_same(sent: Exchange, read: Exchange, where: str) -> None:
    """Raise InvalidInputError if what was read back is not what was written."""
    found = list(sent.differences(read))
    if found:
        raise InvalidInputError(f"read back differently: {'; '.join(found[:5])}", where=where)
