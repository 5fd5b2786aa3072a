"""The one table of who may make which call: what is not in it is refused to everybody."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from greenlot.security.callers import Role

KIB = 1024
MIB = 1024 * 1024
UNARY_S = 30.0
"""No unary call takes longer; a server that stops waits at least so long for those under way."""

SIGNAL_TIMING = "traffic.v1.SignalTimingService"
PARKING = "parking.v1.ParkingService"


class Kind(Enum):
    """What a field of a request names."""

    SIGNAL = "signal"
    """``cities/{city}/signals/{signal}``"""
    LOT = "lot"
    """``cities/{city}/lots/{lot}``"""
    RESERVATION = "reservation"
    """``cities/{city}/reservations/{reservation}``: what counts is its lot."""
    LOT_DESCRIPTION = "lot description"
    """GeoJSON features: both the lot as it is and as it is to be must be the caller's own."""


@dataclass(frozen=True, slots=True)
class Own:
    """Where a request names what must be the caller's own.

    Parameters
    ----------
    kind
        What it names.
    field
        Of the request; dots lead into messages in it. A repeated field must name at least one:
        an empty list means "all" in this contract.
    """

    kind: Kind
    field: str


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may make a call, and its limits.

    Parameters
    ----------
    roles
        May make it, whatever it names. ``ADMIN`` always may.
    own
        May make it where what it names is their own.
    is_public
        Needs no token at all.
    max_bytes
        Of a request; of each message where requests are streamed.
    max_s
        From its beginning to its end; None = a stream that goes on.
    max_at_once
        At the same time, of all callers together; None = as many as the server takes.
    is_audited
        Each such call is a line in the log.
    """

    roles: frozenset[Role] = frozenset()
    own: Mapping[Role, Own] = field(default_factory=lambda: MappingProxyType({}))
    is_public: bool = False
    max_bytes: int = 256 * KIB
    max_s: float | None = UNARY_S
    max_at_once: int | None = None
    is_audited: bool = False

    def allows(self, role: Role | None) -> bool:
        """Whether a role may make the call at all; what it names may still be another's."""
        return role is Role.ADMIN or role in self.roles or role in self.own


def _may(
    *roles: Role,
    own: Mapping[Role, Own] | None = None,
    max_bytes: int = 256 * KIB,
    max_s: float | None = UNARY_S,
    max_at_once: int | None = None,
    is_audited: bool = False,
) -> Policy:
    return Policy(
        frozenset(roles),
        MappingProxyType(own or {}),
        max_bytes=max_bytes,
        max_s=max_s,
        max_at_once=max_at_once,
        is_audited=is_audited,
    )


CONTROLLER, OPERATOR, APP, ENGINEER = Role.CONTROLLER, Role.OPERATOR, Role.APP, Role.ENGINEER
SIGNAL = {CONTROLLER: Own(Kind.SIGNAL, "signal")}
LOT = {OPERATOR: Own(Kind.LOT, "lot")}
LOT_NAME = {OPERATOR: Own(Kind.LOT, "name")}
RESERVATION = {OPERATOR: Own(Kind.RESERVATION, "name")}
NO_END = None

SIGNAL_TIMING_CALLS: Mapping[str, Policy] = {
    "ListSignals": _may(ENGINEER, CONTROLLER, APP),
    "ListCorridors": _may(ENGINEER, CONTROLLER, APP),
    # Controllers
    "GetPlan": _may(ENGINEER, own={CONTROLLER: Own(Kind.SIGNAL, "name")}),
    "WatchPlans": _may(
        ENGINEER, own={CONTROLLER: Own(Kind.SIGNAL, "signals")}, max_bytes=MIB, max_s=NO_END
    ),
    "AcknowledgeSwitch": _may(own=SIGNAL),
    "ReportStatus": _may(own=SIGNAL),
    "ReportDetectorCounts": _may(own=SIGNAL, max_s=NO_END),
    "ListDetectorCounts": _may(ENGINEER, own=SIGNAL),
    # Engineers
    "OptimizePlans": _may(ENGINEER, max_s=3700, max_at_once=16, is_audited=True),
    "OptimizeBands": _may(ENGINEER, max_bytes=4 * MIB, max_s=86_500, max_at_once=16),
    "CreatePlanSet": _may(ENGINEER, max_bytes=16 * MIB, is_audited=True),
    "GetPlanSet": _may(ENGINEER),
    "ListPlanSets": _may(ENGINEER),
    "ApprovePlanSet": _may(ENGINEER, is_audited=True),
    "RetirePlanSet": _may(ENGINEER, is_audited=True),
    "CreateSchedule": _may(ENGINEER, max_bytes=4 * MIB, is_audited=True),
    "GetSchedule": _may(ENGINEER),
    "ListSchedules": _may(ENGINEER),
    "ApproveSchedule": _may(ENGINEER, is_audited=True),
    "RetireSchedule": _may(ENGINEER, is_audited=True),
    "Activate": _may(ENGINEER, is_audited=True),
    "RollBack": _may(ENGINEER, is_audited=True),
    "GetSwitch": _may(ENGINEER),
    "ListSwitches": _may(ENGINEER),
    "CancelSwitch": _may(ENGINEER, is_audited=True),
    "ListSignalStatus": _may(ENGINEER),
    "ListAlarms": _may(ENGINEER),
    "SetAutoApply": _may(ENGINEER, is_audited=True),
    # Drivers and signs
    "AdviseSpeed": _may(ENGINEER, APP),
}

