"""Snapshots on their way into a store and out of it: a state's rows in parts, JSON, compressed.

The log is the truth: what is wrong with a snapshot, or comes from another program, is passed over,
and the log is replayed from its beginning.
"""

import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from parking.ledger import SHAPE, LedgerState, rows_of, state_of

PART_ROWS = 200
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class SnapshotHead:
    """What a snapshot is of.

    Parameters
    ----------
    key
        Tells its parts from those of others.
    revision
        Of the log whose beginning it stands for.
    shape
        Of the states of the program that wrote it.
    parts
        How many there are.
    digest
        Of all parts.
    """

    key: str
    revision: int
    shape: str
    parts: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot as a store kept it."""

    head: SnapshotHead
    parts: Sequence[bytes]


def parts_of(state: LedgerState) -> Iterator[bytes]:
    """Yield a state in parts, each made when it is asked for."""
    rows = rows_of(state)
    while chunk := list(islice(rows, PART_ROWS)):
        yield zlib.compress(_encode(chunk).encode(), 1)


def digest_of(parts: Sequence[bytes]) -> bytes:
    """Return a digest of all parts, in order."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def state_in(snapshot: Snapshot) -> LedgerState:
    """Return the state that a snapshot holds.

    Raises
    ------
    ValueError
        It is damaged, or from a program whose states are of another make.
    """
    head = snapshot.head
    if head.shape != SHAPE:
        raise ValueError("it was written by another version of the program")
    if (len(snapshot.parts), digest_of(snapshot.parts)) != (head.parts, head.digest):
        raise ValueError("it is damaged")
    try:
        state = state_of(
            row for part in snapshot.parts for row in json.loads(zlib.decompress(part))
        )
    except (TypeError, KeyError, IndexError, zlib.error) as error:
        raise ValueError(f"it is damaged: {error}") from error
    if state.revision != head.revision:
        raise ValueError(f"it is of revision {state.revision}, not {head.revision}")
    return state
