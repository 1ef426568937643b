"""What every child process of ours has in common: where it imports from, and how its end is told.

It holds the start of the one that reads, too, and imports next to nothing: that process has as much to import as its
parent, and is started before the parent's own imports.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys

# The import path is set before the first import that is not built in.
_READ = (
    "import sys; sys.path[:] = sys.argv[1:]; from edge.child import collect_seldom; collect_seldom(); "
    "from edge.read.worker import main; main()"
)
_NEW_OBJECTS = 100_000
"""More than importing everything makes, all of which stays."""


def collect_seldom() -> None:
    """Let the garbage collector leave what is imported alone, through which it would look again and again."""
    gc.set_threshold(_NEW_OBJECTS)


def start_reader() -> subprocess.Popen[bytes]:
    """Start the process that reads scans; `edge.read.process.Child` tells it its limits, then speaks to it."""
    # A session of its own: an interrupt typed at the terminal reaches the parent, which ends the child.
    return subprocess.Popen(  # noqa: S603 -- our own interpreter, no shell
        [sys.executable, "-c", _READ, *import_path()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def import_path() -> list[str]:
    """Return the parent's import path without the current folder, and where edgerun itself stands.

    The folder that a program is run from may be a stick with a numpy.py on it.
    """
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 -- pathlib loads slowly
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
