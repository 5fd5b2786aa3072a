"""Intergreens between any two greens, with the change times of the network's own programs."""

from dataclasses import replace

import pytest

from tests.traffic.io.test_sumo_net import RESCO, resco
from traffic.errors import UnsafePlanError
from traffic.intergreens import WAITING_CLEARS_S, change_times, intergreen, waiting_lefts
from traffic.io.sumo_net import read_network
from traffic.right_of_way import green_conflict_free
from traffic.safety import check_phases
from traffic.signals import Phase, Program, Signal, SignalLink
from traffic.stages import stages_of
from traffic.timing.sequences import sequence, signal_stages


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


def with_left(*rows: tuple[float, str], yields: bool = True) -> Signal:
    """Links 0 left, 1 opposing through, 2 cross street, that meets both; 3 s of yellow."""
    plain = signal(*rows, foes={0: {1, 2}, 1: {2}})
    return replace(
        plain,
        links=tuple(replace(link, direction="lss"[link.index]) for link in plain.links),
        yields_to=(frozenset({1} if yields else ()), frozenset(), frozenset()),
    )


LEFT = with_left((30, "gGr"), (3, "yyr"), (30, "rrG"), (3, "rry"))


def test_lefts_that_have_waited_in_the_junction_get_a_second_to_clear_it() -> None:
    """3 s of yellow as the program has it, and one more before those begin who meet them."""
    assert waiting_lefts(LEFT, "gGr") == {0}
    built = shown(intergreen(LEFT, "gGr", "rrG"))
    assert built == [(3, "yyr"), (WAITING_CLEARS_S, "rrr")]
    # Nobody waited inside after the cross street's green.
    assert shown(intergreen(LEFT, "rrG", "gGr")) == [(3, "rry")]


def test_lefts_that_need_not_wait_get_none() -> None:
    """Protected, opposed by nobody who is green, or yielding to nobody: the plain change."""
    assert waiting_lefts(LEFT, "Grr") == waiting_lefts(LEFT, "grr") == frozenset()
    assert shown(intergreen(LEFT, "grr", "rrG")) == [(3, "yrr")]
    free = with_left((30, "gGr"), (3, "yyr"), (30, "rrG"), (3, "rry"), yields=False)
    assert waiting_lefts(free, "gGr") == frozenset()
    assert shown(intergreen(free, "gGr", "rrG")) == [(3, "yyr")]
    # A network that does not say who yields to whom.
    silent = replace(LEFT, yields_to=())
    assert waiting_lefts(silent, "gGr") == frozenset()


def test_a_right_turn_that_yields_does_not_wait_inside() -> None:
    right = replace(
        LEFT, links=tuple(replace(link, direction="rss"[link.index]) for link in LEFT.links)
    )
    assert waiting_lefts(right, "gGr") == frozenset()


def test_a_long_clearance_covers_the_left_that_waited() -> None:
    """Where the own program gives 5 s anyway, the yellow and one second fit into them."""
    slow = with_left((30, "gGr"), (3, "yyr"), (2, "rrr"), (30, "rrG"), (3, "rry"))
    assert shown(intergreen(slow, "gGr", "rrG")) == [(3, "yyr"), (2, "rrr")]


@pytest.mark.parametrize("name", sorted(RESCO))
def test_after_waiting_lefts_every_sequence_clears_the_junction(name: str) -> None:
    """In the program's own order, too: from such a left's end to each foe's beginning."""
    found = 0
    for own in read_network(resco(name)).signals.values():
        try:
            stages = signal_stages(own)
        except UnsafePlanError:
            continue
        built = sequence(stages, tuple(range(len(stages.stages))))
        assert built is not None
        for k, stage in enumerate(built.stages):
            following = built.stages[(k + 1) % len(built.stages)].green_state
            begin = {
                j
                for j in range(own.link_count)
                if following[j] in "Gg" and stage.green_state[j] not in "Gg"
            }
            for left in waiting_lefts(own, stage.green_state):
                if following[left] in "Gg" or not own.foes[left] & begin:
                    continue
                yellow_s = change_times(own).yellow(left)[0]
                assert stage.intergreen_s >= yellow_s + WAITING_CLEARS_S
                found += 1
    # On the others no such left ends before one of its foes begins.
    assert (found > 0) == (name not in {"cologne1", "grid4x4", "ingolstadt1"})
