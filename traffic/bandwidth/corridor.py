"""What is asked: a corridor of signals, as its JSON document gives it, valid from construction.

Greens and lefts are shares of the cycle, positions grow outbound, times are in s.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from traffic.errors import InvalidInputError

Pattern = Literal["lead-lag", "lag-lead", "lead-lead", "lag-lag"]
Direction = Literal["both", "out", "in"]

PATTERNS: tuple[Pattern, ...] = ("lead-lag", "lag-lead", "lead-lead", "lag-lag")
DIRECTIONS: tuple[Direction, ...] = ("both", "out", "in")
SHARE_TOLERANCE = 1e-6
MIN_CYCLE_S, MAX_CYCLE_S = 1.0, 3600.0
MAX_SPEED_MPS = 100.0


def leads(pattern: Pattern) -> tuple[bool, bool]:
    """Whether the outbound and the inbound left lead.

    Examples
    --------
    >>> leads("lead-lag")
    (True, False)
    """
    out, _, back = pattern.partition("-")
    return out == "lead", back == "lead"


@dataclass(frozen=True, slots=True)
class Range:
    """A closed range; ``low == high`` is a fixed value."""

    low: float
    high: float

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to choose."""
        return self.low == self.high


@dataclass(frozen=True, slots=True)
class CorridorSignal:
    """One signal.

    From the start s of the road's block the outbound through begins at s + (``left_in`` if the
    inbound left leads, else 0), the inbound through at s + (``left_out`` if the outbound left
    leads, else 0). Without lefts the block starts with the earlier of both greens.

    Parameters
    ----------
    id, name
        ``name`` is for people; empty = the id.
    position_m
        Along the road, growing outbound.
    green_out, green_in
        Of the throughs, more than 0, at most 1.
    left_out, left_in
        0 to less than 1, including the intergreen to the through. With lefts,
        ``green_out + left_in = green_in + left_out`` (the road's block), at most 1.
    patterns
        Permitted left-turn patterns, *outbound left*-*inbound left*.
    center_offset_share
        Without lefts: centre of the inbound green minus centre of the outbound one.
    queue_out_s, queue_in_s
        Time the queue at the signal needs to clear before the band arrives; it has no meaning at
        a direction's first signal and is taken as 0 there.
    """

    id: str
    position_m: float
    green_out: float
    green_in: float
    name: str = ""
    left_out: float = 0.0
    left_in: float = 0.0
    patterns: tuple[Pattern, ...] = ("lead-lead",)
    center_offset_share: float = 0.0
    queue_out_s: float = 0.0
    queue_in_s: float = 0.0

    def __post_init__(self) -> None:
        if not self.id:
            raise InvalidInputError("expected a name that is not empty", where="id")
        if not math.isfinite(self.position_m):
            raise InvalidInputError(f"{self.position_m}; expected metres", where="position_m")
        for field in ("green_out", "green_in"):
            value = getattr(self, field)
            if not 0 < value <= 1:
                raise InvalidInputError(f"{value}; expected more than 0, at most 1", where=field)
        for field in ("left_out", "left_in"):
            value = getattr(self, field)
            if not 0 <= value < 1:
                raise InvalidInputError(f"{value}; expected 0 to less than 1", where=field)
        for field in ("queue_out_s", "queue_in_s"):
            value = getattr(self, field)
            if not 0 <= value < math.inf:
                raise InvalidInputError(f"{value}; expected 0 or more", where=field)
        if not -1 <= self.center_offset_share <= 1:
            raise InvalidInputError(
                f"{self.center_offset_share}; expected -1 to 1", where="center_offset_share"
            )
        if not self.patterns or not set(self.patterns) <= set(PATTERNS):
            raise InvalidInputError(
                f"{list(self.patterns)}; expected some of {', '.join(PATTERNS)}", where="patterns"
            )
        if len(set(self.patterns)) != len(self.patterns):
            raise InvalidInputError(f"{list(self.patterns)}; one is named twice", where="patterns")
        if self.has_lefts:
            self._check_lefts()

    def _check_lefts(self) -> None:
        uneven = (self.green_out + self.left_in) - (self.green_in + self.left_out)
        if abs(uneven) > SHARE_TOLERANCE:
            raise InvalidInputError(
                f"green_out + left_in = {self.green_out + self.left_in:g}, but "
                f"green_in + left_out = {self.green_in + self.left_out:g}; expected the same block",
                where="left_out",
            )
        if self.block > 1 + SHARE_TOLERANCE:
            raise InvalidInputError(
                f"green_out + left_in = {self.block:g}; expected at most 1, the whole cycle",
                where="left_in",
            )
        if self.center_offset_share != 0:
            raise InvalidInputError(
                f"{self.center_offset_share}; with lefts the patterns place the greens; expected 0",
                where="center_offset_share",
            )

    @property
    def has_lefts(self) -> bool:
        """Whether any left has a stage of its own."""
        return self.left_out > 0 or self.left_in > 0

    @property
    def block(self) -> float:
        """Share of the cycle from the start of the road's block to its end."""
        out, back = self.starts("lead-lead")
        return max(out + self.green_out, back + self.green_in)

    def starts(self, pattern: Pattern) -> tuple[float, float]:
        """When the outbound and the inbound through begin, in cycles after the block's start."""
        if not self.has_lefts:
            lag = self.green_out / 2 + self.center_offset_share - self.green_in / 2
            return max(0.0, -lag), max(0.0, lag)
        out_leads, in_leads = leads(pattern)
        return (self.left_in if in_leads else 0.0), (self.left_out if out_leads else 0.0)


