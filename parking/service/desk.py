"""What all calls of the service share: the ledger's writer, the lots, the clock, repetitions."""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

import grpc

from parking.allocation import PassedOver
from parking.errors import InvalidInputError, NotFoundError, RuleError
from parking.inventory import Lot
from parking.io.protobuf import check_uuid, reservation_to_proto
from parking.io.protobuf_lots import lot_to_proto, pool_to_proto
from parking.ledger import Accounted, Command, Event, LedgerState, Reservation, Rules, lot_rules
from parking.ledger.events import LotChanged, LotClosed, LotOpened, LotRulesSet
from parking.opening import is_open
from parking.privacy import DriverMap, Secrets
from parking.service.places import Places, places_of
from parking.service.watchers import Watchers
from parking.store import ReservationStore
from parking.store_writer import LedgerWriter
from parking.travel import TravelTimes
from parking.v1 import parking_pb2 as pb

# The stubs make it generic, the class itself is not.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
M = TypeVar("M")

CALLER = "greenlot-caller"
_CALLER = re.compile(r"[0-9A-Za-z._\-]{1,64}")
DEFAULT_PAGE = 20
MAX_PAGE = 200
DEFAULT_STAY_MS = 3_600_000


class HasDesk(Protocol):
    """A group of calls, at the desk that they share."""

    desk: "Desk"


