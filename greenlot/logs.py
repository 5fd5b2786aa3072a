"""Structured logs on stderr. No plate, phone number or token is ever logged."""

import logging
import sys

import structlog


def configure_logging(level: int = logging.INFO) -> None:
    """Send logs of ``level`` and above to stderr, one line an event."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