@dataclass(frozen=True, slots=True)
class CorridorLink:
    """What is known of the road between two signals; None = the corridor's speed, no volume.

    Speeds are ranges in m/s; volumes and the saturation flow of one direction in vehicles an hour.
    """

    speed_out_mps: Range | None = None
    speed_in_mps: Range | None = None
    volume_out_vph: float | None = None
    volume_in_vph: float | None = None
    saturation_vph: float | None = None

    def __post_init__(self) -> None:
        for field in ("speed_out_mps", "speed_in_mps"):
            value = getattr(self, field)
            if value is not None:
                check_range(value, field, 0.0, MAX_SPEED_MPS)
        for field in ("volume_out_vph", "volume_in_vph"):
            value = getattr(self, field)
            if value is not None and not 0 <= value < math.inf:
                raise InvalidInputError(f"{value}; expected 0 or more", where=field)
            if value is not None and self.saturation_vph is None:
                raise InvalidInputError(
                    f"expected one, for {field} is given", where="saturation_vph"
                )
        if self.saturation_vph is not None and not 0 < self.saturation_vph < math.inf:
            raise InvalidInputError(
                f"{self.saturation_vph}; expected more than 0", where="saturation_vph"
            )


@dataclass(frozen=True, slots=True)
class Corridor:
    """Signals in outbound order, and how bands through them are valued.

    Parameters
    ----------
    signals
        Two or more, positions rising, ids that differ.
    cycle_s
        Range of the common cycle; None in a network, which has it.
    speed_mps
        Range on every link; None where every link has its own.
    slowness_change_s_per_m
        Largest change of slowness (1 / speed) from a link to the next; None = any.
    direction
        ``out`` and ``in`` count that direction alone.
    inbound_weight
        k of the objective b + k bb. 1 asks for bb = b, otherwise (1 - k) bb >= (1 - k) k b
        (Little, Kelson & Gartner 1981).
    p
        Exponent of the link weights (V / S)^p of MULTIBAND (Gartner et al. 1991).
    links
        One fewer than signals, or none at all.
    id, name
        For people and networks.
    """

    signals: tuple[CorridorSignal, ...]
    cycle_s: Range | None = None
    speed_mps: Range | None = None
    slowness_change_s_per_m: float | None = None
    direction: Direction = "both"
    inbound_weight: float = 1.0
    p: float = 1.0
    links: tuple[CorridorLink, ...] = ()
    id: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        _check_signals(self.signals)
        if self.cycle_s is not None:
            check_range(self.cycle_s, "cycle_s", MIN_CYCLE_S, MAX_CYCLE_S)
        if self.speed_mps is not None:
            check_range(self.speed_mps, "speed_mps", 0.0, MAX_SPEED_MPS)
        change = self.slowness_change_s_per_m
        if change is not None and not 0 <= change < math.inf:
            raise InvalidInputError(
                f"{change}; expected 0 or more", where="slowness_change_s_per_m"
            )
        if self.direction not in DIRECTIONS:
            raise InvalidInputError(
                f"{self.direction!r}; expected {', '.join(DIRECTIONS)}", where="direction"
            )
        for field in ("inbound_weight", "p"):
            value = getattr(self, field)
            if not 0 <= value < 100:
                raise InvalidInputError(f"{value}; expected 0 or more, below 100", where=field)
        if self.links and len(self.links) != len(self.signals) - 1:
            raise InvalidInputError(
                f"{len(self.links)}; expected {len(self.signals) - 1}, one fewer than signals",
                where="links",
            )
        self._check_speeds()

    def _check_speeds(self) -> None:
        if self.speed_mps is not None:
            return
        if not self.links:
            raise InvalidInputError("expected a speed, or links with speeds", where="speed_mps")
        for k, link in enumerate(self.links):
            for field in ("speed_out_mps", "speed_in_mps"):
                if getattr(link, field) is None:
                    raise InvalidInputError(
                        "expected a speed, for the corridor has no speed_mps",
                        where=f"links[{k}].{field}",
                    )

    @property
    def lengths_m(self) -> tuple[float, ...]:
        """Length of each link."""
        return tuple(b.position_m - a.position_m for a, b in itertools.pairwise(self.signals))

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each signal, for people."""
        return tuple(signal.name or signal.id for signal in self.signals)

    def link(self, k: int) -> CorridorLink:
        """Link after signal ``k``; an empty one where none was given."""
        return self.links[k] if self.links else CorridorLink()

    def speed_out(self, k: int) -> Range:
        """Outbound speed on link ``k``."""
        return self._speed(self.link(k).speed_out_mps)

    def speed_in(self, k: int) -> Range:
        """Inbound speed on link ``k``."""
        return self._speed(self.link(k).speed_in_mps)

    def _speed(self, own: Range | None) -> Range:
        speed = own if own is not None else self.speed_mps
        assert speed is not None, "checked at construction"
        return speed

    def link_weights(self, k: int) -> tuple[float, float]:
        """(V / S)^p of link ``k`` outbound and inbound; 1 where no volume is given."""
        link = self.link(k)
        if link.saturation_vph is None:
            return 1.0, 1.0
        out, back = (
            1.0 if volume is None else (volume / link.saturation_vph) ** self.p
            for volume in (link.volume_out_vph, link.volume_in_vph)
        )
        return out, back


def check_range(value: Range, where: str, least: float, most: float) -> None:
    """Refuse a range that is not ``least < low <= high <= most``."""
    if not (least < value.low <= value.high <= most):
        shown = f"{value.low:g}" if value.fixed else f"[{value.low:g}, {value.high:g}]"
        raise InvalidInputError(
            f"{shown}; expected more than {least:g}, at most {most:g}, low before high",
            where=where,
        )


def _check_signals(signals: Sequence[CorridorSignal]) -> None:
    if len(signals) < 2:
        raise InvalidInputError(f"{len(signals)}; expected two or more", where="signals")
    seen: dict[str, int] = {}
    for k, signal in enumerate(signals):
        if signal.id in seen:
            raise InvalidInputError(
                f"{signal.id!r} is signals[{seen[signal.id]}] already", where=f"signals[{k}].id"
            )
        seen[signal.id] = k
        if k and signal.position_m <= signals[k - 1].position_m:
            raise InvalidInputError(
                f"{signal.position_m:g} m after {signals[k - 1].position_m:g} m; "
                "expected rising positions",
                where=f"signals[{k}].position_m",
            )
