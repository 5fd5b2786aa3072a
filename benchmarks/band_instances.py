"""Random corridors for benchmarks of the band models: the written generator of their instances.

Spacing 200-800 m, main-road through greens 0.35-0.5 of the cycle, lefts 0.08-0.16 with all four
patterns permitted, cycle 60-120 s. Speeds are ``fixed`` (50 km/h), ``free`` (40-60 km/h on each
link) or ``limited`` (the same, and the slowness may change by 0.01 s/m from link to link).
"""

import random
from typing import Literal

from traffic.bandwidth.corridor import PATTERNS, Corridor, CorridorLink, CorridorSignal, Range

Speeds = Literal["fixed", "free", "limited"]
SPEEDS: tuple[Speeds, ...] = ("fixed", "free", "limited")


def random_corridor(
    n: int,
    speeds: Speeds,
    seed: int,
    *,
    cycle_s: tuple[float, float] = (60.0, 120.0),
    volumes: bool = False,
) -> Corridor:
    """Make a corridor of ``n`` signals; the same seed gives the same one."""
    rng = random.Random(f"{n} {speeds} {seed}")
    position_m = 0.0
    signals = []
    for i in range(n):
        if i:
            position_m += rng.uniform(200.0, 800.0)
        left_out, left_in = rng.uniform(0.08, 0.16), rng.uniform(0.08, 0.16)
        # The longer through belongs to the direction whose own left is longer: one common block.
        green = rng.uniform(0.35, 0.5)
        more = left_out - left_in
        signals.append(
            CorridorSignal(
                id=f"s{i + 1}",
                position_m=position_m,
                green_out=green + max(0.0, more),
                green_in=green + max(0.0, -more),
                left_out=left_out,
                left_in=left_in,
                patterns=PATTERNS,
            )
        )
    links: tuple[CorridorLink, ...] = ()
    if volumes:
        links = tuple(
            CorridorLink(
                volume_out_vph=rng.uniform(300.0, 1500.0),
                volume_in_vph=rng.uniform(300.0, 1500.0),
                saturation_vph=3600.0,
            )
            for _ in range(n - 1)
        )
    return Corridor(
        signals=tuple(signals),
        cycle_s=Range(*cycle_s),
        speed_mps=Range(50 / 3.6, 50 / 3.6) if speeds == "fixed" else Range(40 / 3.6, 60 / 3.6),
        slowness_change_s_per_m=0.01 if speeds == "limited" else None,
        links=links,
    )
