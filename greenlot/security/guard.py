"""The door: who calls, whether he may, and whether not too often. Knows nothing of gRPC."""

import time
from collections.abc import Callable

from google.rpc import code_pb2

from greenlot.security.access import Policy
from greenlot.security.callers import ANONYMOUS, NOBODY, Caller
from greenlot.security.rates import Bucket
from greenlot.security.token_file import TokenFile

SCHEMES = ("Bearer ", "bearer ")
BUCKETS_MAX = 10_000


class RefusedError(Exception):
    """A call is not let in, or is ended.

    Parameters
    ----------
    code
        ``google.rpc.Code``.
    reason
        An enumerated word.
    message
        For people; holds nothing that the caller does not know.
    retry_s
        When it may be worth trying again, s; None = it is not.
    """

    def __init__(
        self, code: int, reason: str, message: str, *, retry_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.retry_s = retry_s


class Guard:
    """Lets callers in.

    Parameters
    ----------
    tokens
        Of those who may; None = there are none.
    is_local
        The server listens on the machine itself alone: then callers without a token are let in
        until the first token is given out.
    keeps_anonymous
        On the machine itself they are let in even then.
    clock_ms
        UTC epoch milliseconds.
    monotonic
        Seconds.
    """

    def __init__(
        self,
        tokens: TokenFile | None = None,
        *,
        is_local: bool,
        keeps_anonymous: bool = False,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens = tokens
        self._is_local = is_local
        self._keeps_anonymous = keeps_anonymous
        self._clock_ms = clock_ms
        self._monotonic = monotonic
        self._buckets: dict[tuple[str, float], Bucket] = {}

    @property
    def lets_anonymous(self) -> bool:
        """Whether callers without a token are let in."""
        if not self._is_local:
            return False
        return self._keeps_anonymous or self._tokens is None or not self._tokens.book.records

    def admit(self, header: object, policy: Policy | None) -> tuple[Caller, str | None]:
        """Return who calls, and the id of its token; None = it has none.

        Parameters
        ----------
        header
            What stands in ``authorization``; None = nothing.
        policy
            Of the call; None = the table does not have it.

        Raises
        ------
        RefusedError
            It may not, or too often.
        """
        if policy is not None and policy.is_public:
            return NOBODY, None
        if header is None and self.lets_anonymous:
            caller: Caller = ANONYMOUS
            token_id = None
        else:
            caller, token_id = self._known(header)
        if policy is None or not policy.allows(caller.role):
            raise RefusedError(
                code_pb2.PERMISSION_DENIED,
                "ROLE",
                f"the role {caller.role} may not make this call",
            )
        if caller is not ANONYMOUS:
            self._pace(caller)
        return caller, token_id

    def valid(self) -> tuple[frozenset[str | None], int]:
        """Return the ids of the tokens whose streams may go on; None stands for no token.

        And a number that changes with the file, lest a token be missed that came and went between
        two looks.
        """
        tokens: frozenset[str | None] = frozenset()
        changes = 0
        if self._tokens is not None:
            tokens = self._tokens.book.valid_ids(self._clock_ms())
            changes = self._tokens.changes
        return (tokens | {None} if self.lets_anonymous else tokens), changes

    def _known(self, header: object) -> tuple[Caller, str | None]:
        if header is None:
            raise _unknown("NO_TOKEN", "a token is needed: authorization: Bearer ...")
        if not isinstance(header, str) or not header.startswith(SCHEMES):
            raise _unknown("NO_TOKEN", "authorization: expected Bearer and a token")
        record = self._tokens.book.find(header[7:]) if self._tokens is not None else None
        # Expired, revoked and never given out are one answer to whoever asks.
        if record is None or not record.is_valid(self._clock_ms()):
            raise _unknown("BAD_TOKEN", "the token is not valid")
        return record.caller, record.id

    def _pace(self, caller: Caller) -> None:
        key = (caller.name, caller.pace_per_s)
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= BUCKETS_MAX:
                self._buckets.clear()
            bucket = self._buckets[key] = Bucket(caller.pace_per_s, self._monotonic)
        if not bucket.take():
            raise RefusedError(
                code_pb2.RESOURCE_EXHAUSTED,
                "RATE",
                "too many calls; call again later",
                retry_s=bucket.wait_s(),
            )


def _unknown(reason: str, message: str) -> RefusedError:
    return RefusedError(code_pb2.UNAUTHENTICATED, reason, message)
