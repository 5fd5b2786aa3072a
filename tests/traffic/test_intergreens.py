"""Intergreens between any two greens, with the change times of the network's own programs."""

import pytest

from tests.traffic.io.test_sumo_net import RESCO, resco
from traffic.errors import UnsafePlanError
from traffic.intergreens import change_times, intergreen
from traffic.io.sumo_net import read_network
from traffic.right_of_way import green_conflict_free
from traffic.safety import check_phases
from traffic.signals import Phase, Program, Signal, SignalLink
from traffic.stages import stages_of


def signal(*rows: tuple[float, str], foes: dict[int, set[int]], crossing: int = -1) -> Signal:
    """A signal with one program; ``foes`` holds each conflict once."""
    count = len(rows[0][1])
    mutual = [{b for a, bs in foes.items() for b in bs if a == k} for k in range(count)]
    for a, bs in foes.items():
        for b in bs:
            mutual[b].add(a)
    return Signal(
        id="s",
        name="s",
        lon=None,
        lat=None,
        links=tuple(
            SignalLink(k, f"in{k}", f"out{k}", 0, 0, "x" if k == crossing else "s", 12.0)
            for k in range(count)
        ),
        foes=tuple(frozenset(group) for group in mutual),
        programs=(Program("0", tuple(Phase(*row) for row in rows)),),
    )


def shown(phases: tuple[Phase, ...]) -> list[tuple[float, str]]:
    return [(phase.duration_s, phase.state) for phase in phases]


# Link 0 meets 1, link 1 meets 2; 4 s of yellow, and 1 s of red between 1 and 2.
CROSS = signal(
    *((20, "Grr"), (4, "yrr"), (20, "rGr"), (4, "ryr"), (1, "rrr"), (20, "rrG"), (4, "rry")),
    foes={0: {1}, 1: {2}},
)


def test_change_times_are_those_of_the_own_program() -> None:
    times = change_times(CROSS)
    assert times.yellow(0) == (4, 4)
    assert times.gap(0, 1, is_crossing=False) == (4, 4)
    assert times.gap(1, 2, is_crossing=False) == (5, 5)
    # Never changed between directly: the signal's least all-red to accept, its longest to give.
    assert times.gap(2, 1, is_crossing=False) == (4, 5)


def test_an_intergreen_lasts_until_the_last_conflict_is_clear() -> None:
    assert shown(intergreen(CROSS, "Grr", "rGr")) == [(4, "yrr")]
    assert shown(intergreen(CROSS, "rGr", "rrG")) == [(4, "ryr"), (1, "rrr")]
    # 2 and 0 do not meet: no more than the yellow.
    assert shown(intergreen(CROSS, "rrG", "Grr")) == [(4, "rry")]
    assert shown(intergreen(CROSS, "GrG", "Grr")) == [(4, "Gry")]
    assert shown(intergreen(CROSS, "GrG", "rGr")) == [(4, "yry"), (1, "rrr")]
    assert intergreen(CROSS, "Grr", "GrG") == ()
    assert intergreen(CROSS, "Grr", "Grr") == ()


def test_right_of_way_is_given_up_over_a_yellow() -> None:
    left = signal((20, "rG"), (3, "ry"), (20, "Gg"), (3, "yy"), foes={0: {1}})
    assert shown(intergreen(left, "rG", "Gg")) == [(3, "ry")]
    # It gets the right of way when the other one has ended.
    assert shown(intergreen(left, "Gg", "rG")) == [(3, "yg")]


def test_turns_after_a_stop_go_on_through_the_change() -> None:
    rights = signal((20, "Grs"), (3, "yrs"), (20, "sGr"), (3, "syr"), foes={0: {1}})
    assert shown(intergreen(rights, "Grs", "sGs")) == [(3, "yrs")]
    assert shown(intergreen(rights, "sGr", "Grr")) == [(3, "syr")]


def test_people_on_foot_keep_the_clearance_that_the_network_gives_them() -> None:
    # The crossing, 1, ends 6 s before the vehicles beside it, which end 4 s before 2 begins.
    walk = signal(
        *((20, "GGr"), (6, "Grr"), (3, "yrr"), (1, "rrr"), (20, "rrG"), (3, "rry")),
        foes={2: {0, 1}},
        crossing=1,
    )
    assert change_times(walk).gap(1, 2, is_crossing=True) == (10, 10)
    assert shown(intergreen(walk, "GGr", "rrG")) == [(6, "Grr"), (3, "yrr"), (1, "rrr")]
    assert shown(intergreen(walk, "rGr", "rrG")) == [(10, "rrr")]


def test_states_of_another_width_and_signals_without_a_program_are_refused() -> None:
    with pytest.raises(UnsafePlanError, match="4 links; expected 3"):
        intergreen(CROSS, "Grrr", "rGr")
    bare = Signal("b", "b", None, None, (), (frozenset(),), ())
    with pytest.raises(UnsafePlanError, match="no program"):
        intergreen(bare, "G", "r")


@pytest.mark.parametrize("name", sorted(RESCO))
def test_stages_in_any_order_are_safe_with_the_intergreens_built_between_them(name: str) -> None:
    for found in read_network(resco(name)).signals.values():
        states = [stage.green_state for stage in stages_of(found)]
        assert all(green_conflict_free(found, state) for state in states)
        for order in (states, states[::-1], states[::2] + states[1::2]):
            phases: list[Phase] = []
            for k, state in enumerate(order):
                after = order[(k + 1) % len(order)]
                phases += [Phase(20, state), *intergreen(found, state, after)]
            broken = [v for v in check_phases(found, phases) if v.rule != "yellow-trap"]
            assert broken == []
