"""What stands between the wire and the services: every call passes here, and is answered here.

A call that may not be made is refused by its headers alone: its message is not even received. One
that may is measured against the limits of its method, and whatever goes wrong on the way becomes a
canonical gRPC code.
"""

# The stubs make gRPC's classes generic, the classes themselves are not.
from __future__ import annotations

import asyncio
import inspect
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError
from google.rpc import code_pb2

from greenlot.security.access import POLICIES, Policy
from greenlot.security.callers import NOBODY
from greenlot.security.guard import Guard, RefusedError
from greenlot.security.ownership import Directory, NotOwnError, check_own
from greenlot.security.rates import Bucket
from greenlot.statuses import end_of_call, to_status
from greenlot.telemetry.calls import CURRENT, REQUEST_ID, Call, request_id
from greenlot.telemetry.statistics import MethodStatistics, Statistics
from greenlot.telemetry.tracing import Tracing

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

LOOK_S = 0.5
"""How often calls are looked at that may have taken too long, or whose token may have ended."""
STREAM_GRACE_S = 2.0
"""Streams that go on so long after the server began to stop are ended."""
REFUSALS_LOGGED_PER_S = 20.0
MESSAGES_PER_S = 100.0
"""Most that is read from one stream of requests."""

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
        self._running: dict[Call, asyncio.Task[Any]] = {}
        self._calls = 0
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
        call = Call(method, NOBODY, request_id(given), time.monotonic())
        CURRENT.set(call)
        if self._tracing is not None:
            call.span = self._tracing.begin(call, parent)
        try:
            call.caller, call.token_id = self._guard.admit(header, prepared[0])
        except RefusedError as refusal:
            call.refusal = refusal
            return self._refusing
        return prepared[1]

    async def _refuse(self, requests: object, context: Context) -> None:
        """Answer without having looked at any request."""
        call = _current()
        assert call.refusal is not None
        await self._fail(call, context, call.refusal)

    def _prepare(self, method: str, policy: Policy, handler: Handler) -> Handler:
        is_stream = handler.response_streaming or handler.request_streaming
        way = _Way(self, policy, handler, self._statistics.method(method, is_stream=is_stream))
        if handler.response_streaming:
            streaming = way.stream_stream if handler.request_streaming else way.unary_stream
            make = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )
            return make(streaming, None, handler.response_serializer)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(
                way.stream_unary, None, handler.response_serializer
            )
        return grpc.unary_unary_rpc_method_handler(
            way.unary_unary, None, handler.response_serializer
        )

    # Calls under way

    def enter(self, call: Call, policy: Policy, numbers: MethodStatistics) -> None:
        """Begin a call, or raise RefusedError where there are too many."""
        limits = self._limits
        if numbers.is_stream:
            name = call.caller.name
            is_full = len(self._running) - self._calls >= limits.streams
            if is_full or (name and self._streams[name] >= call.caller.max_streams):
                raise _crowded("too many streams are open")
            self._streams[name] += 1
        else:
            if self._calls >= limits.in_flight:
                raise _crowded("too many calls are under way")
            self._calls += 1
        if policy.max_at_once is not None and numbers.in_flight >= policy.max_at_once:
            self._left(call, numbers)
            raise _crowded("too many calls of this kind are under way")
        if policy.max_s is not None:
            call.ends_s = call.began_s + policy.max_s
        numbers.in_flight += 1
        task = asyncio.current_task()
        assert task is not None
        self._running[call] = task

    def leave(self, call: Call, numbers: MethodStatistics) -> None:
        """End a call that had begun."""
        if self._running.pop(call, None) is None:
            return
        numbers.in_flight -= 1
        self._left(call, numbers)

    def _left(self, call: Call, numbers: MethodStatistics) -> None:
        if not numbers.is_stream:
            self._calls -= 1
            return
        name = call.caller.name
        self._streams[name] -= 1
        if not self._streams[name]:
            del self._streams[name]

    def told(self, call: Call, policy: Policy, numbers: MethodStatistics, code: str) -> None:
        """Count and log how a call ended."""
        took_s = time.monotonic() - call.began_s
        numbers.by_code[code] += 1
        if not numbers.is_stream:
            numbers.durations.add(took_s)
        # What was refused has a line of its own.
        if call.refusal is None and (policy.is_audited or self._limits.logs_all):
            log.info("call", code=code, took_ms=round(took_s * 1000, 1))
        if call.span is not None and self._tracing is not None:
            self._tracing.end(call, code)

    async def check(self, call: Call, policy: Policy, raw: bytes, parse: Any) -> Any:
        """Return the request that a message holds, or raise RefusedError."""
        if len(raw) > policy.max_bytes:
            raise RefusedError(
                code_pb2.RESOURCE_EXHAUSTED,
                "SIZE",
                f"a message of {len(raw)} bytes; expected at most {policy.max_bytes}",
            )
        try:
            request = parse(raw)
        except (DecodeError, UnicodeDecodeError, ValueError):
            # Not chained: its text may quote the message.
            raise RefusedError(
                code_pb2.INVALID_ARGUMENT, "MALFORMED", "the message cannot be read"
            ) from None
        role = call.caller.role
        if role is not None and role in policy.own and role not in policy.roles:
            try:
                await check_own(call.caller, policy.own[role], request, self._directory)
            except NotOwnError as error:
                raise RefusedError(code_pb2.PERMISSION_DENIED, "NOT_OWN", str(error)) from None
        return request

    async def fail(
        self,
        call: Call,
        context: Context,
        policy: Policy,
        numbers: MethodStatistics,
        error: Any,
    ) -> None:
        """End a call with an error's code; raises what gRPC wants to see raised."""
        if isinstance(error, RefusedError):
            call.refusal = error
        self.leave(call, numbers)
        code = to_status(error).code
        self.told(call, policy, numbers, code_pb2.Code.Name(code))
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
        while True:
            began_s = time.monotonic()
            await asyncio.sleep(LOOK_S)
            now_s = time.monotonic()
            self._statistics.loop_lag_s = max(0.0, now_s - began_s - LOOK_S)
            is_valid = self._guard.still_valid()
            for call, task in list(self._running.items()):
                if now_s > call.ends_s:
                    self._cut(call, task, _TOO_LONG)
                elif call.caller is not NOBODY and not is_valid(call.token_id):
                    self._cut(call, task, _NO_MORE)
            if self._unlogged:
                log.warning("refused, without a line each", calls=self._unlogged)
                self._unlogged = 0

    async def drain(self) -> None:
        """Give streams a moment to end by themselves, then end them; unary calls go on."""
        await asyncio.sleep(STREAM_GRACE_S)
        for call, task in list(self._running.items()):
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


