"""Left-turn patterns: the order in which a road's lefts and throughs are shown.

A road's block has two rings that run side by side, each a left and the through that it must not
meet: the inbound left with the outbound through, and the outbound left with the inbound through.
In each ring the left leads or lags, which gives the four patterns of the MAXBAND literature
(Little, Kelson & Gartner 1981), named *outbound left*-*inbound left*: lead-lead, lag-lag,
lead-lag, lag-lead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from traffic.corridors import Crossing
from traffic.plan import Stage
from traffic.signals import Phase, Signal
from traffic.stages import greens_of

Pattern = Literal["lead-lead", "lag-lag", "lead-lag", "lag-lead"]


@dataclass(frozen=True, slots=True)
class Block:
    """A road's two neighbouring stages: both lefts, then both throughs.

    ``lefts`` and ``throughs`` are indices of the stages; ``out_*`` and ``in_*`` the links that go
    with each side's through and left.
    """

    lefts: int
    throughs: int
    out_through: frozenset[int]
    in_through: frozenset[int]
    out_left: frozenset[int]
    in_left: frozenset[int]


def find_block(signal: Signal, stages: Sequence[Stage], crossing: Crossing) -> Block | None:
    """Find the stage pair of a corridor whose lefts are protected and come before its throughs.

    None where the signal's stages are not of that shape (a left that yields, a stage shared with
    another road, a link in both stages): then its order is left as it is.
    """
    if not (crossing.left_out and crossing.left_in):
        return None
    lefts = _stage_with(stages, {*crossing.left_out, *crossing.left_in})
    throughs = _stage_with(stages, {*crossing.through_out, *crossing.through_in})
    if lefts is None or throughs is None or (lefts + 1) % len(stages) != throughs:
        return None
    left_greens = greens_of(stages[lefts].green_state)
    through_greens = greens_of(stages[throughs].green_state)
    if left_greens & through_greens or len(stages) < 3:
        return None
    sides = {crossing.approach_out: "out", crossing.approach_in: "in"}
    groups: dict[tuple[str, int], set[int]] = {}
    for k, greens in ((lefts, left_greens), (throughs, through_greens)):
        for index in greens:
            found = {sides.get(link.from_edge, "") for link in signal.at(index)}
            if len(found) != 1 or "" in found:
                return None
            groups.setdefault((found.pop(), k), set()).add(index)
    if len(groups) != 4:
        return None
    return Block(
        lefts=lefts,
        throughs=throughs,
        out_through=frozenset(groups["out", throughs]),
        in_through=frozenset(groups["in", throughs]),
        out_left=frozenset(groups["out", lefts]),
        in_left=frozenset(groups["in", lefts]),
    )


def _stage_with(stages: Sequence[Stage], links: set[int]) -> int | None:
    """Index of the one stage in which all links have the right of way."""
    found = [
        k for k, stage in enumerate(stages) if all(stage.green_state[link] == "G" for link in links)
    ]
    others = [
        k
        for k, stage in enumerate(stages)
        if k not in found and greens_of(stage.green_state) & links
    ]
    return found[0] if len(found) == 1 and not others else None


def allowed_patterns(stages: Sequence[Stage], block: Block | None) -> tuple[Pattern, ...]:
    """Patterns that fit: split ones need a through that outlasts the left and its intergreen.

    A lagging left is safe here because ``find_block`` takes protected lefts only.
    """
    if block is None:
        return ("lead-lead",)
    left, through = stages[block.lefts], stages[block.throughs]
    if left.intergreen_s != through.intergreen_s:
        return ("lead-lead", "lag-lag")
    if through.green_s - left.duration_s < 1:
        return ("lead-lead", "lag-lag")
    return ("lead-lead", "lag-lag", "lead-lag", "lag-lead")


def arrange(stages: Sequence[Stage], block: Block, pattern: Pattern) -> tuple[Stage, ...]:
    """Return all stages with the block's in the order of a pattern.

    The block keeps its place, its total time, and each movement its green. ``block.lefts`` must
    stand before ``block.throughs`` in the list.
    """
    left, through = stages[block.lefts], stages[block.throughs]
    middle: tuple[Stage, ...]
    if pattern == "lead-lead":
        middle = (left, through)
    elif pattern == "lag-lag":
        middle = (through, left)
    else:
        first = "out" if pattern == "lead-lag" else "in"
        middle = _split(left, through, block, first)
    return (*stages[: block.lefts], *middle, *stages[block.throughs + 1 :])


def _split(left: Stage, through: Stage, block: Block, first: str) -> tuple[Stage, ...]:
    """One side's left and through, both throughs, the other side's left and through."""
    links = len(left.green_state)
    sides = {
        "out": (block.out_left, block.out_through),
        "in": (block.in_left, block.in_through),
    }
    leading_left, leading_through = sides[first]
    lagging_left, lagging_through = sides["in" if first == "out" else "out"]

    def state(base: Stage, source: str, green: frozenset[int]) -> str:
        """Keep ``green`` links of a stage's state; every other link is red."""
        return "".join(source[k] if k in green else "r" for k in range(links))

    def merged(a: str, b: str) -> str:
        return "".join(y if x == "r" else x for x, y in zip(a, b, strict=True))

    go_left = state(left, left.green_state, leading_left)
    go_through = state(through, through.green_state, leading_through)
    come_left = state(left, left.green_state, lagging_left)
    come_through = state(through, through.green_state, lagging_through)
    stage_1 = replace(
        left,
        name=f"{left.name}{first}",
        green_state=merged(go_left, go_through),
        intergreen=tuple(
            Phase(p.duration_s, merged(state(left, p.state, leading_left), go_through))
            for p in left.intergreen
        ),
    )
    both_s = through.green_s - left.duration_s
    stage_2 = replace(
        through,
        green_s=both_s,
        min_green_s=1,
        intergreen=tuple(
            Phase(p.duration_s, merged(state(through, p.state, leading_through), come_through))
            for p in through.intergreen
        ),
    )
    stage_3 = replace(
        left,
        name=f"{left.name}{'in' if first == 'out' else 'out'}",
        green_state=merged(come_left, come_through),
        # The lagging left and its through end together.
        intergreen=tuple(
            Phase(
                p.duration_s,
                merged(
                    state(left, p.state, lagging_left), state(through, q.state, lagging_through)
                ),
            )
            for p, q in zip(left.intergreen, through.intergreen, strict=True)
        ),
    )
    return (stage_1, stage_2, stage_3)
