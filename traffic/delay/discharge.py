"""How fast a queue leaves a stop line, from how vehicles follow each other.

A queue that discharges at speed v keeps a headway of its reaction time and of the time to drive a
vehicle's own space; the first vehicles, which still accelerate, lose some green. The coefficients
were fitted to saturated approaches of SUMO's Krauss model (turn and straight speeds of 4.8 to
19.4 m/s, reaction times of 0.5 and 1 s, vehicle spaces of 7.5 and 10 m); ``tests/verification``
holds them against fresh runs. Compare HCM's base saturation flow of 1,900 veh/h a lane.
"""

from dataclasses import dataclass

from traffic.demand import Fleet

# Headway = BASE + REACTION tau + SPACE space / v, times the share that imperfect driving costs.
BASE_S, REACTION, SPACE = 0.70, 0.50, 1.30
IMPERFECT = 0.24
# Lost at the start = v / (a * PICK_UP) - HEAD_START_S, at least 0; gained in the yellow.
PICK_UP, HEAD_START_S = 1.24, 1.5
YELLOW_GAIN_S = 1.5


@dataclass(frozen=True, slots=True)
class Discharge:
    """Of one lane.

    Parameters
    ----------
    headway_s
        Between vehicles of a discharging queue; the saturation flow is 3600 / headway_s veh/h.
    start_loss_s
        From the beginning of green until the queue runs at the saturation flow.
    end_gain_s
        Time of the yellow that is still driven.
    """

    headway_s: float
    start_loss_s: float
    end_gain_s: float

    @property
    def saturation_vph(self) -> float:
        """Vehicles an hour of green."""
        return 3600 / self.headway_s


def discharge(fleet: Fleet, speed_mps: float) -> Discharge:
    """Discharge of a lane whose vehicles cross the stop line at up to ``speed_mps`` (> 0)."""
    speed_mps = min(speed_mps * fleet.speed_factor, fleet.max_speed_mps)
    smooth_s = BASE_S + REACTION * fleet.headway_s + SPACE * fleet.space_m / speed_mps
    return Discharge(
        headway_s=smooth_s * (1 + IMPERFECT * (fleet.imperfection - 0.5)),
        start_loss_s=max(0.0, speed_mps / (fleet.accel_mps2 * PICK_UP) - HEAD_START_S),
        end_gain_s=YELLOW_GAIN_S,
    )
