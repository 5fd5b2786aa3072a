"""What a city demands of its signals beyond, or instead of, what the network shows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from traffic.errors import InvalidInputError
from traffic.signals import Signal

DemandKind = Literal[
    "conflict", "no-conflict", "min-green", "crossing-length", "intergreen", "may-stay-red"
]
DEMAND_KINDS: tuple[DemandKind, ...] = get_args(DemandKind)
PAIRS = {"conflict", "no-conflict", "intergreen"}
_VALUED = {"min-green", "crossing-length", "intergreen"}


@dataclass(frozen=True, slots=True)
class SafetyDemand:
    """One demand.

    Parameters
    ----------
    signal_id, link
        The signal and the index of a link.
    kind
        ``conflict``: the two links must never be green together, whatever the network's own
        programs show; ``no-conflict``: they may be, whatever the network says; ``min-green``: the
        link's shortest green, s; ``crossing-length``: the crossing's length, m; ``intergreen``:
        from the end of the link's green to the beginning of the other's, s; ``may-stay-red``: a
        plan need not serve the link, such as one that is closed.
    other
        The other link of a pair; None for the kinds without one.
    value
        In s or m; 0 for kinds without one.
    """

    signal_id: str
    kind: DemandKind
    link: int
    other: int | None = None
    value: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in DEMAND_KINDS:
            raise InvalidInputError(
                f"{self.kind!r}; expected one of {', '.join(DEMAND_KINDS)}", where="kind"
            )
        if (self.other is not None) != (self.kind in PAIRS):
            word = "another link" if self.kind in PAIRS else "no other link"
            raise InvalidInputError(f"{self.kind} takes {word}", where="other")
        if self.other == self.link:
            raise InvalidInputError("is the link itself", where="other")
        least, most = (0.1, 300.0) if self.kind in _VALUED else (0.0, 0.0)
        if not least <= self.value <= most:
            raise InvalidInputError(
                f"{self.value:g}; expected {least:g} to {most:g}", where="value"
            )


def with_demands(signal: Signal, demands: Iterable[SafetyDemand]) -> Signal:
    """Return a signal that also keeps what the city demands of it, in whatever order.

    Raises
    ------
    InvalidInputError
        A demand names a link that the signal does not have, or that is no crossing where one is
        meant; would mean nothing; or contradicts another one.
    """
    demands = tuple(demands)
    for _, why in mistakes(signal, demands):
        raise InvalidInputError(why, where=f"signal {signal.id}")
    for demand in demands:
        signal = _with(signal, demand)
    return signal


def mistakes(signal: Signal, demands: Sequence[SafetyDemand]) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with demands of one signal: the index of a demand, and why."""
    seen: dict[tuple[str, int, int | None], float] = {}
    conflict: dict[frozenset[int | None], str] = {}
    for k, demand in enumerate(demands):
        for link in (demand.link, demand.other):
            if link is not None and not 0 <= link < signal.link_count:
                yield k, f"no link {link}; it has {signal.link_count}"
                return
        if demand.kind == "crossing-length" and not any(
            link.is_crossing for link in signal.at(demand.link)
        ):
            yield k, f"link {demand.link} is no crossing"
        key = (demand.kind, demand.link, demand.other)
        if seen.setdefault(key, demand.value) != demand.value:
            yield k, f"{demand.kind} of link {demand.link} is {seen[key]:g} before; expected once"
        if demand.kind in ("conflict", "no-conflict"):
            kind = conflict.setdefault(_pair(demand), demand.kind)
            if kind != demand.kind:
                yield k, f"links {demand.link} and {demand.other} are a {kind} before"
    for k, demand in enumerate(demands):
        if demand.kind != "intergreen":
            continue
        is_foe = demand.other in signal.foes[demand.link]
        if conflict.get(_pair(demand), "conflict" if is_foe else "no-conflict") != "conflict":
            links = f"links {demand.link} and {demand.other}"
            yield k, f"{links} do not conflict: no intergreen is kept; expected a conflict of them"


def _pair(demand: SafetyDemand) -> frozenset[int | None]:
    return frozenset((demand.link, demand.other))


def _with(signal: Signal, demand: SafetyDemand) -> Signal:
    a, b = demand.link, demand.other
    if demand.kind == "min-green":
        return replace(signal, min_green_s={**signal.min_green_s, a: demand.value})
    if demand.kind == "may-stay-red":
        return replace(signal, may_stay_red=signal.may_stay_red | {a})
    if demand.kind == "crossing-length":
        links = tuple(
            replace(link, length_m=demand.value) if link.index == a and link.is_crossing else link
            for link in signal.links
        )
        return replace(signal, links=links)
    assert b is not None
    if demand.kind == "intergreen":
        return replace(signal, gaps_s={**signal.gaps_s, (a, b): demand.value})
    pair = (min(a, b), max(a, b))
    foes = [set(own) for own in signal.foes]
    if demand.kind == "conflict":
        foes[a].add(b)
        foes[b].add(a)
        together = signal.never_together | {pair}
    else:
        foes[a].discard(b)
        foes[b].discard(a)
        together = signal.never_together - {pair}
    return replace(signal, foes=tuple(frozenset(own) for own in foes), never_together=together)
