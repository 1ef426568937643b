"""SHA-256 of a file, read piece by piece."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

_BLOCK = 1 << 20


def hashed(path: Path, alive: Callable[[], object] = lambda: None, *, block: int = _BLOCK) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits.

    Parameters
    ----------
    alive : callable
        Called for every piece that was read.
    block : int
        Bytes of a piece.

    Raises
    ------
    OSError
        It cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while found := file.read(block):
            alive()
            digest.update(found)
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a plain file, 64 hexadecimal digits; empty where it cannot be read.

    Whoever reads the file says better why it cannot be.
    """
    try:
        return hashed(path) if path.is_file() else ""
    except OSError:
        return ""
