"""Who calls: a role, and the signals and lots that are the caller's own."""

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What a caller is in the city."""

    CONTROLLER = "controller"
    """A signal controller, or the platform in front of several: its own signals only."""
    OPERATOR = "operator"
    """Runs car parks: its own lots only."""
    APP = "app"
    """The city's parking app: acts for all drivers."""
    ENGINEER = "engineer"
    """Times signals; sees the city's figures; sets up signs."""
    ADMIN = "admin"
    """Everything."""

    # An enum's own is written in Python, and every call looks roles up.
    __hash__ = str.__hash__


CALLS_PER_S = {
    Role.OPERATOR: 200.0,
    Role.APP: 2000.0,
    Role.ENGINEER: 200.0,
    Role.ADMIN: 2000.0,
}
"""Calls a second of one caller, unless its token says otherwise; twice as many at once."""
PLATFORM_PER_S = 2000.0
"""Of a platform in front of all signals; of a controller 50 and 2 a signal."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whose token is known, or nobody in particular on the machine itself.

    Parameters
    ----------
    name
        As the token was given out to; in logs, and part of what tells one caller's request ids
        from another's. Empty = anonymous.
    role
        What it is; None = nobody, who may make public calls alone.
    signals
        Ids of a controller's own signals; None = all.
    lots
        Ids of an operator's own lots.
    operators
        Lots whose ``operator`` is one of these names are an operator's own, too.
    calls_per_s
        How often it may call; None = as its role.
    """

    name: str
    role: Role | None
    signals: frozenset[str] | None = frozenset()
    lots: frozenset[str] = frozenset()
    operators: frozenset[str] = field(default=frozenset())
    calls_per_s: float | None = None

    @property
    def pace_per_s(self) -> float:
        """How many calls a second it may make; a platform in front of many signals makes many."""
        if self.calls_per_s is not None or self.role is None:
            return self.calls_per_s or 1.0
        if self.role is Role.CONTROLLER:
            return PLATFORM_PER_S if self.signals is None else 50.0 + 2.0 * len(self.signals)
        return CALLS_PER_S[self.role]

    @property
    def max_streams(self) -> int:
        """How many streams it may have open at the same time."""
        if self.role is Role.CONTROLLER and self.signals is not None:
            return 8 + 4 * len(self.signals)
        return 20_000

    def owns_signal(self, signal_id: str) -> bool:
        """Whether a signal is the caller's own."""
        return self.signals is None or signal_id in self.signals

    def owns_lot(self, lot_id: str, operator: str) -> bool:
        """Whether a lot that an operator of this name runs is the caller's own."""
        return lot_id in self.lots or (operator != "" and operator in self.operators)


NOBODY = Caller("", None)
"""Who has not said who he is, or not yet."""
ANONYMOUS = Caller("", Role.ADMIN, signals=None, calls_per_s=float("inf"))
"""Whoever calls on the machine itself, before any token was given out."""
