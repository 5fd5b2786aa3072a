"""Everything that the parking engine raises on purpose."""


class ParkingError(Exception):
    """Base of all errors of this package.

    Parameters
    ----------
    message
        What is wrong, where, and what was expected.
    where
        The place: a field path such as ``origin.latitude``, or ``FILE:ROW:COLUMN``.
    reason
        An enumerated word that says why, such as ``full``; empty = the class's own.
    """

    reason = "PARKING"

    def __init__(self, message: str, *, where: str = "", reason: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.message = message
        self.where = where
        if reason:
            self.reason = reason


class InvalidInputError(ParkingError):
    """A value that the caller gave is out of range, malformed or contradictory."""

    reason = "INVALID_INPUT"


class NotFoundError(ParkingError):
    """A lot, pool or reservation that does not exist was asked for."""

    reason = "NOT_FOUND"


class NoSpaceError(ParkingError):
    """No pool can take the request; ``reason`` says why."""

    reason = "NO_SPACE"


class TooManyError(ParkingError):
    """One caller asks too often; nothing was decided, and a later call may succeed."""

    reason = "TOO_MANY"


class StateError(ParkingError):
    """The reservation is in a state that does not allow the step."""

    reason = "WRONG_STATE"


class RuleError(ParkingError):
    """A booking rule refuses the request (limits, look-ahead, no-shows)."""

    reason = "RULE"


class SolverError(ParkingError):
    """A solver failed in a way that says nothing about the problem."""

    reason = "SOLVER"


class UnavailableError(ParkingError):
    """The service cannot answer now (stopping, store failing); nothing was changed."""

    reason = "UNAVAILABLE"


class OutdatedError(UnavailableError):
    """A decision was made on a state that others have changed since; nothing was changed."""

    reason = "OUTDATED"


class StoppingError(UnavailableError):
    """The server stops while a watch goes on: watch again, from ``revision`` on."""

    reason = "STOPPING"

    def __init__(self, revision: int) -> None:
        super().__init__(f"the server is stopping; watch again from revision {revision}")
        self.revision = revision
