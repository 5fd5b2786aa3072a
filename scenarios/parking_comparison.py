"""Days of parking compared: bid prices, the same batches without them, first come, the clairvoyant.

*Value* is the sum of (outside option - cost) over the served. All methods see the same requests in
the same batches of a minute, and never take anything back. The clairvoyant's bound is of the same
true requests on the same pools with the same buffers: no policy can exceed it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from parking.allocation import LotTable
from parking.day import (
    Batches,
    BidPricer,
    FirstCome,
    Policy,
    Priced,
    clairvoyant,
    run_day,
)
from scenarios.parking_day import Day

PRICED, BATCHES, FIRST_COME = "bid prices", "batches, no prices", "first come"
METHODS = (PRICED, BATCHES, FIRST_COME)
WITHIN = 0.95
"""Share of the clairvoyant's bound that bid prices should reach."""


@dataclass(frozen=True, slots=True)
class DayRun:
    """One method on one day.

    Parameters
    ----------
    load
        Percent.
    seed
        Of the day and of the prices.
    method
        One of ``METHODS``.
    requests, served
        Drivers.
    value_fen, bound_fen
        Reached, and the clairvoyant's.
    districts
        Served share, 0 to 1, by district of the destination.
    spread
        Largest less smallest of these shares.
    seconds
        Spent on deciding, prices included.
    """

    load: float
    seed: int
    method: str
    requests: int
    served: int
    value_fen: int
    bound_fen: float
    districts: dict[str, float]
    spread: float
    seconds: float

    @property
    def share(self) -> float:
        """Value over the bound; 1 where there was nothing to gain."""
        return self.value_fen / self.bound_fen if self.bound_fen else 1.0


def compare_day(day: Day, load: float, seed: int, say: Callable[[str], None]) -> list[DayRun]:
    """Run every method on one day; ``say`` is told in words how it goes."""
    city = LotTable.of(day.lots)
    began = time.perf_counter()
    best = clairvoyant(day.bookings.asked, city)
    say(
        f"{load:g}%, seed {seed}: {len(day.bookings):,} requests, clairvoyant "
        f"{best.bound_fen / 100:,.0f} yuan in {time.perf_counter() - began:.0f} s"
    )
    began = time.perf_counter()
    pricer = BidPricer(day.forecast, city, seed=seed)
    prepared_s = time.perf_counter() - began
    policies: dict[str, Policy] = {
        PRICED: Priced(city, pricer),
        BATCHES: Batches(city),
        FIRST_COME: FirstCome(city),
    }
    runs = []
    for method, policy in policies.items():
        found = run_day(day.bookings, city, policy)
        runs.append(
            DayRun(
                load=load,
                seed=seed,
                method=method,
                requests=len(day.bookings),
                served=found.served,
                value_fen=found.value_fen,
                bound_fen=best.bound_fen,
                districts={one.district: one.share for one in found.districts},
                spread=found.spread,
                seconds=found.seconds + (prepared_s if method == PRICED else 0.0),
            )
        )
        say(f"  {method}: {runs[-1].share:.2%} of the bound, {runs[-1].seconds:.0f} s")
    return runs


@dataclass(frozen=True, slots=True)
class DayMean:
    """A method at a load, over the seeds; fields as in ``DayRun``, shares as means.

    Parameters
    ----------
    least, most
        Of the shares of the bound.
    to_first_come
        Value over that of first come.
    """

    load: float
    method: str
    value_fen: float
    share: float
    least: float
    most: float
    to_first_come: float
    served_share: float
    districts: dict[str, float]
    spread: float
    seconds: float


def means(runs: Sequence[DayRun]) -> list[DayMean]:
    """Return the means over the seeds, loads rising, methods in order."""
    found = []
    for load in sorted({run.load for run in runs}):
        here = [run for run in runs if run.load == load]
        base = sum(run.value_fen for run in here if run.method == FIRST_COME)
        for method in METHODS:
            own = [run for run in here if run.method == method]
            names = sorted({name for run in own for name in run.districts})
            shares = [run.share for run in own]
            value = sum(run.value_fen for run in own)
            found.append(
                DayMean(
                    load=load,
                    method=method,
                    value_fen=value / len(own),
                    share=float(np.mean(shares)),
                    least=min(shares),
                    most=max(shares),
                    to_first_come=value / base if base else 1.0,
                    served_share=float(np.mean([r.served / max(1, r.requests) for r in own])),
                    districts={
                        name: float(
                            np.mean([r.districts[name] for r in own if name in r.districts])
                        )
                        for name in names
                    },
                    spread=float(np.mean([run.spread for run in own])),
                    seconds=float(np.mean([run.seconds for run in own])),
                )
            )
    return found


def missed(rows: Sequence[DayMean]) -> list[str]:
    """Return what is not as it should be, in words."""
    by = {(row.load, row.method): row for row in rows}
    loads = sorted({row.load for row in rows})
    found = [
        f"{load:g}%: {by[load, PRICED].share:.2%} of the bound, expected {WITHIN:.0%}"
        for load in loads
        if by[load, PRICED].share < WITHIN
    ]
    if by[loads[-1], PRICED].value_fen <= by[loads[-1], BATCHES].value_fen:
        found.append(f"{loads[-1]:g}%: not better than batches without prices")
    return found
