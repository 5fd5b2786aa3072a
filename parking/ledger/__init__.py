"""The parking ledger: a pure state machine that never gives one space to two cars.

``apply(state, command, now_ms, rules) -> (state, events)``. The events are the append-only log;
the state is its replay. Nothing here knows a database, a clock or a network.
"""

from parking.ledger.commands import (
    STAY_MAX_MS,
    STAY_MIN_MS,
    Arrive,
    Cancel,
    Command,
    Confirm,
    Depart,
    Extend,
    Hold,
    SetCapacity,
    Tick,
)
from parking.ledger.decide import advance, apply, booking_refusal, next_due_ms
from parking.ledger.events import Event, decode, encode
from parking.ledger.profile import Profile
from parking.ledger.reservation import OPEN, WAITING, Reservation, ReservationState
from parking.ledger.rules import LotRules, Rules
from parking.ledger.state import DriverBook, LedgerState, PoolBook, evolve, faults, replay

__all__ = [
    "OPEN",
    "STAY_MAX_MS",
    "STAY_MIN_MS",
    "WAITING",
    "Arrive",
    "Cancel",
    "Command",
    "Confirm",
    "Depart",
    "DriverBook",
    "Event",
    "Extend",
    "Hold",
    "LedgerState",
    "LotRules",
    "PoolBook",
    "Profile",
    "Reservation",
    "ReservationState",
    "Rules",
    "SetCapacity",
    "Tick",
    "advance",
    "apply",
    "booking_refusal",
    "decode",
    "encode",
    "evolve",
    "faults",
    "next_due_ms",
    "replay",
]
