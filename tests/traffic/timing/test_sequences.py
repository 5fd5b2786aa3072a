"""Sequences of stages: every one is safe as it is written, and serves everybody."""

import pytest

from tests.traffic.timing.small import scenario
from traffic.errors import UnsafePlanError
from traffic.safety import check_phases
from traffic.signals import Signal
from traffic.stages import greens_of
from traffic.timing.sequences import SignalStages, orders, sequence, signal_stages, subsets

NAMES = ("cologne1", "cologne3", "ingolstadt1", "ingolstadt7", "grid4x4", "arterial4x4")
# Longer lists take long to check one by one.
MOST = 60


def all_stages(name: str) -> list[SignalStages]:
    graph, _ = scenario(name)
    found = []
    for signal in graph.signals.values():
        try:
            found.append(signal_stages(signal))
        except UnsafePlanError:
            continue
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_sequence_is_safe_and_serves_all(name: str) -> None:
    """Judged by what is shown second by second, with least greens and with long ones."""
    checked = 0
    kinds = {}
    for own in all_stages(name):
        key = tuple(stage.green_state for stage in own.stages), own.signal.link_count
        if kinds.setdefault(key, own.signal.id) != own.signal.id:
            continue
        built = [sequence(own, order) for subset in subsets(own) for order in orders(subset)]
        safe = [found for found in built if found is not None][:MOST]
        assert safe, own.signal.id
        for found in safe:
            for more_s in (0, 17):
                greens_s = [stage.min_green_s + more_s for stage in found.stages]
                phases = found.phases(greens_s)
                assert check_phases(own.signal, phases) == ()
                served = frozenset().union(*(greens_of(phase.state) for phase in phases))
                assert own.served <= served
                plan = found.plan(own.signal.id, greens_s, 11, len(greens_s) - 1)
                assert [p.state for p in plan.phases()] == [p.state for p in phases]
                assert plan.program_start_s % plan.cycle_s == 11 % plan.cycle_s
                assert plan.cycle_s == found.lost_s + sum(greens_s)
                checked += 1
    assert checked >= 2


def test_least_greens_hold(small: SignalStages) -> None:
    """Asked for 9 s, no stage is shorter; never below what the program itself needs."""
    longer = signal_stages(small.signal, min_green_s=9)
    for own, stage in zip(small.stages, longer.stages, strict=True):
        assert stage.min_green_s == max(own.min_green_s, 9)
    found = sequence(longer, tuple(range(len(longer.stages))))
    assert found is not None
    assert found.least_cycle_s == sum(s.min_green_s for s in found.stages) + found.lost_s


@pytest.fixture
def small() -> SignalStages:
    return all_stages("cologne1")[0]


def test_subsets_serve_everybody_and_come_once(small: SignalStages) -> None:
    found = subsets(small)
    assert len(found) == len(set(found))
    assert [len(chosen) for chosen in found] == sorted(len(chosen) for chosen in found)
    for chosen in found:
        assert len(chosen) >= 2
        greens = (greens_of(small.stages[k].green_state) for k in chosen)
        assert frozenset().union(*greens) == small.served


def test_orders_are_each_cyclic_order_once() -> None:
    found = list(orders((0, 1, 2, 3)))
    assert found[0] == (0, 1, 2, 3)
    assert len(found) == len(set(found)) == 6
    assert all(order[0] == 0 and sorted(order) == [0, 1, 2, 3] for order in found)


def test_a_signal_without_stages_is_refused(small: SignalStages) -> None:
    """Nothing to time: all red all the time."""
    program = small.signal.program
    red = type(program.phases[0])(60, "r" * small.signal.link_count)
    dark = Signal(
        "dark", "", None, None, (), small.signal.foes, (type(program)("0", (red,)),), "road"
    )
    with pytest.raises(UnsafePlanError):
        signal_stages(dark)


def test_a_stage_that_protects_a_link_stays_where_it_must() -> None:
    """cologne1's lefts yield in the through stages and have stages of their own."""
    (own,) = all_stages("cologne1")
    lefts = frozenset(
        link
        for link, aspect in enumerate(own.stages[1].green_state)
        if aspect == "G" and own.stages[0].green_state[link] == "g"
    )
    assert lefts
    free, kept = subsets(own), subsets(own, lefts)
    assert not all(1 in chosen for chosen in free)
    assert kept
    assert all(1 in chosen for chosen in kept)
