"""Tables as a spreadsheet writes them: rows of words by column, and what can be wrong with them."""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from edge.errors import UsageError

SEPARATORS = {";": "semicolons", "\t": "tabs"}
"""What spreadsheets put between cells where the comma is the decimal sign."""
FIRST_LINE = 2
"""Of the rows: the header stands on line 1."""

Rows = Sequence[Mapping[str, str]]


def read_rows(table: Path, wanted: Sequence[str], what: str) -> Rows:
    """Return the rows of a CSV file (RFC 4180, UTF-8), one at least, each by column.

    Parameters
    ----------
    wanted : sequence of str
        Columns that must be there.
    what : str
        What a row names, such as ``scan``.

    Raises
    ------
    UsageError
        The file cannot be read or has no row, a column is missing or stands there twice, or a row has more cells than
        there are columns.
    """
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
    check_columns(table, columns, wanted)
    if not rows:
        raise UsageError(f"Reading {table}: it names no {what}.")
    for number, row in enumerate(rows, start=FIRST_LINE):
        if None in row:
            raise UsageError(f"Reading {table}, line {number}: found more cells than the {len(columns)} columns.")
    return rows


def check_columns(table: Path, columns: Sequence[str], wanted: Sequence[str], instead: str = "") -> None:
    """Refuse a table in which a column is missing, or stands there twice.

    Parameters
    ----------
    instead : str
        Words on what may stand for the missing one.

    Raises
    ------
    UsageError
    """
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


def cell(row: Mapping[str, str], column: str) -> str:
    """Return what stands in a cell; nothing where the row ends before it.

    Examples
    --------
    >>> cell({"label": " nodule "}, "label"), cell({"label": None}, "label")
    ('nodule', '')
    """
    return (row[column] or "").strip()


def number_in(table: Path, line: int, row: Mapping[str, str], column: str) -> float:
    """Return the finite number in a cell.

    Raises
    ------
    UsageError
    """
    text = cell(row, column)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"Reading {table}, line {line}: found {text!r} as {column}, expected a number such as 12.5.")
    return value


def word_in(table: Path, line: int, row: Mapping[str, str], column: str, known: Iterable[str]) -> str:
    """Return the word in a cell, which is one of those that are known.

    Raises
    ------
    UsageError
        It is another; with the one that it is most like.
    """
    text, words = cell(row, column), list(known)
    if text not in words:
        close = difflib.get_close_matches(text, words, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        expected = ", ".join(words)
        raise UsageError(f"Reading {table}, line {line}: found {text!r} as {column}, expected one of {expected}.{hint}")
    return text
