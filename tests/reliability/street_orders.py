"""What happens at junctions meanwhile: power cuts, holds, night flashing, emergencies."""

import random
from collections.abc import Collection, Sequence

from scenarios.street_run import Moment
from traffic.controller.controller import NOTHING, Manual
from traffic.controller.machine import Mode

STEADY = (Mode.PLAN, Mode.OWN_PLAN)
LASTS_S = {"hold": 100, "flash": 60, "pre-empt": 40}


class Junctions:
    """Orders and restarts at random moments, each at a few signals at once.

    Parameters
    ----------
    signals
        Their ids.
    last
        The last second in which something may happen.
    restarts, orders
        How many of each; every kind of order comes up.
    """

    def __init__(
        self, signals: Sequence[str], rng: random.Random, *, last: int, restarts: int, orders: int
    ) -> None:
        def some() -> tuple[str, ...]:
            return tuple(rng.sample(list(signals), min(5, len(signals))))

        self.restarts = {moment: some() for moment in rng.sample(range(100, last), restarts)}
        self._orders: dict[str, list[tuple[int, int, Manual]]] = {}
        kinds = list(LASTS_S)
        for k, moment in enumerate(rng.sample(range(100, last), orders)):
            kind = kinds[k % len(kinds)]
            manual = {
                "hold": Manual(hold=True),
                "flash": Manual(flash=True),
                # Every own plan has two stages at least.
                "pre-empt": Manual(pre_empt=rng.randrange(2)),
            }[kind]
            for key in some():
                own = self._orders.setdefault(key, [])
                own.append((moment, moment + LASTS_S[kind], manual))
        self._off: set[str] = set()

    def restarted(self, second: int) -> Collection[str]:
        """Return whose power comes back in a second."""
        return self.restarts.get(second, ())

    def ordered(self, second: int, signal_id: str) -> Manual:
        """Return what is ordered at a junction in a second."""
        for begin, end, manual in self._orders.get(signal_id, ()):
            if begin <= second < end:
                return manual
        return NOTHING

    def off(self, moment: Moment) -> Collection[str]:
        """Return the signals that are out of step for what happened at them, until in step."""
        for key, shown in moment.shown.items():
            if shown.mode not in STEADY:
                self._off.add(key)
            elif shown.in_step:
                self._off.discard(key)
        return self._off
