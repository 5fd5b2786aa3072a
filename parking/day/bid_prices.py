"""What a space is worth at each time of the day to those who are still to come: bid prices.

Several futures are drawn from the forecast, each a day's drivers who have not asked yet; what each
of them would pay for a space in a slot is a dual price of its linear program (``program.py``) on
what is still free. The mean over the futures is the bid price (randomised linear programming,
Talluri & van Ryzin 1999): it is above 0 as soon as a space *may* be missed, which the price of the
mean future is not. A stay costs the sum over its slots. Nobody is charged that: it decides who gets
which space.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from parking.allocation import LotTable, find_arcs
from parking.allocation.tables import Floats, Ints
from parking.day.forecast import Forecast
from parking.day.pace import Pace
from parking.day.program import SlotProgram
from parking.errors import InvalidInputError
from parking.ledger.profile import Profile
from parking.travel import TravelTimes

OUTSIDE_FEN = 3000
BETWEEN = 0.5
"""Spaces by which programs have less than there is: what giving one away costs is the price between
what there is and one less. With all spaces it would be what one more is worth, which is less."""
MOST_EXAMPLES = 200_000
"""Past drivers that futures are drawn from at most; of more some are left out."""
MANY = 50.0
"""From this mean on a Poisson number is drawn as a rounded normal one."""


@dataclass(frozen=True, slots=True)
class PriceRule:
    """How prices are found.

    Parameters
    ----------
    slot_ms, horizon_ms
        Length of a slot, and how far prices look ahead.
    every_ms
        How old prices may become.
    futures
        How many are drawn, 1 or more.
    smooth_fen
        Smoothing of the programs, more than 0.
    steps, first_steps
        Of the minimiser, from the last prices on and from nothing.
    """

    slot_ms: int = 900_000
    horizon_ms: int = 21_600_000
    every_ms: int = 900_000
    futures: int = 10
    smooth_fen: float = 30.0
    steps: int = 15
    first_steps: int = 60

    def __post_init__(self) -> None:
        for name in ("slot_ms", "horizon_ms", "every_ms", "futures", "steps", "first_steps"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"{getattr(self, name)}; expected 1 or more", where=name)
        if not self.smooth_fen > 0:
            raise InvalidInputError(f"{self.smooth_fen}; expected more than 0", where="smooth_fen")

    @property
    def slots(self) -> int:
        """Slots of the horizon."""
        return -(-self.horizon_ms // self.slot_ms)


@dataclass(frozen=True, slots=True, eq=False)
class BidPrices:
    """Prices of spaces over time.

    Parameters
    ----------
    begin_ms, slot_ms
        Of the first slot, and its length.
    price_fen
        Of a space of each pool over each whole slot, 0 or more; shape (pools, slots). Before the
        first and after the last slot it is 0.
    """

    begin_ms: int
    slot_ms: int
    price_fen: Floats

    def of_stays(self, pool: Ints, arrive_ms: Ints, leave_ms: Ints) -> Ints:
        """Return what stays cost, whole fen; shape of the stays."""
        pools, slots = self.price_fen.shape
        total = np.zeros((pools, slots + 1))
        np.cumsum(self.price_fen, axis=1, out=total[:, 1:])

        def until(moment_ms: Ints) -> Floats:
            at = np.clip((moment_ms - self.begin_ms) / self.slot_ms, 0, slots)
            slot = np.minimum(at.astype(np.int64), slots - 1)
            into = (at - slot) * self.price_fen[pool, slot]
            return np.asarray(total[pool, slot] + into)

        return np.rint(until(leave_ms) - until(arrive_ms)).astype(np.int64)


class BidPricer:
    """Finds prices again and again as the day goes.

    Parameters
    ----------
    forecast, city
        Of the day.
    rule, travel, outside_fen
        None = the usual ones; what the unserved cost.
    seed
        Same arguments, observations and seed, same prices.
    """

    def __init__(
        self,
        forecast: Forecast,
        city: LotTable,
        *,
        rule: PriceRule | None = None,
        travel: TravelTimes | None = None,
        outside_fen: int = OUTSIDE_FEN,
        seed: int = 0,
    ) -> None:
        self.rule = rule or PriceRule()
        forecast = forecast.thinned(MOST_EXAMPLES, seed)
        self.pace = Pace(forecast)
        self._city = city
        self._examples = forecast.examples
        self._weight = forecast.weight
        arcs = find_arcs(forecast.examples.asked, city, travel=travel)
        self._arcs = arcs.take(arcs.cost_fen < outside_fen)
        self._value = (outside_fen - self._arcs.cost_fen).astype(np.float64)
        rng = np.random.default_rng([seed, 20])
        shape = (self.rule.futures, len(self._weight))
        # Drawn once: the futures are the same from one time to the next, so are their prices.
        self._chance = rng.random(shape, dtype=np.float32)
        markets = int(self.pace.market.max()) + 1 if len(self._weight) else 0
        self._mood = rng.standard_normal((self.rule.futures, markets))
        self._last_ms = 0
        self._last: list[Floats] = []

    def solve(self, now_ms: int, committed: Mapping[str, Profile]) -> BidPrices:
        """Return the prices from an instant on, given what is promised; 0 where nobody comes.

        Only what was seen (``pace.see``) and what is committed tell of the day.
        """
        rule = self.rule
        capacity = self._free(now_ms, committed)
        asked = self._examples.asked
        begin = (asked.arrive_ms - now_ms) / rule.slot_ms
        end = (asked.leave_ms - now_ms) / rule.slot_ms
        to_come = (self._examples.booked_ms > now_ms) & (begin < rule.slots)
        factor, spread = self.pace.factors(now_ms)
        market = self.pace.market
        found = []
        for k in range(rule.futures):
            wave = np.exp(spread * self._mood[k] - spread * spread / 2) if len(spread) else spread
            mean = np.where(to_come, self._weight * (factor * wave)[market], 0.0)
            drivers = poisson(self._chance[k], mean)
            some = drivers > 0
            number = np.cumsum(some) - 1
            arcs = some[self._arcs.request]
            program = SlotProgram(
                capacity,
                number[self._arcs.request[arcs]],
                self._arcs.pool[arcs],
                self._value[arcs],
                drivers[some],
                begin[some],
                end[some],
            )
            steps = rule.steps if self._last else rule.first_steps
            found.append(program.prices(self._start(k, now_ms), rule.smooth_fen, steps))
        self._last, self._last_ms = found, now_ms
        return BidPrices(now_ms, rule.slot_ms, np.mean(found, axis=0))

    def _start(self, future: int, now_ms: int) -> Floats:
        """Return the future's last prices, moved to the slots from now on."""
        start = np.zeros((len(self._city.pools), self.rule.slots))
        if self._last:
            by = min(self.rule.slots, round((now_ms - self._last_ms) / self.rule.slot_ms))
            start[:, : self.rule.slots - by] = self._last[future][:, by:]
        return start

    def _free(self, now_ms: int, committed: Mapping[str, Profile]) -> Floats:
        """Return what is free of each pool in each slot, on average; shape (pools, slots)."""
        rule = self.rule
        edges = now_ms + np.arange(rule.slots + 1) * rule.slot_ms
        free = np.repeat(self._city.bookable[:, None].astype(np.float64), rule.slots, axis=1)
        for j, (_, pool) in enumerate(self._city.pools):
            profile = committed.get(pool.id)
            if profile is not None and profile.times_ms:
                free[j] -= mean_levels(profile, edges)
        return np.maximum(free - BETWEEN, 0.0)


