"""Pairs that are written on the command line: what a person vouches for, and which scan is which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.errors import UsageError


def confirmed_in(words: Sequence[str]) -> dict[str, str]:
    """Return what a person vouches for, by name, from ``NAME=VALUE``.

    Raises
    ------
    UsageError
        A word is no pair, or makes no sense.
    """
    from edge.check import confirm
    from edge.scan import Acquisition

    told = dict(_pair(word, "--confirm", "NAME=VALUE, such as body-part=CHEST") for word in words)
    confirm(Acquisition(), told)
    return told


def scans_in(words: Sequence[str]) -> list[tuple[str, Path]]:
    """Return the inputs that scans are named for, each with its path, from ``ROLE=PATH``.

    Raises
    ------
    UsageError
        A word is no pair.
    """
    pairs = (_pair(word, "--scan", "ROLE=PATH, such as t1=head.nii.gz") for word in words)
    return [(role, Path(path)) for role, path in pairs]


def _pair(word: str, option: str, expected: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or not name or not value:
        raise UsageError(f"Reading {option} {word!r}: expected {expected}.")
    return name, value
