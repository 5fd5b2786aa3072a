"""Who waits for what: each waiter is woken alone, through an index, never all of them."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Watchers:
    """Waiters by key, such as ``r:ID`` (a reservation) or ``d:KEY`` (a driver)."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def watching(self, *keys: str) -> Iterator[asyncio.Event]:
        """Register for keys; the event is set when one of them is woken."""
        wake = asyncio.Event()
        for key in keys:
            self._waiting.setdefault(key, set()).add(wake)
        try:
            yield wake
        finally:
            for key in keys:
                there = self._waiting[key]
                there.discard(wake)
                if not there:
                    del self._waiting[key]

    def wake(self, keys: Iterable[str]) -> None:
        """Wake who waits for one of the keys."""
        for key in keys:
            for event in self._waiting.get(key, ()):
                event.set()

    def wake_all(self) -> None:
        """Wake everyone."""
        self.wake(list(self._waiting))
