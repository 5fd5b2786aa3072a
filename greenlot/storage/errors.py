"""What can be wrong with a storage, and whether it can be written now."""

from enum import StrEnum


class Condition(StrEnum):
    """Whether a storage can be written."""

    OK = "ok"
    READ_ONLY = "read_only"
    """It can be read; writing fails, for want of space, and is tried again."""
    UNREACHABLE = "unreachable"
    """The database does not answer, and is tried again."""
    BROKEN = "broken"
    """What is on the disk is unknown: only a restart, which reads it anew, can tell."""


class StorageError(Exception):
    """The storage cannot do what it must.

    Parameters
    ----------
    message
        What failed, and what was expected.
    where
        The database: a file, or a server without its password.
    condition
        What the storage is in because of it; OK = this one write is at fault.
    doubtful
        Whether the write happened is unknown: read before writing it again.
    """

    def __init__(
        self,
        message: str,
        *,
        where: object,
        condition: Condition = Condition.OK,
        doubtful: bool = False,
    ) -> None:
        super().__init__(f"{where}: {message}")
        self.where = where
        self.condition = condition
        self.doubtful = doubtful

    @property
    def full(self) -> bool:
        """There is no space: nothing was changed, and a later write may succeed."""
        return self.condition is Condition.READ_ONLY