PARKING_CALLS: Mapping[str, Policy] = {
    # Drivers, through the app
    "SearchLots": _may(APP, OPERATOR, ENGINEER),
    "RequestAssignment": _may(APP),
    "ConfirmReservation": _may(APP),
    "CancelReservation": _may(APP),
    "ExtendReservation": _may(APP),
    "RequestMove": _may(APP),
    "MoveReservation": _may(APP),
    "GetReservation": _may(APP, own=RESERVATION),
    "WatchReservation": _may(APP, max_s=NO_END),
    "WatchReservations": _may(APP, max_s=NO_END),
    "ListReservations": _may(APP, own=LOT),
    "RecordArrival": _may(APP, own=RESERVATION),
    "RecordDeparture": _may(APP, own=RESERVATION),
    "RegisterDriver": _may(APP),
    "ExportDriver": _may(APP, max_at_once=4, is_audited=True),
    "EraseDriver": _may(APP, is_audited=True),
    # Lots
    "CheckEntry": _may(own=LOT),
    "UpsertLots": _may(
        own={OPERATOR: Own(Kind.LOT_DESCRIPTION, "lots")}, max_bytes=16 * MIB, is_audited=True
    ),
    "GetLot": _may(APP, OPERATOR, ENGINEER),
    "ListLots": _may(APP, OPERATOR, ENGINEER),
    "CloseLot": _may(own=LOT_NAME, is_audited=True),
    "OpenLot": _may(own=LOT_NAME, is_audited=True),
    "ReportOccupancy": _may(own=LOT),
    "ReportGateEvents": _may(own=LOT, max_bytes=MIB),
    "ReconcileLot": _may(own=LOT, max_bytes=2 * MIB, is_audited=True),
    "ExportSettlement": _may(own=LOT, max_s=600, max_at_once=4, is_audited=True),
    # The city
    "GetParkingStatus": _may(ENGINEER),
    "UpsertSigns": _may(ENGINEER, max_bytes=4 * MIB, is_audited=True),
    "GetSign": _may(ENGINEER, APP, OPERATOR),
    "ListSigns": _may(ENGINEER, APP, OPERATOR),
    "WatchSigns": _may(ENGINEER, APP, OPERATOR, max_s=NO_END),
}

ANYBODY_KNOWN = frozenset(Role)
REFLECTION = Policy(ANYBODY_KNOWN, max_bytes=64 * KIB, max_s=600)
PUBLIC = Policy(is_public=True, max_bytes=4 * KIB)

POLICIES: Mapping[str, Policy] = MappingProxyType(
    {f"/{SIGNAL_TIMING}/{name}": policy for name, policy in SIGNAL_TIMING_CALLS.items()}
    | {f"/{PARKING}/{name}": policy for name, policy in PARKING_CALLS.items()}
    | {
        # Whoever balances the load asks for it, without a token.
        "/grpc.health.v1.Health/Check": PUBLIC,
        "/grpc.health.v1.Health/List": PUBLIC,
        "/grpc.health.v1.Health/Watch": Policy(is_public=True, max_bytes=4 * KIB, max_s=NO_END),
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": REFLECTION,
    }
)
"""By the full name of the call."""
