"""Between the log's events and what a store keeps of them: kind, version, JSON.

Generic over frozen dataclasses whose fields are plain: text, numbers, flags, None, enumerations,
tuples, and dataclasses of these. A new kind of event joins the ledger's ``Event`` and needs
nothing here. When a released kind changes:

- a field that is new has a default: older entries are read as they are;
- a field that changed otherwise: raise the class's ``VERSION`` (1 where it has none) and say in
  ``UPGRADES`` how the fields of the version before become those of the next.

What a later version of the program wrote is refused, with its place: half a log is no log.
"""

import json
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from parking.errors import ParkingError
from parking.ledger import Event

Fields = dict[str, Any]
Upgrade = Callable[[Fields], Fields]

KINDS: Mapping[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}

UPGRADES: Mapping[tuple[str, int], Upgrade] = {}
"""By kind and version: makes the fields of the next version."""

_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_PLAIN = (str, int, bool, float, type(None))


def version_of(kind: type) -> int:
    """Return the version under which a class is written now."""
    return int(getattr(kind, "VERSION", 1))


def encode(event: Event) -> tuple[str, int, str]:
    """Return an event as its kind, the kind's version, and a JSON object with its fields."""
    kind: type = type(event)
    return kind.__name__, version_of(kind), _dump(_encoder(kind)(event))


def decode(
    kind: str,
    version: int,
    body: str,
    *,
    where: str = "",
    kinds: Mapping[str, type] = KINDS,
    upgrades: Mapping[tuple[str, int], Upgrade] = UPGRADES,
) -> Any:
    """Return the event that ``encode`` wrote.

    Parameters
    ----------
    kind, version, body
        As ``encode`` gave them.
    where
        Which entry it is, for the error.
    kinds, upgrades
        The kinds that are known, and how older ones become today's.

    Raises
    ------
    ParkingError
        If the kind or the version is unknown, or the body does not fit it.
    """
    try:
        made = kinds[kind]
        values = json.loads(body)
        for step in range(version, version_of(made)):
            values = upgrades[kind, step](values)
        if version > version_of(made):
            raise ValueError(f"version {version}, this program knows {version_of(made)}")
        return _decoder(made)(values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ParkingError(
            f"not an event of this version: {kind!r} ({error})", where=where, reason="BROKEN_LOG"
        ) from error


@cache
def _encoder(kind: type) -> Callable[[Any], Fields]:
    """Return what makes a JSON object of a dataclass; enumerations of text are text already."""
    names = tuple(field.name for field in fields(kind))
    hints = get_type_hints(kind)
    if all(_is_plain(hints[name]) for name in names):
        return lambda event: {name: getattr(event, name) for name in names}
    return lambda event: {name: _to_json(getattr(event, name)) for name in names}


def _to_json(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return _encoder(type(value))(value)
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, _PLAIN):
        return value
    raise TypeError(f"{type(value).__name__} cannot be kept in the log")


@cache
def _decoder(kind: type) -> Callable[[Fields], Any]:
    hints = get_type_hints(kind)
    special = {
        field.name: hints[field.name] for field in fields(kind) if not _is_plain(hints[field.name])
    }
    if not special:
        return lambda values: kind(**values)
    return lambda values: kind(
        **{
            name: _from_json(special[name], value) if name in special else value
            for name, value in values.items()
        }
    )


def _is_plain(hint: Any) -> bool:
    """Whether JSON gives a value of this type back as it was."""
    if get_origin(hint) in (Union, types.UnionType):
        return all(_is_plain(item) for item in get_args(hint))
    return hint in _PLAIN


def _from_json(hint: Any, value: Any) -> Any:
    if _is_plain(hint):
        return value
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        # Of a union only one member can be more than plain, or the JSON would be ambiguous.
        return None if value is None else _from_json(_one_special(hint), value)
    if origin is tuple:
        items = get_args(hint)
        if items[-1] is Ellipsis:
            return tuple(_from_json(items[0], item) for item in value)
        return tuple(_from_json(*pair) for pair in zip(items, value, strict=True))
    if is_dataclass(hint) and isinstance(hint, type):
        return _decoder(hint)(value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    raise TypeError(f"a field of type {hint} cannot be read from the log")


def _one_special(hint: Any) -> Any:
    (special,) = [item for item in get_args(hint) if not _is_plain(item)]
    return special
