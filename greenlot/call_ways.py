"""The way of one method's calls, from their first message to their end."""

# The stubs make gRPC's classes generic, the classes themselves are not.
from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2

from greenlot.security.access import Policy
from greenlot.security.guard import RefusedError
from greenlot.security.ownership import Directory, NotOwnError, check_own
from greenlot.security.rates import Bucket
from greenlot.telemetry.calls import REQUEST_ID, Call, current
from greenlot.telemetry.statistics import MethodStatistics

if TYPE_CHECKING:
    from greenlot.interceptors import CallInterceptor

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

MESSAGES_PER_S = 100.0
"""Most that is read from one stream of requests."""


class Way:
    """Reads and checks requests, has the service answer, and tells how it ended.

    Parameters
    ----------
    home
        The interceptor that all ways share.
    policy, numbers
        Of the method.
    handler
        The service's own.
    directory
        Knows whose something is.
    running
        Where calls are while they go on.
    is_logged
        Each call is a line in the log.
    """

    def __init__(
        self,
        *,
        home: CallInterceptor,
        policy: Policy,
        handler: grpc.RpcMethodHandler[Any, Any],
        numbers: MethodStatistics,
        directory: Directory,
        running: dict[Call, asyncio.Task[Any]],
        is_logged: bool,
    ) -> None:
        self.policy = policy
        self.numbers = numbers
        self.running = running
        self.is_logged = is_logged
        self.max_s = float("inf") if policy.max_s is None else policy.max_s
        self._home = home
        self._directory = directory
        self._own = {role: own for role, own in policy.own.items() if role not in policy.roles}
        self._parse = handler.request_deserializer or bytes
        self._is_streamed = handler.request_streaming
        self._inner: Any = (
            handler.unary_unary
            or handler.unary_stream
            or handler.stream_unary
            or handler.stream_stream
        )
        self._writes = inspect.iscoroutinefunction(self._inner)
        """Whether a streaming handler writes by itself, instead of yielding."""

    async def one_answer(self, requests: AsyncIterator[bytes], context: Context) -> Any:
        """Answer once."""
        call = current()
        try:
            asked = await self._entered(call, requests, context)
            answer = await self._inner(asked, context)
        except BaseException as error:
            await self._broken(call, context, error)
            raise
        self._ended_well(call, context)
        return answer

    async def many_answers(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """Answer with a stream."""
        call = current()
        try:
            asked = await self._entered(call, requests, context)
            await self._write(call, asked, context)
        except BaseException as error:
            await self._broken(call, context, error)
            raise
        self._ended_well(call, context)

    async def _entered(self, call: Call, requests: AsyncIterator[bytes], context: Context) -> Any:
        """Let a call in, and return its request or its stream of requests, checked."""
        self._home.enter(call, self)
        if self._is_streamed:
            return self._checked(call, requests)
        asked = self._read(await context.read())
        if self._own:
            await self._check_own(call, asked)
        return asked

    def _ended_well(self, call: Call, context: Context) -> None:
        if call.sends_id:
            context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
        self._home.finish(call, self, "OK")

    def _read(self, raw: Any) -> Any:
        """Return the request that a message holds, or raise RefusedError."""
        if raw is grpc.aio.EOF:
            raise RefusedError(code_pb2.INVALID_ARGUMENT, "MALFORMED", "there is no message")
        if len(raw) > self.policy.max_bytes:
            raise RefusedError(
                code_pb2.RESOURCE_EXHAUSTED,
                "SIZE",
                f"a message of {len(raw)} bytes; expected at most {self.policy.max_bytes}",
            )
        try:
            return self._parse(raw)
        except (DecodeError, UnicodeDecodeError, ValueError):
            # Not chained: its text may quote the message.
            raise RefusedError(
                code_pb2.INVALID_ARGUMENT, "MALFORMED", "the message cannot be read"
            ) from None

    async def _check_own(self, call: Call, request: Any) -> None:
        own = self._own.get(call.caller.role) if call.caller.role is not None else None
        if own is None:
            return
        try:
            await check_own(call.caller, own, request, self._directory)
        except NotOwnError as error:
            raise RefusedError(code_pb2.PERMISSION_DENIED, "NOT_OWN", str(error)) from None

    async def _checked(self, call: Call, requests: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        pace = Bucket(MESSAGES_PER_S, time.monotonic)
        async for raw in requests:
            if not pace.take():
                # Not read on: the caller's own flow control slows it down.
                await asyncio.sleep(pace.wait_s())
            request = self._read(raw)
            await self._check_own(call, request)
            yield request

    async def _write(self, call: Call, asked: Any, context: Context) -> None:
        if self._writes:
            await self._inner(asked, context)
            return
        async with aclosing(self._inner(asked, context)) as answers:
            async for answer in answers:
                call.is_writing = True
                await context.write(answer)
                call.is_writing = False

    async def _broken(self, call: Call, context: Context, error: BaseException) -> None:
        """End a call that did not come to its end; returns where gRPC has to see the error."""
        if isinstance(error, asyncio.CancelledError) and call.refusal is not None:
            # Ended by this server. Where an answer is half sent there is nothing more to say.
            task = asyncio.current_task()
            if task is not None and not call.is_writing:
                task.uncancel()
                await self._home.fail(call, context, self, call.refusal)
        is_ours = isinstance(error, Exception) and not isinstance(error, grpc.aio.AbortError)
        if is_ours and not context.done():
            await self._home.fail(call, context, self, error)
        code = context.code()
        self._home.finish(call, self, getattr(code, "name", None) or "CANCELLED")
