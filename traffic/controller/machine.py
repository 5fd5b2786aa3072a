"""What a controller's lamps show, second by second: one machine for plans, holds and emergencies.

The machine never computes a state from the clock. It stands in a stage and goes on from there, by
whole greens and whole intergreens; the clock is looked at where a stage begins, to see whether the
signal is in step and which way leads there. So whatever happens to plans, clock and link, no green
is cut below its minimum and no intergreen is left out. Each way is tried on a copy of the conflict
monitor before it is taken.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from traffic.controller.monitor import Monitor
from traffic.errors import UnsafePlanError
from traffic.intergreens import intergreen
from traffic.plan import TimingPlan, Violation
from traffic.safety import require_safe
from traffic.signals import GREEN, Phase, Signal
from traffic.transition import Switch, Way, leave_after_s

LEAST_ALL_RED_S = 5
"""All red at start-up and when flashing ends, unless the signal's own intergreens last longer."""

GENTLE_SHARE = 0.25
"""By how much the short way changes a cycle, as a share of it."""
GENTLE_CYCLES = 2
"""Cycles in which it must be over to be taken."""


class Mode(StrEnum):
    """What decides the lamps."""

    START_UP = "start-up"
    PLAN = "plan"
    OWN_PLAN = "own-plan"
    MANUAL_HOLD = "manual-hold"
    FLASHING = "flashing"
    PRE_EMPTION = "pre-emption"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Orders:
    """What is wanted at the beginning of a second.

    Parameters
    ----------
    clock_s
        Whole seconds since local midnight, by the controller's own clock.
    plan
        The plan to be in step with; None = the controller's own.
    hold
        Manual: whichever stage is green stays so.
    flash
        Yellow flashing, as at night.
    pre_empt
        Index of the stage of the own plan that an emergency vehicle needs; None = nobody does.
    """

    clock_s: int
    plan: TimingPlan | None = None
    hold: bool = False
    flash: bool = False
    pre_empt: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """One second of the lamps.

    Parameters
    ----------
    state
        One character for each signal link.
    mode
        What decided it.
    in_step
        Whether the wanted plan shows the same at this second.
    numbers
        Of each link, what its countdown display shows: seconds until it turns green or stops
        being green; None = dark. Empty where the signal has no displays.
    """

    state: str
    mode: Mode
    in_step: bool
    numbers: tuple[int | None, ...] = ()


@dataclass(slots=True)
class _Piece:
    """What is decided already: seconds of a state, and the stage that they belong to."""

    left_s: int
    state: str
    plan: TimingPlan
    stage: int
    is_green: bool


