"""The labelled set: a table that names scans and says what is true of each."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from convert.metrics import Truth
from edge.errors import UsageError
from edge.pack.manifest import ClassificationTask, SegmentationTask, Task

PATH, CLASS, GRADE, PATIENT = "path", "label", "grade", "patient"
GROUPS = ("sex", "age_band", "site", "device")
YES, NO = ("1", "yes", "true"), ("0", "no", "false")
SEPARATORS = {";": "semicolons", "\t": "tabs"}
"""What spreadsheets put between cells where the comma is the decimal sign."""

Rows = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSet:
    """Scans with what is true of them.

    Parameters
    ----------
    paths : tuple of Path
        One file for each scan, in the table's order.
    truths : mapping
        Classification, by label that can be a finding: ndarray of bool, shape (n,); of grades, whether the scan has
        this grade or a worse one.
    masks : mapping
        Segmentation, by label: each scan's mask, None where the label is nowhere in the scan.
    groups : mapping
        By column of `GROUPS` that the table has: each scan's value, empty where unknown.
    patients : tuple of str, optional
        Each scan's patient; None where the table does not tell.
    """

    paths: tuple[Path, ...]
    truths: Mapping[str, Truth] = field(default_factory=dict)
    masks: Mapping[str, tuple[Path | None, ...]] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    patients: tuple[str, ...] | None = None

    def among(self, kept: Sequence[int]) -> LabelledSet:
        """Return some of the scans."""
        return LabelledSet(
            paths=tuple(self.paths[index] for index in kept),
            truths={label: truth[np.array(kept, dtype=np.intp)] for label, truth in self.truths.items()},
            masks={label: tuple(masks[index] for index in kept) for label, masks in self.masks.items()},
            groups={column: tuple(values[index] for index in kept) for column, values in self.groups.items()},
            patients=None if self.patients is None else tuple(self.patients[index] for index in kept),
        )


def read_labels(table: Path, task: Task) -> LabelledSet:
    """Read a CSV file (RFC 4180, UTF-8) with a column ``path`` and what is true of each scan.

    Paths are relative to the table. What is true stands in one column of 0 and 1 for each label that can be a finding;
    where classes exclude each other, a column ``label`` with the name of the class may stand for these; an ordinal task
    has a column ``grade`` with the name of the grade or, unless names are numbers, its number from 0; a segmentation
    has for each label a column with the file of its mask, as large as the scan and not 0 where the label is, or an
    empty cell where it is nowhere. Columns called ``sex``, ``age_band``, ``site`` and ``device`` make subgroups;
    ``patient`` says whose scan it is. Others are passed over.

    Raises
    ------
    UsageError
        The table cannot be read or is empty, a column is missing or stands there twice, a row has more cells than there
        are columns, a value is not one of those, a scan or a mask is absent, a scan is named twice or has several
        classes that exclude each other, or a label has scans of one kind only.
    """
    if not isinstance(task, (ClassificationTask, SegmentationTask)):
        raise UsageError(f"Reading {table}: for the task {task.kind} no table is read yet.")
    rows = _rows(table)
    columns = list(rows[0])
    paths = _paths(table, rows)
    groups = {column: tuple((row[column] or "").strip() for row in rows) for column in GROUPS if column in columns}
    return LabelledSet(
        paths=paths,
        truths={} if isinstance(task, SegmentationTask) else _truths(table, rows, task),
        masks=_masks(table, rows, task) if isinstance(task, SegmentationTask) else {},
        groups=groups,
        patients=_patients(table, rows) if PATIENT in columns else None,
    )


def _rows(table: Path) -> Rows:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
            columns = list(reader.fieldnames or [])
    except OSError as error:
        raise UsageError(f"Reading {table}: {error.strerror}; expected a CSV file in UTF-8.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        expected = "expected a CSV file in UTF-8 (of a spreadsheet: save it as CSV UTF-8)"
        raise UsageError(f"Reading {table}: {error}; {expected}.") from error
    _check_columns(table, columns, [PATH])
    if not rows:
        raise UsageError(f"Reading {table}: it names no scan.")
    for number, row in enumerate(rows, start=2):
        if None in row:
            raise UsageError(f"Reading {table}, line {number}: found more cells than the {len(columns)} columns.")
    return rows


def _check_columns(table: Path, columns: Sequence[str], wanted: Sequence[str], instead: str = "") -> None:
    missing = [name for name in wanted if name not in columns]
    if missing:
        found = ", ".join(columns) or "none"
        other = next((words for mark, words in SEPARATORS.items() if len(columns) == 1 and mark in found), "")
        hint = f" They are separated by {other}: save the table with commas." if other else ""
        lacks = f"the column {missing[0]!r} is missing{instead}"
        raise UsageError(f"Reading {table}: {lacks}; found the columns {found}.{hint}")
    twice = [name for name in columns if name and columns.count(name) > 1]
    if twice:
        raise UsageError(f"Reading {table}: the column {twice[0]!r} stands there twice; leave one out.")


def _paths(table: Path, rows: Rows) -> tuple[Path, ...]:
    paths = tuple(table.parent / (row[PATH] or "") for row in rows)
    absent = [path for path in paths if not path.is_file()]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise UsageError(f"Reading {table}: the scan {absent[0]}{more} is not there.")
    twice = sorted({str(path) for path in paths if paths.count(path) > 1}) if len(set(paths)) < len(paths) else []
    if twice:
        raise UsageError(f"Reading {table}: the scan {twice[0]} is named more than once.")
    return paths


def _patients(table: Path, rows: Rows) -> tuple[str, ...]:
    patients = tuple((row[PATIENT] or "").strip() for row in rows)
    if "" in patients:
        line = patients.index("") + 2
        raise UsageError(f"Reading {table}, line {line}: found no patient; fill the column in, or leave it out.")
    return patients


def _truths(table: Path, rows: Rows, task: ClassificationTask) -> dict[str, Truth]:
    columns = list(rows[0])
    names = [label.name for label in task.labels]
    findings = [label.name for label in task.labels if label.finding]
    if task.mode == "ordinal":
        _check_columns(table, columns, [GRADE])
        known = _grades(names)
        grades = np.array([known[value] for value in _words(table, rows, GRADE, list(known))])
        truths = {name: grades >= index for index, name in enumerate(names) if name in findings}
    elif task.mode == "multi-class" and CLASS in columns and not set(findings) <= set(columns):
        classes = np.array(_words(table, rows, CLASS, names))
        truths = {name: classes == name for name in findings}
    else:
        exclusive = task.mode == "multi-class"
        _check_columns(table, columns, findings, f", or {CLASS!r} with the name of the class" if exclusive else "")
        truths = {name: _yes_or_no(table, rows, name) for name in findings}
        if exclusive:
            _check_exclusive(table, truths)
    for name, truth in truths.items():
        if truth.all() or not truth.any():
            kind = "positive" if truth.all() else "negative"
            raise UsageError(f"Reading {table}: all {truth.size} scans are {kind} for {name!r}; both kinds are needed.")
    return truths


def _grades(names: Sequence[str]) -> dict[str, int]:
    """What may stand for each grade: of grades called 1, 2 and 3, nobody could tell which of them a 1 is by number."""
    by_name = {name: index for index, name in enumerate(names)}
    numbers = {} if any(name.isdigit() for name in names) else {str(index): index for index in range(len(names))}
    return {**numbers, **by_name}


def _check_exclusive(table: Path, truths: Mapping[str, Truth]) -> None:
    several = np.flatnonzero(np.sum(list(truths.values()), axis=0) > 1)
    if several.size:
        named = ", ".join(name for name, truth in truths.items() if truth[several[0]])
        raise UsageError(f"Reading {table}, line {several[0] + 2}: found {named}, which exclude each other; leave one.")


def _words(table: Path, rows: Rows, column: str, known: Sequence[str]) -> list[str]:
    values = [(row[column] or "").strip() for row in rows]
    for number, value in enumerate(values, start=2):
        if value not in known:
            expected = ", ".join(known)
            raise UsageError(
                f"Reading {table}, line {number}: found {value!r} as {column}, expected one of {expected}."
            )
    return values


def _yes_or_no(table: Path, rows: Rows, label: str) -> Truth:
    values = []
    for number, row in enumerate(rows, start=2):
        text = (row[label] or "").strip().lower()
        if text not in YES + NO:
            raise UsageError(f"Reading {table}, line {number}: found {row[label]!r} for {label!r}, expected 1 or 0.")
        values.append(text in YES)
    return np.array(values, dtype=np.bool_)


def _masks(table: Path, rows: Rows, task: SegmentationTask) -> dict[str, tuple[Path | None, ...]]:
    names = [label.name for label in task.labels]
    _check_columns(table, list(rows[0]), names)
    found: dict[str, tuple[Path | None, ...]] = {}
    for name in names:
        cells = [(row[name] or "").strip() for row in rows]
        found[name] = tuple(table.parent / cell if cell else None for cell in cells)
        for number, mask in enumerate(found[name], start=2):
            if mask is not None and not mask.is_file():
                raise UsageError(f"Reading {table}, line {number}: the mask {mask} of {name!r} is not there.")
        if not any(found[name]):
            raise UsageError(f"Reading {table}: no scan has a mask of {name!r}; some are needed.")
    return found
