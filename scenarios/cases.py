"""What plans are compared on: the RESCO scenarios, and Dongying in its periods."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from scenarios import dongying
from scenarios.demand import write_routes
from scenarios.dongying.demand_model import PERIODS
from scenarios.resco import NAMES, resco_inputs
from scenarios.simulation import Inputs
from traffic.errors import NotFoundError

DONGYING = tuple(f"dongying-{period.name}" for period in PERIODS)
GROUPS = {"all": (*NAMES, *DONGYING), "resco": NAMES, "dongying": DONGYING}
PLANNING_DEMAND_SEED = 0


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario to compare plans on.

    Parameters
    ----------
    inputs
        What plans are made from.
    redraw
        Gives the route file of a judging seed; None where all seeds drive the same trips.
    """

    name: str
    inputs: Inputs
    redraw: Callable[[int], Path] | None = None

    def judged(self, seed: int) -> Inputs:
        """What a plan is judged on with this seed."""
        if self.redraw is None:
            return self.inputs
        return replace(self.inputs, routes=(self.redraw(seed),))


def case_names(wanted: list[str]) -> tuple[str, ...]:
    """Resolve names and groups (``all``, ``resco``, ``dongying``), each case once.

    Raises
    ------
    NotFoundError
        No such case or group.
    """
    known = GROUPS["all"]
    names: dict[str, None] = {}
    for name in wanted:
        if name not in GROUPS and name not in known:
            groups = ", ".join((*known, *GROUPS))
            raise NotFoundError(f"no scenario {name!r}; there are {groups}", where="--scenario")
        names.update(dict.fromkeys(GROUPS.get(name, (name,))))
    return tuple(names)


def make_case(name: str, work: Path) -> Case:
    """Make a case by its name; what has to be built goes below ``work``.

    The plans of a period of Dongying are made from one day's trips, and each judging seed drives
    a day of its own, drawn from the same modelled demand.
    """
    if name not in DONGYING:
        return Case(name, resco_inputs(name))
    period = PERIODS[DONGYING.index(name)]
    city = dongying.build(work / "city" / "dongying")
    folder = work / "demand" / name
    folder.mkdir(parents=True, exist_ok=True)

    def redraw(seed: int) -> Path:
        path = folder / f"{seed}.rou.xml"
        write_routes(city, period.name, seed, period.begin_s, period.end_s, path)
        return path

    routes = (redraw(PLANNING_DEMAND_SEED),)
    inputs = Inputs(city / "network.net.xml", routes, (), period.begin_s, period.end_s)
    return Case(name, inputs, redraw)
