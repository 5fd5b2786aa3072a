"""Concurrent histories through real servers: requests that leave the lot to them, and the rest."""

import asyncio
import random
import uuid
from pathlib import Path

import grpc
import pytest

from greenlot.city import load_city
from greenlot.server import CityServer
from parking.v1 import parking_pb2 as pk
from parking.v1 import parking_pb2_grpc
from tests.reliability.city_model import CityModel
from tests.reliability.linearizability import Recorder, is_linearizable

STEPS = ("confirm", "arrive", "depart", "cancel")
REFUSED = (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND)


class WireClients:
    """Clients of one or two real servers of the small city: requests and what follows them."""

    CAPACITIES = {"near": 2, "far": 5}  # noqa: RUF012
    CALLS = {  # noqa: RUF012
        "confirm": "ConfirmReservation",
        "arrive": "RecordArrival",
        "depart": "RecordDeparture",
        "cancel": "CancelReservation",
    }
    ANSWERS = {  # noqa: RUF012
        pk.Reservation.STATE_HELD: "held",
        pk.Reservation.STATE_CONFIRMED: "confirmed",
        pk.Reservation.STATE_PARKED: "parked",
        pk.Reservation.STATE_COMPLETED: "completed",
        pk.Reservation.STATE_CANCELLED: "cancelled",
    }

    def __init__(self, addresses, rng: random.Random) -> None:
        self._channels = [grpc.aio.insecure_channel(address) for address in addresses]
        self._stubs = [parking_pb2_grpc.ParkingServiceStub(item) for item in self._channels]
        self._rng = rng
        self.names: list[str] = []
        self.over: set[str] = set()

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def request(self, driver: str) -> object:
        message = pk.RequestAssignmentRequest(
            parent="cities/smallville",
            request_id=str(uuid.UUID(int=self._rng.getrandbits(128))),
            driver_id=driver,
            origin=pk.LatLng(latitude=37.42, longitude=118.64),
            destination=pk.LatLng(latitude=37.43, longitude=118.66),
            height_cm=200,
        )
        message.duration.FromSeconds(3600)
        try:
            held = await self._rng.choice(self._stubs).RequestAssignment(message, timeout=20)
        except grpc.aio.AioRpcError as error:
            return {
                grpc.StatusCode.RESOURCE_EXHAUSTED: "full",
                grpc.StatusCode.FAILED_PRECONDITION: "open_max",
            }[error.code()]
        self.names.append(held.name)
        return ("held", held.name, held.lot.rpartition("/")[2])

    async def go_on(self, kind: str, name: str) -> str:
        call = self.CALLS[kind]
        request_id = str(uuid.UUID(int=self._rng.getrandbits(128)))
        message = getattr(pk, f"{call}Request")(name=name, request_id=request_id)
        try:
            answer = await getattr(self._rng.choice(self._stubs), call)(message, timeout=20)
        except grpc.aio.AioRpcError as error:
            if error.code() not in REFUSED:
                raise
            return "refused"
        if kind in ("cancel", "depart"):
            self.over.add(name)
        return self.ANSWERS[answer.state]

    async def clean_up(self) -> None:
        for name in self.names:
            if name not in self.over and await self.go_on("cancel", name) == "refused":
                await self.go_on("depart", name)
        self.names.clear()


async def wire_histories(addresses, count: int, seed: int) -> int:
    """Check ``count`` histories through these servers; return how many calls they had."""
    rng = random.Random(seed)
    clients, calls = WireClients(addresses, rng), 0
    model = CityModel(clients.CAPACITIES, open_max=2)
    for history in range(count):
        recorder = Recorder()
        drivers = [f"{name}-{history}" for name in ("ann", "bob", "cui", "dan")]

        async def client(recorder=recorder, drivers=drivers) -> None:
            for _ in range(3):
                if rng.random() < 0.6 or not clients.names:
                    driver = rng.choice(drivers)
                    await recorder.note(("request", driver), clients.request(driver))
                else:
                    kind, name = rng.choice(STEPS), rng.choice(clients.names)
                    await recorder.note((kind, name), clients.go_on(kind, name))

        await asyncio.gather(*(client() for _ in range(5)))
        calls += len(recorder.operations)
        assert is_linearizable(recorder.operations, frozenset(), model.step), recorder.told()
        await clients.clean_up()
    await clients.close()
    return calls


@pytest.mark.parametrize(("kind", "count"), [("sqlite", 60), ("postgres", 40)])
async def test_histories_over_the_wire(
    kind: str, count: int, request, small_city: Path, tmp_path: Path
) -> None:
    """A file has one server; a database two, asked at random."""
    city = load_city(small_city, cache=tmp_path)
    store = request.getfixturevalue("fresh_database")() if kind == "postgres" else None
    servers = [
        CityServer(city, listen="127.0.0.1:0", data=tmp_path / f"data{k}", store=store)
        for k in range(2 if store else 1)
    ]
    for server in servers:
        await server.start()
    try:
        calls = await wire_histories([server.address for server in servers], count, seed=7)
    finally:
        for server in servers:
            await server.stop(grace_s=0.5)
    assert calls == 15 * count
