"""A table of labelled scans of this site -> cases, each with what is true of it."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import UsageError
from edge.pack.manifest import ClassificationTask, Manifest
from edge.site.cells import Cells, read_cells

FILES = ("file", "path")
ONE = ("label", "grade")
"""The column that may stand for those of all labels."""
SEX, AGE, BAND, DEVICE, SITE, PATIENT = "sex", "age", "age_band", "device", "site", "patient"
BESIDE = (PATIENT, SEX, AGE, BAND, DEVICE, SITE)
YES = ("1", "yes", "true", "positive", "pos")
NO = ("0", "no", "false", "negative", "neg", "normal", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A row: one examination of one patient.

    Parameters
    ----------
    row : int
        Its line in the table, from 1; the header is line 1.
    path : Path
        Of the file or folder, absolute.
    truth : mapping
        By name of a label that is a finding: whether it is there. A label that nobody judged is missing. Of an ordinal
        task: whether the scan has this grade or a worse one.
    grade : int, optional
        Of an ordinal task, from 0.
    patient : str
        Whose scan it is; where the table does not tell, every row is taken for another patient.
    told : mapping
        Of `SEX`, `AGE`, `BAND`, `DEVICE` and `SITE`, what the table tells.
    """

    row: int
    path: Path
    truth: Mapping[str, bool]
    grade: int | None = None
    patient: str
    told: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All cases of a table, its SHA-256, and whether it tells whose scans they are."""

    cases: tuple[Case, ...]
    sha256: str
    names_patients: bool


def read_table(path: Path, manifest: Manifest) -> Table:
    """Read a table of labelled scans for a pack that classifies.

    Columns, in any order, upper or lower case: ``file`` (or ``path``), a file or folder, relative to the table; one
    column for each label that is a finding, called as in the pack, with 1 or 0 (or yes and no; empty: nobody knows).
    In its place one column ``label`` may hold the name of the class, or for a pack with one label 1 or 0; of an
    ordinal task ``grade`` (or ``label``) the name of the grade, or its number from 0 unless names are numbers.
    ``patient``, ``sex``, ``age`` (years), ``age_band``, ``device`` and ``site`` may follow; others are passed over.

    Raises
    ------
    UsageError
        The pack does not classify, or needs several scans of a patient; the table cannot be read; a column is missing
        or a cell says what makes no sense; a file is missing or stands there twice; nothing is known of any row.
    """
    task = manifest.task
    if not isinstance(task, ClassificationTask):
        raise UsageError(
            f"Reading {path} for {manifest.name}: found a pack for {task.kind}, expected one for classification; the "
            "truth of other tasks (outlines, boxes) is compared in the workshop, with edgerun-convert."
        )
    if len(manifest.inputs) > 1:
        names = ", ".join(item.name for item in manifest.inputs)
        raise UsageError(f"Reading {path} for {manifest.name}: it needs several scans of a patient ({names}).")
    cells = read_cells(path)
    reader = _Reader(cells, task)
    cases = tuple(reader.case(row, values) for row, values in cells.rows)
    _check_once(path, cases)
    return Table(cases=cases, sha256=cells.sha256, names_patients=PATIENT in cells.columns)


class _Reader:
    """Knows which columns of a table mean what."""

    def __init__(self, cells: Cells, task: ClassificationTask) -> None:
        self._path = cells.path
        self._task = task
        self._findings = [label.name for label in task.labels if label.finding]
        self._file = self._column(cells.columns, FILES)
        each = [name for name in self._findings if name.lower() in cells.columns]
        self._one = None if each and task.mode != "ordinal" else self._column(cells.columns, ONE, self._findings)
        if self._one is not None and task.mode == "multi-label":
            raise UsageError(f"Reading {self._path}: expected a column for each of {', '.join(self._findings)}.")
        self._each = each

    def _column(self, columns: Sequence[str], names: Sequence[str], others: Sequence[str] = ()) -> str:
        found = next((name for name in names if name in columns), None)
        if found is None:
            expected = " or ".join([*names, *others])
            has = ", ".join(columns) or "none"
            raise UsageError(f"Reading {self._path}: found the columns {has}; expected {expected}.")
        return found

    def case(self, row: int, values: Mapping[str, str]) -> Case:
        """Return what a row says."""
        place = self._place(row, values[self._file])
        truth, grade = self._truth(row, values)
        told = {name: values[name] for name in BESIDE if values.get(name) and name != PATIENT}
        if AGE in told:
            told[AGE] = self._age(row, told[AGE])
        patient = values.get(PATIENT) or f"row {row}"
        return Case(row=row, path=place, truth=truth, grade=grade, patient=patient, told=told)

    def _place(self, row: int, text: str) -> Path:
        place = Path(os.path.normpath((self._path.parent / text).absolute()))
        if not text or not place.exists():
            raise UsageError(f"Reading {self._path}, line {row}: the scan in the column {self._file!r} is not there.")
        return place

    def _age(self, row: int, text: str) -> str:
        try:
            years = float(text.replace(",", "."))
        except ValueError:
            years = math.nan
        if not 0 <= years <= 130:
            raise UsageError(f"Reading {self._path}, line {row}: found another age than a number of years.")
        return str(years)

    def _truth(self, row: int, values: Mapping[str, str]) -> tuple[dict[str, bool], int | None]:
        if self._one is None:
            cells = {name: values[name.lower()] for name in self._each}
            return {name: self._yes(row, name, text) for name, text in cells.items() if text}, None
        text = values[self._one]
        if not text:
            return {}, None
        if self._task.mode == "binary":
            (name,) = self._findings
            return {name: text.lower() == name.lower() or self._yes(row, self._one, text, name)}, None
        index = self._index(row, text)
        names = [label.name for label in self._task.labels]
        if self._task.mode == "ordinal":
            return {name: index >= names.index(name) for name in self._findings}, index
        return {name: names[index] == name for name in self._findings}, None

    def _yes(self, row: int, column: str, text: str, *names: str) -> bool:
        if text.lower() in YES:
            return True
        if text.lower() in NO:
            return False
        expected = " or ".join(["1", "0", *names])
        raise UsageError(f"Reading {self._path}, line {row}: found {text!r} as {column}, expected {expected}.")

    def _index(self, row: int, text: str) -> int:
        names = [label.name.lower() for label in self._task.labels]
        if text.lower() in names:
            return names.index(text.lower())
        numbered = self._task.mode == "ordinal" and text.isascii() and text.isdigit()
        if numbered and int(text) < len(names) and not any(name.isdigit() for name in names):
            return int(text)
        close = difflib.get_close_matches(text.lower(), names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        expected = ", ".join(names)
        raise UsageError(f"Reading {self._path}, line {row}: found {text!r}, expected one of {expected}.{hint}")


def _check_once(path: Path, cases: Sequence[Case]) -> None:
    first: dict[Path, int] = {}
    for case in cases:
        before = first.setdefault(case.path, case.row)
        if before != case.row:
            raise UsageError(f"Reading {path}, line {case.row}: this scan stands on line {before} already.")
    if not any(case.truth for case in cases):
        raise UsageError(f"Reading {path}: of none of its scans is it known what is true.")
