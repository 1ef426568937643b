"""True boxes: a row of a table each, and where they lie on the voxels of their scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.cases import input_columns
from convert.rows import FIRST_LINE, Rows, cell, check_columns, number_in, word_in
from edge.detect.place import place_box
from edge.errors import UsageError
from edge.geometry import Grid
from edge.pack.manifest import DetectionTask, Input
from edge.scan import Scan

LABEL, NONE = "label", "none"
IN_PIXELS = ("x0", "y0", "x1", "y1")
IN_MM = ("x0_mm", "y0_mm", "z0_mm", "x1_mm", "y1_mm", "z1_mm")

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueBox:
    """A box around something that is there.

    Parameters
    ----------
    edges : tuple of float
        Of a picture y0, x0, y1, x1 in its pixels: pixel i covers i to i + 1. Of a volume z0, y0, x0, z1, y1, x1 in mm
        in LPS.
    where : str
        File and line that say so.
    """

    label: str
    edges: tuple[float, ...]
    where: str

    @property
    def in_mm(self) -> bool:
        """Whether it is in a volume."""
        return len(self.edges) == 6


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
    half = len(columns) // 2
    for first, last, start, end in zip(columns[:half], columns[half:], values[:half], values[half:], strict=True):
        if end <= start:
            raise UsageError(
                f"Reading {table}, line {line}: found {first} {start:g} and {last} {end:g}, expected a box that ends"
                " after it begins."
            )
    edges = (*reversed(values[:half]), *reversed(values[half:]))
    return TrueBox(label=label, edges=edges, where=f"{table}, line {line}")


def placed(box: TrueBox, scan: Scan) -> Values:
    """Return the edges of a true box on the voxels of its scan.

    Returns
    -------
    ndarray of float64, shape (4,) or (6,)
        y0, x0, y1, x1 of a picture; of a volume z0, y0, x0, z1, y1, x1, the least box along the scan's axes that holds
        it.

    Raises
    ------
    UsageError
        It lies beyond the scan, or the scan has no place in the patient and the box is in mm.
    """
    if box.in_mm and scan.grid.space != "patient":
        raise UsageError(f"Placing the box of {box.where}: the scan has no place in the patient, and the box is in mm.")
    source = scan.grid if box.in_mm else Grid.of_picture(*scan.grid.shape[1:])
    fed = _millimetres(box.edges) if box.in_mm else source
    whole = place_box(box.edges, fed, source.cropped(*_wider(source)))
    found = place_box(box.edges, fed, source)
    if found is None or whole is None or whole.clipped:
        size = " x ".join(str(n) for n in source.shape[0 if box.in_mm else 1 :])
        unit = "x, y and z are in mm in LPS" if box.in_mm else "x is to the right, y down, in pixels"
        raise UsageError(
            f"Placing the box of {box.where}: it reaches beyond the scan of {size} voxels. Check that {unit}."
        )
    return np.array(found.edges if box.in_mm else [*found.edges[1:3], *found.edges[4:]])


def _wider(grid: Grid) -> tuple[list[int], list[int]]:
    """Start and shape with a voxel more on every side: by so much may a box that was drawn by hand reach beyond."""
    return [-1, -1, -1], [n + 2 for n in grid.shape]


def _millimetres(edges: Sequence[float]) -> Grid:
    """A grid of cubes of 1 mm along LPS in which a box has the same edges as in mm."""
    matrix = np.array([[0, 0, 1, 0.5], [0, 1, 0, 0.5], [1, 0, 0, 0.5], [0, 0, 0, 1]])
    shape = [max(1, int(np.ceil(end - start))) for start, end in zip(edges[:3], edges[3:], strict=True)]
    return Grid.of(shape, matrix, "patient")
