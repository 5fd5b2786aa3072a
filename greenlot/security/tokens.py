"""Bearer tokens: made once, shown once, kept as digests.

A token is 256 random bits. Nothing is to be gained by guessing at it, so its SHA-256 is as safe to
keep as the digest of a slow hash: slowness and salt protect what people choose, from dictionaries
and from being recognised; a random number is in no dictionary, and never given out twice. A slow
hash would cost every call, and give whoever sends nonsense a way to keep the server busy.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from greenlot.errors import TokenError
from greenlot.security.callers import Caller, Role

PREFIX = "glt_"
"""Every token begins so: what leaked can be found by searching for it."""
BYTES = 32
SHAPE = re.compile(r"glt_[A-Za-z0-9_\-]{43}")
NAME = re.compile(r"[A-Za-z0-9._\-]{1,64}")
MAX_OWN = 100_000


def new_token() -> str:
    """Return a token that nobody has."""
    return PREFIX + secrets.token_urlsafe(BYTES)


def digest(token: str) -> str:
    """Return what is kept of a token: its SHA-256, in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What is kept of a token: everything but the token.

    Parameters
    ----------
    id
        Names it in lists and when it is revoked; says nothing about the token.
    caller
        Whom it was given out to.
    sha256
        Digest of the token, 64 hexadecimal digits.
    created_ms, expires_ms, revoked_ms
        UTC epoch milliseconds; None = never.

    Raises
    ------
    TokenError
        A value is out of range, or the role and what is its own do not go together.
    """

    id: str
    caller: Caller
    sha256: str
    created_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None

    def __post_init__(self) -> None:
        caller = self.caller
        if not NAME.fullmatch(self.id):
            raise TokenError("id: expected 1 to 64 letters, digits, . _ -")
        if not NAME.fullmatch(caller.name):
            raise TokenError("name: expected 1 to 64 letters, digits, . _ -")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise TokenError(f"{self.id}: sha256: expected 64 hexadecimal digits")
        if caller.role is None:
            raise TokenError(f"{self.id}: role: expected one")
        has_signals = caller.signals is None or bool(caller.signals)
        if has_signals != (caller.role is Role.CONTROLLER):
            raise TokenError("signals: a controller needs some, nobody else has any")
        if bool(caller.lots or caller.operators) != (caller.role is Role.OPERATOR):
            raise TokenError("lots, operators: an operator needs some, nobody else has any")
        if len(caller.signals or ()) + len(caller.lots) + len(caller.operators) > MAX_OWN:
            raise TokenError(f"expected up to {MAX_OWN} signals, lots and operators")
        if any(not item or "/" in item for item in (*(caller.signals or ()), *caller.lots)):
            raise TokenError("signals, lots: expected ids, without a slash")
        if caller.calls_per_s is not None and not 0 < caller.calls_per_s <= 1e6:
            raise TokenError(f"calls_per_s: {caller.calls_per_s:g}; expected over 0, to 1000000")
        if self.expires_ms is not None and self.expires_ms <= self.created_ms:
            raise TokenError("expires: expected a time after its making")

    def is_valid(self, now_ms: int) -> bool:
        """Whether it opens anything at a time."""
        return self.revoked_ms is None and (self.expires_ms is None or now_ms < self.expires_ms)


class TokenBook:
    """All tokens by their digests."""

    def __init__(self, records: Iterable[TokenRecord] = ()) -> None:
        self.records: tuple[TokenRecord, ...] = tuple(records)
        self._by_digest: Mapping[bytes, TokenRecord] = {
            bytes.fromhex(record.sha256): record for record in self.records
        }

    def valid_ids(self, now_ms: int) -> frozenset[str]:
        """Return the ids of the tokens that open something at a time."""
        return frozenset(record.id for record in self.records if record.is_valid(now_ms))

    def find(self, token: str) -> TokenRecord | None:
        """Return the record of a token, valid or not; None if there is none.

        How long the look-up takes tells nothing about any token: it depends on digests, which
        nobody can steer.
        """
        return self._by_digest.get(hashlib.sha256(token.encode()).digest())