class Desk:
    """The service's own side: what it knows, and how it answers once.

    Parameters
    ----------
    city_id, clock, travel, rules
        As of ``ParkingService``.
    store
        Where the log and the drivers' keys are.
    secrets
        Of the drivers' digests; None = drivers cannot be told apart by plate or phone.
    caller
        Who makes the call that is under way, as the server knows him; empty = nobody in particular.
    """

    def __init__(
        self,
        *,
        city_id: str,
        store: ReservationStore,
        clock: Callable[[], int],
        travel: TravelTimes,
        rules: Rules,
        secrets: Secrets | None,
        caller: Callable[[], str] = lambda: "",
    ) -> None:
        self.city_id = city_id
        self.parent = f"cities/{city_id}"
        self.store = store
        self.clock = clock
        self.travel = travel
        self.rules = rules
        self.watchers = Watchers()
        self.ending = asyncio.Event()
        self.writer: LedgerWriter
        self.places: Places
        self._secrets = secrets
        self._caller = caller

    def open(self, writer: LedgerWriter) -> None:
        """Begin with a writer that has read the log."""
        self.writer = writer
        self.places = places_of(writer.durable)
        writer.listen(self._reached)

    def _reached(self, events: Sequence[Event]) -> None:
        """Follow what is on the disk: the lots, and who is to be woken."""
        changed = {
            event.lot_id
            for event in events
            if isinstance(event, LotChanged | LotRulesSet | LotClosed | LotOpened)
        }
        if changed:
            self.places = places_of(self.writer.durable, self.places, changed)
        self.watchers.wake(self._keys(events))

    def _keys(self, events: Iterable[Event]) -> Iterable[str]:
        reservations = self.writer.durable.reservations
        for event in events:
            reservation_id = getattr(event, "reservation_id", "")
            reservation = reservations.get(reservation_id) if reservation_id else None
            if reservation is not None:
                yield f"r:{reservation_id}"
                yield f"d:{reservation.driver_id}"
                if reservation.offer_for:
                    yield f"r:{reservation.offer_for}"

    # Answers

    async def once(
        self,
        context: Context,
        request: Any,
        kind: type[M],
        do: Callable[[str, bytes], Awaitable[bytes]],
    ) -> M:
        """Do a call once for its request id, and answer repetitions with the first answer.

        Parameters
        ----------
        context, request
            Of the call; its type is part of what must be the same.
        kind
            Of the answer.
        do
            Carries it out, given the request's key and digest; must end in the writer.
        """
        check_uuid(request.request_id)
        key, digest = self._key(context, request.request_id), self._digest(request)
        answer = await self.writer.answered(key, digest)
        if answer is None:
            self.writer.begin(key, digest)
            try:
                answer = await do(key, digest)
            except BaseException as error:
                self.writer.abandon(key, error)
                raise
        made: M = kind.FromString(answer)  # type: ignore[attr-defined]
        return made

    async def command(
        self,
        context: Context,
        request: Any,
        kind: type[M],
        make: Callable[[], Command],
        reply: Callable[[LedgerState], Any],
        *,
        accounts_for: str = "",
    ) -> M:
        """Carry one command out, once; ``make`` is asked only if it is the first time.

        ``accounts_for``: what it is about, where the log is to say who asked for it.
        """

        async def do(key: str, digest: bytes) -> bytes:
            command = make()
            if accounts_for:
                command = self.accounted(context, request, command, accounts_for)
            return await self.writer.command(
                key,
                digest,
                command,
                lambda state: _serialised(reply(state)),
            )

        return await self.once(context, request, kind, do)

    def accounted(
        self, context: Context, request: Any, command: Command, subject: str
    ) -> Accounted:
        """Return a command of which the log will say who asked for it."""
        call = type(request).__name__.removesuffix("Request")
        return Accounted(command, self._who(context), call, subject)

    def _key(self, context: Context, request_id: str) -> str:
        # A caller's request ids are its own: nobody gets another's answers by guessing.
        who = self._who(context)
        return f"{who}/{request_id}" if who else request_id

    def _who(self, context: Context) -> str:
        """Return who calls: as the server knows him, and as he says himself."""
        metadata = context.invocation_metadata() or ()
        caller = next((value for name, value in metadata if name == CALLER), "")
        known = self._caller()
        if not caller:
            return f"{known}@" if known else ""
        if not isinstance(caller, str) or not _CALLER.fullmatch(caller):
            raise InvalidInputError("expected 1 to 64 letters, digits, -._", where=CALLER)
        return f"{known}@{caller}" if known else caller

    def _digest(self, request: Any) -> bytes:
        """Tell a repetition of a call from another call under the same request id.

        Keyed, since some requests hold a plate: a plain digest of it could be reversed.
        """
        body = type(request).__name__.encode() + request.SerializeToString(deterministic=True)
        secret = self._secrets.current if self._secrets is not None else b"no plates without it"
        # Keyed BLAKE2b: an HMAC takes 90 us to set up, which every call would pay.
        return hashlib.blake2b(body, key=secret[:64], digest_size=32).digest()

    # Words of the wire

    def check_parent(self, parent: str) -> None:
        """Raise NotFoundError unless a parent is this city."""
        if parent != self.parent:
            raise NotFoundError(f"no city {parent[:200]!r}; this is {self.parent}", where="parent")

    def secrets(self) -> Secrets:
        """Return the secrets, or raise RuleError where the server was given none."""
        if self._secrets is None:
            raise RuleError("this server has no secret for drivers' digests", reason="no_secret")
        return self._secrets

    @property
    def drivers(self) -> DriverMap:
        """Whose a driver key is."""
        return self.store.drivers

    def reservation(self, reservation_id: str) -> Reservation:
        """Return a reservation as it is on the disk, or raise NotFoundError."""
        reservation = self.writer.reservation(reservation_id)
        if reservation is None:
            raise NotFoundError(f"no reservation {reservation_id!r}", where="name")
        return reservation

    async def find(self, reservation_id: str) -> Reservation:
        """Return a reservation, also one that another server has written a moment ago."""
        if self.store.shared and self.writer.reservation(reservation_id) is None:
            await self.writer.refresh()
        return self.reservation(reservation_id)

    def message(
        self, reservation: Reservation, passed_over: Sequence[PassedOver] = ()
    ) -> pb.Reservation:
        """Turn a reservation into its message."""
        lot = self.places.lots.get(reservation.lot_id)
        return reservation_to_proto(reservation, lot, self.city_id, passed_over)

    def lot(self, lot_id: str) -> Lot:
        """Return a lot, or raise NotFoundError."""
        lot = self.places.lots.get(lot_id)
        if lot is None:
            raise NotFoundError(f"no lot {lot_id[:64]!r}", where="name")
        return lot

    def lot_message(
        self,
        state: LedgerState,
        lot: Lot,
        *,
        stay: tuple[int, int] | None = None,
        kind: object = None,
        walk_m: float = 0.0,
    ) -> pb.Lot:
        """Turn a lot as a state has it into its message.

        Parameters
        ----------
        state, lot
            What to show.
        stay
            ``(arrive_ms, leave_ms)`` that is asked about; None = an hour from now.
        kind
            Only pools of this space class; None = all.
        walk_m
            From the place that is asked about.
        """
        now_ms = self.writer.now_ms()
        arrive_ms, leave_ms = stay or (now_ms, now_ms + DEFAULT_STAY_MS)
        book = state.lots.get(lot.id)
        rules = lot_rules(state, lot.id, self.rules)
        closed = lot.closed or (book is not None and book.closed)
        shut = closed or not is_open(lot.opening, arrive_ms, leave_ms)
        price_fen = lot.tariff.price_fen(arrive_ms, leave_ms)
        pools = []
        for pool in lot.pools:
            its = state.pools.get(pool.id)
            if its is None or (kind is not None and pool.space_class is not kind):
                continue
            free = 0 if shut else its.free(arrive_ms, leave_ms) - its.reserve(now_ms, rules)
            pools.append(pool_to_proto(pool, its, rules, now_ms, max(0, free), price_fen))
        message = lot_to_proto(lot, book, self.city_id, pools, walk_m)
        message.closed = closed
        return message


def page(keys: Sequence[str], size: int, token: str) -> tuple[Sequence[str], str]:
    """Cut one page of keys in a fixed order; the token is the last key of the page before."""
    if not 0 <= size <= MAX_PAGE:
        raise InvalidInputError(f"{size}; expected 0 to {MAX_PAGE}", where="page_size")
    if token and token not in keys:
        raise InvalidInputError("not a token of this list", where="page_token")
    start = keys.index(token) + 1 if token else 0
    cut = keys[start : start + (size or DEFAULT_PAGE)]
    return cut, cut[-1] if start + len(cut) < len(keys) else ""


def _serialised(message: Any) -> bytes:
    body: bytes = message.SerializeToString(deterministic=True)
    return body
