"""Whether a file that is read piece by piece is still the one whose hash was taken."""

from __future__ import annotations

from pathlib import Path

from edge.errors import ReadError
from edge.reasons import DAMAGED

Stamp = tuple[int, int]


def stamp_of(path: str) -> Stamp | None:
    """Return size and time of the last change, in nanoseconds, of a file; None where it cannot be seen."""
    try:
        about = Path(path).stat()
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns


def check_unchanged(path: str, before: Stamp | None) -> None:
    """Refuse a file that is not what it was: a result would be told of another than was examined.

    Raises
    ------
    edge.errors.ReadError
        ``DAMAGED``.
    """
    if stamp_of(path) != before:
        raise ReadError(f"Reading {quoted(path)}: it was changed while it was examined. Examine it again.", DAMAGED)


def quoted(path: str) -> str:
    """Return a file's name as messages write it: the folders above it may name a patient."""
    return repr(Path(path).name)
