"""A table of labelled scans of this site -> cases, each with what is true of it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.errors import UsageError
from edge.pack.manifest import ClassificationTask, DetectionTask, Manifest, SegmentationTask
from edge.site.case import PATIENT, Case, Table
from edge.site.cells import Cells, read_cells
from edge.site.rows import Rows
from edge.site.table_boxes import cases_with_boxes
from edge.site.table_masks import cases_with_masks

ONE = ("label", "grade")
"""The column that may stand for those of all labels."""
YES = ("1", "yes", "true", "positive", "pos")
NO = ("0", "no", "false", "negative", "neg", "normal", "none")


def read_table(path: Path, manifest: Manifest) -> Table:
    """Read a table of labelled scans for a pack that classifies, outlines or finds boxes.

    Columns, in any order, upper or lower case: ``file`` (or ``path``), a file or folder, relative to the table; and
    what is true of it.

    - Classification: one column for each label that is a finding, called as in the pack, with 1 or 0 (or yes and no;
      empty: nobody knows). In its place one column ``label`` may hold the name of the class, or for a pack with one
      label 1 or 0; of an ordinal task ``grade`` (or ``label``) the name of the grade, or its number from 0 unless names
      are numbers.
    - Segmentation: see `edge.site.table_masks.cases_with_masks`.
    - Detection: see `edge.site.table_boxes.cases_with_boxes`.

    ``patient``, ``sex``, ``age`` (years), ``age_band``, ``device`` and ``site`` may follow; others are passed over.

    Raises
    ------
    UsageError
        The pack does something else, or needs several scans of a patient; the table cannot be read; a column is
        missing or a cell says what makes no sense; a file is missing or stands there twice; nothing is known of any
        row.
    """
    cells = _cells(path, manifest)
    cases = _cases(cells, manifest)
    if not any(case.is_known for case in cases):
        raise UsageError(f"Reading {path}: of none of its scans is it known what is true.")
    return Table(cases=cases, sha256=cells.sha256, names_patients=PATIENT in cells.columns)


def _cells(path: Path, manifest: Manifest) -> Cells:
    """The table, once it is sure that the pack can be judged by one."""
    task = manifest.task
    if not isinstance(task, ClassificationTask | SegmentationTask | DetectionTask):
        raise UsageError(
            f"Reading {path} for {manifest.name}: found a pack for {task.kind}, expected one for classification, "
            "segmentation or detection; what is true of a registration (landmarks) is compared in the workshop, with "
            "edgerun-convert, and of a translation nothing is."
        )
    if len(manifest.inputs) > 1:
        names = ", ".join(item.name for item in manifest.inputs)
        raise UsageError(f"Reading {path} for {manifest.name}: it needs several scans of a patient ({names}).")
    return read_cells(path)


def _cases(cells: Cells, manifest: Manifest) -> tuple[Case, ...]:
    task, rows = manifest.task, Rows(cells)
    if isinstance(task, SegmentationTask):
        return _each_once(cells.path, cases_with_masks(cells, rows, task))
    if isinstance(task, DetectionTask):
        return cases_with_boxes(cells, rows, manifest)
    if not isinstance(task, ClassificationTask):
        raise TypeError(f"reading a table for a task of kind {task.kind}")
    reader = _Reader(rows, task)
    return _each_once(cells.path, [reader.case(row, values) for row, values in cells.rows])


class _Reader:
    """Knows which columns of a table mean what."""

    def __init__(self, rows: Rows, task: ClassificationTask) -> None:
        self._rows = rows
        self._path = rows.path
        self._task = task
        self._findings = [label.name for label in task.labels if label.finding]
        if not self._findings:
            raise UsageError(f"Reading {self._path}: no label of the pack is a finding, so there is none to be missed.")
        each = [name for name in self._findings if name.lower() in rows.columns]
        self._one = None if each and task.mode != "ordinal" else rows.column(ONE, self._findings)
        if self._one is not None and task.mode == "multi-label":
            raise UsageError(f"Reading {self._path}: expected a column for each of {', '.join(self._findings)}.")
        self._each = each

    def case(self, row: int, values: Mapping[str, str]) -> Case:
        """Return what a row says."""
        place = self._rows.scan(row, values)
        truth, grade = self._truth(row, values)
        told, patient = self._rows.told(row, values), self._rows.patient(row, values)
        return Case(row=row, path=place, truth=truth, grade=grade, patient=patient, told=told)

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


def _each_once(path: Path, cases: Sequence[Case]) -> tuple[Case, ...]:
    """The cases, of which no two are of one file."""
    first: dict[Path, int] = {}
    for case in cases:
        before = first.setdefault(case.path, case.row)
        if before != case.row:
            raise UsageError(f"Reading {path}, line {case.row}: this scan stands on line {before} already.")
    return tuple(cases)
