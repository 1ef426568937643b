"""The memory of a process and of all that it has started, as Linux tells it below ``/proc``."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path("/")
KILOBYTE = 1024

Kind = Literal["pss", "rss"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a tree of processes holds at one moment.

    Parameters
    ----------
    kind : {"pss", "rss"}
        Proportional set size, which counts a page that several processes share once; or, where the system does not
        tell that, resident set size, which counts it in each.
    bytes : int
    resident_bytes : int
        Resident set sizes, which do not change when a stranger that shares pages comes or goes: what to watch for
        growth.
    most_bytes : mapping
        By process: the most resident bytes that it has held so far (``VmHWM``), which nobody misses between two looks.
    """

    kind: Kind
    bytes: int
    resident_bytes: int
    most_bytes: Mapping[int, int]


def held_by(pid: int, root: Path = ROOT) -> Held | None:
    """Return what process `pid` and its descendants hold; None where the system does not tell or it is gone.

    Parameters
    ----------
    root : Path
        Where ``proc`` lies.
    """
    statuses = {member: found for member in family(pid, root) if (found := _status(root, member))}
    if not statuses:
        return None
    shared = {member: _pss(root, member) for member in statuses}
    told = [size for size in shared.values() if size is not None]
    kind: Kind = "pss" if len(told) == len(statuses) else "rss"
    resident = sum(found.get("VmRSS", 0) for found in statuses.values())
    size = sum(told) if kind == "pss" else resident
    most = {member: found.get("VmHWM", 0) for member, found in statuses.items()}
    return Held(kind=kind, bytes=size, resident_bytes=resident, most_bytes=most)


def family(pid: int, root: Path = ROOT) -> tuple[int, ...]:
    """Return `pid` and the numbers of all processes that descend from it; what has ended meanwhile is left out."""
    children: dict[int, list[int]] = {}
    with contextlib.suppress(OSError):
        for entry in (root / "proc").iterdir():
            if entry.name.isdecimal() and (parent := _parent(entry)) is not None:
                children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for member in found:
        found += sorted(children.get(member, []))
    return tuple(found)


def _parent(folder: Path) -> int | None:
    """The fourth field of ``stat``; the second may hold any character, and ends with the last bracket (proc(5))."""
    try:
        return int((folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def _status(root: Path, pid: int) -> dict[str, int]:
    return _kilobytes(root / "proc" / str(pid) / "status", ("VmRSS", "VmHWM"))


def _pss(root: Path, pid: int) -> int | None:
    return _kilobytes(root / "proc" / str(pid) / "smaps_rollup", ("Pss",)).get("Pss")


def _kilobytes(path: Path, names: tuple[str, ...]) -> dict[str, int]:
    """The named lines of a file such as ``VmRSS:   123 kB``, in bytes."""
    found = {}
    with contextlib.suppress(OSError, ValueError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name in names:
                found[name] = int(value.split()[0]) * KILOBYTE
    return found
