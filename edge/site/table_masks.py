"""A table of outlined scans: for each structure of the pack, the file of its mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.errors import UsageError
from edge.pack.manifest import SegmentationTask
from edge.site.case import Case, TrueMask
from edge.site.cells import Cells
from edge.site.rows import Rows

UNKNOWN = ("?", "unknown")
NOWHERE = ("", "none")
VALUE = "#"


def cases_with_masks(cells: Cells, rows: Rows, task: SegmentationTask) -> list[Case]:
    """Return what each row says.

    One column for each structure, called as in the pack: its mask, a file (NIfTI, or of a picture PNG or TIFF) relative
    to the table, as large as the scan and not 0 where the structure is. ``file#3`` means its value 3 alone, where one
    file holds several structures. An empty cell, or ``none``: the structure is nowhere in the scan; ``?``: nobody
    looked. A structure without a column is not judged.

    Raises
    ------
    UsageError
        There is no such column, or a mask is not there.
    """
    names = [label.name for label in task.labels if label.name.lower() in cells.columns]
    if not names:
        rows.column([label.name.lower() for label in task.labels])
    return [_case(rows, row, values, names) for row, values in cells.rows]


def _case(rows: Rows, row: int, values: Mapping[str, str], names: Sequence[str]) -> Case:
    cells = {name: values[name.lower()] for name in names}
    masks = {name: _mask(rows, row, name, text) for name, text in cells.items() if text.lower() not in UNKNOWN}
    return Case(
        row=row,
        path=rows.scan(row, values),
        masks=masks,
        patient=rows.patient(row, values),
        told=rows.told(row, values),
    )


def _mask(rows: Rows, row: int, name: str, text: str) -> TrueMask | None:
    if text.lower() in NOWHERE:
        return None
    file, mark, value = text.rpartition(VALUE)
    if not mark:
        file = text
    elif not (value.isascii() and value.isdigit() and int(value)):
        found = f"found {value!r} behind {VALUE} as {name}"
        raise UsageError(f"Reading {rows.path}, line {row}: {found}, expected a whole number above 0.")
    path = rows.file(row, file, f"the mask of {name!r}")
    if not path.is_file():
        raise UsageError(f"Reading {rows.path}, line {row}: the mask of {name!r} is a folder, expected a file.")
    return TrueMask(path=path, value=int(value) if mark else None)
