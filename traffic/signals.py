"""A signal as it stands on the street: its links, what conflicts, and the programs it has.

A *link* is one way through the junction that the controller switches; a *state* is one character
for each link: ``G`` green with right of way, ``g`` green that yields, ``r`` red, ``y`` yellow,
``s`` right turn after a stop, ``u`` red-yellow, ``o`` flashing, ``O`` off.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from traffic.errors import InvalidInputError

STATES = frozenset("GgrysuoO")
GREEN = frozenset("Gg")
CROSSING = "x"

Direction = Literal["s", "l", "r", "t", "L", "R", "x", "?"]


@dataclass(frozen=True, slots=True)
class Phase:
    """One row of a program.

    Parameters
    ----------
    duration_s
        Seconds, more than 0.
    state
        One character for each signal link.
    min_duration_s
        Shortest duration that the program allows, in s; None = not said.
    """

    duration_s: float
    state: str
    min_duration_s: float | None = None

    def __post_init__(self) -> None:
        if not self.duration_s > 0:
            raise InvalidInputError(f"{self.duration_s}; expected more than 0", where="duration_s")
        if not self.state or not set(self.state) <= STATES:
            expected = "".join(sorted(STATES))
            raise InvalidInputError(
                f"{self.state!r}; expected characters of {expected}", where="state"
            )


@dataclass(frozen=True, slots=True)
class SignalLink:
    """A way through the junction that the controller switches.

    ``direction`` is s straight, l left, r right, t turn-around, L and R partly left and right,
    x a pedestrian crossing. ``length_m`` is the way's length, of a crossing the kerb-to-kerb one.
    """

    index: int
    from_edge: str
    to_edge: str
    from_lane: int
    to_lane: int
    direction: str
    length_m: float

    @property
    def is_crossing(self) -> bool:
        """Whether pedestrians use the link."""
        return self.direction == CROSSING


@dataclass(frozen=True, slots=True)
class Program:
    """A fixed sequence of phases, as the network has it.

    ``offset_s`` is SUMO's: the first phase starts that long after t = 0, modulo the cycle.
    """

    id: str
    phases: tuple[Phase, ...]
    offset_s: float = 0.0
    kind: str = "static"

    @property
    def cycle_s(self) -> float:
        """Sum of the phases' durations."""
        return sum(phase.duration_s for phase in self.phases)


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal-controlled junction.

    Parameters
    ----------
    id
        As the network names it.
    name
        For people: the roads that cross, such as 东三路/黄河路.
    lon, lat
        WGS84 degrees; None where the network has no projection.
    links
        Each way that the controller switches; several may share an index.
    foes
        For each link *index*, the indices whose ways cross or merge with it.
    link_count
        Characters in a state; an index may be unused.
    programs
        The network's own, the active one last.
    kind
        ``road`` or ``rail``; rail signals are left alone.
    yields_to
        For each link index, the indices that have the right of way over it where both are green
        and it yields; empty where the network does not say.
    min_green_s, gaps_s, never_together
        What the city demands beyond or instead of what the network shows: shortest greens of
        links, in s; seconds from the end of one link's green to the beginning of another's; pairs
        (smaller index first) that must not be green together, whatever the network's own programs
        show.
    """

    id: str
    name: str
    lon: float | None
    lat: float | None
    links: tuple[SignalLink, ...]
    foes: tuple[frozenset[int], ...]
    programs: tuple[Program, ...]
    kind: str = "road"
    yields_to: tuple[frozenset[int], ...] = ()
    min_green_s: Mapping[int, float] = field(default_factory=dict)
    gaps_s: Mapping[tuple[int, int], float] = field(default_factory=dict)
    never_together: frozenset[tuple[int, int]] = frozenset()
    may_stay_red: frozenset[int] = frozenset()

    def __hash__(self) -> int:
        # What is learned from a signal is kept by it: all of its parts would take long to hash.
        return hash(self.id)

    @property
    def link_count(self) -> int:
        """How many characters a state has."""
        return len(self.foes)

    @property
    def program(self) -> Program:
        """The network's own active program."""
        return self.programs[-1]

    def at(self, index: int) -> tuple[SignalLink, ...]:
        """Return the ways that one character of the state switches."""
        return tuple(link for link in self.links if link.index == index)
