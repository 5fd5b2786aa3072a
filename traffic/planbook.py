"""Which plan is in force for which signal, and when: the book that every plan set goes into.

A plan set is immutable. Of all sets that hold a plan for a signal, the one with the latest
``valid_from_ms`` that is not after the asked time is in force; of two with the same time, the
one with the higher revision.
"""

from bisect import bisect_right, insort
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from traffic.errors import InvalidInputError, NotFoundError
from traffic.plan import TimingPlan


@dataclass(frozen=True, slots=True)
class PlanSet:
    """Plans that were made together and come into force together.

    Parameters
    ----------
    revision
        Positive, increasing from set to set.
    valid_from_ms
        When the plans come into force, UTC epoch milliseconds.
    plans
        At most one for each signal.
    """

    revision: int
    valid_from_ms: int
    plans: tuple[TimingPlan, ...]

    def __post_init__(self) -> None:
        if self.revision < 1:
            raise InvalidInputError(f"{self.revision}; expected 1 or more", where="revision")
        if len({plan.signal_id for plan in self.plans}) != len(self.plans):
            raise InvalidInputError("two plans for one signal", where="plans")


@dataclass(frozen=True, slots=True)
class PlanInForce:
    """A plan with the set that it came in and the time in which it holds.

    ``valid_until_ms`` is None when nothing replaces the plan yet.
    """

    plan: TimingPlan
    revision: int
    valid_from_ms: int
    valid_until_ms: int | None


class PlanBook:
    """All plan sets of a city, indexed by signal."""

    def __init__(self, sets: Iterable[PlanSet] = ()) -> None:
        # For each signal: (valid_from_ms, revision) in order, and the plan of each.
        self._keys: dict[str, list[tuple[int, int]]] = {}
        self._plans: dict[tuple[str, int], TimingPlan] = {}
        self._revision = 0
        for plan_set in sets:
            self.add(plan_set)

    @property
    def revision(self) -> int:
        """Revision of the newest set; 0 when the book is empty."""
        return self._revision

    def add(self, plan_set: PlanSet) -> None:
        """Enter a set; its revision must be higher than all before."""
        if plan_set.revision <= self._revision:
            raise InvalidInputError(
                f"{plan_set.revision}; expected more than {self._revision}", where="revision"
            )
        self._revision = plan_set.revision
        for plan in plan_set.plans:
            insort(
                self._keys.setdefault(plan.signal_id, []),
                (plan_set.valid_from_ms, plan_set.revision),
            )
            self._plans[plan.signal_id, plan_set.revision] = plan

    def in_force(self, signal_id: str, time_ms: int) -> PlanInForce:
        """Return the plan that is in force for a signal at a time.

        Raises
        ------
        NotFoundError
            No plan is in force then.
        """
        keys = self._keys.get(signal_id, [])
        k = bisect_right(keys, (time_ms, self._revision)) - 1
        if k < 0:
            raise NotFoundError("no plan is in force at that time", where=f"signal {signal_id}")
        return self._entry(signal_id, k)

    def since(
        self, revision: int, time_ms: int, signals: Collection[str] | None = None
    ) -> tuple[PlanInForce, ...]:
        """Return what a client that holds ``revision`` does not know at ``time_ms``.

        That is: each plan of a later set that is in force or will come into force. ``signals``
        None means all.
        """
        found: list[PlanInForce] = []
        for signal_id in sorted(self._keys if signals is None else signals):
            for k in range(len(self._keys.get(signal_id, []))):
                entry = self._entry(signal_id, k)
                over = entry.valid_until_ms is not None and entry.valid_until_ms <= time_ms
                if entry.revision > revision and not over:
                    found.append(entry)
        return tuple(found)

    def _entry(self, signal_id: str, k: int) -> PlanInForce:
        keys = self._keys[signal_id]
        valid_from_ms, revision = keys[k]
        # A later set with the same start replaces this one at once.
        valid_until_ms = keys[k + 1][0] if k + 1 < len(keys) else None
        return PlanInForce(
            self._plans[signal_id, revision], revision, valid_from_ms, valid_until_ms
        )
