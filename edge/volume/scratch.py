"""Arrays that lie in a temporary file, for a machine whose memory is too small."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edge.errors import OutputError
from edge.reasons import CANNOT_WRITE, DISK_FULL


def scratch_file(size_bytes: int, folder: Path) -> IO[bytes]:
    """Return a temporary file of zeros that is gone once it is closed.

    Its blocks are reserved where the system can: to run out of disk while a file is mapped ends the process.

    Parameters
    ----------
    size_bytes : int
    folder : Path
        On a disk; a folder that is itself in memory (tmpfs) saves nothing.

    Raises
    ------
    OutputError
        ``W801`` the disk is too full, ``W800`` the folder cannot be written to.
    """
    with ExitStack() as on_failure:
        try:
            file = on_failure.enter_context(tempfile.TemporaryFile(dir=folder))
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size_bytes)
            else:
                file.truncate(size_bytes)
        except OSError as error:
            reason = DISK_FULL if error.errno == errno.ENOSPC else CANNOT_WRITE
            raise OutputError(
                f"Reserving a temporary file of {size_bytes / 1e9:.2f} GB in {folder}: {error.strerror}.", reason
            ) from error
        on_failure.pop_all()
    return file


def scratch_array(shape: tuple[int, ...], dtype: DTypeLike, folder: Path | None) -> NDArray[Any]:
    """Return zeros of this shape: in memory, or mapped from a temporary file in `folder` that lives as long as they do.

    Examples
    --------
    >>> scratch_array((2, 3), "uint8", None).tolist()
    [[0, 0, 0], [0, 0, 0]]
    """
    if folder is None:
        return np.zeros(shape, dtype=dtype)
    with scratch_file(int(np.prod(shape)) * np.dtype(dtype).itemsize, folder) as file:
        # The map holds a descriptor of its own, so the file outlives this block.
        return np.memmap(file, dtype=dtype, mode="r+", shape=shape)
