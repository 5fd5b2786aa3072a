"""Controllers on Dongying's green waves: left-turn patterns with short stages between long ones."""

import random

import pytest

from greenlot.city import City, load_city
from scenarios.dongying import build
from traffic.controller.controller import fixed_plan
from traffic.controller.machine import Machine, Orders
from traffic.controller.monitor import Monitor
from traffic.greenwave import optimize
from traffic.plan import TimingPlan
from traffic.safety import check_phases
from traffic.street.door import Limits, refuse_unsafe, refuse_ways
from traffic.street.groups import coordination_groups
from traffic.transition import phases_of

DAY_S = 86400


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    folder = tmp_path_factory.mktemp("dongying")
    return load_city(build(folder / "city"), cache=folder)


@pytest.fixture(scope="module")
def waves(city: City) -> list[dict[str, TimingPlan]]:
    found = []
    for period in ("morning", "evening"):
        wave = optimize(
            city.graph,
            list(city.corridors.values()),
            turn_flows=city.turn_flows[period],
            time_limit_s=10,
            seed=3,
        )
        found.append({plan.signal_id: plan for plan in wave.plans})
    return found


def test_the_door_lets_the_waves_in_and_every_change_between_them(
    city: City, waves: list[dict[str, TimingPlan]]
) -> None:
    groups = coordination_groups(city.graph.signals, city.corridors)
    for plans in waves:
        refuse_unsafe(city.graph.signals, plans.values(), groups, Limits())
    changes = [(old[k], new[k]) for old in waves for new in waves for k in old]
    refuse_ways(city.graph.signals, changes)


@pytest.mark.parametrize("countdown_s", [0, 12])
def test_whatever_happens_every_second_of_every_signal_is_safe(
    city: City, waves: list[dict[str, TimingPlan]], countdown_s: int
) -> None:
    rng = random.Random(7)
    hasty = 0
    for key in waves[0]:
        signal = city.graph.signals[key]
        hasty += any(stage.min_green_s < 5 for stage in waves[0][key].stages)
        machine = Machine(signal, fixed_plan(signal), countdown_s=countdown_s)
        states = _played(machine, [plans[key] for plans in waves], rng)
        monitor = Monitor(signal)
        broken = [violation for state in states for violation in monitor.see(state)]
        rows = check_phases(signal, phases_of(states), goes_round=False)
        # A crossing's green and its clearance together are the monitor's.
        assert broken + [v for v in rows if v.rule != "pedestrian"] == [], key
        assert machine.faults == ()
    assert hasty > 5, "plans with stages that are shorter than a link's least green"


def _played(machine: Machine, plans: list[TimingPlan], rng: random.Random) -> list[str]:
    """Twenty minutes in which something is ordered about every two minutes."""
    orders: dict[str, object] = {"plan": plans[0]}
    clock_s = rng.randrange(DAY_S)
    states = []
    for _ in range(1200):
        if rng.random() < 0.01:
            what = rng.choice(["plan", "plan", "own", "clock", "hold", "pre-empt"])
            if what == "plan":
                orders = {"plan": rng.choice(plans)}
            elif what == "own":
                orders = {}
            elif what == "clock":
                clock_s += rng.randrange(-50, 50)
            elif what == "hold":
                orders = orders | {"hold": True}
            else:
                orders = orders | {"pre_empt": rng.randrange(len(machine.own_plan.stages))}
        states.append(machine.step(Orders(clock_s % DAY_S, **orders)).state)  # type: ignore[arg-type]
        clock_s += 1
    return states
