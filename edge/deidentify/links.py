"""The table of old and new names, for whoever has to find a patient again; made only when it is asked for."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from edge.deidentify.contract import Cleaned
from edge.errors import UsageError
from edge.write.files import mapped
from edge.write.register import BEGINS_A_FORMULA

COLUMNS = ("new_patient", "old_patient", "new_study", "old_study", "new_instance", "old_instance")

Row = tuple[str, ...]


def row_of(cleaned: Cleaned) -> Row:
    """Return the line of a file; what a spreadsheet would take for a formula is made text of."""
    if cleaned.link is None:
        raise UsageError("Keeping the old names of a file: they were not asked for.")
    old = (_text(cleaned.link.patient), _text(cleaned.link.study), _text(cleaned.link.instance))
    new = (cleaned.patient, cleaned.study, cleaned.instance)
    return tuple(cell for pair in zip(new, old, strict=True) for cell in pair)


def read_links(path: Path) -> list[Row]:
    """Return the lines that are there, none where there is no file.

    Raises
    ------
    UsageError
        It is another kind of file, which is not replaced.
    edge.errors.OutputError
        ``W800``: it cannot be read.
    """
    with mapped(path):
        try:
            text = path.read_bytes().decode("utf-8-sig", "replace")
        except FileNotFoundError:
            return []
    rows = [tuple(row) for row in csv.reader(io.StringIO(text, newline=""))]
    if not rows or rows[0] != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise UsageError(
            f"Reading {path}: found another kind of file, expected a table of links or none. Name another."
        )
    return rows[1:]


def write_links(path: Path, rows: Iterable[Row]) -> None:
    """Write the table, each line once, readable for its owner alone; whole or not at all.

    Raises
    ------
    edge.errors.OutputError
        ``W800`` or ``W801``.
    """
    with mapped(path):
        handle, name = tempfile.mkstemp(dir=path.parent)  # for its owner alone, says tempfile
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([COLUMNS, *dict.fromkeys(rows)])
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)


def _text(cell: str) -> str:
    return f"'{cell}" if cell.startswith(BEGINS_A_FORMULA) else cell
