"""What every child process of ours has in common: where it imports from, and how its end is told."""

from __future__ import annotations

import signal
import sys
from pathlib import Path


def import_path() -> list[str]:
    """Return the parent's import path without the current folder, and where edgerun itself stands.

    The folder that a program is run from may be a stick with a numpy.py on it.
    """
    own = str(Path(__file__).absolute().parents[1])
    return [*(entry for entry in sys.path if entry), *([] if own in sys.path else [own])]


def signal_of(code: int) -> str | None:
    """Return the signal that ended a process with this exit code, as subprocess gives it; None where none did.

    Examples
    --------
    >>> signal_of(-9), signal_of(1)
    ('SIGKILL', None)
    """
    if code >= 0:
        return None
    return signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)


def ending(code: int) -> str:
    """Return in words how a process with this exit code ended.

    Examples
    --------
    >>> ending(-11)
    'it was ended by signal SIGSEGV'
    """
    name = signal_of(code)
    if name is None:
        return f"it ended with exit code {code}"
    hint = ", most likely for want of memory" if name == "SIGKILL" else ""
    return f"it was ended by signal {name}{hint}"
