"""A plain command line of `edgerun infer`, read without Typer, whose import takes longer than everything else here.

Typer defines the command, and reads whatever is not plain: help, errors, ``--out=FOLDER``, a repeated option, a word
that begins with a dash. What is read here means the same to Typer; `tests/cli/test_plain.py` compares the two.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.cli.examine import Arguments

ONE = {
    "--pack": "pack",
    "--out": "out",
    "--engine": "engine",
    "--precision": "precision",
    "--for": "profile",
    "--language": "language",
    "--explain": "explain",
}
"""Options that take a value, by the field of `Arguments`."""

MANY = {"--scan": "scan", "--labels": "labels", "--confirm": "confirm", "--write": "write"}
"""Options that take a value and may come again."""

FLAGS = {
    "--json": "json",
    "--identified": "identified",
    "--allow-slower": "allow_slower",
    "--full-resolution": "full_resolution",
}


def plain_arguments(words: Sequence[str]) -> Arguments | None:
    """Return what the words after ``infer`` say, or None where Typer must read them.

    Examples
    --------
    >>> plain_arguments(["scan.dcm", "--json"]).json
    True
    >>> plain_arguments(["scan.dcm", "--jason"]) is None
    True
    """
    if os.name == "nt":
        return None  # Typer expands patterns there
    paths: list[Path] = []
    told: dict[str, Any] = {}
    left = iter(words)
    for word in left:
        if word in FLAGS:
            told[FLAGS[word]] = True
        elif word in ONE or word in MANY:
            value = next(left, "")
            if not _is_value(value) or ONE.get(word) in told:
                return None
            _tell(told, word, value)
        elif _is_value(word):
            paths.append(Path(word))
        else:
            return None
    return Arguments(paths=tuple(paths), **told)


def _tell(told: dict[str, Any], option: str, value: str) -> None:
    if option in MANY:
        told[MANY[option]] = (*told.get(MANY[option], ()), value)
    else:
        told[ONE[option]] = Path(value) if option == "--out" else value


def _is_value(word: str) -> bool:
    return word != "" and not word.startswith("-")
