"""Whether a file has changed."""

from pathlib import Path


def file_stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is written or replaced; None = it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
