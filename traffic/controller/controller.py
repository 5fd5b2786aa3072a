"""One controller: what it holds, what its lamps show, and how it says it is."""

from dataclasses import dataclass, replace

from traffic.controller.held import Held, HeldSwitch, why_not
from traffic.controller.machine import Machine, Mode, Orders, Shown
from traffic.errors import InvalidInputError
from traffic.plan import TimingPlan
from traffic.signals import Signal
from traffic.stages import stages_of
from traffic.street import calendar


@dataclass(frozen=True, slots=True)
class Manual:
    """What somebody at the junction, or an emergency vehicle, orders; see ``Orders``."""

    hold: bool = False
    flash: bool = False
    pre_empt: int | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """How a controller is; ``switch`` empty = its own plan."""

    switch: str
    revision: int
    mode: Mode
    out_of_step_s: int
    in_step: bool
    faults: tuple[str, ...]


NOTHING = Manual()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What of ``held`` is wanted in ``[from_ms, until_ms)``; ``plan`` None = the own one."""

    held: Held
    from_ms: int
    until_ms: int
    switch: str
    plan: TimingPlan | None


class Controller:
    """The controller of one signal.

    One thread steps it, another may tell it things: all that passes between them is ``held``, which
    is replaced as a whole.

    Parameters
    ----------
    signal
        The signal, with what the city demands of it: the controller's own knowledge.
    own_plan
        Its fixed plan, for when it has never been told another; None = the network's program.
    held
        What it held when it last went.
    countdown_s
        See ``Machine``.
    """

    def __init__(
        self,
        signal: Signal,
        own_plan: TimingPlan | None = None,
        *,
        held: Held | None = None,
        countdown_s: int = 0,
    ) -> None:
        self.signal = signal
        self.own_plan = own_plan or fixed_plan(signal)
        self.held = held or Held()
        self._machine = Machine(signal, self.own_plan, countdown_s=countdown_s)
        self._out_of_step_s = 0
        self._wanted = _Wanted(self.held, 0, 0, "", None)
        self._shown = Shown("r" * signal.link_count, Mode.START_UP, False)

    def told(self, switch: HeldSwitch, now_ms: int) -> str:
        """Take a switch in; return why it is refused, or nothing if it is kept."""
        self.held, refusal = self.considered(self.held, switch, now_ms)
        return refusal

    def considered(self, held: Held, switch: HeldSwitch, now_ms: int) -> tuple[Held, str]:
        """Check a switch; return what is held with it, and why it is refused, or nothing.

        The controller goes by it once ``held`` is set to it: what is to survive a power cut is
        written before.
        """
        if switch.program is not None:
            refusal = why_not(self.signal, self.own_plan, held, switch.program)
            switch = replace(switch, refusal=refusal)
        return held.told(switch, now_ms), switch.refusal

    def step(self, now_ms: int, manual: Manual = NOTHING) -> Shown:
        """Show one second.

        Parameters
        ----------
        now_ms
            The controller's own clock, UTC epoch milliseconds.
        manual
            What is ordered at the junction.
        """
        if manual.pre_empt is not None and not 0 <= manual.pre_empt < len(self.own_plan.stages):
            raise InvalidInputError(
                f"{manual.pre_empt}; the own plan has {len(self.own_plan.stages)} stages",
                where="pre_empt",
            )
        plan = self._look(now_ms).plan
        orders = Orders(calendar.clock_s(now_ms), plan, manual.hold, manual.flash, manual.pre_empt)
        self._shown = self._machine.step(orders)
        self._out_of_step_s += not self._shown.in_step
        return self._shown

    def _look(self, now_ms: int) -> _Wanted:
        """Find out which plan is wanted, where that may have changed."""
        held, last = self.held, self._wanted
        if held is last.held and last.from_ms <= now_ms < last.until_ms:
            return last
        current = held.current(now_ms)
        switch_id = "" if current is None else current.id
        if switch_id != last.switch:
            self._out_of_step_s = 0
        # Looked at again at the next minute: a switch or a period begins on whole seconds.
        ends_ms = [now_ms + 60_000]
        ends_ms += [s.activate_at_ms for s in held.switches if s.activate_at_ms > now_ms]
        plan = None
        if current is not None and current.program is not None:
            plan = current.program.plan_at(now_ms)
            until_ms = calendar.running(current.program.schedule, now_ms).until_ms
            ends_ms += [] if until_ms is None else [until_ms]
        self._wanted = _Wanted(held, now_ms, min(ends_ms), switch_id, plan)
        return self._wanted

    @property
    def plan(self) -> TimingPlan:
        """The plan that is wanted now."""
        return self._wanted.plan or self.own_plan

    def status(self) -> Status:
        """Return how it is now."""
        wanted = self._wanted
        faults = [str(violation) for violation in self._machine.faults]
        if self._machine.no_way:
            faults.append(self._machine.no_way)
        return Status(
            wanted.switch if wanted.plan is not None else "",
            self.held.revision,
            self._shown.mode,
            self._out_of_step_s,
            self._shown.in_step,
            tuple(faults),
        )


def fixed_plan(signal: Signal) -> TimingPlan:
    """Return the network's own program as a fixed plan, in whole seconds and with safe greens."""
    stages = stages_of(signal)
    cycle_s = sum(stage.duration_s for stage in stages)
    return TimingPlan(signal.id, cycle_s, round(signal.program.offset_s) % cycle_s, stages)
