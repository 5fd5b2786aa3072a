"""What stands between the wire and the services: errors become canonical gRPC codes."""

# The stubs make gRPC's classes generic, the classes themselves are not.
from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
import structlog
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

import parking.errors
import traffic.errors
from greenlot.storage import StorageError

DOMAIN = "greenlot"

log = structlog.get_logger()

CODES: dict[type[Exception], int] = {
    traffic.errors.InvalidInputError: code_pb2.INVALID_ARGUMENT,
    traffic.errors.NotFoundError: code_pb2.NOT_FOUND,
    traffic.errors.UnsafePlanError: code_pb2.FAILED_PRECONDITION,
    parking.errors.InvalidInputError: code_pb2.INVALID_ARGUMENT,
    parking.errors.NotFoundError: code_pb2.NOT_FOUND,
    parking.errors.NoSpaceError: code_pb2.RESOURCE_EXHAUSTED,
    parking.errors.TooManyError: code_pb2.RESOURCE_EXHAUSTED,
    parking.errors.StateError: code_pb2.FAILED_PRECONDITION,
    parking.errors.RuleError: code_pb2.FAILED_PRECONDITION,
    parking.errors.UnavailableError: code_pb2.UNAVAILABLE,
}


def to_status(error: Exception) -> status_pb2.Status:
    """Turn an error into a status with ErrorInfo and, for bad input, BadRequest details.

    Anything that is not one of our own errors becomes INTERNAL and tells the caller nothing
    more, since its text may hold what the caller must not see.
    """
    if isinstance(error, StorageError):
        info = error_details_pb2.ErrorInfo(reason="STORE", domain=DOMAIN)
        return _status(code_pb2.UNAVAILABLE, "the store cannot be used now", [info])
    code = next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), None)
    if code is None or not isinstance(
        error, traffic.errors.TrafficError | parking.errors.ParkingError
    ):
        return status_pb2.Status(code=code_pb2.INTERNAL, message="internal error; see the log")
    info = error_details_pb2.ErrorInfo(reason=error.reason.upper(), domain=DOMAIN)
    if error.where:
        info.metadata["where"] = error.where
    details: list[Any] = [info]
    if code == code_pb2.INVALID_ARGUMENT and error.where:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.where, description=error.message
        )
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    return _status(code, str(error), details)


def _status(code: int, message: str, details: list[Any]) -> status_pb2.Status:
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    return status_pb2.Status(code=code, message=message, details=packed)


async def _abort(
    context: grpc.aio.ServicerContext[Any, Any], method: str, error: Exception
) -> NoReturn:
    status = to_status(error)
    if status.code == code_pb2.INTERNAL:
        log.error("call failed", method=method, exc_info=error)
    await context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError("abort returned")


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Maps the engines' errors to canonical codes; nothing else reaches the caller."""

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wrap the unary and the streaming answers of one method."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(("/traffic.", "/parking.")):
            return handler
        if handler.unary_unary is not None:
            inner: Any = handler.unary_unary

            async def unary(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
                try:
                    return await inner(request, context)
                except grpc.aio.AbortError:
                    raise
                except Exception as error:
                    await _abort(context, method, error)

            return grpc.unary_unary_rpc_method_handler(
                unary, handler.request_deserializer, handler.response_serializer
            )
        if handler.unary_stream is not None:
            stream: Any = handler.unary_stream

            async def streaming(
                request: Any, context: grpc.aio.ServicerContext[Any, Any]
            ) -> AsyncIterator[Any]:
                try:
                    async for answer in stream(request, context):
                        yield answer
                except grpc.aio.AbortError:
                    raise
                except Exception as error:
                    await _abort(context, method, error)

            return grpc.unary_stream_rpc_method_handler(
                streaming, handler.request_deserializer, handler.response_serializer
            )
        return handler
