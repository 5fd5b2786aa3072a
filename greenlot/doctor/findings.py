"""What a check has found."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """A server runs, but not as it should."""
    WRONG = "wrong"
    """A server does not start, or is not safe, or fails under its load."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    what
        Was looked at, in a word or two.
    verdict
        Whether it is as it should be.
    says
        What is so.
    do
        What would mend it; empty where nothing is to be mended.
    """

    what: str
    verdict: Verdict
    says: str
    do: str = ""


def ok(what: str, says: str) -> Finding:
    """Return a finding of what is as it should be."""
    return Finding(what, Verdict.OK, says)


def warning(what: str, says: str, do: str) -> Finding:
    """Return a finding of what is not as it should be."""
    return Finding(what, Verdict.WARNING, says, do)


def wrong(what: str, says: str, do: str) -> Finding:
    """Return a finding of what has to be mended."""
    return Finding(what, Verdict.WRONG, says, do)
