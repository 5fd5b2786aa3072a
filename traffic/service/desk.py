"""What all calls about plans on the street share: the state, the one writer, who waits."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass

import structlog

from traffic.controller.held import Program
from traffic.errors import InvalidInputError, NotFoundError
from traffic.io.protobuf import signal_id_from_name
from traffic.io.street_messages import in_force_to_proto, program_to_proto
from traffic.service.waiting import Waiting, tell
from traffic.store import Commit, PlanStore, StaleError, StorageError
from traffic.street.decisions import CityStreets
from traffic.street.events import AlarmCleared, Enrolled, Event, SwitchMade
from traffic.street.going_over import answer
from traffic.street.health import AlarmKind, Clocks, Health, HealthRules, clocks_of, forgiven
from traffic.street.state import Street, signals_touched
from traffic.street.switching import Switch, SwitchState
from traffic.street.watch import tick
from traffic.street.wrong_clocks import left_out
from traffic.v1 import signal_timing_pb2 as pb

log = structlog.get_logger()

TICK_S = 1.0
MOST_PROGRAMS = 50_000
"""Programs that are kept as messages, of signals by schedule."""
LOOKS = 10
"""Ticks in which every controller's health is looked at once."""
MOST_TRIES = 20

Answers = tuple[set[str], dict[str, str]]
"""Who has acknowledged a switch, and who refuses it for which reason; nobody does both."""
Decide = Callable[[Street], tuple[Event, ...]]


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for a write, and how a repetition is known; an empty id = the service itself."""

    request_id: str = ""
    fingerprint: bytes = b""


class Desk:
    """The plans of one city; all its methods belong to one event loop.

    Parameters
    ----------
    city_id
        The ``{city}`` of the resource names.
    city
        The city's signals and groups.
    store
        The log; read once, at construction.
    clock
        Now, in UTC epoch milliseconds.
    rules
        When something is wrong with a controller.
    caller
        Who makes the call that is under way, as the server knows him; empty = nobody in particular.
    """

    def __init__(
        self,
        *,
        city_id: str,
        city: CityStreets,
        store: PlanStore,
        clock: Callable[[], int],
        rules: HealthRules | None = None,
        caller: Callable[[], str] = lambda: "",
    ) -> None:
        self.city_id = city_id
        self.parent = f"cities/{city_id}"
        self.city = city
        self.clock = clock
        self.rules = rules or HealthRules()
        self.street = Street()
        self.healths: dict[str, Health] = {}
        self.counts: dict[str, dict[str, pb.DetectorCount]] = {}
        self.is_ending = False
        self.tick_s = TICK_S
        self.log_id = store.log_id
        self._caller = caller
        self._store = store
        self._lock = asyncio.Lock()
        self._waiting: dict[str, set[Waiting]] = {}
        self._looked = 0
        self._refused_ms: dict[str, int] = {}
        self._answers: dict[str, Answers] = {}
        self._programs: dict[tuple[str, str], pb.SignalProgram] = {}
        self._plans: dict[str, tuple[int, int | None, pb.TimingPlan]] = {}
        self._waking: set[asyncio.Task[None]] = set()
        for entry in store.load():
            self.street.apply(entry.events, entry.revision)
        if not store.is_shared:
            # They should come back; of those that speak with another server nothing is known here.
            now = Health(clock(), is_waited_for=True)
            self.healths = dict.fromkeys(self.street.known, now)
        loop = asyncio.get_running_loop()

        def told() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is served
                loop.call_soon_threadsafe(self._heard)

        store.watch(told)

    # -- writing

    async def carry_out(
        self,
        decide: Decide,
        asked: Asked | None = None,
        reply: Callable[[Street, tuple[Event, ...]], bytes] | None = None,
    ) -> bytes:
        """Decide on the newest state, write what happened, and return the answer.

        Parameters
        ----------
        decide
            From the state to what happens; called anew when another server has written meanwhile.
            It runs in a thread while nobody else writes.
        asked
            Who asks; None = the service itself.
        reply
            The serialised answer, from the state after it and what happened.

        Raises
        ------
        TrafficError
            What ``decide`` raises; then nothing happened.
        StorageError
            The log cannot be written.
        """
        asked = asked or Asked()
        async with self._lock:
            for _ in range(MOST_TRIES):
                if asked.request_id:
                    known = await asyncio.to_thread(
                        self._store.find, asked.request_id, asked.fingerprint
                    )
                    if known is not None:
                        return known
                base, now_ms = self.street.revision, self.clock()
                happened = await asyncio.to_thread(decide, self.street)
                if not happened and not asked.request_id:
                    return b""

                def told(revision: int, events: tuple[Event, ...] = happened) -> bytes:
                    if reply is None:
                        return b""
                    after = self.street.copy()
                    after.apply(events, revision)
                    self._make_ready(after, events)
                    return reply(after, events)

                commit = Commit(
                    base, happened, now_ms, asked.request_id, asked.fingerprint, reply=told
                )
                try:
                    kept = await asyncio.to_thread(self._store.append, commit)
                except StaleError:
                    await self._read_on()
                    continue
                if kept.is_new:
                    self._take_in(happened, kept.revision)
                else:
                    await self._read_on()
                return kept.reply
        raise StorageError("others write all the time", where="plans")

    async def carry_out_looked_at(
        self,
        decide: Decide,
        asked: Asked,
        reply: Callable[[Street, tuple[Event, ...]], bytes],
        *,
        look: Decide | None = None,
    ) -> bytes:
        """Carry out what takes long, looked at beside other writes first.

        Thousands of plans take seconds; what is found out about them, and about ways between them,
        is remembered. ``look`` finds it out; None = ``decide`` itself does. Else as ``carry_out``.
        """
        known = await self.answered(asked)
        if known is not None:
            return known
        await asyncio.to_thread(look or decide, self.street.copy())
        return await self.carry_out(decide, asked, reply)

    async def answered(self, asked: Asked) -> bytes | None:
        """Return the answer that a request was given before.

        Raises
        ------
        InvalidInputError
            Its id was used with another request.
        """
        async with self._lock:
            return await asyncio.to_thread(self._store.find, asked.request_id, asked.fingerprint)

    def _take_in(self, events: Iterable[Event], revision: int) -> None:
        happened = tuple(events)
        self.street.apply(happened, revision)
        touched = signals_touched(happened, self.street)
        for signal_id in touched:
            self._plans.pop(signal_id, None)
        if touched:
            self._wake(touched)

    async def catch_up(self) -> None:
        """Take in what other servers have written so far."""
        if self._store.is_shared:
            async with self._lock:
                await self._read_on()

    async def _read_on(self) -> None:
        """Take in what another server has written."""
        for entry in await asyncio.to_thread(self._store.load, self.street.revision):
            if entry.revision > self.street.revision:
                self._take_in(entry.events, entry.revision)
                for event in entry.events:
                    if isinstance(event, AlarmCleared) and event.kind is AlarmKind.SILENT:
                        # It speaks with another server now: that one looks after it.
                        self.healths.pop(event.signal_id, None)

    def _heard(self) -> None:
        async def read_on() -> None:
            # A database that is gone again speaks again when it is back.
            with contextlib.suppress(StorageError):
                async with self._lock:
                    try:
                        await self._read_on()
                    except InvalidInputError as error:
                        log.error("another server writes what this one cannot read", why=str(error))

        self._spawn(read_on())

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._waking.add(task)
        task.add_done_callback(self._waking.discard)

    async def run(self) -> None:
        """Let time pass: decide switches, raise and clear alarms, take answers in."""
        while True:
            await asyncio.sleep(self.tick_s)
            try:
                await self.pass_time()
            except StorageError as error:
                log.warning("the plans cannot be written now", error=str(error))
            except Exception:
                # Whatever it is: time goes on, and switches are still decided.
                log.exception("passing time failed")

    async def pass_time(self) -> None:
        """Do what is due now."""
        answers, self._answers = self._answers, {}
        # Threads are given what does not change under their hands.
        heard = tuple(self.healths)
        try:
            await self.carry_out(lambda street: self._answered(street, answers, heard))
        except BaseException:
            # Controllers were told that they are taken in.
            self._put_back(answers)
            raise
        # A tenth at a time: thousands at once would hold other calls up.
        self._looked = (self._looked + 1) % LOOKS
        known = tuple(self.healths.items())
        seen = dict(known[self._looked :: LOOKS])
        clocks = clocks_of(dict(known), self.clock(), self.rules)
        if clocks.in_doubt:
            self.healths |= {k: left for k, h in known if (left := forgiven(h)) is not h}
        seen |= {k: self.healths[k] for k in clocks.wrong}
        await self.carry_out(
            lambda street: tick(street, self.city, seen, self.clock(), self.rules, clocks)
        )
        # Apart from that: whatever hinders it, switches are decided and alarms are raised.
        await self._leave_out(clocks)

    async def _leave_out(self, clocks: Clocks) -> None:
        """Leave out whose clocks are wrong: looked at beside other writes, which takes long."""
        if not clocks.wrong:
            return

        def decide(street: Street) -> tuple[Event, ...]:
            now_ms = self.clock()
            found = left_out(street, self.city, clocks, now_ms, self.rules, self._refused_ms)
            for draft_id, why in found.refused.items():
                self._refused_ms[draft_id] = now_ms
                log.warning("a schedule without wrong clocks is not safe", id=draft_id, why=why)
            return found.events

        if await asyncio.to_thread(decide, self.street.copy()):
            await self.carry_out(decide)

    def _put_back(self, answers: Mapping[str, Answers]) -> None:
        """Take answers in again that could not be written; what was said since counts more."""
        for switch_id, (acknowledged, refused) in answers.items():
            now = self._answers.setdefault(switch_id, (set(), {}))
            newer = {*now[0], *now[1]}
            now[0].update(acknowledged - newer)
            now[1].update({k: why for k, why in refused.items() if k not in newer})

    def _answered(
        self,
        street: Street,
        answers: Mapping[str, Answers],
        heard: Collection[str],
    ) -> tuple[Event, ...]:
        now_ms = self.clock()
        fresh = tuple(sorted(k for k in heard if k not in street.known))
        events: list[Event] = [Enrolled(fresh, now_ms)] if fresh else []
        for switch_id, (acknowledged, refused) in answers.items():
            events += answer(street, switch_id, sorted(acknowledged), refused)
        return tuple(events)

    # -- controllers

    def heard_of(self, signal_id: str) -> None:
        """Note that a controller is there."""
        now_ms = self.clock()
        known = self.healths.get(signal_id)
        self.healths[signal_id] = Health(now_ms) if known is None else known.heard(now_ms)

    def answer(self, signal_id: str, switch_id: str, refusal: str) -> None:
        """Take an answer to a switch in; it is written within a second, with all others."""
        self.street.switch(switch_id, where="switch")
        self.heard_of(signal_id)
        acknowledged, refused = self._answers.setdefault(switch_id, (set(), {}))
        if refusal:
            refused[signal_id] = refusal
            acknowledged.discard(signal_id)
        else:
            acknowledged.add(signal_id)
            refused.pop(signal_id, None)

    # -- reading

    def program(self, street: Street, switch: Switch, signal_id: str) -> pb.SignalProgram | None:
        """Return what a signal goes over to by a switch; None where the switch is off."""
        if switch.state not in (SwitchState.PROPOSED, SwitchState.COMMITTED):
            return None
        key = (switch.schedule.id, signal_id)
        found = self._programs.get(key)
        if found is None:
            if len(self._programs) >= MOST_PROGRAMS:
                self._programs = {}
            own = Program.of(switch.schedule, signal_id, street)
            found = program_to_proto(own, self.city_id)
            self._programs[key] = found
        return found

    def _make_ready(self, street: Street, events: Iterable[Event]) -> None:
        """Make the programs of new switches before thousands ask for them at once."""
        for event in events:
            if isinstance(event, SwitchMade):
                for signal_id in event.switch.signals:
                    self.program(street, event.switch, signal_id)

    def plan_message(self, signal_id: str, time_ms: int) -> pb.TimingPlan:
        """Return the plan in force for a signal at a time, or raise NotFoundError."""
        kept = self._plans.get(signal_id)
        if kept is not None:
            from_ms, until_ms, message = kept
            if from_ms <= time_ms and (until_ms is None or time_ms < until_ms):
                return message
        entry = self.street.in_force(signal_id, time_ms)
        if entry.plan is None:
            raise NotFoundError(
                "is to run its controller's own plan at that time", where=f"signal {signal_id}"
            )
        message = in_force_to_proto(entry, self.city_id)
        self._plans[signal_id] = (entry.from_ms, entry.until_ms, message)
        return message

    def waiting(self, signals: Collection[str]) -> Waiting:
        """Wait for changes of signals; use it as a context manager."""
        return Waiting(self._waiting, signals)

    def end(self) -> None:
        """Wake everybody who waits, for good."""
        self.is_ending = True
        for found in self._waiting.values():
            for waiting in found:
                waiting.wake()

    def _wake(self, touched: Collection[str]) -> None:
        found = {w for signal_id in touched for w in self._waiting.get(signal_id, ())}
        if found:
            self._spawn(tell(found))

    # -- names

    def check_parent(self, parent: str) -> None:
        """Refuse another city."""
        if parent != self.parent:
            raise NotFoundError(f"no city {parent!r}; this is {self.parent}", where="parent")

    def signal_id(self, name: str, *, where: str) -> str:
        """Return the id of one of the city's signals."""
        signal_id = signal_id_from_name(name, where=where)
        known = signal_id in self.city.signals
        if name != f"{self.parent}/signals/{signal_id}" or not known:
            raise NotFoundError(f"no signal {name[:200]!r}", where=where)
        return signal_id

    def author(self, given: str) -> str:
        """Return who asks: as the server knows him, else as he says."""
        if len(given) > 200:
            raise InvalidInputError(f"{len(given)} characters; expected 200", where="author")
        return self._caller() or given
