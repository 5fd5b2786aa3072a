"""One SQLite file: opened by one process, written by one thread, many writes to one fsync."""

import fcntl
import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self, TypeVar

import apsw

from greenlot.storage.errors import Condition, StorageError

T = TypeVar("T")

GROUP_MAX = 512
"""The most jobs in one commit: bounds how long the first of them waits."""


class _Job:
    __slots__ = ("future", "proves", "work")

    def __init__(self, work: Callable[[apsw.Connection], Any], *, proves: bool) -> None:
        self.work = work
        self.proves = proves
        self.future: Future[Any] = Future()


class Database:
    """An SQLite file with one writer, whose commits are on the disk when they are answered.

    ``submit`` may be called from any thread. Jobs that come while a commit is under way share the
    next one, each in a savepoint of its own: one that raises takes only itself back. A commit
    that fails fails all its jobs.

    Use ``Database.open``. ``reader`` is a connection for reading, to be used by one thread at a
    time; it sees what is committed.
    """

    def __init__(
        self,
        path: Path,
        writer: apsw.Connection,
        lock_fd: int,
        failpoint: Callable[[str], None] | None = None,
    ) -> None:
        self.path = path
        self.reader = _connect(path, apsw.SQLITE_OPEN_READONLY)
        self._failpoint = failpoint or (lambda _: None)
        self._writer = writer
        self._lock_fd = lock_fd
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closing = False
        self._condition = Condition.OK
        self._broken: StorageError | None = None
        self._gate = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"writer {path.name}", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls,
        path: Path,
        migrations: Sequence[str],
        *,
        application_id: int,
        failpoint: Callable[[str], None] | None = None,
    ) -> Self:
        """Open or create a file and bring its schema up to date.

        Parameters
        ----------
        path
            The database file; its directory is made if need be. Beside it lies ``path.lock``.
        migrations
            SQL scripts; the file's ``user_version`` counts those it has had. Never change one
            that has been released: add one.
        application_id
            A number that tells this kind of file from others.
        failpoint
            Called with the name of each step of a commit; tests let it fail there.

        Raises
        ------
        StorageError
            If another process has the file open, it is no database or of another kind or of a
            newer version, or it cannot be opened.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        lock_fd = _lock(path)
        writer = None
        try:
            writer = _connect(path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
            _migrate(path, writer, migrations, application_id)
            return cls(path, writer, lock_fd, failpoint)
        except BaseException as error:
            if writer is not None:
                writer.close()
            os.close(lock_fd)
            if isinstance(error, apsw.Error):
                raise StorageError(f"cannot be opened: {error}", where=path) from error
            raise

    def submit(self, work: Callable[[apsw.Connection], T], *, proves: bool = False) -> Future[T]:
        """Have ``work`` done by the writer, inside a transaction.

        Parameters
        ----------
        work
            Does it.
        proves
            That it succeeds shows that the file can be written again. What happens to need no
            space shows nothing.

        Returns
        -------
        Future
            Done when the effect is on the disk; or fails with what ``work`` raised (then it had
            no effect), or with StorageError.
        """
        job = _Job(work, proves=proves)
        with self._gate:
            if self._closing:
                raise StorageError("is closed", where=self.path)
            self._queue.put(job)
        return job.future

    @property
    def condition(self) -> Condition:
        """Whether it can be written, as the last attempt showed."""
        return self._condition

    def backup(self, target: Path) -> None:
        """Copy the whole database, as it is at one moment, into another file, while in use.

        Raises
        ------
        StorageError
            If the target exists or cannot be written.
        """
        copy_file(self.path, target)

    def close(self) -> None:
        """Finish what was submitted, then close. A second call does nothing."""
        with self._gate:
            if self._closing:
                return
            self._closing = True
            self._queue.put(None)
        self._thread.join()
        self.reader.close()
        self._writer.close()
        os.close(self._lock_fd)

    def _run(self) -> None:
        open_end = True
        while open_end:
            group: list[_Job] = []
            job = self._queue.get()
            while job is not None:
                if job.future.set_running_or_notify_cancel():
                    group.append(job)
                if len(group) >= GROUP_MAX or self._queue.empty():
                    break
                job = self._queue.get()
            open_end = job is not None
            if group:
                self._commit(group)

    def _commit(self, group: list[_Job]) -> None:
        outcomes: list[tuple[Any, BaseException | None]] = []
        try:
            if self._broken is not None:
                raise self._broken
            self._failpoint("begin")
            self._writer.execute("BEGIN IMMEDIATE")
            outcomes = [self._attempt(job) for job in group]
            self._failpoint("commit")
            self._writer.execute("COMMIT")
            self._failpoint("committed")
            if any(job.proves for job in group):
                self._condition = Condition.OK
        except (apsw.Error, StorageError) as error:
            failure = self._fail(error)
            outcomes = [(None, failure)] * len(group)
        for job, (answer, wrong) in zip(group, outcomes, strict=True):
            if wrong is None:
                job.future.set_result(answer)
            else:
                job.future.set_exception(wrong)

    def _attempt(self, job: _Job) -> tuple[Any, BaseException | None]:
        """Do one job in a savepoint; what breaks the whole transaction is raised."""
        self._writer.execute("SAVEPOINT job")
        try:
            answer = job.work(self._writer)
        except BaseException as error:
            # A full disk and the like may have ended the transaction behind our back.
            if not self._writer.in_transaction or isinstance(
                error, apsw.FullError | apsw.IOError | apsw.NoMemError | apsw.CorruptError
            ):
                raise
            self._writer.execute("ROLLBACK TO job")
            self._writer.execute("RELEASE job")
            return None, error
        self._writer.execute("RELEASE job")
        return answer, None

    def _fail(self, error: Exception) -> StorageError:
        if isinstance(error, StorageError):
            return error
        try:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        except apsw.Error as second:
            error = second
        full = isinstance(error, apsw.FullError | apsw.ReadOnlyError)
        self._condition = Condition.READ_ONLY if full else Condition.BROKEN
        failure = StorageError(
            f"the commit failed: {error}",
            where=self.path,
            condition=self._condition,
            # A commit that failed in the middle may yet be found whole by who opens the file next.
            doubtful=not full,
        )
        if not full:
            # After a failed fsync nobody knows what is on the disk: only a reopening tells.
            self._broken = failure
        return failure


def copy_file(source: Path, target: Path) -> None:
    """Copy a database, as it is at one moment, into a new file; others may go on writing it.

    The target appears whole or not at all.

    Raises
    ------
    StorageError
        If the source is missing or broken, or the target exists or cannot be written.
    """
    if target.exists():
        raise StorageError("exists already, expected a new file", where=target)
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        origin = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
        copy = apsw.Connection(str(part))
        try:
            with copy.backup("main", origin, "main") as backup:
                backup.step(-1)
            # One file that stands by itself, without a log beside it.
            copy.execute("PRAGMA journal_mode=DELETE")
            found = copy.execute("PRAGMA quick_check").get
            if found != "ok":
                raise StorageError(f"is damaged: {found}", where=source)
        finally:
            copy.close()
            origin.close()
        part.rename(target)
        _sync_directory(target.parent)
    except (apsw.Error, OSError) as error:
        part.unlink(missing_ok=True)
        raise StorageError(f"cannot be copied from {source}: {error}", where=target) from error
    except StorageError:
        part.unlink(missing_ok=True)
        raise


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock(path: Path) -> int:
    """Take the lock beside the file; it falls with the process, however that ends."""
    lock_path = path.with_name(path.name + ".lock")
    try:
        lock_fd = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(f"cannot be locked: {error.strerror}", where=path) from error
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock_fd)
        raise StorageError("is in use by another process", where=path) from error
    return lock_fd


def _connect(path: Path, flags: int) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=flags)
    connection.set_busy_timeout(5000)
    if not flags & apsw.SQLITE_OPEN_READONLY:
        mode = connection.execute("PRAGMA journal_mode=WAL").get
        if mode != "wal":
            raise StorageError(f"expected journal mode wal, got {mode!r}", where=path)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
    return connection


def _migrate(
    path: Path, connection: apsw.Connection, migrations: Sequence[str], application_id: int
) -> None:
    kind = connection.execute("PRAGMA application_id").get
    version = connection.execute("PRAGMA user_version").get
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
    if kind != application_id and (kind != 0 or version != 0 or tables != 0):
        raise StorageError(
            f"expected a file with application id {application_id}, got {kind}", where=path
        )
    if version > len(migrations):
        raise StorageError(
            f"schema version {version} is newer than this program's {len(migrations)}", where=path
        )
    for number in range(version, len(migrations)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(migrations[number])
            connection.execute(f"PRAGMA user_version={number + 1}")
            connection.execute(f"PRAGMA application_id={application_id}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
