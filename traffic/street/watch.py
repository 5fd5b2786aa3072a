"""What happens by itself: switches are decided, alarms come and go."""

from collections.abc import Iterator, Mapping

from traffic.street.alarms import changed_alarms, settled
from traffic.street.decisions import CityStreets
from traffic.street.door import IN_STEP_CYCLES
from traffic.street.events import Event, SwitchDecided
from traffic.street.health import Clocks, Health, HealthRules, clocks_of
from traffic.street.state import Street
from traffic.street.switching import Switch, SwitchState, judge


def tick(
    street: Street,
    city: CityStreets,
    healths: Mapping[str, Health],
    now_ms: int,
    rules: HealthRules,
    clocks: Clocks | None = None,
) -> tuple[Event, ...]:
    """Return what is due now.

    Parameters
    ----------
    healths
        Of the controllers that are looked at now: all, or some of them at a time.
    clocks
        What all controllers' reports say of the clocks; None = ``healths`` are all.
    """
    clocks = clocks or clocks_of(healths, now_ms, rules)
    return (
        *_decided(street, city, now_ms),
        *settled(street, healths, now_ms),
        *changed_alarms(street, healths, now_ms, rules, clocks),
    )


def _decided(street: Street, city: CityStreets, now_ms: int) -> Iterator[Event]:
    if not street.open_switches:
        return
    awaited = street.awaited(now_ms)
    for switch in street.open_switches:
        verdict = judge(switch, awaited, now_ms, city.switching)
        if verdict is None:
            continue
        state, at_ms = verdict.state, verdict.activate_at_ms
        if street.invalid_at(switch.schedule, at_ms) or _overtakes(street, switch, at_ms):
            # Its plans are not valid any more when the moment has been moved, or it is too late.
            state = SwitchState.GIVEN_UP
        yield SwitchDecided(switch.id, state, at_ms, verdict.silent)


def _overtakes(street: Street, switch: Switch, at_ms: int) -> bool:
    """Whether the next committed switch would be lost, or not be waited for, at a moved moment."""
    in_step_ms = at_ms + IN_STEP_CYCLES * switch.cycle_ms
    later = street.next_after(switch.signals, switch.activate_at_ms)
    return later is not None and later.activate_at_ms < in_step_ms
