"""Which request ids may have been answered: a Bloom filter, so that new ones cost no look-up.

Bloom, Space/time trade-offs in hash coding with allowable errors (1970). It never says "new" of an
id that was added; of others it errs in about 1% at 3 million ids.
"""

from collections.abc import Iterable

BITS = 1 << 26
"""8 MB."""


class Seen:
    """A set of ids that only grows."""

    def __init__(self, request_ids: Iterable[str] = ()) -> None:
        self._bits = bytearray(BITS // 8)
        for request_id in request_ids:
            self.add(request_id)

    def add(self, request_id: str) -> None:
        """Note an id."""
        first, second = _places(request_id)
        self._bits[first >> 3] |= 1 << (first & 7)
        self._bits[second >> 3] |= 1 << (second & 7)

    def may_hold(self, request_id: str) -> bool:
        """Whether an id may have been added; False = it was not."""
        first, second = _places(request_id)
        return bool(
            self._bits[first >> 3] >> (first & 7) & self._bits[second >> 3] >> (second & 7) & 1
        )


def _places(request_id: str) -> tuple[int, int]:
    """Return two bits, from the hash of the text, which is secret to the process."""
    spread = hash(request_id)
    return spread & (BITS - 1), (spread >> 30) & (BITS - 1)
