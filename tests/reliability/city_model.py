"""What a city's parking does, one call at a time: the model that concurrent histories are held to.

A state is the set of open reservations. All stays overlap and no time passes, so that a space is
given or it is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Item(NamedTuple):
    """An open reservation; ``source`` = the reservation that it is offered for."""

    name: str
    driver: str
    lot: str
    phase: str
    source: str = ""


Open = frozenset[Item]
WAITING = ("held", "confirmed")


@dataclass(frozen=True, slots=True)
class CityModel:
    """The rules: spaces of each lot, and how many reservations a driver may have open."""

    capacities: Mapping[str, int]
    open_max: int

    def step(self, state: Open, call: tuple[str, ...], answer: object) -> list[Open]:
        """Return the states after a call that was answered so; see ``linearizability.Step``.

        Calls: ``("request", driver)``, answered ``("held", name, lot)``, ``"full"`` or
        ``"open_max"``; ``("hold", driver, name, lot)``, answered ``"held"``, ``"full"`` or
        ``"open_max"``; ``("offer", source, name, lot)``, answered ``"held"``, ``"full"`` or
        ``"refused"``; ``(confirm | arrive | depart | cancel, name)``, answered with the new phase
        or ``"refused"``.
        """
        if call[0] == "request":
            return self._request(state, call[1], answer)
        match call:
            case ("hold", driver, name, lot):
                told, after = self._hold(state, driver, name, lot)
            case ("offer", source, name, lot):
                told, after = self._offer(state, source, name, lot)
            case (kind, name):
                told, after = _go_on(state, kind, name)
        return [after] if answer in (None, told) else []

    def _free(self, state: Open, lot: str) -> int:
        return self.capacities[lot] - sum(item.lot == lot for item in state)

    def _at_limit(self, state: Open, driver: str) -> bool:
        """An offer and what it is made for count as one."""
        names = {item.name for item in state}
        mine = [item for item in state if item.driver == driver]
        twice = [item for item in mine if item.phase == "held" and item.source in names]
        return len(mine) - len(twice) >= self.open_max

    def _request(self, state: Open, driver: str, answer: object) -> list[Open]:
        """Any lot with room is right: which one is the allocation's business."""
        at_limit = self._at_limit(state, driver)
        full = all(self._free(state, lot) < 1 for lot in self.capacities)
        if isinstance(answer, str) and answer in ("open_max", "full"):
            # Where both are so, either may be told.
            return [state] if {"open_max": at_limit, "full": full}[answer] else []
        if at_limit or not isinstance(answer, tuple):
            return []
        _, name, lot = answer
        if self._free(state, lot) < 1 or any(item.name == name for item in state):
            return []
        return [state | {Item(name, driver, lot, "held")}]

    def _hold(self, state: Open, driver: str, name: str, lot: str) -> tuple[str, Open]:
        if self._at_limit(state, driver):
            return "open_max", state
        if self._free(state, lot) < 1:
            return "full", state
        return "held", state | {Item(name, driver, lot, "held")}

    def _offer(self, state: Open, source: str, name: str, lot: str) -> tuple[str, Open]:
        """An earlier offer for the same reservation makes way, if the new one can be held."""
        old = _find(state, source)
        if old is None or old.phase not in WAITING:
            return "refused", state
        without = _without_offer(state, source)
        if self._free(without, lot) < 1:
            return "full", state
        return "held", without | {Item(name, old.driver, lot, "held", source)}


def _go_on(state: Open, kind: str, name: str) -> tuple[str, Open]:
    item = _find(state, name)
    wanted = {"confirm": ("held",), "depart": ("parked",)}.get(kind, WAITING)
    if item is None or item.phase not in wanted:
        return "refused", state
    rest = state - {item}
    if kind == "depart":
        return "completed", rest
    if kind == "cancel":
        return "cancelled", _without_offer(rest, name)
    source = _find(state, item.source) if item.phase == "held" else None
    if source is not None:
        if source.phase not in WAITING:
            return "refused", state
        # Taking the offer gives the old place up in the same step.
        rest = rest - {source}
    if kind == "confirm":
        return "confirmed", rest | {item._replace(phase="confirmed")}
    return "parked", _without_offer(rest, name) | {item._replace(phase="parked")}


def _find(state: Open, name: str) -> Item | None:
    return next((item for item in state if item.name == name), None)


def _without_offer(state: Open, source: str) -> Open:
    """Return the state without an offer for a reservation that nobody has taken yet."""
    return frozenset(i for i in state if not (i.source == source and i.phase == "held"))
