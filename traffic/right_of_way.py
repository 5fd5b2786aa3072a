"""Who may be green together at a signal, and who then yields, as the network's own programs show.

Two conflicting links may be green together only where an own program shows them so: then one
yields (``g``) to the other (``G``), by the marks of that program, or by the junction's request
matrix where both are marked as yielding. Everything else is a conflict.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from traffic.errors import UnsafePlanError
from traffic.signals import GREEN, Signal

Pair = tuple[int, int]

_PLAIN = frozenset("Ggyr")


@dataclass(frozen=True, slots=True)
class OwnGreens:
    """What a signal's own programs show of links that are green together.

    Parameters
    ----------
    marks
        For an ordered pair of conflicting links: every way in which both were green, such as
        ``{"gG"}`` for a link that yields to the other.
    stops
        Links that may turn after a stop (``s``), each with the links that were green meanwhile.
    soon
        Links that show red with yellow (``u``), likewise.
    """

    marks: Mapping[Pair, frozenset[str]]
    stops: Mapping[int, frozenset[int]]
    soon: Mapping[int, frozenset[int]]


@lru_cache(maxsize=8192)
def own_greens(signal: Signal) -> OwnGreens:
    """Collect which conflicting links a signal's own programs show green together."""
    marks: dict[Pair, set[str]] = {}
    others: dict[str, dict[int, set[int]]] = {"s": {}, "u": {}}
    states = {phase.state for program in signal.programs for phase in program.phases}
    for state in sorted(states):
        if len(state) != signal.link_count:
            continue
        greens = {k for k, aspect in enumerate(state) if aspect in GREEN}
        for a in greens:
            for b in signal.foes[a] & greens:
                marks.setdefault((a, b), set()).add(state[a] + state[b])
        for k, aspect in enumerate(state):
            if aspect in others:
                others[aspect].setdefault(k, set()).update(greens)
    return OwnGreens(
        {pair: frozenset(found) for pair, found in marks.items()},
        {k: frozenset(found) for k, found in others["s"].items()},
        {k: frozenset(found) for k, found in others["u"].items()},
    )


def yields(signal: Signal, a: int, b: int) -> bool | None:
    """Whether link ``a`` yields to link ``b`` when both are green.

    None where the two must not be green together. False both ways for a pair that the network
    itself shows both with the right of way.
    """
    shown = own_greens(signal).marks.get((a, b))
    if shown is None or (min(a, b), max(a, b)) in signal.never_together:
        return None
    if shown & {"GG", "Gg"}:
        return False
    if "gG" in shown or not signal.yields_to:
        return True
    return b in signal.yields_to[a]


def assign_priority(signal: Signal, links: Collection[int]) -> str:
    """Return the state in which exactly these links are green.

    A link is ``g`` where it must yield to another one of them, else ``G``. Links that may turn
    after a stop show ``s`` where an own program shows them so beside the same conflicting greens;
    all others are red.

    Raises
    ------
    UnsafePlanError
        Two of the links conflict and no own program shows them green together, or a link does not
        exist.
    """
    where = f"signal {signal.id}"
    green = set(links)
    unknown = sorted(k for k in green if not 0 <= k < signal.link_count)
    if unknown:
        raise UnsafePlanError(f"no link {unknown[0]}", where=where)
    state = ["r"] * signal.link_count
    for a in sorted(green):
        state[a] = "G"
        for b in sorted(signal.foes[a] & green):
            gives_way = yields(signal, a, b)
            if gives_way is None:
                raise UnsafePlanError(f"links {a} and {b} conflict", where=where)
            if gives_way:
                state[a] = "g"
    for k in own_greens(signal).stops:
        if k not in green and _may_show(signal, k, "s", green):
            state[k] = "s"
    return "".join(state)


def green_conflict_free(signal: Signal, state: str) -> bool:
    """Whether every pair of conflicting links that a state shows green is safe.

    A pair is safe where one of both yields (``g``) and has to by the network's request matrix or
    its own programs, or where the network itself shows both ``G``.
    """
    return not conflicts(signal, state)


def conflicts(signal: Signal, state: str) -> tuple[Pair, ...]:
    """Return the pairs of conflicting links that a state shows green unsafely, smaller first."""
    greens = {k for k, aspect in enumerate(state) if aspect in GREEN}
    return tuple(
        (a, b)
        for a in sorted(greens)
        for b in sorted(signal.foes[a] & greens)
        if a < b and not _is_safe(signal, a, b, state[a] + state[b])
    )


def odd_aspects(signal: Signal, state: str) -> tuple[int, ...]:
    """Return the links to which a state shows what no plan may.

    A plan shows ``G``, ``g``, ``y`` and ``r``. Vehicles drive on ``s``, ``o`` and ``O`` as well: on
    ``s`` and ``u`` a link may stand only beside conflicting greens that the network's own programs
    show with it, on flashing and dark lamps never. An index without a way may show anything.
    """
    if _PLAIN.issuperset(state):
        return ()
    greens = {k for k, aspect in enumerate(state) if aspect in GREEN}
    ways = {link.index for link in signal.links}
    return tuple(
        k
        for k, aspect in enumerate(state)
        if aspect not in _PLAIN and k in ways and not _may_show(signal, k, aspect, greens)
    )


def is_off(state: str) -> bool:
    """Whether a signal shows nobody the way: all lamps flash or are dark."""
    return not set(state) - set("oO")


def _may_show(signal: Signal, link: int, aspect: str, greens: Collection[int]) -> bool:
    own = own_greens(signal)
    shown = {"s": own.stops, "u": own.soon}.get(aspect, {})
    beside = signal.foes[link] & set(greens)
    barred = any((min(link, k), max(link, k)) in signal.never_together for k in beside)
    return link in shown and beside <= shown[link] and not barred


def _is_safe(signal: Signal, a: int, b: int, marks: str) -> bool:
    if (min(a, b), max(a, b)) in signal.never_together:
        return False
    if marks in own_greens(signal).marks.get((a, b), ()):
        return True
    if marks == "GG":
        return False
    known = bool(signal.yields_to)
    return (marks[0] == "g" and (not known or b in signal.yields_to[a])) or (
        marks[1] == "g" and (not known or a in signal.yields_to[b])
    )
