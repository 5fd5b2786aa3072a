"""The parking ledger: a pure state machine that never gives one space to two cars.

``apply(state, command, now_ms, rules) -> (state, events)``. The events are the append-only log;
the state is its replay. Nothing here knows a database, a clock or a network.
"""

from parking.ledger.commands import (
    STAY_MAX_MS,
    STAY_MIN_MS,
    Accounted,
    Arrive,
    Cancel,
    ChangeLot,
    ChangeLots,
    CloseLot,
    Command,
    Confirm,
    Count,
    CountAll,
    Depart,
    Extend,
    Hold,
    OpenLot,
    Passage,
    PoolTerms,
    Reconcile,
    RecordPassages,
    SetCapacity,
    SetSigns,
    Tick,
)
from parking.ledger.decide import FindOffers, advance, apply, make_offers, next_due_ms
from parking.ledger.events import Event
from parking.ledger.evolve import evolve, replay
from parking.ledger.faults import faults
from parking.ledger.history import History
from parking.ledger.limits import booking_refusal, look_ahead_refusal
from parking.ledger.profile import Profile
from parking.ledger.reservation import OPEN, WAITING, Reservation, ReservationState
from parking.ledger.rules import LotRules, Rules
from parking.ledger.snapshot import SHAPE, rows_of, state_of
from parking.ledger.state import DriverBook, LedgerState, LotBook, PoolBook, lot_rules

__all__ = [
    "OPEN",
    "SHAPE",
    "STAY_MAX_MS",
    "STAY_MIN_MS",
    "WAITING",
    "Accounted",
    "Arrive",
    "Cancel",
    "ChangeLot",
    "ChangeLots",
    "CloseLot",
    "Command",
    "Confirm",
    "Count",
    "CountAll",
    "Depart",
    "DriverBook",
    "Event",
    "Extend",
    "FindOffers",
    "History",
    "Hold",
    "LedgerState",
    "LotBook",
    "LotRules",
    "OpenLot",
    "Passage",
    "PoolBook",
    "PoolTerms",
    "Profile",
    "Reconcile",
    "RecordPassages",
    "Reservation",
    "ReservationState",
    "Rules",
    "SetCapacity",
    "SetSigns",
    "Tick",
    "advance",
    "apply",
    "booking_refusal",
    "evolve",
    "faults",
    "look_ahead_refusal",
    "lot_rules",
    "make_offers",
    "next_due_ms",
    "replay",
    "rows_of",
    "state_of",
]
