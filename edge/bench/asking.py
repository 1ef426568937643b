"""What was written on the command line, as a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.bench.bench import NAMES
from edge.bench.report import BenchReport, from_json
from edge.check import confirm
from edge.errors import UsageError
from edge.roles import absolute
from edge.scan import Acquisition


def confirmed_in(words: Sequence[str]) -> dict[str, str]:
    """Return what a person vouches for, by name.

    Raises
    ------
    UsageError
        A word is no pair, or makes no sense.
    """
    told = dict(_pair(word, "--confirm", "NAME=VALUE, such as body-part=CHEST") for word in words)
    confirm(Acquisition(), told)
    return told


def roles_in(words: Sequence[str]) -> Mapping[str, str]:
    """Return which file is which input, by absolute path.

    Raises
    ------
    UsageError
        A word is no pair, or one path has two roles.
    """
    pairs = (_pair(word, "--scan", "ROLE=PATH, such as t1=head.nii.gz") for word in words)
    return absolute([(role, Path(path)) for role, path in pairs])


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


def _pair(word: str, option: str, expected: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or not name or not value:
        raise UsageError(f"Reading {option} {word!r}: expected {expected}.")
    return name, value
