"""What operations watch of the street: alarms, controllers and switches, counted."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from traffic.street.health import AlarmKind, Health
from traffic.street.state import Street


@dataclass(frozen=True, slots=True)
class StreetFigures:
    """How things stand at a moment.

    Parameters
    ----------
    revision
        The log's last one.
    alarms
        Open ones by kind; every kind is there.
    known
        Controllers that were ever heard of.
    silent
        Those of whom nothing is heard now.
    out_of_step
        Those that said last that they show something else than their plan; of several servers over
        one database each counts those that speak with it.
    open_switches
        Switches that are still to be decided.
    postponed_switches
        Those of them that were postponed.
    """

    revision: int
    alarms: Mapping[AlarmKind, int]
    known: int
    silent: int
    out_of_step: int
    open_switches: int
    postponed_switches: int

    @classmethod
    def of(cls, street: Street, healths: Iterable[Health]) -> "StreetFigures":
        """Count; it may be called from any thread, each count is right by itself."""
        kinds = Counter(kind for _, kind in list(street.alarms))
        switches = street.open_switches
        return cls(
            revision=street.revision,
            alarms={kind: kinds[kind] for kind in AlarmKind},
            known=len(street.known),
            silent=kinds[AlarmKind.SILENT],
            out_of_step=sum(h.report is not None and not h.report.in_step for h in healths),
            open_switches=len(switches),
            postponed_switches=sum(switch.postponed > 0 for switch in switches),
        )
