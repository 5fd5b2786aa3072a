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
from google.rpc import code_pb2

from greenlot.security.access import Policy
from greenlot.security.guard import RefusedError
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
    """

    def __init__(
        self,
        home: CallInterceptor,
        policy: Policy,
        handler: grpc.RpcMethodHandler[Any, Any],
        numbers: MethodStatistics,
    ) -> None:
        self._home = home
        self._policy = policy
        self._numbers = numbers
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
            self._home.enter(call, self._policy, self._numbers)
            answer = await self._inner(await self._asked(call, requests, context), context)
        except BaseException as error:
            await self._broken(call, context, error)
            raise
        self._finished(call, context)
        return answer

    async def many_answers(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """Answer with a stream."""
        call = current()
        try:
            self._home.enter(call, self._policy, self._numbers)
            await self._write(call, await self._asked(call, requests, context), context)
        except BaseException as error:
            await self._broken(call, context, error)
            raise
        self._finished(call, context)

    async def _asked(self, call: Call, requests: AsyncIterator[bytes], context: Context) -> Any:
        """Return what the service is asked: one request, or all that come."""
        if self._is_streamed:
            return self._checked(call, requests)
        raw = await context.read()
        if raw is grpc.aio.EOF:
            raise RefusedError(code_pb2.INVALID_ARGUMENT, "MALFORMED", "there is no message")
        return await self._home.check(call, self._policy, raw, self._parse)

    async def _checked(self, call: Call, requests: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        pace = Bucket(MESSAGES_PER_S, time.monotonic)
        async for raw in requests:
            if not pace.take():
                # Not read on: the caller's own flow control slows it down.
                await asyncio.sleep(pace.wait_s())
            yield await self._home.check(call, self._policy, raw, self._parse)

    async def _write(self, call: Call, asked: Any, context: Context) -> None:
        if self._writes:
            await self._inner(asked, context)
            return
        async with aclosing(self._inner(asked, context)) as answers:
            async for answer in answers:
                call.is_writing = True
                await context.write(answer)
                call.is_writing = False

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
