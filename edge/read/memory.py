"""How much memory this machine has, or the container that it runs us in; imports nothing heavy.

The limits of containers are those of Linux's control groups: version 2 (Documentation/admin-guide/cgroup-v2.rst,
``memory.max``) and version 1 (cgroup-v1/memory.rst, ``memory.limit_in_bytes``). A limit of any group above counts too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from edge.kernel_files import text_of

UNLIMITED = 1 << 60
"""Version 1 writes no limit as a number near 2 to the 63rd."""

_V2 = Path("sys/fs/cgroup"), "memory.max"
_V1 = Path("sys/fs/cgroup/memory"), "memory.limit_in_bytes"


def memory_bytes(root: Path = Path("/")) -> int | None:
    """Return the memory that this process may use at most: the machine's, or less where a control group allows less.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` lie.

    Returns
    -------
    int or None
        None where the system tells neither, as Windows.
    """
    found = [limit for limit in (_machine_bytes(), group_bytes(root)) if limit is not None]
    return min(found, default=None)


def group_bytes(root: Path = Path("/")) -> int | None:
    """Return the least limit of the control groups that this process is in, None where there is none."""
    return min(_limits(root), default=None)


def _machine_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


def _limits(root: Path) -> Iterator[int]:
    """The limits of our groups and of all above them; what cannot be read limits nothing."""
    for line in text_of(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            folder, name = _V2
        elif "memory" in controllers.split(","):
            folder, name = _V1
        else:
            continue
        # Where the container sees its own group as the root, the path of the host leads nowhere, and the root does.
        inside = PurePosixPath(path.lstrip("/"))
        for group in (inside, *inside.parents):
            limit = text_of(root / folder / group / name)
            if limit.isdecimal() and 0 < int(limit) < UNLIMITED:
                yield int(limit)
