"""Files are whole or absent: written under another name, flushed to the disk, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge.errors import OutputError
from edge.reasons import CANNOT_WRITE, DISK_FULL

UNFINISHED = ".unfinished-"
"""Beginning of the name of a file that is being written; left behind only when the machine loses power."""


def make_folder(folder: Path) -> None:
    """Create `folder` where it is missing, and clear it of what an earlier run left unfinished.

    Raises
    ------
    OutputError
        ``W800`` or ``W801``.
    """
    with mapped(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f"{UNFINISHED}*"):
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover)
            else:
                leftover.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` to `path`, replacing what is there; on any failure what was there is still there.

    Raises
    ------
    OutputError
        ``W800`` or ``W801``.
    """
    with mapped(path):
        handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(PermissionError):  # FAT, the usual stick, has permissions of its own
                temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself last; systems that cannot open or flush a folder need no such thing."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except (PermissionError, IsADirectoryError):
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(handle)


@contextlib.contextmanager
def mapped(path: Path) -> Iterator[None]:
    """Turn what the system says of writing at `path` into `OutputError`, ``W800`` or ``W801``."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read has seen enough: no error to tell
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        words = error.strerror or type(error).__name__
        raise OutputError(f"Writing {path}: {words}.", DISK_FULL if full else CANNOT_WRITE) from error
