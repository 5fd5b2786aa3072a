"""Who may be green together, and who yields."""

from dataclasses import replace

import pytest

from tests.traffic.io.test_sumo_net import RESCO, resco
from tests.traffic.test_intergreens import signal
from traffic.errors import UnsafePlanError
from traffic.io.sumo_net import read_network
from traffic.right_of_way import (
    assign_priority,
    conflicts,
    green_conflict_free,
    odd_aspects,
    yields,
)
from traffic.stages import greens_of, stages_of

# 0 and 1 are opposing throughs, 2 the left that yields to 1, 3 crosses all of them.
LEFT = signal(
    (20, "GGgr"), (3, "yyyr"), (20, "rrGr"), (3, "rryr"), (20, "rsrG"), (3, "rrry"),
    foes={1: {2}, 3: {0, 1, 2}},
)  # fmt: skip


def test_links_yield_only_to_those_that_are_green_with_them() -> None:
    assert assign_priority(LEFT, {0, 1, 2}) == "GGgr"
    assert assign_priority(LEFT, {0, 2}) == "GrGr"
    assert assign_priority(LEFT, {3}) == "rsrG"
    assert assign_priority(LEFT, ()) == "rsrr"
    assert yields(LEFT, 2, 1) is True
    assert yields(LEFT, 1, 2) is False
    assert yields(LEFT, 1, 3) is None


def test_what_the_network_never_shows_together_conflicts() -> None:
    with pytest.raises(UnsafePlanError, match="links 0 and 3 conflict"):
        assign_priority(LEFT, {0, 3})
    with pytest.raises(UnsafePlanError, match="no link 7"):
        assign_priority(LEFT, {7})
    assert conflicts(LEFT, "GGGr") == ((1, 2),)
    assert conflicts(LEFT, "GrrG") == ((0, 3),)
    assert green_conflict_free(LEFT, "GGgr")


def test_turning_after_a_stop_stays_where_the_network_has_it() -> None:
    assert odd_aspects(LEFT, "rsrG") == ()
    assert odd_aspects(LEFT, "rsry") == ()
    assert odd_aspects(LEFT, "rsGr") == (1,), "not beside link 2, which it conflicts with"
    assert odd_aspects(LEFT, "srrG") == (0,)
    assert odd_aspects(LEFT, "uoOr") == (0, 1, 2)
    barred = replace(LEFT, never_together=frozenset({(1, 3)}))
    assert odd_aspects(barred, "rsrG") == (1,)
    assert assign_priority(barred, {3}) == "rrrG"


def test_red_with_yellow_is_shown_where_the_network_has_it() -> None:
    nordic = signal(
        (20, "Gr"), (3, "yr"), (1, "ru"), (20, "rG"), (3, "ry"), (1, "ur"), foes={0: {1}}
    )  # fmt: skip
    assert odd_aspects(nordic, "ru") == ()
    assert odd_aspects(nordic, "Gu") == (1,)


@pytest.mark.parametrize("name", sorted(RESCO))
def test_every_own_stage_is_what_its_links_get(name: str) -> None:
    for found in read_network(resco(name)).signals.values():
        for stage in stages_of(found):
            links = greens_of(stage.green_state)
            assert assign_priority(found, links) == stage.green_state
        for k, others in enumerate(found.yields_to):
            assert others <= found.foes[k]
