"""The labelled set: a table that names scans and says what is true of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from convert.cases import GROUPS, PATIENT, Case, atlases, cases_in, check_once, input_columns
from convert.landmarks import LANDMARKS, Landmarks, read_landmarks
from convert.metrics import Truth
from convert.rows import FIRST_LINE, Rows, cell, check_columns, read_rows, word_in
from convert.true_boxes import boxes_in
from edge.errors import UsageError
from edge.pack.manifest import (
    ClassificationTask,
    DetectionTask,
    Input,
    RegistrationTask,
    SegmentationTask,
    Task,
    TranslationTask,
)
from edge.truth.true_boxes import TrueBox

CLASS, GRADE = "label", "grade"
YES, NO = ("1", "yes", "true"), ("0", "no", "false")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSet:
    """Scans with what is true of them.

    Parameters
    ----------
    paths : tuple of Path
        One file for each scan, in the table's order; of a pack with several inputs, that of the first.
    beside : tuple of tuples of Path
        Of a pack with several inputs, for each scan: the files of the other inputs.
    truths : mapping
        Classification, by label that can be a finding: ndarray of bool, shape (n,); of grades, whether the scan has
        this grade or a worse one.
    masks : mapping
        Segmentation, by label: each scan's mask, None where the label is nowhere in the scan.
    boxes : tuple of tuples of TrueBox
        Detection: those of each scan.
    landmarks : tuple of Landmarks
        Registration: those of each pair of scans.
    groups : mapping
        By column of `GROUPS` that the table has: each scan's value, empty where unknown.
    patients : tuple of str, optional
        Each scan's patient; None where the table does not tell.
    """

    paths: tuple[Path, ...]
    beside: tuple[tuple[Path, ...], ...] = ()
    truths: Mapping[str, Truth] = field(default_factory=dict)
    masks: Mapping[str, tuple[Path | None, ...]] = field(default_factory=dict)
    boxes: tuple[tuple[TrueBox, ...], ...] = ()
    landmarks: tuple[Landmarks, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    patients: tuple[str, ...] | None = None

    @classmethod
    def of(cls, cases: Sequence[Case]) -> LabelledSet:
        """Return examinations of which nothing is known."""
        several = any(len(case) > 1 for case in cases)
        return cls(paths=tuple(case[0] for case in cases), beside=tuple(case[1:] for case in cases) if several else ())

    @property
    def cases(self) -> tuple[Case, ...]:
        """Every examination's files."""
        beside = self.beside or ((),) * len(self.paths)
        return tuple((path, *others) for path, others in zip(self.paths, beside, strict=True))

    @property
    def own_files(self) -> tuple[Path, ...]:
        """All files but an atlas, which belongs to no patient."""
        shared = atlases(self.cases)
        return tuple(path for case in self.cases for path in case if path not in shared)

    def among(self, kept: Sequence[int]) -> LabelledSet:
        """Return some of the scans."""
        return LabelledSet(
            paths=tuple(self.paths[index] for index in kept),
            beside=tuple(self.beside[index] for index in kept) if self.beside else (),
            truths={label: truth[np.array(kept, dtype=np.intp)] for label, truth in self.truths.items()},
            masks={label: tuple(masks[index] for index in kept) for label, masks in self.masks.items()},
            boxes=tuple(self.boxes[index] for index in kept) if self.boxes else (),
            landmarks=tuple(self.landmarks[index] for index in kept) if self.landmarks else (),
            groups={column: tuple(values[index] for index in kept) for column, values in self.groups.items()},
            patients=None if self.patients is None else tuple(self.patients[index] for index in kept),
        )


