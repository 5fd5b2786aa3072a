"""What operations watch is what the street says."""

from tests.traffic.small_plans import plan
from tests.traffic.street.town import CYCLE_MS, NOW_MS, Town
from traffic.street.figures import StreetFigures
from traffic.street.health import AlarmKind, Health, Report
from traffic.street.layered import Layered
from traffic.street.switching import Switch


def test_alarms_controllers_and_switches_are_counted() -> None:
    town = Town().running()
    before = StreetFigures.of(town.street, ())
    assert (before.known, before.open_switches, sum(before.alarms.values())) == (4, 0, 0)
    assert set(before.alarms) == set(AlarmKind)
    town.activate(town.approved_set(tuple(plan(key, 10) for key in "abcd")), NOW_MS)
    now_ms = NOW_MS
    for key in "ab":
        report = Report(key, now_ms, "", "plan", 0, 30, key == "a")
        town.healths[key] = Health(now_ms, report)
    for _ in range(100):
        now_ms += CYCLE_MS // 60
        town.tick(now_ms)
    shown = StreetFigures.of(town.street, town.healths.values())
    assert shown.revision == town.street.revision
    assert (shown.open_switches, shown.out_of_step) == (2, 1)
    assert shown.alarms[AlarmKind.SILENT] == shown.silent == 2
    for _ in range(60):
        now_ms += CYCLE_MS // 60
        town.tick(now_ms)
    assert StreetFigures.of(town.street, ()).postponed_switches == 2


class Interrupted(Layered[str, Switch]):
    """Switches of a town in which another thread decides on one while they are read."""

    town: Town

    def __getitem__(self, key: str) -> Switch:
        found = super().__getitem__(key)
        if self.town.street.switches is self:
            self.town.street.switches = Layered(self)
            self.town.tick(NOW_MS + 1000)
        return found


def test_counting_goes_on_while_another_thread_writes() -> None:
    town = Town().running()
    first, _ = town.activate(town.approved_set(tuple(plan(key, 10) for key in "abcd")), NOW_MS)
    town.acknowledge(first, "a", "b", "c")
    switches = Interrupted(dict(town.street.switches))
    switches.town = town
    town.street.switches = switches
    assert StreetFigures.of(town.street, ()).open_switches in (1, 2)
    assert len(town.street.open_switches) == 1
