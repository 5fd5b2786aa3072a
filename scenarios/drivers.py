"""Drivers bound for a car park: they ask the parking service, or search."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import grpc
import libsumo
import numpy as np

from parking.inventory import Lot
from parking.travel import GreatCircle, walk_s
from parking.v1 import parking_pb2 as pb
from parking.v1 import parking_pb2_grpc
from scenarios.demand import Parker
from scenarios.spec import Parkers, RunSpec

CALL_TIMEOUT_S = 30.0
LONGER_WALK_M = 4000.0
TIME_TO_PARK_S = 900
"""Who sets out later than this before the end is not counted: the run ends on him."""
REFUSALS = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.FAILED_PRECONDITION}
NAMESPACE = uuid.UUID("5b1d3a52-7f0e-4a5e-9a2f-2f5d0c5f3d11")


@dataclass(slots=True)
class _Trip:
    """What has become of one driver so far."""

    parker: Parker
    first_lot: Lot
    reservation: str = ""
    refused: bool = False
    reached_s: int | None = None
    parked_s: int | None = None
    lot_id: str = ""


@dataclass(slots=True)
class Drivers:
    """All drivers of a run that look for a space.

    Parameters
    ----------
    spec
        The run.
    parkers
        In the order in which they set out.
    lots
        The city's car parks that have a parking area in the simulation.
    vehicle_type
        SUMO vehicle type.
    stub
        The parking service; None = everyone searches.
    """

    spec: RunSpec
    parkers: Sequence[Parker]
    lots: Mapping[str, Lot]
    vehicle_type: str
    stub: parking_pb2_grpc.ParkingServiceStub | None
    _next: int = 0
    _trips: dict[str, _Trip] = field(default_factory=dict)
    _driving: dict[str, _Trip] = field(default_factory=dict)
    _reports_refused: int = 0
    _told: "list[grpc.Future[pb.Reservation]]" = field(default_factory=list)

    def step(self, t_s: int) -> None:
        """Let drivers set out, notice who reached, parked and left; once a simulated second."""
        while self._next < len(self.parkers) and self.parkers[self._next].depart_s <= t_s:
            self._set_out(self.parkers[self._next], t_s)
            self._next += 1
        for key, trip in self._driving.items():
            if trip.reached_s is None and self._at(key) == trip.first_lot.entrance_edge:
                trip.reached_s = t_s
        for key in libsumo.simulation.getParkingStartingVehiclesIDList():
            driving = self._driving.pop(key, None)
            if driving is not None:
                self._park(key, driving, t_s)
        for key in libsumo.simulation.getParkingEndingVehiclesIDList():
            left = self._trips.get(key)
            if left is not None and left.reservation and self.stub is not None:
                request = pb.RecordDepartureRequest(
                    name=left.reservation, request_id=_request_id(self.spec, key, "depart")
                )
                self._told.append(self.stub.RecordDeparture.future(request, timeout=CALL_TIMEOUT_S))

    def settle(self) -> None:
        """Wait until the service has answered every report; count those that it refused.

        It may refuse: a car that comes before its booked time to a full car park, or so late that
        its space was given up, is a walk-in to the ledger.
        """
        for call in self._told:
            try:
                call.result()
            except grpc.RpcError as error:
                if error.code() not in REFUSALS:
                    raise
                self._reports_refused += 1
        self._told.clear()

    def finish(self) -> Parkers:
        """Sum up who set out in the measured time, early enough to have had time to park."""
        end_s, from_s = self.spec.end_s, self.spec.measured_from_s
        last_s = max(from_s + 1, end_s - TIME_TO_PARK_S)
        trips = [t for t in self._trips.values() if from_s <= t.parker.depart_s < last_s]
        parked = [t for t in trips if t.parked_s is not None]
        drives, searches = [], []
        for trip in trips:
            done_s = end_s if trip.parked_s is None else trip.parked_s
            drives.append(done_s - trip.parker.depart_s)
            searches.append(0 if trip.reached_s is None else done_s - trip.reached_s)
        return Parkers(
            drivers=len(trips),
            parked=len(parked),
            refused=sum(trip.refused for trip in trips),
            reports_refused=self._reports_refused,
            drive_s=float(np.mean(drives)) if drives else 0.0,
            search_s=float(np.mean(searches)) if searches else 0.0,
            walk_s=float(np.mean([self._walk_s(t) for t in parked])) if parked else 0.0,
        )

    def _set_out(self, parker: Parker, t_s: int) -> None:
        trip = _Trip(parker, self._nearest(parker))
        if self.stub is not None:
            self._ask(self.stub, trip, t_s)
        key = f"parker.{parker.id}"
        route = f"route.{key}"
        path = libsumo.simulation.findRoute(
            parker.from_edge, trip.first_lot.entrance_edge, self.vehicle_type
        )
        libsumo.route.add(route, path.edges)
        libsumo.vehicle.add(
            key, route, typeID=self.vehicle_type, departLane="best", departSpeed="max"
        )
        libsumo.vehicle.setParkingAreaStop(key, trip.first_lot.id, duration=parker.duration_s)
        self._trips[key] = self._driving[key] = trip

    def _ask(self, stub: parking_pb2_grpc.ParkingServiceStub, trip: _Trip, t_s: int) -> None:
        """Ask for a space, then for one further away; who is refused searches, and is counted."""
        parker = trip.parker
        now_ms = self.spec.midnight_ms + t_s * 1000
        nearest = trip.first_lot
        points = (parker.origin_lon, parker.origin_lat, nearest.lon, nearest.lat)
        drive_s = int(GreatCircle().drive_s(*map(np.array, points)))
        request = pb.RequestAssignmentRequest(
            parent=f"cities/{self.spec.city_id}",
            request_id=_request_id(self.spec, parker.id, "request"),
            driver_id=f"driver-{parker.id}",
            origin=pb.LatLng(latitude=parker.origin_lat, longitude=parker.origin_lon),
            destination=pb.LatLng(latitude=parker.dest_lat, longitude=parker.dest_lon),
        )
        request.arrive_at.FromMilliseconds(now_ms + drive_s * 1000)
        request.duration.FromSeconds(parker.duration_s)
        held = self._held(stub, request)
        if held is None:
            # What an app offers next: a longer walk.
            request.max_walk_m = LONGER_WALK_M
            request.request_id = _request_id(self.spec, parker.id, "request further")
            held = self._held(stub, request)
        if held is None:
            trip.refused = True
            return
        stub.ConfirmReservation(
            pb.ConfirmReservationRequest(
                name=held.name, request_id=_request_id(self.spec, parker.id, "confirm")
            ),
            timeout=CALL_TIMEOUT_S,
        )
        trip.reservation = held.name
        trip.first_lot = self.lots[held.lot.rpartition("/")[2]]

    def _held(
        self,
        stub: parking_pb2_grpc.ParkingServiceStub,
        request: pb.RequestAssignmentRequest,
    ) -> pb.Reservation | None:
        """Return a held space, or None where the service has none to give."""
        try:
            return stub.RequestAssignment(request, timeout=CALL_TIMEOUT_S)
        except grpc.RpcError as error:
            if error.code() not in REFUSALS:
                raise
            return None

    def _park(self, key: str, trip: _Trip, t_s: int) -> None:
        trip.parked_s = t_s
        trip.lot_id = libsumo.vehicle.getStops(key, 1)[0].stoppingPlaceID
        if trip.reached_s is None:
            trip.reached_s = t_s
        if trip.reservation and self.stub is not None:
            request = pb.RecordArrivalRequest(
                name=trip.reservation, request_id=_request_id(self.spec, key, "arrive")
            )
            self._told.append(self.stub.RecordArrival.future(request, timeout=CALL_TIMEOUT_S))

    def _at(self, key: str) -> str:
        """Edge that a driver is on; empty before entering the network."""
        return str(libsumo.vehicle.getRoadID(key))

    def _nearest(self, parker: Parker) -> Lot:
        """Car park with the shortest walk: where a driver goes who knows no more."""
        lots = list(self.lots.values())
        walks = GreatCircle().walk_m(
            np.array([lot.lon for lot in lots]),
            np.array([lot.lat for lot in lots]),
            np.array(parker.dest_lon),
            np.array(parker.dest_lat),
        )
        return lots[int(np.argmin(walks))]

    def _walk_s(self, trip: _Trip) -> int:
        lot, parker = self.lots[trip.lot_id], trip.parker
        metres = GreatCircle().walk_m(
            np.array(lot.lon),
            np.array(lot.lat),
            np.array(parker.dest_lon),
            np.array(parker.dest_lat),
        )
        return int(walk_s(metres))


def _request_id(spec: RunSpec, driver: str, step: str) -> str:
    """The same driver and step of the same run always use the same id."""
    return str(uuid.uuid5(NAMESPACE, f"{spec.period}/{spec.seed}/{spec.signals}/{driver}/{step}"))
