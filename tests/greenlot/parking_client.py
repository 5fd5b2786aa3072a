"""A server of a small city over the wire, and the words of the parking service."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct

from greenlot.city import load_city
from greenlot.clock import SimulatedClock
from greenlot.server import ServerThread
from parking.v1 import parking_pb2 as pk
from tests.conftest import lot_feature
from tests.greenlot.test_server import CITY, NOW_MS, Clients

MINUTE = 60_000
RES = pk.Reservation


@contextmanager
def serving(small_city: Path, directory: Path, clock: SimulatedClock) -> Iterator["Parking"]:
    """Serve the small city with its data below a directory."""
    city = load_city(small_city, cache=directory)
    with ServerThread(city, data=directory / "data", clock=clock) as server:
        found = Parking(Clients(server.address, clock))
        yield found
        found.clients.channel.close()


class Parking:
    """Calls of the parking service, each with a fresh request id."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self.clock = clients.clock
        self.stub = clients.parking

    def call(self, name: str, /, *, metadata: Any = None, **fields: Any) -> Any:
        """Make a unary call; its request's type follows from its name."""
        return getattr(self.stub, name)(request(name, **fields), timeout=20, metadata=metadata)

    def stream(self, name: str, /, **fields: Any) -> Any:
        """Open a stream."""
        return getattr(self.stub, name)(request(name, **fields), timeout=60)

    def hold(self, driver: str | None = None, **changes: Any) -> Any:
        """Hold a space beside the lot ``near``."""
        if driver is not None:
            changes["driver_id"] = driver
        return self.stub.RequestAssignment(self.clients.request(**changes), timeout=20)

    def booked(self, driver: str | None = None, **changes: Any) -> Any:
        """Hold a space and confirm it."""
        return self.call("ConfirmReservation", name=self.hold(driver, **changes).name)

    def get(self, name: str) -> Any:
        """Return a reservation as it is."""
        return self.call("GetReservation", name=name)

    def lot(self, lot_id: str) -> Any:
        """Return a lot as it is."""
        return self.call("GetLot", name=lot(lot_id))

    def tick_to(self, at_ms: int) -> None:
        """Move the clock; the next call lets time pass in the ledger."""
        self.clock.advance_to(at_ms)


WRITES = {
    *("RequestAssignment", "ConfirmReservation", "CancelReservation", "RecordArrival"),
    *("RecordDeparture", "ExtendReservation", "RequestMove", "MoveReservation"),
    *("RegisterDriver", "EraseDriver", "UpsertLots", "CloseLot", "OpenLot", "ReportOccupancy"),
    *("ReportGateEvents", "ReconcileLot", "UpsertSigns"),
}


def request(name: str, /, **fields: Any) -> Any:
    """Make the request of a call, with a fresh request id where it is a write."""
    kind = getattr(pk, f"{name}Request")
    if name in WRITES:
        fields.setdefault("request_id", str(uuid.uuid4()))
    if "parent" in kind.DESCRIPTOR.fields_by_name:
        fields.setdefault("parent", CITY)
    message = kind()
    for field, value in fields.items():
        if field in ("leave_at", "seen_at", "taken_at", "from", "to"):
            getattr(message, field).FromMilliseconds(value)
        elif isinstance(value, list):
            getattr(message, field).extend(value)
        elif hasattr(value, "DESCRIPTOR"):
            getattr(message, field).CopyFrom(value)
        else:
            setattr(message, field, value)
    return message


def lot(lot_id: str) -> str:
    return f"{CITY}/lots/{lot_id}"


def described(lot_id: str, lon: float, lat: float, capacity: int, **extra: Any) -> Any:
    """Describe a lot; ``rules`` are its own."""
    rules = extra.pop("rules", None)
    pool = extra.pop("pool", {})
    feature = lot_feature(lot_id, lon, lat, capacity, **extra)
    feature["properties"]["pools"][0].update(pool)
    message = pk.LotDescription(feature=ParseDict(json.loads(json.dumps(feature)), Struct()))
    if rules is not None:
        message.rules.CopyFrom(rules)
    return message


def passage(at_ms: int, *, inward: bool = True, gate: str = "north", **who: Any) -> Any:
    """Describe a car at a gate."""
    direction = pk.GateEvent.DIRECTION_IN if inward else pk.GateEvent.DIRECTION_OUT
    event = pk.GateEvent(gate=gate, direction=direction, **who)
    event.seen_at.FromMilliseconds(at_ms)
    return event


def count(pool_id: str, free: int) -> Any:
    return pk.PoolCount(pool_id=pool_id, free=free)


__all__ = ["CITY", "MINUTE", "NOW_MS", "RES", "Parking", "serving"]
