"""A mapping that grows for years and is copied with every write."""

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Generic, Self, TypeVar

K = TypeVar("K")
V = TypeVar("V")

FEW = 1024
SHARE = 8
"""Where more than a few entries, and more than one in so many, have changed, these are laid down
for all later copies: copying stays cheap, and laying down is rare."""


class Layered(MutableMapping[K, V], Generic[K, V]):
    """A dictionary whose copies share what is old; nothing can be deleted.

    Copies cost the entries that have changed lately, not all there are. Neither sees what the other
    one changes.

    Parameters
    ----------
    old
        What is shared from now on: it must not be changed any more.
    """

    def __init__(self, old: Mapping[K, V] | None = None) -> None:
        self._old: Mapping[K, V] = {} if old is None else old
        self._own: dict[K, V] = {}
        self._fresh = 0

    def copy(self) -> Self:
        """Return one with the same entries."""
        twin = type(self)(self._old)
        twin._own, twin._fresh = self._own.copy(), self._fresh
        return twin

    def __getitem__(self, key: K) -> V:
        own = self._own
        return own[key] if key in own else self._old[key]

    def __setitem__(self, key: K, value: V) -> None:
        if key not in self._own and key not in self._old:
            self._fresh += 1
        self._own[key] = value
        if len(self._own) > max(FEW, len(self._old) // SHARE):
            self._old = {**self._old, **self._own}
            self._own, self._fresh = {}, 0

    def __delitem__(self, key: K) -> None:
        raise TypeError("what is kept is kept for good")

    def __contains__(self, key: object) -> bool:
        return key in self._own or key in self._old

    def __iter__(self) -> Iterator[K]:
        yield from self._old
        yield from (key for key in self._own if key not in self._old)

    def __len__(self) -> int:
        return len(self._old) + self._fresh
