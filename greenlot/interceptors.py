"""What stands between the wire and the services: every call passes here, and is answered here.

A call that may not be made is refused by its headers alone: its message is not even received. One
that may is measured against the limits of its method, and whatever goes wrong on the way becomes a
canonical gRPC code.
"""

# The stubs make gRPC's classes generic, the classes themselves are not.
from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
import structlog
from google.rpc import code_pb2

from greenlot.call_ways import Way
from greenlot.security.access import POLICIES, Policy
from greenlot.security.callers import NOBODY
from greenlot.security.guard import Guard, RefusedError
from greenlot.security.ownership import Directory
from greenlot.security.rates import Bucket
from greenlot.statuses import end_of_call, to_status
from greenlot.telemetry.calls import CURRENT, REQUEST_ID, Call, current, request_id
from greenlot.telemetry.statistics import Statistics
from greenlot.telemetry.tracing import Tracing

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

LOOK_S = 0.5
"""How often calls are looked at that may have taken too long, or whose token may have ended."""
STREAM_GRACE_S = 2.0
"""Streams that go on so long after the server began to stop are ended."""
QUIET_S, TURN_AWAY_S = 0.25, 3.0
"""A server that stops waits for so long a silence, and for so long at most."""
REFUSALS_LOGGED_PER_S = 20.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Limits of the server as a whole.

    Parameters
    ----------
    in_flight
        Unary calls at the same time.
    streams
        Open streams at the same time.
    logs_all
        Each call is a line in the log, not only those that the table of calls names.
    """

    in_flight: int = 4_000
    streams: int = 50_000
    logs_all: bool = False


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Lets calls in, limits, counts and ends them.

    Parameters
    ----------
    guard
        Knows the callers.
    directory
        Knows whose something is.
    statistics
        Where calls are counted.
    limits
        Of the server.
    tracing
        Where calls are told as spans; None = nowhere.
    """

    def __init__(
        self,
        guard: Guard,
        directory: Directory,
        statistics: Statistics,
        *,
        limits: ServerLimits | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._guard = guard
        self._directory = directory
        self._statistics = statistics
        self._limits = limits or ServerLimits()
        self._tracing = tracing
        self._prepared: dict[str, tuple[Policy | None, Handler]] = {}
        self._timed: dict[Call, asyncio.Task[Any]] = {}
        self._endless: dict[Call, asyncio.Task[Any]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_stopping = False
        self._last_s = 0.0
        self._calls = 0
        self._open = 0
        self._streams: Counter[str] = Counter()
        self._refusals = Bucket(REFUSALS_LOGGED_PER_S, time.monotonic)
        self._unlogged = 0
        self._refusing: Handler = grpc.stream_stream_rpc_method_handler(self._refuse)

    # The way in

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Let a call in by its headers, or have it refused."""
        method = handler_call_details.method
        prepared = self._prepared.get(method)
        if prepared is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            policy = POLICIES.get(method)
            prepared = (policy, self._prepare(method, policy or Policy(), handler))
            self._prepared[method] = prepared
        header = given = parent = None
        for key, value in handler_call_details.invocation_metadata or ():
            if key == "authorization":
                header = value
            elif key == REQUEST_ID:
                given = value
            elif key == "traceparent":
                parent = value
        call = Call(method, NOBODY, request_id(given), time.monotonic(), given is not None)
        CURRENT.set(call)
        if self._tracing is not None:
            call.span = self._tracing.begin(call, parent)
        try:
            self._last_s = call.began_s
            if self._is_stopping and (prepared[0] is None or not prepared[0].is_public):
                raise _STOPPING
            call.caller, call.token_id = self._guard.admit(header, prepared[0])
        except RefusedError as refusal:
            call.refusal = refusal
            return self._refusing
        return prepared[1]

    async def _refuse(self, requests: object, context: Context) -> None:
        """Answer without having looked at any request."""
        call = current()
        assert call.refusal is not None
        await self._fail(call, context, call.refusal)

    def _prepare(self, method: str, policy: Policy, handler: Handler) -> Handler:
        is_stream = handler.response_streaming or handler.request_streaming
        way = Way(
            home=self,
            policy=policy,
            handler=handler,
            numbers=self._statistics.method(method, is_stream=is_stream),
            directory=self._directory,
            running=self._endless if policy.max_s is None else self._timed,
            is_logged=policy.is_audited or self._limits.logs_all,
        )
        # As far as gRPC goes all requests are streams: so the way reads the message itself, and
        # one that never comes is under the limits, too.
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                way.many_answers, None, handler.response_serializer
            )
        return grpc.stream_unary_rpc_method_handler(
            way.one_answer, None, handler.response_serializer
        )

    # Calls under way

    def enter(self, call: Call, way: Way) -> None:
        """Begin a call, or raise RefusedError where there are too many."""
        numbers, most = way.numbers, way.policy.max_at_once
        if most is not None and numbers.in_flight >= most:
            raise _crowded("too many calls of this kind are under way")
        if numbers.is_stream:
            name = call.caller.name
            is_full = self._open >= self._limits.streams
            if is_full or (name and self._streams[name] >= call.caller.max_streams):
                raise _crowded("too many streams are open")
            self._streams[name] += 1
            self._open += 1
        else:
            if self._calls >= self._limits.in_flight:
                raise _crowded("too many calls are under way")
            self._calls += 1
        call.ends_s = call.began_s + way.max_s
        numbers.in_flight += 1
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        # Told which loop it is: to ask for it takes a call of the system.
        task = asyncio.current_task(self._loop)
        assert task is not None
        way.running[call] = task

    def finish(self, call: Call, way: Way, code: str) -> None:
        """End a call, count and log it; one that was not let in has not begun."""
        numbers = way.numbers
        if way.running.pop(call, None) is not None:
            numbers.in_flight -= 1
            if numbers.is_stream:
                self._open -= 1
                self._streams[call.caller.name] -= 1
            else:
                self._calls -= 1
        took_s = time.monotonic() - call.began_s
        numbers.by_code[code] += 1
        if not numbers.is_stream:
            numbers.durations.add(took_s)
        # What was refused has a line of its own.
        if way.is_logged and call.refusal is None:
            log.info("call", code=code, took_ms=round(took_s * 1000, 1))
        if call.span is not None and self._tracing is not None:
            self._tracing.end(call, code)
            call.span = None

    async def fail(self, call: Call, context: Context, way: Way, error: Any) -> None:
        """End a call with an error's code; raises what gRPC wants to see raised."""
        if isinstance(error, RefusedError):
            call.refusal = error
        self.finish(call, way, code_pb2.Code.Name(to_status(error).code))
        await self._fail(call, context, error)

    async def _fail(self, call: Call, context: Context, error: Exception) -> None:
        status = to_status(error)
        if isinstance(error, RefusedError):
            self._log_refusal(call, context, error)
        elif status.code == code_pb2.INTERNAL:
            log.error("call failed", exc_info=error)
        code, details, trailing = end_of_call(error, status, ((REQUEST_ID, call.request_id),))
        await context.abort(code, details, trailing)

    def _log_refusal(self, call: Call, context: Context, refusal: RefusedError) -> None:
        self._statistics.refused[refusal.reason] += 1
        if call.span is not None and self._tracing is not None:
            self._tracing.end(call, code_pb2.Code.Name(refusal.code))
            call.span = None
        if refusal is _STOPPING:
            return
        if self._refusals.take():
            log.warning(
                "refused",
                why=refusal.reason,
                code=code_pb2.Code.Name(refusal.code),
                peer=context.peer(),
            )
        else:
            self._unlogged += 1

    # What comes from outside a call

    async def look_after(self) -> None:
        """End calls that take too long, and streams whose token has ended; for ever."""
        before = self._guard.valid()
        while True:
            began_s = time.monotonic()
            await asyncio.sleep(LOOK_S)
            now_s = time.monotonic()
            self._statistics.loop_lag_s = max(0.0, now_s - began_s - LOOK_S)
            for call, task in list(self._timed.items()):
                if now_s > call.ends_s:
                    self._cut(call, task, _TOO_LONG)
            valid = self._guard.valid()
            if valid != before:
                self._cut_strangers(valid[0])
            before = valid
            if self._unlogged:
                log.warning("refused, without a line each", calls=self._unlogged)
                self._unlogged = 0

    def _cut_strangers(self, valid: frozenset[str | None]) -> None:
        for call, task in [*self._timed.items(), *self._endless.items()]:
            if call.caller is not NOBODY and call.token_id not in valid:
                self._cut(call, task, _NO_MORE)

    async def turn_away(self) -> None:
        """Refuse new calls with UNAVAILABLE, until for a moment none has come.

        When a gRPC server stops, what has arrived and was not taken up yet ends as CANCELLED,
        which no client takes for "try elsewhere". So it stops when nothing arrives any more.
        """
        self._is_stopping = True
        began_s = time.monotonic()
        while True:
            now_s = time.monotonic()
            if now_s - self._last_s >= QUIET_S or now_s - began_s >= TURN_AWAY_S:
                return
            await asyncio.sleep(QUIET_S / 4)

    async def drain(self) -> None:
        """Give streams a moment to end by themselves, then end them; unary calls go on."""
        await asyncio.sleep(STREAM_GRACE_S)
        for call, task in [*self._timed.items(), *self._endless.items()]:
            if self._statistics.methods[call.method].is_stream:
                self._cut(call, task, _STOPPING)

    @property
    def unary_calls(self) -> int:
        """How many unary calls are under way."""
        return self._calls

    def _cut(self, call: Call, task: asyncio.Task[Any], why: RefusedError) -> None:
        if call.refusal is None:
            call.refusal = why
            task.cancel()


def _crowded(message: str) -> RefusedError:
    return RefusedError(code_pb2.RESOURCE_EXHAUSTED, "CROWDED", message, retry_s=1.0)


_TOO_LONG = RefusedError(code_pb2.DEADLINE_EXCEEDED, "TIME", "the call took too long")
_NO_MORE = RefusedError(code_pb2.UNAUTHENTICATED, "BAD_TOKEN", "the token is not valid any more")
_STOPPING = RefusedError(
    code_pb2.UNAVAILABLE, "STOPPING", "the server is stopping; call again", retry_s=1.0
)
