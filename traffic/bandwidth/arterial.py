"""An arterial as a band model sees it: greens, lefts, distances and speeds."""

import math
from dataclasses import dataclass
from typing import Literal

from traffic.errors import InvalidInputError

Pattern = Literal["lead-lead", "lag-lag", "lead-lag", "lag-lead"]
PATTERNS: tuple[Pattern, ...] = ("lead-lead", "lag-lag", "lead-lag", "lag-lead")
TOLERANCE = 1e-6


def leads(pattern: Pattern) -> tuple[bool, bool]:
    """Whether the outbound and the inbound left lead."""
    out, _, back = pattern.partition("-")
    return out == "lead", back == "lead"


@dataclass(frozen=True, slots=True)
class ArterialSignal:
    """One signal of an arterial; greens and lefts in shares of the cycle.

    From the start s of the road's block the outbound through begins at s + (``left_in`` if the
    inbound left leads, else 0) and the inbound through at s + (``left_out`` if the outbound left
    leads, else 0). A left's share includes the intergreen between it and the through.

    Parameters
    ----------
    id
        The signal.
    green_out, green_in
        0 < share <= 1.
    left_out, left_in
        0 <= share < 1; with lefts, ``green_out + left_in = green_in + left_out``.
    patterns
        Allowed left-turn patterns, *outbound left*-*inbound left*.
    center_offset_share
        Without lefts: centre of the inbound green minus centre of the outbound one.
    """

    id: str
    green_out: float
    green_in: float
    left_out: float = 0.0
    left_in: float = 0.0
    patterns: tuple[Pattern, ...] = ("lead-lead",)
    center_offset_share: float = 0.0

    def __post_init__(self) -> None:
        for field in ("green_out", "green_in"):
            value = getattr(self, field)
            if not 0 < value <= 1:
                raise InvalidInputError(f"{value}; expected more than 0, at most 1", where=field)
        for field in ("left_out", "left_in"):
            value = getattr(self, field)
            if not 0 <= value < 1:
                raise InvalidInputError(f"{value}; expected 0 to less than 1", where=field)
        if not self.patterns or not set(self.patterns) <= set(PATTERNS):
            raise InvalidInputError(
                f"{self.patterns}; expected some of {PATTERNS}", where="patterns"
            )
        if not math.isfinite(self.center_offset_share):
            raise InvalidInputError("expected a finite share", where="center_offset_share")
        uneven = self.green_out + self.left_in - self.green_in - self.left_out
        if self.has_lefts and abs(uneven) > TOLERANCE:
            raise InvalidInputError(
                f"green_out + left_in and green_in + left_out differ by {uneven:g}",
                where="left_out",
            )

    @property
    def has_lefts(self) -> bool:
        """Whether any left has a stage of its own."""
        return self.left_out > 0 or self.left_in > 0

    def starts(self, pattern: Pattern) -> tuple[float, float]:
        """When the outbound and the inbound through begin, in cycles after the block's start.

        Without lefts the block's start is the beginning of the outbound green.
        """
        if not self.has_lefts:
            return 0.0, self.green_out / 2 + self.center_offset_share - self.green_in / 2
        out_leads, in_leads = leads(pattern)
        return (self.left_in if in_leads else 0.0), (self.left_out if out_leads else 0.0)


@dataclass(frozen=True, slots=True)
class ArterialLink:
    """The road between two signals: its length in m and the speeds it may be driven at in m/s.

    ``speed_out_mps`` and ``speed_in_mps`` are (slowest, fastest), 0 < slowest <= fastest.
    """

    length_m: float
    speed_out_mps: tuple[float, float]
    speed_in_mps: tuple[float, float]

    def __post_init__(self) -> None:
        if not (math.isfinite(self.length_m) and self.length_m > 0):
            raise InvalidInputError(f"{self.length_m}; expected more than 0", where="length_m")
        for field in ("speed_out_mps", "speed_in_mps"):
            low, high = getattr(self, field)
            if not (0 < low <= high < math.inf):
                raise InvalidInputError(f"({low}, {high}); expected 0 < low <= high", where=field)


@dataclass(frozen=True, slots=True)
class Arterial:
    """Signals in outbound order with the links between them.

    Parameters
    ----------
    signals
        One or more.
    links
        One fewer.
    cycle_s
        (shortest, longest) cycle in s; equal = fixed.
    inbound_weight
        k of the objective b + k bb; 1 asks for equal bands, otherwise
        (1 - k) bb >= (1 - k) k b (Little, Kelson & Gartner 1981).
    """

    signals: tuple[ArterialSignal, ...]
    links: tuple[ArterialLink, ...]
    cycle_s: tuple[float, float]
    inbound_weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.signals or len(self.links) != len(self.signals) - 1:
            raise InvalidInputError(
                f"{len(self.signals)} signals, {len(self.links)} links; expected one fewer",
                where="links",
            )
        low, high = self.cycle_s
        if not 0 < low <= high < math.inf:
            raise InvalidInputError(f"({low}, {high}); expected 0 < low <= high", where="cycle_s")
        if not (math.isfinite(self.inbound_weight) and self.inbound_weight > 0):
            raise InvalidInputError(
                f"{self.inbound_weight}; expected more than 0", where="inbound_weight"
            )
