"""Small windows of the RESCO scenarios, read once."""

from dataclasses import replace
from functools import cache

from greenlot.plans import read_scenario
from scenarios.resco import resco_inputs
from scenarios.simulation import Inputs
from traffic.delay.model import DelayModel
from traffic.demand import Demand
from traffic.network import RoadGraph
from traffic.timing.options import Options, options_of

CYCLE_S = (40, 100)


def window(name: str, seconds: int = 600) -> Inputs:
    """The first minutes of a scenario."""
    inputs = resco_inputs(name)
    return replace(inputs, end_s=inputs.begin_s + seconds)


@cache
def scenario(name: str, seconds: int = 600) -> tuple[RoadGraph, Demand]:
    return read_scenario(window(name, seconds))


@cache
def options(name: str) -> tuple[DelayModel, Options]:
    """What may be chosen at each signal; do not change it."""
    model = DelayModel(*scenario(name))
    return model, options_of(model, cycle_s=CYCLE_S)


def scaled(demand: Demand, factor: float) -> Demand:
    """The demand with so many times as many vehicles."""
    return replace(
        demand,
        departures={key: factor * x for key, x in demand.departures.items()},
        turns={key: factor * x for key, x in demand.turns.items()},
        arrivals={key: factor * x for key, x in demand.arrivals.items()},
        vehicles=factor * demand.vehicles,
        trips=tuple(replace(own, weight=factor * own.weight) for own in demand.trips),
    )
