"""True boxes: a row of a table each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from convert.cases import input_columns
from convert.rows import FIRST_LINE, Rows, cell, check_columns, number_in, word_in
from edge.errors import UsageError
from edge.pack.manifest import DetectionTask, Input
from edge.truth.true_boxes import IN_MM, IN_PIXELS, TrueBox, box_of

LABEL, NONE = "label", "none"


def boxes_in(table: Path, rows: Rows, task: DetectionTask, inputs: Sequence[Input]) -> list[TrueBox | None]:
    """Return the box of each row; None where the row says that its scan has none.

    Parameters
    ----------
    rows : sequence of mappings
        With a column ``label``: the name of a label, or ``none``, and then no number. Of pictures ``x0``, ``y0``,
        ``x1``, ``y1``: edges in pixels of the file, x to the right and y down from its upper left corner, so that the
        first pixel is from 0 to 1. Of volumes ``x0_mm``, ``y0_mm``, ``z0_mm``, ``x1_mm``, ``y1_mm``, ``z1_mm``: in
        the patient's coordinates as DICOM has them, LPS (PS3.3 C.7.6.2.1.1), which need no knowledge of how slices are
        stacked.
    inputs : sequence of Input
        Those of the pack: the first says whether its scans are pictures or volumes.

    Raises
    ------
    UsageError
        A column is missing; a label is none of the task's; a number is none, a box ends before it begins, or is there
        twice.
    """
    columns = _columns_of(table, inputs)
    names = [label.name for label in task.labels]
    if NONE in names:
        raise UsageError(f"Reading {table}: {NONE!r} stands for a scan without a box; give that label another name.")
    check_columns(table, list(rows[0]), [LABEL, *columns])
    _check_once(table, rows, (input_columns(inputs)[0], LABEL, *columns))
    return [_box(table, line, row, columns, names) for line, row in enumerate(rows, start=FIRST_LINE)]


def _check_once(table: Path, rows: Rows, columns: Sequence[str]) -> None:
    """Refuse a box that was copied: a model that finds it once would have missed it once."""
    first: dict[tuple[str, ...], int] = {}
    for line, row in enumerate(rows, start=FIRST_LINE):
        before = first.setdefault(tuple(cell(row, column) for column in columns), line)
        if before != line:
            raise UsageError(f"Reading {table}, line {line}: found the row of line {before} again; leave one out.")


def _columns_of(table: Path, inputs: Sequence[Input]) -> tuple[str, ...]:
    volume = bool(inputs) and inputs[0].accepts.stack == "volume"
    if volume and len(inputs[0].axes) == 4:
        raise UsageError(
            f"Reading {table}: the model finds boxes on one slice of a volume, which are not compared with boxes in"
            " space. Judge such a model on pictures."
        )
    return IN_MM if volume else IN_PIXELS


def _box(
    table: Path, line: int, row: Mapping[str, str], columns: Sequence[str], names: Sequence[str]
) -> TrueBox | None:
    label = word_in(table, line, row, LABEL, [*names, NONE])
    if label == NONE:
        filled = [column for column in columns if cell(row, column)]
        if filled:
            raise UsageError(
                f"Reading {table}, line {line}: found {cell(row, filled[0])!r} as {filled[0]}, expected nothing where"
                f" the label is {NONE!r}."
            )
        return None
    values = [number_in(table, line, row, column) for column in columns]
    return box_of(label, values, columns, f"{table}, line {line}")
