"""Vehicle types of SUMO files, with SUMO's own defaults for what a file leaves out."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from traffic.demand import Fleet
from traffic.errors import InvalidInputError

DEFAULT_TYPE = "DEFAULT_VEHTYPE"

OFF_ROAD = frozenset(
    {
        *("tram", "rail_urban", "rail", "rail_electric", "rail_fast", "subway", "cable_car"),
        *("ship", "aircraft", "drone", "container"),
        *("pedestrian", "wheelchair", "bicycle", "scooter"),
    }
)
"""Classes that don't queue in a signal's car lanes; their vehicles are not counted."""

# SUMO 1.28: length, minGap, accel, maxSpeed, speedDev of the classes that differ from a car's.
_CAR = (5.0, 2.5, 2.6, 55.556, 0.1)
_CLASSES: Mapping[str, tuple[float, float, float, float, float]] = {
    "emergency": (6.5, 2.5, 2.6, 55.556, 0.0),
    "authority": (5.0, 2.5, 2.6, 55.556, 0.0),
    "army": (5.0, 2.5, 2.6, 55.556, 0.0),
    "taxi": (5.0, 2.5, 2.6, 55.556, 0.05),
    "bus": (12.0, 2.5, 1.2, 27.778, 0.0),
    "coach": (14.0, 2.5, 2.0, 27.778, 0.05),
    "delivery": (6.5, 2.5, 2.6, 55.556, 0.05),
    "truck": (7.1, 2.5, 1.3, 36.111, 0.05),
    "trailer": (16.5, 2.5, 1.1, 36.111, 0.05),
    "motorcycle": (2.2, 2.5, 6.0, 55.556, 0.1),
    "moped": (2.1, 2.5, 1.1, 16.667, 0.1),
}
# Types that SUMO knows without a definition.
_KNOWN = {
    DEFAULT_TYPE: "passenger",
    "DEFAULT_TAXITYPE": "taxi",
    "DEFAULT_BIKETYPE": "bicycle",
    "DEFAULT_CONTAINERTYPE": "container",
    "DEFAULT_RAILTYPE": "rail",
    "DEFAULT_PEDTYPE": "pedestrian",
}


@dataclass(frozen=True, slots=True)
class VehicleType:
    """What of a vehicle type matters to a signal: desired speeds by mean and deviation."""

    vehicle_class: str = "passenger"
    length_m: float = 5.0
    min_gap_m: float = 2.5
    tau_s: float = 1.0
    accel_mps2: float = 2.6
    max_speed_mps: float = 55.556
    speed_factor: float = 1.0
    speed_deviation: float = 0.1
    sigma: float = 0.5

    def pace_s(self, length_m: float, limit_mps: float) -> float:
        """Seconds over a length at the desired speed."""
        return length_m / min(limit_mps * self.speed_factor, self.max_speed_mps)


def type_of(attributes: Mapping[str, str], where: str) -> VehicleType:
    """Build a type from the attributes of a ``<vType>``.

    Raises
    ------
    InvalidInputError
        An attribute is no number, or none that a vehicle could have.
    """

    def number(name: str, default: float, *, least: float = 1e-6) -> float:
        text = attributes.get(name)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value < float("inf"):
            raise InvalidInputError(f"{name}={text!r}; expected a number above 0", where=where)
        return value

    kind = attributes.get("vClass", "passenger")
    length, gap, accel, top, deviation = _CLASSES.get(kind, _CAR)
    factor, own_deviation = _speed_factor(attributes.get("speedFactor", "1"), where)
    if own_deviation is None:
        own_deviation = number("speedDev", deviation, least=0)
    return VehicleType(
        vehicle_class=kind,
        length_m=number("length", length),
        min_gap_m=number("minGap", gap, least=0),
        tau_s=number("tau", 1.0),
        accel_mps2=number("accel", accel),
        max_speed_mps=number("maxSpeed", top),
        speed_factor=factor,
        speed_deviation=min(1.0, own_deviation),
        sigma=min(1.0, number("sigma", 0.5, least=0)),
    )


def known_type(type_id: str) -> VehicleType | None:
    """Return a type that needs no definition, or None."""
    return VehicleType(_KNOWN[type_id]) if type_id in _KNOWN else None


def fleet_of(shares: Iterable[tuple[VehicleType, float]]) -> Fleet:
    """Means over vehicles: each type with how many vehicles are of it, more than 0 in all."""
    pairs = list(shares)
    total = sum(count for _, count in pairs)

    def mean(name: str) -> float:
        return math.fsum(getattr(kind, name) * count for kind, count in pairs) / total

    return Fleet(
        space_m=mean("length_m") + mean("min_gap_m"),
        headway_s=mean("tau_s"),
        accel_mps2=mean("accel_mps2"),
        speed_factor=mean("speed_factor"),
        max_speed_mps=mean("max_speed_mps"),
        imperfection=mean("sigma"),
        speed_deviation=mean("speed_deviation"),
    )


def _speed_factor(text: str, where: str) -> tuple[float, float | None]:
    """Mean and deviation of ``normc(mean,deviation,least,most)``, ``norm(…)`` or a number."""
    inner = re.fullmatch(r"\s*normc?\((.*)\)\s*", text)
    parts = (inner[1] if inner else text).split(",")[:2]
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = [0.0]
    if not values[0] > 0 or min(values) < 0:
        raise InvalidInputError(
            f"speedFactor={text!r}; expected a number or normc(mean,…)", where=where
        )
    return values[0], values[1] if len(values) > 1 else None
