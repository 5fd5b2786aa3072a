"""How controllers are: what they report, who has gone silent, whose clock is wrong."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median

from traffic.street.door import IN_STEP_CYCLES

STEADY_MODES = ("plan", "own-plan")
"""Modes in which a controller shows a plan, as ``traffic.controller.machine.Mode`` names them."""
DOUBTED_REPORTS = 2
"""Reports running in which a clock was wrong that say more than that one moment was slow."""


class AlarmKind(StrEnum):
    """What is wrong, with a signal or with what it runs."""

    SILENT = "silent"
    CLOCK = "clock"
    FAULT = "fault"
    OUT_OF_STEP = "out-of-step"
    REFUSED = "refused"
    SERVER_CLOCK = "server-clock"
    OTHER_PLAN = "other-plan"
    EXPIRING = "expiring"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class HealthRules:
    """When something is wrong.

    Parameters
    ----------
    silent_ms
        Nothing was heard of a controller for that long.
    clock_error_ms, clock_reports
        A clock is wrong when its error is larger in so many reports running.
    auto_every_ms
        A draft without a signal is put in force by itself at most that often.
    expiry_ms
        So long before a plan set that is in force is not valid any more, somebody is told.
    suspect_share, suspect_least
        Where more than that share of the controllers that are heard, and at least so many, have
        clocks that are wrong the same way, it is the server's clock that is doubted; also where all
        of them have, two or more.
    """

    silent_ms: int = 90_000
    clock_error_ms: int = 2_000
    clock_reports: int = 3
    auto_every_ms: int = 15 * 60_000
    expiry_ms: int = 24 * 3_600_000
    suspect_share: float = 0.2
    suspect_least: int = 3


@dataclass(frozen=True, slots=True)
class Report:
    """What a controller says of itself.

    Parameters
    ----------
    signal_id
        Whose it is.
    at_ms
        When it came in, UTC epoch milliseconds, by the server's clock.
    switch
        Id of the switch whose plan it runs; empty = its own plan.
    mode
        What decides its lamps, as ``traffic.controller.machine.Mode`` names it.
    clock_error_ms
        How much its clock is ahead of the server's.
    out_of_step_s
        Seconds since the last switch in which it showed something else than its plan.
    in_step
        Whether it is in step now.
    faults
        For people; empty = none.
    round_trip_ms
        How long a call takes, as it measured: the clock's error is only half as sure as that.
    """

    signal_id: str
    at_ms: int
    switch: str
    mode: str
    clock_error_ms: int
    out_of_step_s: int
    in_step: bool
    faults: tuple[str, ...] = ()
    round_trip_ms: int = 0

    def has_wrong_clock(self, rules: HealthRules) -> bool:
        """Whether its clock is wrong for sure, however long the report was on its way."""
        return abs(self.clock_error_ms) - self.round_trip_ms / 2 > rules.clock_error_ms


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that is wrong, since when and how.

    With a signal, or with a plan set that is in force; else with the server itself.
    """

    signal_id: str
    kind: AlarmKind
    since_ms: int
    detail: str
    plan_set: str = ""

    @property
    def key(self) -> tuple[str, AlarmKind]:
        """What tells it from others: whom it is about, and its kind."""
        return (f"planSets/{self.plan_set}" if self.plan_set else self.signal_id), self.kind


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of one controller.

    ``late_clocks`` counts the reports running in which its clock was wrong; ``heard_ms`` is when
    anything was last heard of it, or, with ``is_waited_for``, since when something should be;
    ``off_since_ms`` since when it has not shown a plan in step, None = it does.
    """

    heard_ms: int
    report: Report | None = None
    late_clocks: int = 0
    is_waited_for: bool = False
    off_since_ms: int | None = None

    def heard(self, now_ms: int) -> "Health":
        """Return the same, heard of now."""
        return replace(self, heard_ms=max(now_ms, self.heard_ms), is_waited_for=False)

    def reported(self, report: Report, rules: HealthRules) -> "Health":
        """Return what is known after one more report."""
        late = self.late_clocks + 1 if report.has_wrong_clock(rules) else 0
        heard_ms = max(report.at_ms, self.heard_ms)
        return Health(heard_ms, report, late, off_since_ms=self._off_since_ms(report))

    def _off_since_ms(self, report: Report) -> int | None:
        if report.in_step and report.mode in STEADY_MODES:
            return None
        if self.off_since_ms is not None:
            return self.off_since_ms
        before = self.report
        is_same = before is not None and before.switch == report.switch
        fresh_s = report.out_of_step_s - (before.out_of_step_s if before and is_same else 0)
        return report.at_ms - 1000 * max(0, fresh_s)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a signal is to run: a switch's plan, or its controller's own, since when.

    ``switch`` empty = its own; ``cycle_s`` is the longest cycle concerned.
    """

    switch: str
    since_ms: int
    cycle_s: int


