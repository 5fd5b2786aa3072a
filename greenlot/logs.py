"""Structured logs on stderr, one line an event. No plate, phone number or token is ever logged.

Each line of a call says which: its request id, method and caller. What must not be there is struck
out of the finished line, wherever it came from: an exception's text, a library's words.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from enum import StrEnum
from typing import Any

import structlog
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from greenlot.telemetry.calls import CURRENT

Event = MutableMapping[str, Any]

STRUCK_OUT = "***"
ESCAPED = r"(?:\\+u[0-9a-f]{4}|(?:\\+[0-7]{3}){2,3}|(?:\\+x[0-9a-f]{2}){2,3})"
SECRETS = (
    re.compile(r"glt_[A-Za-z0-9_\-]+"),
    re.compile(r"(?i)(?<=bearer )[^\s'\",)]+"),
    # The password of postgresql://USER:PASSWORD@HOST, and of a libpq string.
    re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"),
    re.compile(r"(?i)(?<=password=)[^\s'\"]+"),
    # A plate: province, letter, 5 or 6 more, perhaps a dot between. What is not ASCII stands there
    # as it is, or escaped: by JSON, by protobuf, by Python.
    re.compile(
        rf"(?:[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使领]|{ESCAPED})"
        rf"(?:[ ·•\-]|{ESCAPED})?[A-HJ-NP-Z](?:[ ·•\-]|{ESCAPED})?"
        rf"[A-HJ-NP-Z0-9]{{4,5}}(?:[A-HJ-NP-Z0-9挂学警港澳领]|{ESCAPED})",
        re.IGNORECASE,
    ),
    # A mobile number, with or without the country's prefix, in groups or not.
    re.compile(r"(?<![0-9A-Za-z])(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?![0-9A-Za-z])"),
)


class LogFormat(StrEnum):
    """How a line looks."""

    TEXT = "text"
    JSON = "json"


def scrub(text: str) -> str:
    """Return a text without tokens, passwords, plates and phone numbers."""
    for pattern in SECRETS:
        text = pattern.sub(STRUCK_OUT, text)
    return text


def configure_logging(level: int = logging.INFO, shape: LogFormat = LogFormat.TEXT) -> None:
    """Send logs of ``level`` and above to stderr, also those of libraries."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _add_call,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    render: list[Any] = [
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        if shape is LogFormat.JSON
        else structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        _scrub_line,
    ]
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[*shared, *render],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    handler.addFilter(_is_worth_a_line)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Leave out what gRPC says when an answer came just after its caller's deadline.

    He is gone and has been told DEADLINE_EXCEEDED; that his answer could not be sent any more is
    in the nature of it, and no exception of the server.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, cygrpc.ExecuteBatchError)


def _add_call(_logger: object, _name: str, event: Event) -> Event:
    call = CURRENT.get()
    if call is not None:
        event.setdefault("request_id", call.request_id)
        event.setdefault("method", call.method)
        event.setdefault("caller", call.caller.name or "anonymous")
    return event


def _scrub_line(_logger: object, _name: str, line: Any) -> str:
    return scrub(str(line))
