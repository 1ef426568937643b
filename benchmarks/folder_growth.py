"""One run over a folder, seen from within: what each mark had cost so far. `benchmarks.folder` starts it.

``python -m benchmarks.folder_growth FILMS RESULTS PACK`` prints JSON: a list of `Mark`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.bench.procfs import family, held_by
from edge.pipeline import Request, run
from edge.typed import dump, parse

FIRST, EVERY = 10, 100
"""Scans after which is looked; by the first mark everything has been loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What `scans` scans have cost, and what the processes hold then.

    Parameters
    ----------
    cpu_s : float
        Processor seconds of the process and of all that it has started.
    resident_bytes : int
    """

    scans: int
    cpu_s: float
    resident_bytes: int


def marks_of(films: Path, results: Path, pack: str) -> Iterator[Mark]:
    """Examine a folder, and yield a mark after `FIRST` scans and after every `EVERY`."""
    for done, _ in enumerate(run(Request(paths=(films,), out=results, pack=pack)), start=1):
        if done == FIRST or done % EVERY == 0:
            yield mark(done)


def mark(scans: int) -> Mark:
    """Return how it stands with this process and what it has started.

    Raises
    ------
    SystemExit
        The system tells nothing of processes below ``/proc``.
    """
    held = held_by(os.getpid())
    if held is None:
        raise SystemExit("Measuring a folder's growth: found no /proc, expected Linux.")
    return Mark(
        scans=scans,
        cpu_s=sum(cpu_seconds(pid) for pid in family(os.getpid())),
        resident_bytes=held.resident_bytes,
    )


def words_of(marks: Iterable[Mark]) -> str:
    """Return marks as JSON."""
    return json.dumps(dump(tuple(marks)))


def marks_in(words: bytes | str) -> tuple[Mark, ...]:
    """Return the marks that `words_of` wrote."""
    return parse(tuple[Mark, ...], json.loads(words))


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process (proc(5), fields 14 and 15 of its stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def slower(marks: Sequence[Mark]) -> float:
    """Return how many times the processor time of a scan is in the second half of what it was in the first.

    Parameters
    ----------
    marks : sequence of Mark
        Three at least; what comes before the first does not count.

    Examples
    --------
    >>> marks = [Mark(scans=n, cpu_s=s, resident_bytes=0) for n, s in [(10, 5.0), (510, 10.0), (1010, 15.5)]]
    >>> slower(marks)
    1.1
    """
    first, middle, last = marks[0], marks[len(marks) // 2], marks[-1]
    before = (middle.cpu_s - first.cpu_s) / (middle.scans - first.scans)
    after = (last.cpu_s - middle.cpu_s) / (last.scans - middle.scans)
    return round(after / before, 4)


def grown_mb(marks: Sequence[Mark]) -> float:
    """Return by how many megabytes (10^6) the processes grew from the first mark to the one where they held most."""
    return (max(each.resident_bytes for each in marks[1:]) - marks[0].resident_bytes) / 1e6


if __name__ == "__main__":
    print(words_of(marks_of(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])))
