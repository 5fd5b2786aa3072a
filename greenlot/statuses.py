"""Errors as they go over the wire: canonical gRPC codes with details."""

from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

import parking.errors
import traffic.errors
from greenlot.security.guard import RefusedError
from greenlot.storage import StorageError
from traffic.street.door import RefusedPlanError

DOMAIN = "greenlot"
RESUME = "greenlot-resume-revision"
"""Trailing metadata of a watch that ends with the server: go on from this revision."""

MOST_REFUSALS = 20
"""Of plans: a trailer of headers has room for 8 KiB."""

CODES: dict[type[Exception], int] = {
    traffic.errors.InvalidInputError: code_pb2.INVALID_ARGUMENT,
    traffic.errors.NotFoundError: code_pb2.NOT_FOUND,
    traffic.errors.UnsafePlanError: code_pb2.FAILED_PRECONDITION,
    traffic.errors.StateError: code_pb2.FAILED_PRECONDITION,
    traffic.errors.StoppingError: code_pb2.UNAVAILABLE,
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
    if isinstance(error, RefusedError):
        return _refused(error)
    code = next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), None)
    if code is None or not isinstance(
        error, traffic.errors.TrafficError | parking.errors.ParkingError
    ):
        return status_pb2.Status(code=code_pb2.INTERNAL, message="internal error; see the log")
    info = error_details_pb2.ErrorInfo(reason=error.reason.upper(), domain=DOMAIN)
    if error.where:
        info.metadata["where"] = error.where
    # Of a plan that was refused: signal, rule, stage and value.
    info.metadata.update(getattr(error, "details", {}))
    if isinstance(error, traffic.errors.StoppingError | parking.errors.StoppingError):
        info.metadata["revision"] = str(error.revision)
    details: list[Any] = [info]
    if code == code_pb2.INVALID_ARGUMENT and error.where:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.where, description=error.message
        )
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, RefusedPlanError):
        details.append(_preconditions(error))
    return _status(code, str(error), details)


def _preconditions(error: RefusedPlanError) -> error_details_pb2.PreconditionFailure:
    """Every broken rule of plans that were refused, as far as a trailer has room."""
    return error_details_pb2.PreconditionFailure(
        violations=[
            error_details_pb2.PreconditionFailure.Violation(
                type=refusal.rule,
                subject=", ".join(filter(None, (refusal.where, refusal.signal, refusal.stage))),
                description=refusal.value,
            )
            for refusal in error.refusals[:MOST_REFUSALS]
        ]
    )


def _refused(error: RefusedError) -> status_pb2.Status:
    details: list[Any] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)]
    if error.retry_s is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(round(error.retry_s * 1000) + 1)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return _status(error.code, error.message, details)


def _status(code: int, message: str, details: list[Any]) -> status_pb2.Status:
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    return status_pb2.Status(code=code, message=message, details=packed)


def end_of_call(
    error: Exception, status: status_pb2.Status, more: tuple[tuple[str, str], ...]
) -> tuple[grpc.StatusCode, str, tuple[tuple[str, str | bytes], ...]]:
    """Return code, details and trailing metadata that a call ends with."""
    whole = rpc_status.to_status(status)
    trailing = (*more, *(whole.trailing_metadata or ()))
    if isinstance(error, traffic.errors.StoppingError | parking.errors.StoppingError):
        trailing = (*trailing, (RESUME, str(error.revision)))
    return whole.code, whole.details, trailing
