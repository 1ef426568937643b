"""What was written on the command line, as a request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.bench.bench import NAMES
from edge.bench.report import BenchReport, from_json
from edge.errors import UsageError


def names_in(words: Sequence[str]) -> tuple[str, ...]:
    """Return the scenarios that were asked for, in the order in which they are measured; all where none was.

    Raises
    ------
    UsageError
        There is none by that name.
    """
    for word in words:
        if word not in NAMES:
            raise UsageError(f"Choosing scenarios: found {word!r}, expected some of {', '.join(NAMES)}.")
    return tuple(name for name in NAMES if name in words) if words else NAMES


def earlier_in(path: Path | None) -> BenchReport | None:
    """Return the report of an earlier run.

    Raises
    ------
    UsageError
        It cannot be read.
    """
    if path is None:
        return None
    try:
        return from_json(path.read_bytes(), str(path))
    except OSError as error:
        raise UsageError(f"Reading {path} to compare with: {error.strerror or error}.") from error