def read_labels(table: Path, task: Task, inputs: Sequence[Input] = ()) -> LabelledSet:
    """Read a CSV file (RFC 4180, UTF-8) with a column ``path`` and what is true of each scan.

    Paths are relative to the table. What is true stands in one column of 0 and 1 for each label that can be a finding;
    where classes exclude each other, a column ``label`` with the name of the class may stand for these; an ordinal task
    has a column ``grade`` with the name of the grade or, unless names are numbers, its number from 0; a segmentation
    has for each label a column with the file of its mask, as large as the scan and not 0 where the label is, or an
    empty cell where it is nowhere. A detection has a row for each box, see `convert.true_boxes.boxes_in`; a
    registration a column ``landmarks``, see `convert.landmarks.read_landmarks`. Columns called ``sex``, ``age_band``,
    ``site`` and ``device`` make subgroups; ``patient`` says whose scan it is. Others are passed over.

    Parameters
    ----------
    inputs : sequence of Input
        Those of the pack. Where there are several, a column with the name of each stands in the place of ``path``.

    Raises
    ------
    UsageError
        The table cannot be read or is empty, a column is missing or stands there twice, a row has more cells than there
        are columns, a value is not one of those, a scan or a mask is absent, a scan is named twice or has several
        classes that exclude each other, or a label has scans of one kind only.
    """
    if isinstance(task, TranslationTask):
        raise UsageError(f"Reading {table}: for the task {task.kind} no table is read yet.")
    columns = input_columns(inputs)
    _check_names(table, columns, task)
    rows = read_rows(table, columns, "scan")
    cases = cases_in(table, rows, columns)
    known = _known(table, rows, cases)
    if isinstance(task, DetectionTask):
        found = _with_boxes(table, rows, known, task, inputs)
    else:
        found = _with_truth(table, rows, known, task)
    check_once(table, found.cases, found.patients, atlas=isinstance(task, RegistrationTask))
    return found


def _check_names(table: Path, columns: Sequence[str], task: Task) -> None:
    taken = {PATIENT, *GROUPS, CLASS, GRADE, LANDMARKS, *(label.name for label in task.labels)}
    both = [name for name in columns if name in taken] if len(columns) > 1 else []
    if both:
        means = f"the column {both[0]!r} would name the scans of an input and something else"
        raise UsageError(f"Reading {table}: {means}; give the input another name in the description.")


def _known(table: Path, rows: Rows, cases: Sequence[Case]) -> LabelledSet:
    """The scans of all rows, with the groups and patients that the table tells."""
    columns = list(rows[0])
    groups = {column: tuple(cell(row, column) for row in rows) for column in GROUPS if column in columns}
    patients = _patients(table, rows) if PATIENT in columns else None
    return replace(LabelledSet.of(cases), groups=groups, patients=patients)


def _patients(table: Path, rows: Rows) -> tuple[str, ...]:
    patients = tuple(cell(row, PATIENT) for row in rows)
    if "" in patients:
        line = patients.index("") + FIRST_LINE
        raise UsageError(f"Reading {table}, line {line}: found no patient; fill the column in, or leave it out.")
    return patients


def _with_truth(table: Path, rows: Rows, known: LabelledSet, task: Task) -> LabelledSet:
    if isinstance(task, ClassificationTask):
        return replace(known, truths=_truths(table, rows, task))
    if isinstance(task, SegmentationTask):
        return replace(known, masks=_masks(table, rows, task))
    if isinstance(task, RegistrationTask):
        check_columns(table, list(rows[0]), [LANDMARKS])
        lines = enumerate(rows, start=FIRST_LINE)
        return replace(known, landmarks=tuple(_landmarks(table, line, row, task) for line, row in lines))
    raise TypeError(f"reading a table for a task of kind {task.kind}")


def _landmarks(table: Path, line: int, row: Mapping[str, str], task: RegistrationTask) -> Landmarks:
    named = cell(row, LANDMARKS)
    if not named:
        raise UsageError(f"Reading {table}, line {line}: found no {LANDMARKS}, expected a CSV file for each pair.")
    return read_landmarks(table.parent / named, task)


def _with_boxes(
    table: Path, rows: Rows, known: LabelledSet, task: DetectionTask, inputs: Sequence[Input]
) -> LabelledSet:
    """Each scan once, with the boxes of all of its rows."""
    stated = boxes_in(table, rows, task, inputs)
    of_case: dict[Case, list[int]] = {}
    for index, case in enumerate(known.cases):
        of_case.setdefault(case, []).append(index)
    for indices in of_case.values():
        _check_alike(table, rows, indices)
        _check_stated(table, indices, [index for index in indices if stated[index] is None])
    boxes = tuple(tuple(box for index in each if (box := stated[index]) is not None) for each in of_case.values())
    for label in task.labels:
        if not any(box.label == label.name for each in boxes for box in each):
            raise UsageError(f"Reading {table}: no scan has a box of {label.name!r}; some are needed.")
    return replace(known.among([indices[0] for indices in of_case.values()]), boxes=boxes)