class _Way:
    """The way of one method's calls through the interceptor, one kind of call each."""

    def __init__(
        self,
        home: CallInterceptor,
        policy: Policy,
        handler: Handler,
        numbers: MethodStatistics,
    ) -> None:
        self._home = home
        self._policy = policy
        self._numbers = numbers
        self._parse = handler.request_deserializer or bytes
        self._inner: Any = (
            handler.unary_unary
            or handler.unary_stream
            or handler.stream_unary
            or handler.stream_stream
        )
        self._writes = inspect.iscoroutinefunction(self._inner)
        """Whether a streaming handler writes by itself, instead of yielding."""

    async def unary_unary(self, raw: bytes, context: Context) -> Any:
        """One request, one answer."""
        call = _current()
        home, policy, numbers = self._home, self._policy, self._numbers
        try:
            home.enter(call, policy, numbers)
            request = await home.check(call, policy, raw, self._parse)
            answer = await self._inner(request, context)
        except BaseException as error:
            await self._broken(call, context, error)
            raise
        home.leave(call, numbers)
        context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
        home.told(call, policy, numbers, "OK")
        return answer

    async def stream_unary(self, requests: AsyncIterator[bytes], context: Context) -> Any:
        """Many requests, one answer."""
        call = _current()
        try:
            self._home.enter(call, self._policy, self._numbers)
            answer = await self._inner(self._checked(call, requests), context)
        except BaseException as error:
            await self._broken(call, context, error)
            raise
        self._finished(call, context)
        return answer

    async def unary_stream(self, raw: bytes, context: Context) -> None:
        """One request, many answers."""
        call = _current()
        try:
            self._home.enter(call, self._policy, self._numbers)
            request = await self._home.check(call, self._policy, raw, self._parse)
            await self._write(call, request, context)
        except BaseException as error:
            await self._broken(call, context, error)
            raise
        self._finished(call, context)

    async def stream_stream(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """Many requests, many answers."""
        call = _current()
        try:
            self._home.enter(call, self._policy, self._numbers)
            await self._write(call, self._checked(call, requests), context)
        except BaseException as error:
            await self._broken(call, context, error)
            raise
        self._finished(call, context)

    async def _write(self, call: Call, request: Any, context: Context) -> None:
        if self._writes:
            await self._inner(request, context)
            return
        async with aclosing(self._inner(request, context)) as answers:
            async for answer in answers:
                call.is_writing = True
                await context.write(answer)
                call.is_writing = False

    async def _checked(self, call: Call, requests: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        pace = Bucket(MESSAGES_PER_S, time.monotonic)
        async for raw in requests:
            if not pace.take():
                # Not read on: the caller's own flow control slows it down.
                await asyncio.sleep(pace.wait_s())
            yield await self._home.check(call, self._policy, raw, self._parse)

    def _finished(self, call: Call, context: Context) -> None:
        self._home.leave(call, self._numbers)
        context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
        self._home.told(call, self._policy, self._numbers, "OK")

    async def _broken(self, call: Call, context: Context, error: BaseException) -> None:
        """End a call that did not come to its end; returns where gRPC has to see the error."""
        home, policy, numbers = self._home, self._policy, self._numbers
        if isinstance(error, asyncio.CancelledError) and call.refusal is not None:
            # Ended by this server. Where an answer is half sent there is nothing more to say.
            task = asyncio.current_task()
            if task is not None and not call.is_writing:
                task.uncancel()
                await home.fail(call, context, policy, numbers, call.refusal)
        is_ours = isinstance(error, Exception) and not isinstance(error, grpc.aio.AbortError)
        if is_ours and not context.done():
            await home.fail(call, context, policy, numbers, error)
        home.leave(call, numbers)
        code = context.code()
        home.told(call, policy, numbers, getattr(code, "name", None) or "CANCELLED")


def _current() -> Call:
    call = CURRENT.get()
    assert call is not None, "a call that did not come through the interceptor"
    return call


def _crowded(message: str) -> RefusedError:
    return RefusedError(code_pb2.RESOURCE_EXHAUSTED, "CROWDED", message, retry_s=1.0)


_TOO_LONG = RefusedError(code_pb2.DEADLINE_EXCEEDED, "TIME", "the call took too long")
_NO_MORE = RefusedError(code_pb2.UNAUTHENTICATED, "BAD_TOKEN", "the token is not valid any more")
_STOPPING = RefusedError(
    code_pb2.UNAVAILABLE, "STOPPING", "the server is stopping; call again", retry_s=1.0
)
