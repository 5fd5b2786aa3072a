"""The conflict monitor: watches what the lamps show, second by second, and knows no plan.

It is told states only, and shares no code path with what decides them: a controller asks it before
it takes a way, and shows nothing that it refuses.
"""

from collections.abc import Iterator
from copy import copy
from typing import Self

from traffic.intergreens import change_times
from traffic.plan import Violation
from traffic.right_of_way import conflicts, is_off, odd_aspects
from traffic.safety import DEFAULT_RULES, Rules, own_sudden_ends
from traffic.signals import GREEN, Signal

_SLACK_S = 1e-6


class Monitor:
    """What the lamps of one signal have shown so far, as far as safety needs it.

    Rules: ``aspect`` (a signal that flashes altogether may), ``conflict``, ``minimum-green`` (of
    crossings the walk), ``pedestrian`` (from the beginning of a crossing's green to the beginning
    of a conflicting one lies what people need), ``yellow`` and ``intergreen``, as in
    ``traffic.safety``. What began before the watch did counts as long enough.

    Parameters
    ----------
    signal
        With the city's own demands in it.
    rules
        What is demanded beyond what the network shows.
    """

    def __init__(self, signal: Signal, rules: Rules = DEFAULT_RULES) -> None:
        self._signal = signal
        self._rules = rules
        self._times = change_times(signal)
        self._sudden = own_sudden_ends(signal)
        lengths: dict[int, float] = {}
        for link in signal.links:
            if link.is_crossing:
                lengths[link.index] = max(link.length_m, lengths.get(link.index, 0.0))
        self._need_s = {
            k: rules.walk_s + length_m / rules.walking_speed_mps for k, length_m in lengths.items()
        }
        self._vehicles = {link.index for link in signal.links} - set(lengths)
        self._second = 0
        self._state = ""
        self._green_at: dict[int, int] = {}
        self._ended_at: dict[int, int] = {}
        self._yellow_at: dict[int, int] = {}

    def copy(self) -> Self:
        """Return a monitor that has seen the same and goes on by itself."""
        twin = copy(self)
        twin._green_at = dict(self._green_at)
        twin._ended_at = dict(self._ended_at)
        twin._yellow_at = dict(self._yellow_at)
        return twin

    def see(self, state: str, seconds: int = 1) -> tuple[Violation, ...]:
        """Take note of a state that is shown for whole seconds; return what it breaks."""
        was, now_s = self._state, self._second
        self._second += seconds
        if state == was:
            return ()
        self._state = state
        if len(state) != self._signal.link_count:
            value = f"{len(state)} links; expected {self._signal.link_count}"
            return (Violation("links", str(now_s), value),)
        found = [
            Violation("conflict", str(now_s), f"links {a} and {b} are {state[a]} and {state[b]}")
            for a, b in conflicts(self._signal, state)
        ]
        if not is_off(state):
            found += [
                Violation("aspect", str(now_s), f"link {k} is {state[k]}")
                for k in odd_aspects(self._signal, state)
            ]
        if not was:
            return tuple(found)
        changed = [k for k, (a, b) in enumerate(zip(was, state, strict=True)) if a != b]
        for k in changed:
            found += self._ends(k, was[k], state[k], now_s)
        for k in changed:
            if _begins(was[k], state[k]):
                found += self._starts(k, was, state, now_s)
        for k in changed:
            if state[k] in GREEN and was[k] not in GREEN:
                self._green_at[k] = now_s
        return tuple(found)

    def _ends(self, k: int, was: str, shown: str, now_s: int) -> Iterator[Violation]:
        if was in GREEN and shown not in GREEN:
            least_s: float = self._rules.walk_s
            if k in self._vehicles:
                least_s = max(self._rules.min_green_s, self._signal.min_green_s.get(k, 0.0))
            run_s = now_s - self._green_at.get(k, -(10**9))
            if (k in self._vehicles or k in self._need_s) and run_s < least_s - _SLACK_S:
                value = f"link {k}: {run_s} s; expected {least_s:g} or more"
                yield Violation("minimum-green", str(now_s), value)
            self._ended_at[k] = now_s
            if k in self._vehicles and shown != "y" and k not in self._sudden:
                yield Violation("yellow", str(now_s), f"link {k} ends without yellow")
        if shown == "y":
            self._yellow_at[k] = now_s
        if was == "y":
            run_s = now_s - self._yellow_at.get(k, -(10**9))
            least_s = self._times.yellow(k)[0]
            if k in self._vehicles and run_s < least_s - _SLACK_S:
                yield Violation("yellow", str(now_s), f"link {k}: {run_s} s; expected {least_s:g}")

    def _starts(self, b: int, was: str, state: str, now_s: int) -> Iterator[Violation]:
        for a in sorted(self._signal.foes[b]):
            if state[a] in GREEN:
                if (was[a], state[a]) != ("G", "g"):
                    continue
                gap_s = 0
            elif a in self._ended_at:
                gap_s = now_s - self._ended_at[a]
            else:
                continue
            least_s, _ = self._times.gap(a, b, is_crossing=a in self._need_s)
            if gap_s < least_s - _SLACK_S:
                value = f"link {b} begins {gap_s} s after link {a}; expected {least_s:g}"
                yield Violation("intergreen", str(now_s), value)
            need_s = self._need_s.get(a, 0.0)
            walked_s = now_s - self._green_at.get(a, -(10**9))
            if state[a] not in GREEN and walked_s < need_s - _SLACK_S:
                value = f"link {b} begins {walked_s} s after crossing {a} did; expected {need_s:g}"
                yield Violation("pedestrian", str(now_s), value)


def _begins(was: str, shown: str) -> bool:
    return shown in GREEN and (was not in GREEN or (was, shown) == ("g", "G"))
