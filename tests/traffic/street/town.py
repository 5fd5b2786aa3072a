"""A town of four small signals: three in a group, one by itself; and the steps of its log."""

from collections.abc import Callable

from tests.traffic.small_plans import plan, signal
from traffic.plan import TimingPlan
from traffic.street import decisions, going_over
from traffic.street.decisions import CityStreets
from traffic.street.events import Event
from traffic.street.groups import Group
from traffic.street.health import Health, HealthRules, clocks_of, forgiven
from traffic.street.records import Origin, PlanSet, all_week
from traffic.street.state import Street
from traffic.street.watch import tick
from traffic.street.wrong_clocks import left_out

MIDNIGHT_MS = 1_795_017_600_000  # 2026-11-19 in Shanghai, a Thursday
NOW_MS = MIDNIGHT_MS + 8 * 3_600_000
CYCLE_MS = 60_000


class Town:
    """A state, and a log that grows by one commit a call."""

    def __init__(self) -> None:
        self.city = CityStreets(
            {key: signal(key) for key in "abcd"}, (Group("a", ("a", "b", "c")), Group("d", ("d",)))
        )
        self.street = Street()
        self.healths: dict[str, Health] = {}
        self.rules = HealthRules()
        self.refused_ms: dict[str, int] = {}
        self.events: tuple[Event, ...] = ()

    def do(self, decide: Callable[[Street], tuple[Event, ...]]) -> tuple[Event, ...]:
        """Write one commit."""
        happened = decide(self.street)
        if happened:
            self.street.apply(happened, self.street.revision + 1)
            self.events += happened
        return happened

    def tick(self, now_ms: int) -> tuple[Event, ...]:
        """Do what is due."""
        if clocks_of(self.healths, now_ms, self.rules).in_doubt:
            self.healths = {key: forgiven(health) for key, health in self.healths.items()}
        happened = self.do(lambda s: tick(s, self.city, self.healths, now_ms, self.rules))
        clocks = clocks_of(self.healths, now_ms, self.rules)
        args = (self.street, self.city, clocks, now_ms, self.rules, self.refused_ms)
        found = left_out(*args)
        self.refused_ms |= dict.fromkeys(found.refused, now_ms)
        return happened + self.do(lambda _: found.events)

    def approved_set(self, plans: tuple[TimingPlan, ...], now_ms: int = NOW_MS) -> str:
        """Keep and approve plans, with the schedule that runs them always; its id."""
        origin = Origin("王工", "import", now_ms)
        set_id = next(self.street.next_ids())
        self.do(
            lambda s: decisions.make_plan_set(s, self.city, PlanSet(set_id, plans, origin), now_ms)
        )
        schedule_id = next(self.street.next_ids())
        schedule = all_week(schedule_id, set_id, origin)
        self.do(lambda s: decisions.make_schedule(s, self.city, schedule))
        for kind, key in (("plan-set", set_id), ("schedule", schedule_id)):
            self.do(lambda s, kind=kind, key=key: decisions.approve(s, kind, key, "李工", now_ms))
        return schedule_id

    def activate(self, schedule_id: str, now_ms: int, at_ms: int | None = None) -> tuple[str, ...]:
        """Propose to put a schedule in force; the ids of its switches."""
        happened = self.do(
            lambda s: going_over.activate(
                s, self.city, s.schedule(schedule_id), at_ms=at_ms, by="李工", now_ms=now_ms
            )
        )
        return tuple(event.switch.id for event in happened)

    def acknowledge(self, switch_id: str, *signals: str, **refused: str) -> tuple[Event, ...]:
        """Controllers answer."""
        return self.do(lambda s: going_over.answer(s, switch_id, signals, refused))

    def running(self, offset_s: int = 0) -> "Town":
        """Put a first plan in force everywhere; from now on everybody acknowledges."""
        self.activate(self.approved_set(tuple(plan(key, offset_s) for key in "abcd")), NOW_MS)
        self.street.known = set("abcd")
        return self
