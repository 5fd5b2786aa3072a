"""The call that is under way: its request id, who makes it, since when."""

import itertools
import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from greenlot.security.callers import Caller
from greenlot.security.guard import RefusedError

REQUEST_ID = "x-request-id"
"""Metadata: given by the caller or made here; sent back with every error, and with every answer
to who gave one. One that was made here is not sent with an answer: that takes 10 us a call."""
GIVEN = re.compile(r"[A-Za-z0-9._\-]{1,64}")
_PROCESS = secrets.token_hex(6)
_NUMBERS = itertools.count(1)


@dataclass(slots=True, eq=False)
class Call:
    """One call, from its headers to its end.

    Parameters
    ----------
    method
        Full name, ``/package.Service/Call``.
    caller
        Who makes it.
    request_id
        Of this call alone, unless the caller gave it more than once.
    began_s
        Of the monotonic clock.
    sends_id
        Its answer is sent with the request id.
    token_id
        Of the token that it was let in by; None = without one.
    ends_s
        When it has taken too long, of the monotonic clock.
    refusal
        Why the server refuses or ends it; None = it does not.
    is_writing
        An answer of a stream is being sent.
    span
        Of OpenTelemetry, where that is on.
    """

    method: str
    caller: Caller
    request_id: str
    began_s: float
    sends_id: bool = False
    token_id: str | None = None
    ends_s: float = float("inf")
    refusal: RefusedError | None = None
    is_writing: bool = False
    span: Any = field(default=None, repr=False)


CURRENT: ContextVar[Call | None] = ContextVar("call", default=None)


def current() -> Call:
    """Return the call that is under way; there must be one."""
    call = CURRENT.get()
    assert call is not None, "a call that did not come through the interceptor"
    return call


def request_id(given: Any) -> str:
    """Return a caller's request id if it can be one, else a fresh one.

    A fresh one is this process's random beginning and a number: unique, and cheap to make.
    """
    if isinstance(given, str) and GIVEN.fullmatch(given):
        return given
    return f"{_PROCESS}-{next(_NUMBERS):x}"
