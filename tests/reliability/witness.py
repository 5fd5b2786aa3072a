"""Drivers who book, come and go through the servers, whatever happens to these, and take notes.

Every acknowledged answer is written to a file of the drivers' own and fsynced before the next
call. A call that fails for want of a server is made again, at any server, under its request id.
What was acknowledged must be found again; what a request was given must be one thing.
"""

import asyncio
import contextlib
import itertools
import json
import os
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import grpc

from parking.ledger import LedgerState, evolve, faults
from parking.ledger.events import Event, Held
from parking.v1 import parking_pb2 as pk
from parking.v1 import parking_pb2_grpc

STATES = pk.Reservation
PATIENCE_S = 60.0
AWAY = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
}
RELEASING = {"RecordDeparture", "CancelReservation"}
FULL = {grpc.StatusCode.RESOURCE_EXHAUSTED}


class Witness:
    """Plays drivers and notes what they were told.

    Parameters
    ----------
    notes
        The file of acknowledged answers.
    parent
        ``cities/{city}``.
    addresses
        Gives the addresses of the servers that are up, now.
    capacities
        Lot id -> spaces that this kind of driver can be given.
    seed
        Of the drivers' choices.
    """

    def __init__(
        self,
        notes: Path,
        parent: str,
        addresses: Callable[[], Sequence[str]],
        capacities: dict[str, int],
        *,
        seed: int,
    ) -> None:
        self._file = notes.open("ab", buffering=0)
        self._parent = parent
        self._addresses = addresses
        self._capacities = capacities
        self._random = random.Random(seed)
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._open: Counter[str] = Counter()
        self.given: dict[str, str] = {}
        self.acknowledged = Counter[str]()
        self.retried = 0
        self.wrong: list[str] = []
        self.ending = False

    async def drive(self, drivers: int) -> None:
        """Let so many drivers go on until ``ending`` is set; each ends with no call open."""
        await asyncio.gather(*(self._driver(f"driver-{k}") for k in range(drivers)))
        for channel in self._channels.values():
            await channel.close()
        self._file.close()

    async def _driver(self, driver: str) -> None:
        # Each time under a key of its own: no limit of a driver stands between the calls.
        for turn in itertools.count():
            if self.ending:
                return
            held = await self._call("RequestAssignment", self._request(f"{driver}-{turn}"))
            if held is None:
                await asyncio.sleep(0.02)
                continue
            self._opened(held)
            await self._live(held)

    async def _live(self, held: pk.Reservation) -> None:
        """Confirm, arrive and leave; or give up on the way."""
        steps = ["ConfirmReservation", "RecordArrival", "RecordDeparture"]
        give_up = self._random.random()
        if give_up < 0.3:
            steps = [*steps[: int(give_up * 6)], "CancelReservation"]
        last = held
        for call in steps:
            await self._look(last)
            if call in RELEASING:
                # Another may be given the space before the answer has come back.
                self._open[self._lot(held)] -= 1
            answer = await self._call(call, last.name)
            if answer is None:
                self.wrong.append(f"{last.name}: {call} was refused in state {last.state}")
                return
            last = answer

    def _opened(self, held: pk.Reservation) -> None:
        lot = self._lot(held)
        if held.name in self.given:
            self.wrong.append(f"{held.name} was given twice")
        self.given[held.name] = lot
        self._open[lot] += 1
        if self._open[lot] > self._capacities[lot]:
            self.wrong.append(
                f"{lot}: {self._open[lot]} drivers for {self._capacities[lot]} spaces"
            )

    async def _look(self, last: pk.Reservation) -> None:
        """See, now and then, that a reservation is as it was acknowledged."""
        if self._random.random() < 0.5:
            return
        found = await self._call("GetReservation", last.name)
        if found is None:
            self.wrong.append(f"{last.name} was acknowledged and is not there")
        elif found.state != last.state and found.revision >= last.revision:
            self.wrong.append(f"{last.name}: {last.state} was acknowledged, {found.state} is there")

    async def _call(
        self, call: str, about: str | pk.RequestAssignmentRequest
    ) -> pk.Reservation | None:
        """Make a call until somebody answers it; None = it was refused for good."""
        kind = getattr(pk, f"{call}Request")
        if isinstance(about, str):
            request = kind(name=about)
            if call != "GetReservation":
                request.request_id = str(uuid.UUID(int=self._random.getrandbits(128)))
        else:
            request = about
        until = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            stub = self._stub()
            try:
                if stub is not None:
                    answer: pk.Reservation = await getattr(stub, call)(request, timeout=10)
                    self._note(call, answer)
                    return answer
            except grpc.aio.AioRpcError as error:
                if error.code() in FULL:
                    return None
                if call == "GetReservation" and error.code() is grpc.StatusCode.NOT_FOUND:
                    return None
                if error.code() not in AWAY:
                    self.wrong.append(f"{call}: {error.code()} {error.details()}")
                    return None
                self.retried += 1
            if asyncio.get_running_loop().time() > until:
                raise TimeoutError(f"{call} was not answered within {PATIENCE_S} s")
            await asyncio.sleep(0.05)

    def _note(self, call: str, answer: pk.Reservation) -> None:
        self.acknowledged[call] += 1
        line = {"call": call, "name": answer.name, "state": answer.state, "lot": answer.lot}
        self._file.write(json.dumps(line).encode() + b"\n")
        os.fsync(self._file.fileno())

    def _stub(self) -> parking_pb2_grpc.ParkingServiceStub | None:
        addresses = [address for address in self._addresses() if address]
        if not addresses:
            return None
        address = self._random.choice(addresses)
        if address not in self._channels:
            self._channels[address] = grpc.aio.insecure_channel(address)
        return parking_pb2_grpc.ParkingServiceStub(self._channels[address])

    def _request(self, driver: str) -> pk.RequestAssignmentRequest:
        request = pk.RequestAssignmentRequest(
            parent=self._parent,
            request_id=str(uuid.UUID(int=self._random.getrandbits(128))),
            driver_id=driver,
            origin=pk.LatLng(latitude=37.42, longitude=118.64),
            destination=pk.LatLng(latitude=37.43, longitude=118.66),
            height_cm=200,
        )
        request.duration.FromSeconds(3600)
        return request

    @staticmethod
    def _lot(reservation: pk.Reservation) -> str:
        return reservation.lot.rpartition("/")[2]

    def check(self, log: Sequence[Event]) -> None:
        """Compare a store's log with what was acknowledged; what does not fit goes to ``wrong``."""
        state = LedgerState()
        held = set()
        for event in log:
            state = evolve(state, event)
            if isinstance(event, Held):
                held.add(event.reservation_id)
            lots = Counter[str]()
            for book in state.pools.values():
                lots[book.lot_id] += len(book.open)
            for lot, capacity in self._capacities.items():
                if lots[lot] > capacity:
                    self.wrong.append(f"revision {state.revision}: {lots[lot]} in {lot}")
        self.wrong.extend(faults(state))
        given = {name.rpartition("/")[2] for name in self.given}
        for name in sorted(given - held):
            self.wrong.append(f"{name} was acknowledged and is not in the log")
        for name in sorted(held - given):
            self.wrong.append(f"{name} was held and its driver never told")


@contextlib.asynccontextmanager
async def driving(witness: Witness, drivers: int) -> AsyncIterator[None]:
    """Have drivers on the road for a while."""
    task = asyncio.create_task(witness.drive(drivers))
    try:
        yield
    finally:
        witness.ending = True
        await task
