"""The small files in which Linux tells what a machine is and does (procfs, sysfs): read, or taken for empty."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_MOST_BYTES = 1 << 16


def text_of(path: Path) -> str:
    """Return a small file's text without the spaces at its ends; empty where it cannot be read.

    It is read by the system's own call: a thermal zone that is switched off answers EAGAIN, which Python's own files
    turn into None or a TypeError.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return ""
    try:
        return os.read(handle, _MOST_BYTES).decode("utf-8", errors="replace").strip()
    except OSError:
        return ""
    finally:
        os.close(handle)


def number_in(path: Path) -> int | None:
    """Return the whole number that a small file holds; None where it holds none or cannot be read."""
    with contextlib.suppress(ValueError):
        return int(text_of(path))
    return None
