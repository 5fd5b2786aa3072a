"""Errors of the composition root: what is wrong with a set-up rather than with data."""


class GreenlotError(Exception):
    """Base of this package's errors; the message says what, where, and what was expected."""


class StartError(GreenlotError):
    """The server cannot start as it was asked to."""


class CityError(GreenlotError):
    """A city directory is missing something or holds a mistake."""


class StoreBrokenError(RuntimeError):
    """A store failed in a way that only a restart can clear; no mistake of the user."""


class TokenError(GreenlotError):
    """A file of tokens cannot be used, or a token cannot be made as asked."""


class CertificateError(GreenlotError):
    """A certificate or its key cannot be used."""
