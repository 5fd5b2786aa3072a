"""How controllers are: what they report, who has gone silent, whose clock is wrong."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median

from traffic.street.door import IN_STEP_CYCLES


class AlarmKind(StrEnum):
    """What is wrong with a signal."""

    SILENT = "silent"
    CLOCK = "clock"
    FAULT = "fault"
    OUT_OF_STEP = "out-of-step"
    REFUSED = "refused"
    SERVER_CLOCK = "server-clock"


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
    suspect_share, suspect_least
        Where more than that share of the controllers that are heard, and at least so many, have
        clocks that are wrong the same way, it is the server's clock that is doubted; also where all
        of them have, two or more.
    """

    silent_ms: int = 90_000
    clock_error_ms: int = 2_000
    clock_reports: int = 3
    auto_every_ms: int = 15 * 60_000
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
    """Something that is wrong with a signal, since when and how; no signal = with the city's."""

    signal_id: str
    kind: AlarmKind
    since_ms: int
    detail: str


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of one controller.

    ``late_clocks`` counts the reports running in which its clock was wrong; ``heard_ms`` is when
    anything was last heard of it, or, with ``is_waited_for``, since when something should be.
    """

    heard_ms: int
    report: Report | None = None
    late_clocks: int = 0
    is_waited_for: bool = False

    def heard(self, now_ms: int) -> "Health":
        """Return the same, heard of now."""
        return replace(self, heard_ms=max(now_ms, self.heard_ms), is_waited_for=False)

    def reported(self, report: Report, rules: HealthRules) -> "Health":
        """Return what is known after one more report."""
        late = self.late_clocks + 1 if report.has_wrong_clock(rules) else 0
        return Health(max(report.at_ms, self.heard_ms), report, late)


def alarms_of(
    health: Health, now_ms: int, rules: HealthRules, cycle_s: int
) -> Iterator[tuple[AlarmKind, str]]:
    """Yield what is wrong with a signal now, whose plan has this cycle."""
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
    late = report.out_of_step_s > IN_STEP_CYCLES * cycle_s
    if report.mode == "plan" and not report.in_step and late:
        yield AlarmKind.OUT_OF_STEP, f"{report.out_of_step_s} s out of step since its switch"


@dataclass(frozen=True, slots=True)
class Clocks:
    """Whose clocks are wrong, in order; or by how much the server's seems to be, None = it is not.

    One clock against many: where many controllers say that they are ahead, or behind, by as much,
    the server's own is doubted, and no controller is left out for it.
    """

    wrong: tuple[str, ...] = ()
    server_error_ms: int | None = None


def clocks_of(healths: Mapping[str, Health], now_ms: int, rules: HealthRules) -> Clocks:
    """Return what the reports say of the clocks."""
    heard = 0
    ahead: list[int] = []
    behind: list[int] = []
    for health in healths.values():
        report = health.report
        if report is None or now_ms - report.at_ms >= rules.silent_ms:
            continue
        heard += 1
        if health.late_clocks:
            # All of them, not those of three reports running: some get there before the others.
            (ahead if report.clock_error_ms > 0 else behind).append(report.clock_error_ms)
    most = max(ahead, behind, key=len)
    is_many = len(most) >= rules.suspect_least and len(most) > rules.suspect_share * heard
    if is_many or (len(most) >= 2 and len(most) == heard):
        return Clocks((), -round(median(most)))
    late = (k for k, health in healths.items() if health.late_clocks >= rules.clock_reports)
    return Clocks(tuple(sorted(late)))


def forgiven(health: Health) -> Health:
    """Return what is left of a controller's wrong clock while the server's is doubted.

    One report, so that the doubt lasts as long as its reason: when the server's clock is right
    again, nobody is left out for what was said before.
    """
    return health if health.late_clocks <= 1 else replace(health, late_clocks=1)
