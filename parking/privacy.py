"""Who a driver is, without the log knowing it.

The ledger knows a driver by a random key alone. One table maps keyed digests (HMAC-SHA-256) of
plates and phone numbers to that key. About 10^10 plates are possible, so a plain hash could be
reversed by trying all of them; without the secret a keyed one cannot. Secrets are rotated: new
digests are made under the current one, and what was noted under the previous one is still found
and noted anew. Erasing a driver deletes the mapping: the log stays whole and speaks of nobody.
"""

import hmac
import re
import threading
import unicodedata
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import uuid4

from parking.errors import InvalidInputError

SECRET_MIN_BYTES = 16
MAX_IDENTIFIERS = 8
"""The most plates and phone numbers of one driver."""

# China: province, letter, 5 or 6 more ("粤Z·F023港", embassies and the like included); elsewhere
# letters, digits and dashes.
_PLATE = re.compile(r"[0-9A-Z\u4e00-\u9fff]{4,12}")
_PHONE = re.compile(r"\+?[0-9]{7,15}")
_LIKE_A_PHONE = re.compile(r"\+?(?:86)?1[3-9][0-9]{9}")
_LIKE_A_PLATE = re.compile(r"[\u4e00-\u9fff][A-Z][·.\- ]?[0-9A-Z]{4,6}[\u4e00-\u9fff]?")


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets of the digests, at least 16 bytes each; never shown.

    Parameters
    ----------
    current
        New digests are made with it.
    previous
        Digests made with it are still found; None = there was none.
    """

    current: bytes
    previous: bytes | None = None

    def __post_init__(self) -> None:
        for name in ("current", "previous"):
            secret = getattr(self, name)
            if secret is not None and len(secret) < SECRET_MIN_BYTES:
                raise InvalidInputError(f"expected at least {SECRET_MIN_BYTES} bytes", where=name)

    def __repr__(self) -> str:
        return "Secrets(...)"

    def digests(self, identifier: str) -> tuple[bytes, ...]:
        """Return the digest under the current and, if there is one, the previous secret."""
        secrets = [self.current] if self.previous is None else [self.current, self.previous]
        return tuple(hmac.digest(secret, identifier.encode(), "sha256") for secret in secrets)


def plate(text: str, *, where: str) -> str:
    """Return a plate in its one written form, or raise InvalidInputError (without the plate)."""
    # A long text is not worth normalising.
    plain = unicodedata.normalize("NFKC", text[:64]).upper()
    plain = re.sub(r"[·•.\-\s]", "", plain)
    if len(text) > 32 or not _PLATE.fullmatch(plain):
        raise InvalidInputError("expected a plate of 4 to 12 characters", where=where)
    return f"plate:{plain}"


def phone(text: str, *, where: str) -> str:
    """Return a phone number in its one written form, or raise InvalidInputError (without it)."""
    plain = re.sub(r"[\s\-()]", "", unicodedata.normalize("NFKC", text[:64]))
    if len(text) > 32 or not _PHONE.fullmatch(plain):
        raise InvalidInputError("expected a phone number of 7 to 15 digits", where=where)
    if len(plain) == 11 and plain.startswith("1"):
        plain = f"+86{plain}"
    return f"phone:{plain}"


def check_driver_key(text: str, *, where: str = "driver_id") -> None:
    """Raise InvalidInputError unless a text can be a driver's key: opaque, no plate, no phone.

    1 to 64 printable ASCII letters, digits and ``-._~:``; the error does not repeat it.
    """
    if not 1 <= len(text) <= 64 or not re.fullmatch(r"[0-9A-Za-z._~:\-]+", text):
        raise InvalidInputError("expected 1 to 64 letters, digits or -._~:", where=where)
    if _LIKE_A_PHONE.fullmatch(text) or _LIKE_A_PLATE.fullmatch(text):
        raise InvalidInputError("looks like a phone number; expected an opaque key", where=where)


class DriverMap(Protocol):
    """Keeps which digests belong to which driver key: the only place that knows.

    All answers are futures, since they may have to be fetched; those of changes are done when the
    change is durable. They fail with UnavailableError.
    """

    def find(self, groups: Sequence[Sequence[bytes]]) -> "Future[tuple[str | None, ...]]":
        """Return for each group the key of its first digest that is known; None = none is."""

    def digests(self, key: str) -> "Future[tuple[bytes, ...]]":
        """Return all digests of a key, in no order; none = no such driver."""

    def claim(
        self, key: str, known: Sequence[bytes], current: Sequence[bytes], seen_ms: int
    ) -> "Future[str]":
        """Let digests belong to one driver, seen at a time, and return his key.

        That is the key of the first of ``known`` that has one, else ``key``. Looked up and noted
        in one step: of two at once for the same driver, the second is given the first's key. Of
        ``current``, one that was another's moves over.
        """

    def erase(self, key: str) -> "Future[None]":
        """Forget all digests of a key."""

    def forget(self, before_ms: int) -> "Future[None]":
        """Forget the digests that were last seen before a time."""


class MemoryDriverMap:
    """A mapping that ends with the process: for tests and trials."""

    def __init__(self) -> None:
        self._keys: dict[bytes, tuple[str, int]] = {}
        self._gate = threading.Lock()

    def find(self, groups: Sequence[Sequence[bytes]]) -> "Future[tuple[str | None, ...]]":
        """Return for each group the key of its first digest that is known; None = none is."""
        with self._gate:
            return _done(tuple(self._first(group) for group in groups))

    def digests(self, key: str) -> "Future[tuple[bytes, ...]]":
        """Return all digests of a key."""
        with self._gate:
            found = tuple(digest for digest, (owner, _) in self._keys.items() if owner == key)
        return _done(found)

    def claim(
        self, key: str, known: Sequence[bytes], current: Sequence[bytes], seen_ms: int
    ) -> "Future[str]":
        """Let digests belong to one driver, and return his key."""
        with self._gate:
            key = self._first(known) or key
            self._keys.update((digest, (key, seen_ms)) for digest in current)
        return _done(key)

    def erase(self, key: str) -> "Future[None]":
        """Forget all digests of a key."""
        with self._gate:
            self._keys = {item: kept for item, kept in self._keys.items() if kept[0] != key}
        return _done(None)

    def forget(self, before_ms: int) -> "Future[None]":
        """Forget the digests that were last seen before a time."""
        with self._gate:
            self._keys = {item: kept for item, kept in self._keys.items() if kept[1] >= before_ms}
        return _done(None)

    def _first(self, digests: Sequence[bytes]) -> str | None:
        return next((self._keys[item][0] for item in digests if item in self._keys), None)


T = TypeVar("T")


def _done(value: T) -> "Future[T]":
    done: Future[T] = Future()
    done.set_result(value)
    return done


def new_key() -> str:
    """Return a fresh random driver key."""
    return uuid4().hex


def lookup(
    drivers: DriverMap, secrets: Secrets, identifiers: Sequence[str]
) -> "Future[tuple[str | None, ...]]":
    """Return the driver key of each identifier (``plate``, ``phone``); None = nobody's."""
    return drivers.find([secrets.digests(identifier) for identifier in identifiers])


def register(
    drivers: DriverMap, secrets: Secrets, identifiers: Sequence[str], now_ms: int
) -> "Future[str]":
    """Return the driver's key, a new one if none of the identifiers is known, and note them all.

    All are noted under the current secret, so that a rotation is finished when the previous
    secret's digests have been forgotten.
    """
    if len(identifiers) > MAX_IDENTIFIERS:
        raise InvalidInputError(f"expected at most {MAX_IDENTIFIERS}", where="identifiers")
    digests = [secrets.digests(identifier) for identifier in identifiers]
    known = [digest for each in digests for digest in each]
    return drivers.claim(new_key(), known, [each[0] for each in digests], now_ms)
