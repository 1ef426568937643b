"""What a loader of models is asked for, and what it gives: one ONNX file, its origin, and what was done to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

SHOWN = 10
"""Problems that a message lists; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A model as a pack may hold it.

    Parameters
    ----------
    onnx : bytes
        One self-contained file of plain operators, which ONNX Runtime has loaded.
    origin : str
        Where it is from, in words, without paths of this machine.
    notes : tuple of str
        What was changed, what was compared and how far it agreed, and what could not be checked; a sentence each.
    compare : callable, optional
        Runs the network that it is from beside it on prepared scans and returns the sentence that both answer alike;
        raises `edge.errors.UsageError` where they do not. None where there is no such network.
    """

    onnx: bytes
    origin: str
    notes: tuple[str, ...]
    compare: Callable[[Sequence[Mapping[str, NDArray[Any]]]], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a user asked for; see `convert.sources.load_source`."""

    spec: str
    weights: Path | None = None
    example_shapes: Mapping[str, tuple[int, ...]] | None = None


Loader = Callable[[Request], Source]


def listed(problems: list[str]) -> str:
    """Return up to `SHOWN` problems as one text, and how many more there are.

    Examples
    --------
    >>> listed(["a", "b"])
    'a; b'
    >>> listed([str(number) for number in range(12)])
    '0; 1; 2; 3; 4; 5; 6; 7; 8; 9; and 2 more'
    """
    more = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
    return "; ".join([*problems[:SHOWN], *more])


def first_line(error: BaseException) -> str:
    """Return what an error of a third party says first, without a full stop, or its type where it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".")[:300] if lines else type(error).__name__
