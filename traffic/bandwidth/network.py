"""What is asked of crossing corridors: signals that several of them share are one junction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from traffic.bandwidth.corridor import (
    MAX_CYCLE_S,
    MIN_CYCLE_S,
    SHARE_TOLERANCE,
    Corridor,
    CorridorSignal,
    Range,
    check_range,
)
from traffic.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class JunctionBlock:
    """When a road's block starts, in cycles after the junction's cycle start."""

    corridor: str
    start_share: float

    def __post_init__(self) -> None:
        if not self.corridor:
            raise InvalidInputError("expected a corridor's id", where="corridor")
        if not (math.isfinite(self.start_share) and -1 <= self.start_share <= 1):
            raise InvalidInputError(f"{self.start_share}; expected -1 to 1", where="start_share")


@dataclass(frozen=True, slots=True)
class NetworkJunction:
    """One signal and the blocks of the roads that meet there."""

    id: str
    blocks: tuple[JunctionBlock, ...]


@dataclass(frozen=True, slots=True)
class NetworkCorridor:
    """A corridor (without a cycle of its own) and its weight in the objective."""

    corridor: Corridor
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.corridor.id:
            raise InvalidInputError("expected one in a network", where="id")
        if self.corridor.cycle_s is not None:
            raise InvalidInputError("expected it once, for the network", where="cycle_s")
        if not 0 <= self.weight < math.inf:
            raise InvalidInputError(f"{self.weight}; expected 0 or more", where="weight")


@dataclass(frozen=True, slots=True)
class Network:
    """Corridors with one common cycle.

    Parameters
    ----------
    cycle_s
        Range of the common cycle.
    corridors
        One or more, ids that differ.
    junctions
        Where blocks start; needed for every signal that two corridors share. A signal that is not
        named here starts its cycle with its block.
    """

    cycle_s: Range
    corridors: tuple[NetworkCorridor, ...]
    junctions: tuple[NetworkJunction, ...] = ()

    def __post_init__(self) -> None:
        check_range(self.cycle_s, "cycle_s", MIN_CYCLE_S, MAX_CYCLE_S)
        if not self.corridors:
            raise InvalidInputError("expected one or more", where="corridors")
        ids = [item.corridor.id for item in self.corridors]
        for k, key in enumerate(ids):
            if key in ids[:k]:
                raise InvalidInputError(
                    f"{key!r} is corridors[{ids.index(key)}] already", where=f"corridors[{k}].id"
                )
        users = self.users()
        named: set[str] = set()
        for k, junction in enumerate(self.junctions):
            if junction.id in named:
                raise InvalidInputError(f"{junction.id!r} twice", where=f"junctions[{k}].id")
            named.add(junction.id)
            if junction.id not in users:
                raise InvalidInputError(
                    f"{junction.id!r} is no signal of a corridor", where=f"junctions[{k}].id"
                )
            self._check_blocks(junction, users[junction.id], f"junctions[{k}]")
        for key, members in users.items():
            if len(members) > 1 and key not in named:
                names = ", ".join(ids[c] for c, _ in members)
                raise InvalidInputError(
                    f"expected one for signal {key!r}, which {names} share", where="junctions"
                )

    def users(self) -> dict[str, list[tuple[int, int]]]:
        """For each signal id, the corridors and their signal indices that use it."""
        found: dict[str, list[tuple[int, int]]] = {}
        for c, item in enumerate(self.corridors):
            for i, signal in enumerate(item.corridor.signals):
                found.setdefault(signal.id, []).append((c, i))
        return found

    def start_share(self, signal_id: str, corridor_id: str) -> float:
        """When the corridor's block starts, in cycles after the junction's cycle start."""
        for junction in self.junctions:
            if junction.id == signal_id:
                for block in junction.blocks:
                    if block.corridor == corridor_id:
                        return block.start_share
        return 0.0

    def _check_blocks(
        self, junction: NetworkJunction, members: Sequence[tuple[int, int]], where: str
    ) -> None:
        signals: dict[str, CorridorSignal] = {
            self.corridors[c].corridor.id: self.corridors[c].corridor.signals[i] for c, i in members
        }
        placed: list[tuple[float, float]] = []
        for k, block in enumerate(junction.blocks):
            spot = f"{where}.blocks[{k}]"
            if block.corridor not in signals:
                raise InvalidInputError(
                    f"{block.corridor!r} has no signal {junction.id!r}", where=f"{spot}.corridor"
                )
            if block.corridor in [b.corridor for b in junction.blocks[:k]]:
                raise InvalidInputError(f"{block.corridor!r} twice", where=f"{spot}.corridor")
            length = signals[block.corridor].block
            for start, taken in placed:
                gap = (block.start_share - start) % 1.0
                if gap > 1 - SHARE_TOLERANCE:
                    gap = 0.0
                if gap < taken - SHARE_TOLERANCE or gap + length > 1 + SHARE_TOLERANCE:
                    raise InvalidInputError(
                        f"the block of {length:g} from {block.start_share:g} overlaps that of "
                        f"{taken:g} from {start:g}",
                        where=f"{spot}.start_share",
                    )
            placed.append((block.start_share, length))
        missing = signals.keys() - {block.corridor for block in junction.blocks}
        if missing and len(signals) > 1:
            raise InvalidInputError(
                f"expected a block for {', '.join(sorted(missing))}", where=f"{where}.blocks"
            )