def alarms_of(
    health: Health, now_ms: int, rules: HealthRules, wanted: Wanted | None
) -> Iterator[tuple[AlarmKind, str]]:
    """Yield what is wrong with a signal now; ``wanted`` None = nothing was put in force for it."""
    silent_ms = now_ms - health.heard_ms
    if silent_ms >= rules.silent_ms:
        yield AlarmKind.SILENT, f"nothing heard for {rules.silent_ms // 1000} s or more"
    report = health.report
    if report is None:
        return
    if health.late_clocks >= rules.clock_reports:
        yield AlarmKind.CLOCK, f"clock wrong by {report.clock_error_ms / 1000:+.1f} s"
    if report.faults:
        yield AlarmKind.FAULT, "; ".join(report.faults)
    if wanted is None:
        return
    patience_ms = 1000 * IN_STEP_CYCLES * wanted.cycle_s
    if report.switch != wanted.switch and report.at_ms - wanted.since_ms > patience_ms:
        runs, expected = (
            f"switch {k}" if k else "its own plan" for k in (report.switch, wanted.switch)
        )
        yield AlarmKind.OTHER_PLAN, f"runs {runs}; expected {expected}"
    off_ms = health.off_since_ms
    if off_ms is not None and report.at_ms - max(off_ms, wanted.since_ms) > patience_ms:
        mode = "" if report.mode == "plan" else f" ({report.mode})"
        off_s = (report.at_ms - max(off_ms, wanted.since_ms)) // 1000
        yield AlarmKind.OUT_OF_STEP, f"out of step{mode} for {off_s} s or more"


@dataclass(frozen=True, slots=True)
class Clocks:
    """Whose clocks are wrong, in order; or by how much the server's seems to be, None = it is not.

    One clock against many: where many controllers say that they are ahead, or behind, by as much,
    the server's own is doubted, and no controller is left out for it. With one report each it may
    have been a moment in which the server was slow: ``in_doubt`` it is, but nothing is said.
    """

    wrong: tuple[str, ...] = ()
    server_error_ms: int | None = None
    in_doubt: bool = False


def clocks_of(healths: Mapping[str, Health], now_ms: int, rules: HealthRules) -> Clocks:
    """Return what the reports say of the clocks."""
    heard = 0
    ahead: list[Health] = []
    behind: list[Health] = []
    for health in healths.values():
        report = health.report
        if report is None or now_ms - report.at_ms >= rules.silent_ms:
            continue
        heard += 1
        if health.late_clocks:
            # All of them, not those of three reports running: some get there before the others.
            (ahead if report.clock_error_ms > 0 else behind).append(health)
    most = max(ahead, behind, key=len)
    is_many = len(most) >= rules.suspect_least and len(most) > rules.suspect_share * heard
    if is_many or (len(most) >= 2 and len(most) == heard):
        again = sum(health.late_clocks >= DOUBTED_REPORTS for health in most)
        if again < min(rules.suspect_least, len(most)):
            return Clocks(in_doubt=True)
        errors_ms = [health.report.clock_error_ms for health in most if health.report]
        return Clocks((), -round(median(errors_ms)), in_doubt=True)
    late = (k for k, health in healths.items() if health.late_clocks >= rules.clock_reports)
    return Clocks(tuple(sorted(late)))


def forgiven(health: Health) -> Health:
    """Return what is left of a controller's wrong clock while the server's is doubted.

    Two reports, so that the doubt lasts as long as its reason: when the server's clock is right
    again, nobody is left out for what was said before.
    """
    late = min(health.late_clocks, DOUBTED_REPORTS)
    return health if late == health.late_clocks else replace(health, late_clocks=late)
