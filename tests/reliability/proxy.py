"""A network that can be cut: a small TCP proxy in front of a server."""

import asyncio
import contextlib
import threading
from typing import Self

CHUNK = 65536


class Proxy:
    """Forwards ``port`` on this machine to a target that may change, until it is cut.

    Use it as a context manager; its methods may be called from any thread.
    """

    def __init__(self) -> None:
        self.port = 0
        self._target = 0
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def lead_to(self, port: int) -> None:
        """Lead new connections to another port."""
        self._target = port

    def cut(self, *, reset: bool) -> None:
        """Let nothing through; with ``reset`` connections break, else they only fall silent."""

        def cut() -> None:
            self._open.clear()
            if reset:
                for writer in self._writers:
                    writer.transport.abort()

        self._loop.call_soon_threadsafe(cut)

    def mend(self) -> None:
        """Let everything through again, also what waited."""
        self._loop.call_soon_threadsafe(self._open.set)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        other = None
        try:
            await self._open.wait()
            far, other = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(other)
            await asyncio.gather(self._pump(reader, other), self._pump(far, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in (writer, other):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.transport.abort()
