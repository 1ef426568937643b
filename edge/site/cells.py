"""Tables as a clinic's spreadsheet writes them: separated by commas, semicolons or tabs, with or without a mark."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import UsageError

SEPARATORS = (",", ";", "\t")
FIRST_LINE = 2
"""Of the rows: the header stands on line 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """A table.

    Parameters
    ----------
    path : Path
    sha256 : str
        Of the file.
    columns : tuple of str
        In lower case; any may be missing that a caller wants.
    rows : tuple of mappings
        By column, without space around; with the number of its line, from 1, as the first of each pair.
    """

    path: Path
    sha256: str
    columns: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]


def read_cells(path: Path) -> Cells:
    """Read a CSV file (RFC 4180, UTF-8); empty lines are passed over.

    The separator is the one of `SEPARATORS` that stands most often in the first line.

    Raises
    ------
    UsageError
        It cannot be read, has no row, a column stands there twice, or a row has more cells than there are columns.
    """
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
        separator = max(SEPARATORS, key=text.partition("\n")[0].count)
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except OSError as error:
        raise UsageError(f"Reading {path}: {error.strerror}; expected a CSV file in UTF-8.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        hint = "expected a CSV file in UTF-8 (of a spreadsheet: save it as CSV UTF-8)"
        raise UsageError(f"Reading {path}: {error}; {hint}.") from error
    columns = tuple(name.strip().lower() for name in lines[0]) if lines else ()
    _check_columns(path, columns)
    rows = tuple(_rows(path, columns, lines[1:]))
    if not rows:
        raise UsageError(f"Reading {path}: it has no row below its header.")
    return Cells(path=path, sha256=hashlib.sha256(data).hexdigest(), columns=columns, rows=rows)


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    twice = next((name for name in columns if name and columns.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"Reading {path}: the column {twice!r} stands there twice; leave one out.")


def _rows(path: Path, columns: Sequence[str], lines: Sequence[Sequence[str]]) -> list[tuple[int, Mapping[str, str]]]:
    rows: list[tuple[int, Mapping[str, str]]] = []
    for number, line in enumerate(lines, start=FIRST_LINE):
        cells = [cell.strip() for cell in line]
        if not any(cells):
            continue
        if any(cells[len(columns) :]):
            raise UsageError(f"Reading {path}, line {number}: found more cells than the {len(columns)} columns.")
        padded = cells + [""] * (len(columns) - len(cells))
        rows.append((number, dict(zip(columns, padded, strict=False))))
    return rows