class Machine:
    """The lamps of one signal.

    Parameters
    ----------
    signal
        The signal, with what the city demands of it.
    own_plan
        The controller's own fixed plan.
    countdown_s
        0: no countdown displays. Otherwise they show the last that many seconds; a number that was
        shown is kept whatever happens.

    Raises
    ------
    UnsafePlanError
        The own plan breaks a rule.
    """

    def __init__(self, signal: Signal, own_plan: TimingPlan, *, countdown_s: int = 0) -> None:
        self.signal = signal
        self.own_plan = require_safe(signal, own_plan)
        self.countdown_s = countdown_s
        self.faults: tuple[Violation, ...] = ()
        self.no_way = ""
        self._monitor = Monitor(signal)
        self._seconds = 0
        self._pieces: deque[_Piece] = deque()
        # Where the pieces lead: the beginning of this stage.
        self._then: tuple[TimingPlan, int] = (own_plan, own_plan.coordinated_stage)
        # The stage that is or was green last, and for how long.
        self._plan, self._stage, self._green_s = own_plan, own_plan.coordinated_stage, 0
        self._last: _Piece | None = None
        self._aim: tuple[TimingPlan, int] | None = None
        self._mode = Mode.START_UP
        self._flashing = False
        # What the wanted plan shows, second by second, worked out once.
        self._wanted: TimingPlan | None = None
        self._states: tuple[str, ...] = ()
        self._all_red("r" * signal.link_count)

    def step(self, orders: Orders) -> Shown:
        """Show one second."""
        wanted = self.own_plan if orders.plan is None else orders.plan
        if self._mode is not Mode.FAULT:
            self._choose(orders, wanted)
            piece = self._pieces[0]
            broken = self._monitor.see(piece.state)
            if broken:
                # Never expected: every way was tried before it was taken.
                self.faults, self._mode = broken, Mode.FAULT
        if self._mode is Mode.FAULT:
            self._seconds += 1
            return Shown(_flash(self.signal), Mode.FAULT, False, self._dark())
        numbers = self._numbers()
        self._take(piece)
        if self._wanted is not wanted:
            self._wanted = wanted
            self._states = tuple(wanted.state_at(t_s) for t_s in range(wanted.cycle_s))
        in_step = piece.state == self._states[orders.clock_s % wanted.cycle_s]
        return Shown(piece.state, self._mode, in_step, numbers)

    def _take(self, piece: _Piece) -> None:
        if piece.is_green:
            self._green_s = 1 if self._begins(piece.state) else self._green_s + 1
            self._plan, self._stage = piece.plan, piece.stage
        self._last = piece
        piece.left_s -= 1
        self._seconds += 1
        if piece.left_s == 0:
            self._pieces.popleft()

    def _choose(self, orders: Orders, wanted: TimingPlan) -> None:
        """Make sure that something is decided for this second."""
        if self._flashing:
            self._go_on_flashing(orders, wanted)
            if self._pieces:
                return
        if self._mode is Mode.START_UP and self._pieces:
            return
        if not self._pieces:
            self._plan, self._stage = self._then
            if self._begins(self._plan.stages[self._stage].green_state):
                self._green_s = 0
            self._decide(orders, wanted)
        elif self._may_think_again(orders, wanted):
            self._decide(orders, wanted)

    def _may_think_again(self, orders: Orders, wanted: TimingPlan) -> bool:
        """Whether what was decided may be decided anew now, and there is a reason to."""
        piece = self._pieces[0]
        if not piece.is_green:
            return False
        begins = self._begins(piece.state)
        if begins:
            self._plan, self._stage, self._green_s = piece.plan, piece.stage, 0
        if self.countdown_s and any(number is not None for number in self._numbers()):
            return False
        if orders.pre_empt is not None:
            return self._mode is not Mode.PRE_EMPTION or begins
        if orders.hold:
            return True
        if self._mode in (Mode.PRE_EMPTION, Mode.MANUAL_HOLD):
            return True
        # A plan that changes waits for the stage's end; with displays, for the cycle's.
        return begins and not self.countdown_s and self._aim != self._aim_at(orders, wanted)

    def _begins(self, green_state: str) -> bool:
        """Whether a green that is shown now was not shown the second before."""
        last = self._last
        return last is None or not last.is_green or last.state != green_state

    def _decide(self, orders: Orders, wanted: TimingPlan) -> None:
        if orders.pre_empt is not None:
            if self._pre_empt(orders.pre_empt):
                return
        elif orders.flash:
            if self._flash_next():
                return
        elif orders.hold:
            self._mode = Mode.MANUAL_HOLD
            self._hold()
            return
        self._follow(orders, wanted)

    def _hold(self) -> None:
        """Show the present stage's green for one more second."""
        state = self._plan.stages[self._stage].green_state
        self._pieces.clear()
        self._pieces.append(_Piece(1, state, self._plan, self._stage, True))
        self._then = (self._plan, self._stage)
        self._aim = None

    # -- plans

    @property
    def _since_s(self) -> int:
        """Where in its plan's cycle the signal stands.

        A green that was held longer than the plan has it counts as one in its last second.
        """
        stage = self._plan.stages[self._stage]
        return self._plan.stage_start_s(self._stage) + min(self._green_s, stage.green_s - 1)

    def _aim_at(self, orders: Orders, wanted: TimingPlan) -> tuple[TimingPlan, int]:
        """What it is in step with: a plan, and its clock against the seconds shown."""
        there_s = orders.clock_s - wanted.program_start_s - self._seconds
        return wanted.with_offset(0), there_s % wanted.cycle_s

    def _follow(self, orders: Orders, wanted: TimingPlan) -> None:
        """Go on with the wanted plan, or on a way into step with it."""
        there_s = (orders.clock_s - wanted.program_start_s) % wanted.cycle_s
        self._mode = Mode.OWN_PLAN if orders.plan is None else Mode.PLAN
        self.no_way = ""
        aim = self._aim_at(orders, wanted)
        if self._plan.with_offset(0) == wanted.with_offset(0) and self._since_s == there_s:
            self._pieces.clear()
            self._run(wanted, self._stage, there_s)
            self._aim = aim
            return
        for way in self._ways(wanted, there_s):
            pieces = self._pieces_of(way, wanted)
            if self._is_safe(pieces, (wanted, way.stage)):
                self._pieces = deque(pieces)
                self._then = (wanted, way.stage)
                if not pieces:
                    self._run(wanted, way.stage, there_s)
                self._aim = aim
                return
        # Never expected of plans that were checked: it goes on as it is, and says so.
        self.no_way = f"no safe way into the plan from stage {self._stage}"
        self._aim = aim
        if not self._pieces:
            self._run(self._plan, self._stage, self._since_s)

    def _ways(self, wanted: TimingPlan, there_s: int) -> Iterator[Way]:
        yield from ways_into(self.signal, self._plan, wanted, self._since_s, there_s)

    def _pieces_of(self, way: Way, wanted: TimingPlan) -> list[_Piece]:
        plans = {True: wanted, False: self._plan}
        return [
            _Piece(row.duration_s, row.state, plans[row.into], row.stage, row.is_green)
            for row in way.rows
        ]

    def _run(self, plan: TimingPlan, stage: int, at_s: int) -> None:
        """Decide the rest of a stage and its intergreen; with displays, of a whole cycle."""
        count = len(plan.stages)
        begun_s = at_s - plan.stage_start_s(stage)
        for k in range(stage, stage + (count if self.countdown_s else 1)):
            at = k % count
            rest_s = plan.stages[at].green_s - (begun_s if k == stage else 0)
            if rest_s > 0:
                state = plan.stages[at].green_state
                self._pieces.append(_Piece(rest_s, state, plan, at, True))
            for phase in plan.stages[at].intergreen:
                piece = _Piece(int(phase.duration_s), phase.state, plan, at, False)
                self._pieces.append(piece)
            self._then = (plan, (at + 1) % count)

    def _is_safe(self, pieces: Sequence[_Piece], then: tuple[TimingPlan, int]) -> bool:
        """Try a way, and a cycle of the plan after it, on a copy of the monitor."""
        watch = self._monitor.copy()
        plan, stage = then
        rows: list[Phase] = [Phase(piece.left_s, piece.state) for piece in pieces]
        for k in range(stage, stage + len(plan.stages)):
            rows += plan.phases_of(plan.stages[k % len(plan.stages)])
        if not pieces:
            # The stage goes on: its green has begun already.
            begun_s = min(self._green_s, int(rows[0].duration_s) - 1)
            rows[0] = Phase(rows[0].duration_s - begun_s, rows[0].state)
        return not any(watch.see(row.state, int(row.duration_s)) for row in rows)

    # -- emergencies

    def _pre_empt(self, stage: int) -> bool:
        """Go to a stage of the own plan as soon as that is safe, and stay there."""
        own = self.own_plan
        if self._plan.with_offset(0) == own.with_offset(0) and self._stage == stage:
            if self._mode is not Mode.PRE_EMPTION:
                self._mode = Mode.PRE_EMPTION
            self._hold()
            return True
        switches = _switches(self.signal, self._plan.with_offset(0), own.with_offset(0))
        if not switches:
            return False
        for way in switches[0].entries_into(self._since_s, stage):
            pieces = self._pieces_of(way, own)
            if self._is_safe(pieces, (own, stage)):
                self._pieces = deque(pieces)
                self._then = (own, stage)
                if not pieces:
                    self._plan, self._stage = own, stage
                    self._hold()
                self._mode = Mode.PRE_EMPTION
                self._aim = None
                return True
        return False

    # -- flashing

    def _flash_next(self) -> bool:
        """End the stage that begins as soon as it may end, and flash from then on."""
        stage = self._plan.stages[self._stage]
        red = "r" * self.signal.link_count
        between = intergreen(self.signal, stage.green_state, red)
        between_s = sum(int(phase.duration_s) for phase in between)
        rest_s = max(0, leave_after_s(self.signal, stage, between_s) - self._green_s)
        plan, at = self._plan, self._stage
        pieces = [_Piece(rest_s, stage.green_state, plan, at, True)] if rest_s else []
        pieces += [_Piece(int(p.duration_s), p.state, plan, at, False) for p in between]
        pieces.append(_Piece(1, red, plan, at, False))
        watch = self._monitor.copy()
        if any(watch.see(piece.state, piece.left_s) for piece in pieces):
            return False
        self._pieces = deque(pieces)
        self._flashing, self._aim = True, None
        return True

    def _go_on_flashing(self, orders: Orders, wanted: TimingPlan) -> None:
        if self._pieces:
            return
        if orders.flash and orders.pre_empt is None:
            self._mode = Mode.FLASHING
            self._pieces.append(_Piece(1, _flash(self.signal), self._plan, self._stage, False))
            return
        self._flashing = False
        self._mode = Mode.START_UP
        needed = orders.pre_empt
        self._then = (
            (wanted, wanted.coordinated_stage) if needed is None else (self.own_plan, needed)
        )
        self._all_red("r" * self.signal.link_count)

    def _all_red(self, red: str) -> None:
        longest_s = max(stage.intergreen_s for stage in self.own_plan.stages)
        plan, stage = self._then
        self._pieces.append(_Piece(max(LEAST_ALL_RED_S, longest_s), red, plan, stage, False))

    # -- displays

    def _dark(self) -> tuple[int | None, ...]:
        return (None,) * self.signal.link_count if self.countdown_s else ()

    def _numbers(self) -> tuple[int | None, ...]:
        """What the displays show at the second to come: what is decided, and nothing else."""
        if not self.countdown_s:
            return ()
        plan, stage = self._then
        rows = [(piece.left_s, piece.state) for piece in self._pieces]
        if not self._flashing:
            rows.append((1, plan.stages[stage].green_state))
        return tuple(self._number(rows, link) for link in range(self.signal.link_count))

    def _number(self, rows: Sequence[tuple[int, str]], link: int) -> int | None:
        green = rows[0][1][link] in GREEN
        if not green and rows[0][1][link] not in "rsu":
            return None
        left_s = 0
        for row_s, state in rows:
            if (state[link] in GREEN) != green:
                return left_s if left_s <= self.countdown_s else None
            left_s += row_s
            if left_s > self.countdown_s:
                return None
        return None


