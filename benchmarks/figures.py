"""What a benchmark found, as a file that can be committed: where, when and by what it was measured, beside its aims.

``--out benchmarks/results/NAME.json`` of each benchmark writes one, and `benchmarks.tables` makes the tables of
README.md and docs/benchmarks.md of them. ``figures.schema.json`` beside the results is generated from these types.
Version 1.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edge.bench.paired import Ratio
from edge.device import installed_version, machine_name, versions
from edge.errors import UsageError
from edge.typed import dump, parse, schema

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SCHEMA = RESULTS / "figures.schema.json"
FAST, SLOWER = "times as fast", "% slower"
"""The units of one speed beside another."""
PEERS = ("torch", "monai")
"""Whose versions are told, too, where they are installed."""

Outcome = Literal[
    "met", "met by the median, not by its interval", "missed by the median, not by its interval", "missed"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing that was measured.

    Parameters
    ----------
    what : str
        In words, with what it is compared with.
    unit : str
        Such as ``times as fast``, ``% slower``, ``MB``.
    n : int
        Pairs, queries or rounds that it is made of.
    found : float
    low, high : float, optional
        95% interval; None where the figure has none, as a size has.
    at_least, at_most : float, optional
        What the project aims at; of the two, one or none.
    why : str
        Why the aim is missed, or what else must be known to read it.
    detail : bool
        Whether it stands in docs/benchmarks.md alone.
    """

    what: str
    unit: str
    n: int
    found: float
    low: float | None = None
    high: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    why: str = ""
    detail: bool = False

    def outcome(self) -> Outcome | None:
        """Return how it stands to its aim; None where it has none."""
        low, high = (self.found if end is None else end for end in (self.low, self.high))
        if self.at_least is not None:
            return judge(self.at_least, self.found, low, high)
        return None if self.at_most is None else judge(-self.at_most, -self.found, -high, -low)


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """One run of one benchmark.

    Parameters
    ----------
    command : str
        That measures it again.
    commit : str
        Of the code that was measured; ``+`` at its end: with changes that were not committed.
    load : tuple of float
        The machine's load over the last minute, before and after.
    notes : tuple of str
        What was left out, and why.
    """

    format: Literal["edgerun-benchmark"] = "edgerun-benchmark"
    format_version: Literal[1] = 1
    command: str
    machine: str
    measured_utc: str
    commit: str
    versions: Mapping[str, str]
    load: tuple[float, float]
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()


def judge(aim: float, middle: float, low: float, high: float) -> Outcome:
    """Return whether a figure reaches an aim, and whether its whole interval says so.

    Examples
    --------
    >>> judge(2.5, 2.8, 2.6, 2.9), judge(2.5, 2.1, 2.0, 2.2)
    ('met', 'missed')
    >>> judge(2.5, 2.6, 2.4, 2.7)
    'met by the median, not by its interval'
    """
    if middle >= aim:
        return "met" if low >= aim else "met by the median, not by its interval"
    return "missed by the median, not by its interval" if high >= aim else "missed"


def times(
    what: str, ratio: tuple[float, float, float] | Ratio, n: int, *, at_least: float | None = None, why: str = ""
) -> Figure:
    """Return a figure of how many times as fast something is."""
    found, low, high = (ratio.middle, ratio.low, ratio.high) if isinstance(ratio, Ratio) else ratio
    return Figure(what=what, unit=FAST, n=n, found=found, low=low, high=high, at_least=at_least, why=why)


def line_of(figure: Figure) -> str:
    """Return a figure as text."""
    outcome = figure.outcome()
    return f"{figure.what}: {words_of(figure)}" + (f"; {aim_of(figure)}: {outcome}" if outcome else "")


def words_of(figure: Figure) -> str:
    """Return what was found, with its interval.

    Examples
    --------
    >>> words_of(Figure(what="a / b", unit="times", n=7, found=2.504, low=2.4, high=2.61))
    '2.50 times (2.40 to 2.61)'
    """
    between = f" ({_number(figure.low)} to {_number(figure.high)})" if None not in (figure.low, figure.high) else ""
    return f"{_number(figure.found)} {figure.unit}{between}"


def aim_of(figure: Figure) -> str:
    """Return what is aimed at; nothing where nothing is."""
    if figure.at_least is not None:
        return f"at least {figure.at_least:g}"
    return "" if figure.at_most is None else f"at most {figure.at_most:g}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def load() -> float:
    """Return the machine's load over the last minute; 0 where the system does not tell (Windows)."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0


def add_out(parser: argparse.ArgumentParser) -> None:
    """Let a benchmark be told where to keep what it finds."""
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="keep the figures here, as benchmarks/results/NAME.json"
    )


def keep(path: Path | None, figures: Sequence[Figure], *, before: float, notes: Sequence[str] = ()) -> None:
    """Write what this process has measured to a file, in the place of an earlier one; None: nowhere.

    Parameters
    ----------
    before : float
        The machine's `load` when the benchmark began.
    """
    if path is None:
        return
    results = Results(
        command=f"python {shlex.join(sys.orig_argv[1:])}",
        machine=machine_name(),
        measured_utc=dt.datetime.now(dt.timezone.utc).isoformat(timespec="minutes"),
        commit=commit(),
        versions=versions() | {name: version for name in PEERS if (version := installed_version(name))},
        load=(before, load()),
        figures=tuple(figures),
        notes=tuple(notes),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dump(results), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: Path) -> Results:
    """Return the results in a file.

    Raises
    ------
    UsageError
        They are none, or of another version.
    """
    try:
        return parse(Results, json.loads(path.read_bytes()))
    except ValueError as error:  # JSON, UTF-8 and TypedError are all of this kind
        raise UsageError(f"Reading {path}: {error}. Measure it again with --out.") from error


def published() -> dict[str, Any]:
    """Return the JSON Schema of such a file."""
    return schema(Results, title="edgerun benchmark, version 1", identifier="urn:edgerun:benchmark:1")


def commit() -> str:
    """Return the short name of the commit that is checked out; ``unknown`` where git does not tell."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    told = [
        subprocess.run([git, *words], cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip()
        for words in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
    ]
    return told[0] + ("+" if told[1] else "") if told[0] else "unknown"
