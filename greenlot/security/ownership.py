"""Whether what a request names is the caller's own."""

from collections.abc import Iterable
from typing import Any, Protocol

from greenlot.security.access import Kind, Own
from greenlot.security.callers import Caller


class NotOwnError(Exception):
    """Something that the request names is not the caller's own, or is not there.

    The two are told apart to nobody: a caller learns nothing of what others have.
    """


class Directory(Protocol):
    """What has to be known of the city to tell whose something is."""

    city_id: str

    def operator_of(self, lot_id: str) -> str | None:
        """Return who runs a lot; None = there is no such lot."""
        ...

    async def lot_of(self, reservation_id: str) -> str | None:
        """Return the lot of a reservation; None = there is no such reservation."""
        ...


async def check_own(caller: Caller, own: Own, request: Any, directory: Directory) -> None:
    """Raise NotOwnError unless everything that a request names is the caller's own."""
    for item in _named(request, own.field):
        if not await _is_own(caller, own.kind, item, directory):
            raise NotOwnError(f"{own.field}: not yours, or not there")


def _named(request: Any, path: str) -> Iterable[Any]:
    field, _, rest = path.partition(".")
    value = getattr(request, field)
    items = value if request.DESCRIPTOR.fields_by_name[field].is_repeated else (value,)
    if not items:
        raise NotOwnError(f"{path}: is empty, which means all; expected your own")
    if not rest:
        return items
    return [deep for item in items for deep in _named(item, rest)]


async def _is_own(caller: Caller, kind: Kind, item: Any, directory: Directory) -> bool:
    city = directory.city_id
    if kind is Kind.SIGNAL:
        return caller.owns_signal(_id(item, city, "signals"))
    if kind is Kind.LOT:
        return _owns_lot(caller, _id(item, city, "lots"), directory)
    if kind is Kind.RESERVATION:
        lot_id = await directory.lot_of(_id(item, city, "reservations"))
        return lot_id is not None and _owns_lot(caller, lot_id, directory)
    return _owns_description(caller, item, directory)


def _id(name: str, city: str, collection: str) -> str:
    prefix = f"cities/{city}/{collection}/"
    key = name.removeprefix(prefix)
    if key == name or not key or "/" in key:
        raise NotOwnError(f"expected {prefix}...")
    return key


def _owns_lot(caller: Caller, lot_id: str, directory: Directory) -> bool:
    operator = directory.operator_of(lot_id)
    return operator is not None and caller.owns_lot(lot_id, operator)


def _owns_description(caller: Caller, item: Any, directory: Directory) -> bool:
    """A lot may be added or changed by whom it belongs to, before and after."""
    lot_id, operator = _property(item, "id"), _property(item, "operator")
    before = directory.operator_of(lot_id)
    if before is not None and not caller.owns_lot(lot_id, before):
        return False
    return caller.owns_lot(lot_id, operator)


def _property(item: Any, key: str) -> str:
    """Return a text of a GeoJSON feature's properties; empty = there is none.

    Looks before it reads: reading what is not there would add it to the request.
    """
    fields = item.feature.fields
    if "properties" not in fields:
        return ""
    properties = fields["properties"].struct_value.fields
    return str(properties[key].string_value) if key in properties else ""
