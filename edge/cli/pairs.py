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
        A word is no pair, or makes no sense, or two words vouch for different values of one thing.
    """
    from edge.check import confirm
    from edge.scan import Acquisition

    told: dict[str, str] = {}
    for word in words:
        name, value = _pair(word, "--confirm", "NAME=VALUE, such as body-part=CHEST")
        if told.setdefault(name, value) != value:
            raise UsageError(f"Reading --confirm {word!r}: found {name}={told[name]}, too, expected one value.")
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


def labels_in(words: Sequence[str], scans: Sequence[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Return the roles of files of labels, each with its path, from ``ROLE=PATH``.

    Parameters
    ----------
    scans : sequence of (str, Path)
        What `scans_in` gave: labels are of a scan that a person named.

    Raises
    ------
    UsageError
        A word is no pair, or names no scan.
    """
    from edge.register.labels import labels_of

    pairs = [_pair(word, "--labels", "ROLE=PATH, such as moving=labels.nii.gz") for word in words]
    named = {role for role, _ in scans}
    for role, path in pairs:
        if role not in named:
            found = f"found no --scan {role}=PATH, expected the scans to be named, too"
            raise UsageError(f"Giving the labels {path} of the scan {role!r}: {found}.")
    return [(labels_of(role), Path(path)) for role, path in pairs]


def _pair(word: str, option: str, expected: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or not name or not value:
        raise UsageError(f"Reading {option} {word!r}: expected {expected}.")
    return name, value
