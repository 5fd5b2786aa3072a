"""Everything that the signal-timing engine raises on purpose."""


class TrafficError(Exception):
    """Base of all errors of this package.

    Parameters
    ----------
    message
        What is wrong, where, and what was expected.
    where
        The place: a field path such as ``signals[3].green_out``, or ``FILE:LINE``.
    """

    reason = "TRAFFIC"

    def __init__(self, message: str, *, where: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.message = message
        self.where = where


class InvalidInputError(TrafficError):
    """A value that the caller gave is out of range, malformed or contradictory."""

    reason = "INVALID_INPUT"


class NotFoundError(TrafficError):
    """A signal, road, corridor or plan that does not exist was asked for."""

    reason = "NOT_FOUND"


class UnsafePlanError(TrafficError):
    """A plan breaks a safety rule, or no safe plan exists for a signal."""

    reason = "UNSAFE_PLAN"


class StateError(TrafficError):
    """A record or a switch is not in the state that a call needs."""

    reason = "STATE"


class SolverError(TrafficError):
    """A solver failed in a way that says nothing about the problem."""

    reason = "SOLVER"


class StoppingError(TrafficError):
    """The server stops while a watch goes on: watch again, from ``revision`` on."""

    reason = "STOPPING"

    def __init__(self, revision: int) -> None:
        super().__init__(f"the server is stopping; watch again from revision {revision}")
        self.revision = revision