def mean_levels(profile: Profile, edges_ms: Ints) -> Floats:
    """Return the mean level of a profile between each two edges, shape (edges - 1,)."""
    times = np.array(profile.times_ms, dtype=np.int64)
    levels = np.array(profile.levels[:-1], dtype=np.float64)
    # The last level is 0, as is what lies before the first step.
    area = np.concatenate([[0.0], np.cumsum(levels * np.diff(times))])
    return np.asarray(np.diff(np.interp(edges_ms, times, area)) / np.diff(edges_ms))


def poisson(chance: Floats, mean: Floats) -> Floats:
    """Return Poisson numbers that belong to chances in [0, 1); shape of the means.

    They grow with their means: almost the same means give almost the same drivers.
    """
    few = mean < MANY
    small = np.where(few, mean, 0.0)
    count = np.zeros(len(mean))
    term = np.exp(-small)
    below = term.copy()
    most = float(small.max(initial=0.0))
    for k in range(1, int(most + 8 * np.sqrt(most)) + 4):
        count += chance > below
        term = term * small / k
        below += term
    near_normal = np.rint(mean + np.sqrt(mean) * ndtri(np.clip(chance, 1e-9, 1 - 1e-9)))
    return np.asarray(np.where(few, count, near_normal)) if not few.all() else count
