"""A table of boxes: a row for each, and one for each scan that has none."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edge.errors import UsageError
from edge.pack.manifest import Manifest
from edge.site.case import Case
from edge.site.cells import Cells
from edge.site.rows import Rows
from edge.truth.true_boxes import IN_MM, IN_PIXELS, TrueBox, box_of

LABEL, NONE = "label", "none"


def cases_with_boxes(cells: Cells, rows: Rows, manifest: Manifest) -> tuple[Case, ...]:
    """Return the scans of a table, in the order in which they first stand there, each with all its boxes.

    Columns beside ``file``: ``label``, the name of a label of the pack, or ``none`` where the scan has no box, and then
    no number. Of pictures ``x0``, ``y0``, ``x1``, ``y1``: edges in pixels, x to the right and y down from the upper
    left corner, so that the first pixel is from 0 to 1. Of volumes ``x0_mm``, ``y0_mm``, ``z0_mm``, ``x1_mm``,
    ``y1_mm``, ``z1_mm``: in the patient, LPS (PS3.3 C.7.6.2.1.1). It is the table that the workshop reads.

    Raises
    ------
    UsageError
        A column is missing, a label is none of the pack's, a number is none, a box ends before it begins or stands
        there twice, a scan has ``none`` and a box, or its rows tell different things of it.
    """
    reader = _Reader(rows, manifest)
    found: dict[Path, Case] = {}
    for row, values in cells.rows:
        case = reader.case(row, values)
        before = found.get(case.path)
        found[case.path] = case if before is None else _joined(rows.path, before, case)
    return tuple(found.values())


class _Reader:
    """Knows the labels, and what numbers a box has."""

    def __init__(self, rows: Rows, manifest: Manifest) -> None:
        (item,) = manifest.inputs
        volume = item.accepts.stack == "volume"
        if volume and len(item.axes) == 4:
            raise UsageError(
                f"Reading {rows.path}: the model finds boxes on one slice of a volume, which are not compared with "
                "boxes in space."
            )
        self._rows = rows
        self._labels = [label.name for label in manifest.task.labels]
        self._numbers = IN_MM if volume else IN_PIXELS
        for name in (LABEL, *self._numbers):
            rows.column([name])

    def case(self, row: int, values: Mapping[str, str]) -> Case:
        """Return the scan of a row, with its box if it has one."""
        box = self._box(row, values)
        return Case(
            row=row,
            path=self._rows.scan(row, values),
            boxes=() if box is None else (box,),
            patient=self._rows.patient(row, values),
            told=self._rows.told(row, values),
        )

    def _box(self, row: int, values: Mapping[str, str]) -> TrueBox | None:
        where = f"{self._rows.path}, line {row}"
        label = _word(where, values[LABEL], [*self._labels, NONE])
        cells = [values[name] for name in self._numbers]
        if label == NONE:
            if any(cells):
                raise UsageError(f"Reading {where}: found a number where the label is {NONE!r}, expected nothing.")
            return None
        return box_of(label, [_number(where, text) for text in cells], self._numbers, where)


def _joined(table: Path, before: Case, case: Case) -> Case:
    """Two rows of one scan."""
    have, more = before.boxes or (), case.boxes or ()
    problem = ""
    if not have or not more:
        problem = f"the scan has no box by line {before.row if not have else case.row}, and another row"
    elif any((box.label, box.edges) == (one.label, one.edges) for box in have for one in more):
        problem = "this box stands there already"
    elif before.told != case.told or not _same_patient(before, case):
        problem = f"found another patient, sex, age, device or site of this scan than on line {before.row}"
    if problem:
        raise UsageError(f"Reading {table}, line {case.row}: {problem}.")
    return replace(before, boxes=(*have, *more))


def _same_patient(before: Case, case: Case) -> bool:
    untold = all(each.patient == f"row {each.row}" for each in (before, case))
    return untold or before.patient == case.patient


def _word(where: str, text: str, known: Sequence[str]) -> str:
    by_lower = {name.lower(): name for name in known}
    if text.lower() in by_lower:
        return by_lower[text.lower()]
    close = difflib.get_close_matches(text, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise UsageError(f"Reading {where}: found {text!r} as {LABEL}, expected one of {', '.join(known)}.{hint}")


def _number(where: str, text: str) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"Reading {where}: found {text!r}, expected a number such as 12.5.")
    return value
