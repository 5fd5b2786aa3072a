"""Coordination groups: signals that share corridors switch as one."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from traffic.corridors import Corridor


@dataclass(frozen=True, slots=True)
class Group:
    """Signals that corridors tie together, directly or through others.

    ``id`` is the smallest of the signals' ids; a signal on no corridor is a group by itself.
    """

    id: str
    signals: tuple[str, ...]


def coordination_groups(
    signals: Iterable[str], corridors: Mapping[str, Corridor]
) -> tuple[Group, ...]:
    """Return the groups of a city, in the order of their ids.

    Parameters
    ----------
    signals
        All signals.
    corridors
        By id; those that share a signal tie all of their signals together.
    """
    chief = {signal_id: signal_id for signal_id in signals}

    def of(signal_id: str) -> str:
        while chief[signal_id] != signal_id:
            chief[signal_id] = chief[chief[signal_id]]
            signal_id = chief[signal_id]
        return signal_id

    for corridor in corridors.values():
        first, *others = corridor.signal_ids
        for other in others:
            a, b = sorted((of(first), of(other)))
            chief[b] = a
    members: dict[str, list[str]] = {}
    for signal_id in sorted(chief):
        members.setdefault(of(signal_id), []).append(signal_id)
    return tuple(Group(key, tuple(own)) for key, own in sorted(members.items()))


def cut_by_group(groups: Iterable[Group], signals: Collection[str]) -> tuple[Group, ...]:
    """Return the groups that signals belong to, each cut to those signals."""
    wanted = set(signals)
    cut = (Group(g.id, tuple(s for s in g.signals if s in wanted)) for g in groups)
    return tuple(group for group in cut if group.signals)
