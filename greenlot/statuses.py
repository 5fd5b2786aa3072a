"""Errors as they go over the wire: canonical gRPC codes with details.

They go in trailing headers, and clients let 8 KiB of these in: of what is more, the call itself is
lost as RESOURCE_EXHAUSTED, and nobody learns what was wrong. So a status is kept below that.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
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
"""Of plans, as far as there is room."""

MOST_TRAILER_BYTES = 7_000
"""Of message and details, as they go over the wire; the rest is for the other headers."""

MOST_MESSAGE_BYTES = 1_200
"""Of the message, as it goes over the wire; it goes again in the details, twice of bad input."""

MOST_VALUE_BYTES = 500
"""Of each value in an ErrorInfo, as UTF-8: there are up to five."""

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
    # Of a plan that was refused: signal, rule, stage and value.
    more = {**({"where": error.where} if error.where else {}), **getattr(error, "details", {})}
    info.metadata.update({key: _shortened(text) for key, text in more.items()})
    if isinstance(error, traffic.errors.StoppingError | parking.errors.StoppingError):
        info.metadata["revision"] = str(error.revision)
    details: list[Any] = [info]
    if code == code_pb2.INVALID_ARGUMENT and error.where:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=_shortened(error.where), description=_shortened_message(error.message)
        )
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    status = _status(code, str(error), details)
    if isinstance(error, RefusedPlanError):
        _add_refusals(status, error)
    return status


def _add_refusals(status: status_pb2.Status, error: RefusedPlanError) -> None:
    """Add the broken rules of plans that were refused, the first ones, as far as there is room."""
    found = error_details_pb2.PreconditionFailure()
    packed = status.details.add()
    for violation in _violations(error):
        found.violations.append(violation)
        packed.Pack(found)
        if _wire_bytes(status) > MOST_TRAILER_BYTES:
            del found.violations[-1]
            packed.Pack(found)
            return


def _violations(
    error: RefusedPlanError,
) -> Iterator[error_details_pb2.PreconditionFailure.Violation]:
    for refusal in error.refusals[:MOST_REFUSALS]:
        yield error_details_pb2.PreconditionFailure.Violation(
            type=refusal.rule,
            subject=", ".join(filter(None, (refusal.where, refusal.signal, refusal.stage))),
            description=refusal.value,
        )


def _wire_bytes(status: status_pb2.Status) -> int:
    """How long message and details are as headers: the one in percents, the other in base64."""
    message = sum(_percents(byte) for byte in status.message.encode())
    details: int = status.ByteSize()
    return message + (details + 2) // 3 * 4


def _percents(byte: int) -> int:
    """How long a byte of a message is as a header."""
    return 1 if 0x20 <= byte <= 0x7E and byte != ord("%") else 3


def _shortened(text: str) -> str:
    """Return a value for the details; … stands where something is cut."""
    raw = text.encode()
    return text if len(raw) <= MOST_VALUE_BYTES else _cut(raw, MOST_VALUE_BYTES)


def _shortened_message(text: str) -> str:
    """Return a message that has room; … stands where something is cut."""
    raw = text.encode()
    ends = list(accumulate(map(_percents, raw[: MOST_MESSAGE_BYTES + 1])))
    if not ends or ends[-1] <= MOST_MESSAGE_BYTES:
        return text
    # The sign of the cut is three bytes of three characters.
    return _cut(raw, bisect_right(ends, MOST_MESSAGE_BYTES - 9) + 3)


def _cut(raw: bytes, most_bytes: int) -> str:
    return raw[: most_bytes - 3].decode(errors="ignore") + "…"


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
    return status_pb2.Status(code=code, message=_shortened_message(message), details=packed)


def end_of_call(
    error: Exception, status: status_pb2.Status, more: tuple[tuple[str, str], ...]
) -> tuple[grpc.StatusCode, str, tuple[tuple[str, str | bytes], ...]]:
    """Return code, details and trailing metadata that a call ends with."""
    whole = rpc_status.to_status(status)
    trailing = (*more, *(whole.trailing_metadata or ()))
    if isinstance(error, traffic.errors.StoppingError | parking.errors.StoppingError):
        trailing = (*trailing, (RESUME, str(error.revision)))
    return whole.code, whole.details, trailing