def ways_into(
    signal: Signal, old: TimingPlan, new: TimingPlan, since_s: int, there_s: int
) -> Iterator[Way]:
    """Yield the ways from a place in the one plan's cycle into step with the other, best first.

    The short way, which changes a cycle by a quarter at most, is taken as long as it is over
    within two cycles; else whichever is over first of it, dwelling, and a short way that changes
    greens as far as they may be.
    """
    found: list[Way] = []
    for switch in _switches(signal, old.with_offset(0), new.with_offset(0)):
        own = list(switch.ways(since_s, there_s))
        if not found and own and own[0].duration_s <= GENTLE_CYCLES * new.cycle_s:
            yield from own
            own = []
        found += own
    yield from sorted(found, key=lambda way: way.duration_s)


def longest_way_s(signal: Signal, old: TimingPlan, new: TimingPlan) -> int:
    """Return a bound of the time that getting into step takes from any stage's begin, in s.

    Where the new plan has every stage of the old one, dwelling alone is over within two of its
    cycles; else every second of its cycle is looked at.

    Raises
    ------
    UnsafePlanError
        No safe way leads from the one plan to the other.
    """
    return _longest_way_s(signal, old.with_offset(0), new.with_offset(0))


@lru_cache(maxsize=65536)
def _longest_way_s(signal: Signal, old: TimingPlan, new: TimingPlan) -> int:
    switches = _switches(signal, old, new)
    if not switches:
        raise UnsafePlanError("no safe way leads into the new plan", where=f"signal {signal.id}")
    pairs = switches[0].pairs
    common = {a for a, b in pairs if old.stages[a].green_state == new.stages[b].green_state}
    if common == set(range(len(old.stages))):
        return GENTLE_CYCLES * new.cycle_s
    longest_s = 0
    for k in range(len(old.stages)):
        since_s = old.stage_start_s(k)
        for there_s in range(new.cycle_s):
            way_s = 10**9
            for switch in switches:
                own_s = min(end_s for end_s, _, _ in switch.ends(since_s, there_s))
                way_s = min(way_s, own_s)
                if way_s <= GENTLE_CYCLES * new.cycle_s:
                    break
            longest_s = max(longest_s, way_s)
    return longest_s


@lru_cache(maxsize=4096)
def _switches(signal: Signal, old: TimingPlan, new: TimingPlan) -> tuple[Switch, ...]:
    """Ways of getting from plan to plan, the gentlest first; none where none is safe."""
    try:
        gentle = Switch.between(signal, old, new, "short-way", GENTLE_SHARE)
    except UnsafePlanError:
        return ()
    # Where a signal may go over, and how far greens may be shortened, is the same for all.
    brisk = replace(gentle.resync, most_share=1.0)
    return (
        gentle,
        replace(gentle, method="dwell", changes={}),
        replace(gentle, resync=brisk, changes={}),
    )


def _flash(signal: Signal) -> str:
    """Yellow flashing for vehicles; dark for people on foot."""
    crossings = {link.index for link in signal.links if link.is_crossing}
    return "".join("O" if k in crossings else "o" for k in range(signal.link_count))