def _check_stated(table: Path, indices: Sequence[int], without: Sequence[int]) -> None:
    """Refuse a scan that has no box by one row, and that another row is about."""
    if without and len(indices) > 1:
        line = without[0] + FIRST_LINE
        other = next(index for index in indices if index != without[0]) + FIRST_LINE
        found = f"found that the scan has no box, and line {other} is about the same scan"
        raise UsageError(f"Reading {table}, line {line}: {found}; leave one out.")


def _check_alike(table: Path, rows: Rows, indices: Sequence[int]) -> None:
    """Refuse rows of one scan that say different things of it."""
    first = rows[indices[0]]
    for column in (PATIENT, *GROUPS):
        for index in indices[1:]:
            if column in first and cell(rows[index], column) != cell(first, column):
                line = index + FIRST_LINE
                found = f"found {cell(rows[index], column)!r} as {column}"
                before = f"line {indices[0] + FIRST_LINE} of the same scan says {cell(first, column)!r}"
                raise UsageError(f"Reading {table}, line {line}: {found}, where {before}.")


def _truths(table: Path, rows: Rows, task: ClassificationTask) -> dict[str, Truth]:
    columns = list(rows[0])
    names = [label.name for label in task.labels]
    findings = [label.name for label in task.labels if label.finding]
    if task.mode == "ordinal":
        check_columns(table, columns, [GRADE])
        known = _grades(names)
        grades = np.array([known[value] for value in _words(table, rows, GRADE, list(known))])
        truths = {name: grades >= index for index, name in enumerate(names) if name in findings}
    elif task.mode == "multi-class" and CLASS in columns and not set(findings) <= set(columns):
        classes = np.array(_words(table, rows, CLASS, names))
        truths = {name: classes == name for name in findings}
    else:
        exclusive = task.mode == "multi-class"
        check_columns(table, columns, findings, f", or {CLASS!r} with the name of the class" if exclusive else "")
        truths = {name: _yes_or_no(table, rows, name) for name in findings}
        if exclusive:
            _check_exclusive(table, truths)
    for name, truth in truths.items():
        if truth.all() or not truth.any():
            kind = "positive" if truth.all() else "negative"
            raise UsageError(f"Reading {table}: all {truth.size} scans are {kind} for {name!r}; both kinds are needed.")
    return truths


def _words(table: Path, rows: Rows, column: str, known: Sequence[str]) -> list[str]:
    return [word_in(table, line, row, column, known) for line, row in enumerate(rows, start=FIRST_LINE)]


def _grades(names: Sequence[str]) -> dict[str, int]:
    """What may stand for each grade: of grades called 1, 2 and 3, nobody could tell which of them a 1 is by number."""
    by_name = {name: index for index, name in enumerate(names)}
    numbers = {} if any(name.isdigit() for name in names) else {str(index): index for index in range(len(names))}
    return {**numbers, **by_name}


def _check_exclusive(table: Path, truths: Mapping[str, Truth]) -> None:
    several = np.flatnonzero(np.sum(list(truths.values()), axis=0) > 1)
    if several.size:
        named = ", ".join(name for name, truth in truths.items() if truth[several[0]])
        line = several[0] + FIRST_LINE
        raise UsageError(f"Reading {table}, line {line}: found {named}, which exclude each other; leave one.")


def _yes_or_no(table: Path, rows: Rows, label: str) -> Truth:
    values = []
    for number, row in enumerate(rows, start=FIRST_LINE):
        text = cell(row, label).lower()
        if text not in YES + NO:
            raise UsageError(f"Reading {table}, line {number}: found {row[label]!r} for {label!r}, expected 1 or 0.")
        values.append(text in YES)
    return np.array(values, dtype=np.bool_)


def _masks(table: Path, rows: Rows, task: SegmentationTask) -> dict[str, tuple[Path | None, ...]]:
    names = [label.name for label in task.labels]
    check_columns(table, list(rows[0]), names)
    found: dict[str, tuple[Path | None, ...]] = {}
    for name in names:
        cells = [cell(row, name) for row in rows]
        found[name] = tuple(table.parent / text if text else None for text in cells)
        for number, mask in enumerate(found[name], start=FIRST_LINE):
            if mask is not None and not mask.is_file():
                raise UsageError(f"Reading {table}, line {number}: the mask {mask} of {name!r} is not there.")
        if not any(found[name]):
            raise UsageError(f"Reading {table}: no scan has a mask of {name!r}; some are needed.")
    return found
