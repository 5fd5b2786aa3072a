"""What a city sets itself: cycles, when switches are carried out, when a controller is silent."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from traffic.errors import InvalidInputError
from traffic.plan import MAX_CYCLE_S, MIN_CYCLE_S
from traffic.street.door import Limits
from traffic.street.health import HealthRules
from traffic.street.switching import SwitchRules

# By name: lowest and highest, what may be a part of one, and what it is for.
SETTINGS: Mapping[str, tuple[float, float, type, str]] = {
    "share": (0.01, 1.0, float, "of the known controllers, the share that must acknowledge"),
    "lead_cycles": (2, 20, int, "cycles ahead of which a switch is proposed at least"),
    "decide_s": (2, 120, int, "s before its moment at which a switch is decided at the latest"),
    "postponements": (0, 100, int, "how often a switch is postponed before it is given up"),
    "min_cycle_s": (MIN_CYCLE_S, MAX_CYCLE_S, int, "shortest cycle of a plan, s"),
    "max_cycle_s": (MIN_CYCLE_S, MAX_CYCLE_S, int, "longest cycle of a plan, s"),
    "silent_s": (60, 86_400, int, "s without a word after which a controller is silent"),
}


@dataclass(frozen=True, slots=True)
class StreetSettings:
    """The rules that a city may set; what it does not set is as it is everywhere."""

    limits: Limits = field(default_factory=Limits)
    switching: SwitchRules = field(default_factory=SwitchRules)
    health: HealthRules = field(default_factory=HealthRules)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "StreetSettings":
        """Return settings by their names in ``SETTINGS``.

        Raises
        ------
        InvalidInputError
            A name is unknown, a value is out of its range, or the shortest cycle is longer than
            the longest; ``where`` is the name.
        """
        for name, value in given.items():
            if name not in SETTINGS:
                known = ", ".join(SETTINGS)
                raise InvalidInputError(f"expected one of {known}", where=name)
            least, most, kind, _ = SETTINGS[name]
            is_number = isinstance(value, (int, kind)) and not isinstance(value, bool)
            if not is_number or not least <= value <= most:
                whole = "a whole number" if kind is int else "a number"
                raise InvalidInputError(
                    f"{value!r}; expected {whole}, {least:g} to {most:g}", where=name
                )
        limits, switching, health = Limits(), SwitchRules(), HealthRules()
        limits = Limits(
            given.get("min_cycle_s", limits.min_cycle_s),
            given.get("max_cycle_s", limits.max_cycle_s),
        )
        if limits.min_cycle_s > limits.max_cycle_s:
            raise InvalidInputError(
                f"{limits.min_cycle_s}; expected at most max_cycle_s, {limits.max_cycle_s}",
                where="min_cycle_s",
            )
        seconds = {"decide_s": switching.decide_ms, "silent_s": health.silent_ms}
        in_ms = {name: 1000 * given[name] if name in given else ms for name, ms in seconds.items()}
        return cls(
            limits,
            replace(
                switching,
                share=given.get("share", switching.share),
                lead_cycles=given.get("lead_cycles", switching.lead_cycles),
                decide_ms=in_ms["decide_s"],
                most_postponements=given.get("postponements", switching.most_postponements),
            ),
            replace(health, silent_ms=in_ms["silent_s"]),
        )

    @property
    def summary(self) -> str:
        """One line for people."""
        limits, switching = self.limits, self.switching
        return (
            f"cycles of {limits.min_cycle_s} to {limits.max_cycle_s} s; a switch needs "
            f"{100 * switching.share:g}% of its controllers, {switching.lead_cycles} cycles ahead, "
            f"decided {switching.decide_ms // 1000} s before, "
            f"{switching.most_postponements} postponements; silent after "
            f"{self.health.silent_ms // 1000} s"
        )
