"""One answer for each request id: what is under way, and what was answered before."""

import asyncio
from dataclasses import dataclass

from parking.errors import InvalidInputError, ParkingError, UnavailableError
from parking.store import Answer, ReservationStore


@dataclass(slots=True, eq=False)
class _UnderWay:
    """A request that has no answer yet.

    ``answer`` is made when a repetition comes to wait for it; ``is_writing``: its decision is on
    its way to the disk.
    """

    digest: bytes
    answer: "asyncio.Future[bytes] | None" = None
    is_writing: bool = False


class Requests:
    """The requests of one writer; all methods belong to its event loop.

    Parameters
    ----------
    store
        Keeps what was answered.
    """

    def __init__(self, store: ReservationStore) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._under_way: dict[str, _UnderWay] = {}
        self._asked: dict[str, asyncio.Future[Answer | None]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def answered(self, request_id: str, digest: bytes) -> bytes | None:
        """Return the answer that a request was given, raise its refusal, or None if it is new.

        A request that is under way is waited for.

        Raises
        ------
        InvalidInputError
            The id was used with another request.
        """
        if request_id not in self._under_way and not self._store.is_new(request_id):
            known = await self._look_up(request_id)
            if known is not None:
                return told_again(known, digest)
        going = self._under_way.get(request_id)
        if going is None:
            return None
        _same(going.digest, digest)
        if going.answer is None:
            going.answer = self._loop.create_future()
        return await asyncio.shield(going.answer)

    def begin(self, request_id: str, digest: bytes) -> None:
        """Note that a request is under way."""
        self._under_way[request_id] = _UnderWay(digest)

    def writing(self, request_id: str, *, is_writing: bool) -> None:
        """Note whether a request's decision is on its way to the disk."""
        going = self._under_way.get(request_id)
        if going is not None:
            going.is_writing = is_writing

    def end(
        self, request_id: str, reply: bytes = b"", *, error: BaseException | None = None
    ) -> None:
        """End a request: whoever repeated it meanwhile is told the same."""
        going = self._under_way.pop(request_id, None)
        if going is None or going.answer is None or going.answer.done():
            return
        if error is None:
            going.answer.set_result(reply)
        else:
            going.answer.set_exception(error)
            # All who waited may have gone away: it is told to the first caller alone.
            going.answer.exception()

    def abandon(self, request_id: str, error: BaseException) -> None:
        """End a request that has no answer, unless its decision is on its way to the disk."""
        going = self._under_way.get(request_id)
        if going is not None and not going.is_writing:
            if not isinstance(error, Exception):
                # The first caller has gone away; whoever waits for his answer has not.
                error = UnavailableError(
                    "the first call was given up; try again", reason="given_up"
                )
            self.end(request_id, error=error)

    async def _look_up(self, request_id: str) -> Answer | None:
        """Ask the store; while it is asked, others wait and are asked for together."""
        future = self._asked.get(request_id)
        if future is None:
            future = self._asked[request_id] = self._loop.create_future()
            if self._looking is None:
                self._looking = self._loop.create_task(self._look_ups())
        return await asyncio.shield(future)

    async def _look_ups(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            try:
                looking = self._store.answers(tuple(asked))
                known = looking.result() if looking.done() else await asyncio.wrap_future(looking)
            except ParkingError as error:
                for future in asked.values():
                    future.set_exception(error)
                    future.exception()
                continue
            for request_id, future in asked.items():
                future.set_result(known.get(request_id))
        self._looking = None


def told_again(answer: Answer, digest: bytes) -> bytes:
    """Return an answer's reply, or raise its refusal."""
    _same(answer.digest, digest)
    if answer.refusal is not None:
        raise answer.refusal
    return answer.reply


def _same(first: bytes, digest: bytes) -> None:
    if first != digest:
        raise InvalidInputError("used before with another request", where="request_id")
