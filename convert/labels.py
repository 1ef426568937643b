"""The labelled set: a table that names scans and says what is true of each."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convert.metrics import Truth
from edge.errors import UsageError

PATH = "path"
GROUPS = ("sex", "age_band", "site", "device")
YES, NO = ("1", "yes", "true"), ("0", "no", "false")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSet:
    """Scans with what is true of them.

    Parameters
    ----------
    paths : tuple of Path
        One file for each scan, in the table's order.
    truths : mapping
        By label: ndarray of bool, shape (n,).
    groups : mapping
        By column of `GROUPS` that the table has: each scan's value, empty where unknown.
    """

    paths: tuple[Path, ...]
    truths: Mapping[str, Truth]
    groups: Mapping[str, tuple[str, ...]]


def read_labels(table: Path, labels: Sequence[str]) -> LabelledSet:
    """Read a CSV file (RFC 4180, UTF-8) with a column ``path`` and one column of 0 and 1 for each label.

    Paths are relative to the table. Columns called ``sex``, ``age_band``, ``site`` and ``device`` make subgroups;
    others are passed over.

    Raises
    ------
    UsageError
        The table cannot be read or is empty, a column is missing, a value is neither yes nor no, a scan is absent or
        named twice, or a label has scans of one kind only.
    """
    rows = _rows(table, [PATH, *labels])
    paths = tuple(table.parent / row[PATH] for row in rows)
    absent = [path for path in paths if not path.is_file()]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise UsageError(f"Reading {table}: the scan {absent[0]}{more} is not there.")
    twice = sorted({str(path) for path in paths if paths.count(path) > 1}) if len(set(paths)) < len(paths) else []
    if twice:
        raise UsageError(f"Reading {table}: the scan {twice[0]} is named more than once.")
    truths = {label: _truth(table, rows, label) for label in labels}
    groups = {column: tuple((row[column] or "").strip() for row in rows) for column in GROUPS if column in rows[0]}
    return LabelledSet(paths=paths, truths=truths, groups=groups)


def _rows(table: Path, wanted: Sequence[str]) -> list[dict[str, str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
            columns = list(reader.fieldnames or [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"Reading {table}: {error}; expected a CSV file in UTF-8.") from error
    missing = [name for name in wanted if name not in columns]
    if missing:
        found = ", ".join(columns) or "none"
        raise UsageError(f"Reading {table}: the column {missing[0]!r} is missing; found the columns {found}.")
    if not rows:
        raise UsageError(f"Reading {table}: it names no scan.")
    return rows


def _truth(table: Path, rows: Sequence[Mapping[str, str]], label: str) -> Truth:
    values = []
    for number, row in enumerate(rows, start=2):
        text = (row[label] or "").strip().lower()
        if text not in YES + NO:
            raise UsageError(f"Reading {table}, line {number}: found {row[label]!r} for {label!r}, expected 1 or 0.")
        values.append(text in YES)
    truth = np.array(values, dtype=np.bool_)
    if truth.all() or not truth.any():
        kind = "positive" if truth.all() else "negative"
        raise UsageError(f"Reading {table}: all {truth.size} scans are {kind} for {label!r}; both kinds are needed.")
    return truth
