"""Writes text files so that a reader sees all of each or nothing."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def whole_files(paths: Sequence[Path]) -> Iterator[tuple[TextIO, ...]]:
    """Give streams to write; the files appear, all of them, when the block ends well.

    Until then nothing has changed: files that stood there stay as they were. Line ends are
    written as they are. A device or a pipe, which nothing can take the place of, is written at
    the end.

    Raises
    ------
    OSError
        A file cannot be written, or the disk is full.
    """
    # A symbolic link stays one: the file that it names is replaced.
    targets = [path.resolve() for path in paths]
    with ExitStack() as stack:
        streams = [stack.enter_context(_hidden_beside(target)) for target in targets]
        yield tuple(streams)
        for stream in streams:
            stream.flush()
            os.fsync(stream.fileno())
        pairs = list(zip(targets, streams, strict=True))
        for target, stream in pairs:
            if _special(target):
                stream.seek(0)
                with target.open("w", encoding="utf-8", newline="") as device:
                    device.writelines(stream)
        for target, stream in pairs:
            if not _special(target):
                Path(stream.name).replace(target)


@contextmanager
def _hidden_beside(target: Path) -> Iterator[TextIO]:
    """Give a temporary file in the target's directory; what is left of it at the end goes."""
    home = None if _special(target) else target.parent
    handle, name = tempfile.mkstemp(dir=home, prefix=f".{target.name[:50]}.")
    os.close(handle)
    try:
        # A temporary file is readable by its owner only; the result is an ordinary file, or
        # what the file that it replaces was.
        umask = os.umask(0)
        os.umask(umask)
        mode = target.stat().st_mode & 0o777 if target.is_file() else 0o666 & ~umask
        Path(name).chmod(mode)
        with Path(name).open("w+", encoding="utf-8", newline="") as stream:
            yield stream
    finally:
        Path(name).unlink(missing_ok=True)


def _special(path: Path) -> bool:
    return path.exists() and not path.is_file()
