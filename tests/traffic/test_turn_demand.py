"""Demand behind turn counts."""

from pathlib import Path

import numpy as np
import pytest

from tests.traffic.io.test_sumo_net import resco
from traffic.errors import InvalidInputError
from traffic.io.demand_counts import read_edge_relations, read_table_demand
from traffic.io.sumo_net import read_network
from traffic.splits import TurnFlows
from traffic.turn_demand import demand_of_turns

GRAPH = read_network(resco("grid4x4"))
IN, MID, OUT = "left0A0", "A0A1", "A1A2"


def test_what_turns_do_not_explain_starts_and_ends_on_edges() -> None:
    flows = TurnFlows({(IN, MID): 600.0, (MID, OUT): 400.0, (MID, "A1B1"): 0.0})
    demand = demand_of_turns(flows, GRAPH, 0, 900, slice_s=600)
    np.testing.assert_allclose(demand.turns[IN, MID], [100, 50])
    np.testing.assert_allclose(demand.departures[IN], [100, 50])
    np.testing.assert_allclose(demand.arrivals[MID], [100 / 3, 50 / 3])
    np.testing.assert_allclose(demand.arrivals[OUT], [200 / 3, 100 / 3])
    assert demand.vehicles == pytest.approx(150)
    assert demand.flow_vph(IN, MID) == pytest.approx(600)
    assert (MID, "A1B1") not in demand.turns


def test_turns_that_do_not_exist_and_empty_counts_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="no edge 'x'"):
        demand_of_turns(TurnFlows({(IN, "x"): 1.0}), GRAPH, 0, 900)
    with pytest.raises(InvalidInputError, match="no such turn"):
        demand_of_turns(TurnFlows({(IN, OUT): 1.0}), GRAPH, 0, 900)
    with pytest.raises(InvalidInputError, match="nobody"):
        demand_of_turns(TurnFlows({(IN, MID): 0.0}), GRAPH, 0, 900)


def test_a_table_of_flows_is_read_by_period(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    path.write_text(f"period,from_edge,to_edge,flow_vph\nam,{IN},{MID},360\n", encoding="utf-8")
    demand = read_table_demand(path, "am", GRAPH, 0, 3600)
    assert demand.vehicles == pytest.approx(360)
    with pytest.raises(InvalidInputError, match="no period 'pm'; it has am"):
        read_table_demand(path, "pm", GRAPH, 0, 3600)


def test_edge_relations_are_spread_over_their_intervals(tmp_path: Path) -> None:
    path = tmp_path / "turns.xml"
    path.write_text(
        f'<data><interval begin="0" end="600"><edgeRelation from="{IN}" to="{MID}" count="60"/>'
        f'</interval><interval begin="600" end="1200">'
        f'<edgeRelation from="{IN}" to="{MID}" count="120"/></interval></data>',
        encoding="utf-8",
    )
    demand = read_edge_relations(path, GRAPH, 300, 900)
    np.testing.assert_allclose(demand.turns[IN, MID], [30, 60])
    with pytest.raises(InvalidInputError, match="nobody"):
        read_edge_relations(path, GRAPH, 2000, 2600)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'<edgeRelation from="{IN}" to="{OUT}" count="1"/>', "no turn 'left0A0' -> 'A1A2'"),
        (f'<edgeRelation from="{IN}" to="{MID}" count="-1"/>', "count -1"),
        (f'<edgeRelation from="{IN}" to="{MID}"/>', "count=''"),
        (f'<edge id="{IN}" entered="5"/>', "do not say who turns where"),
    ],
)
def test_counts_that_say_no_turns_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "turns.xml"
    path.write_text(f'<data><interval begin="0" end="60">{text}</interval></data>')
    with pytest.raises(InvalidInputError, match=message):
        read_edge_relations(path, GRAPH, 0, 60)
